#include "lines.h"

#include <span>

namespace millrace::app::avro_commands {

// False at the end.
result<bool> lines::fill() {
  constexpr std::size_t step = std::size_t{64} << 10;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t have = buffer_.size();
  if (have > line_bytes_max) {
    return error(errc::limit_exceeded, "a line longer than " + std::to_string(line_bytes_max) + " bytes");
  }
  buffer_.resize(have + step);
  auto got = from_->read(std::as_writable_bytes(std::span(buffer_).subspan(have)));
  buffer_.resize(have + (got ? *got : 0));
  if (!got) return std::move(got).error();
  ended_ = *got == 0;
  return !ended_;
}

result<std::optional<std::string_view>> lines::next() {
  for (;;) {
    std::size_t searched = begin_;
    std::size_t end = buffer_.find('\n', searched);
    while (end == std::string::npos && !ended_) {
      searched = buffer_.size() - begin_;  // fill() moves what is left to the front
      auto more = fill();
      if (!more) return std::move(more).error();
      end = buffer_.find('\n', searched);
    }
    if (end == std::string::npos && begin_ == buffer_.size()) return std::optional<std::string_view>();
    ++number_;
    std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
    begin_ = end == std::string::npos ? buffer_.size() : end + 1;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t'))
      line.remove_suffix(1);
    if (!line.empty()) return std::optional(line);
  }
}

}  // namespace millrace::app::avro_commands

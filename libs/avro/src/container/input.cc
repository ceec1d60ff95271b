#include "container/input.h"

#include <algorithm>

#include "run/wire_read.h"

namespace millrace::avro {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{64} << 10;
constexpr std::size_t long_bytes_max = 10;

}  // namespace

container_input::container_input(std::unique_ptr<byte_input> from)
    : from_(std::move(from)), buffer_(buffer_bytes) {}

error container_input::at(std::uint64_t offset, errc code, std::string_view what) {
  return {code, "at byte " + std::to_string(offset) + ": " + std::string(what)};
}

error container_input::ended(std::string_view what) const {
  return at(offset_, errc::truncated, "the file ends inside " + std::string(what));
}

// False at the end.
result<bool> container_input::fill() {
  auto got = from_->read(buffer_);
  if (!got) return std::move(got).error();
  unread_ = bytes_view(buffer_).first(std::min(*got, buffer_.size()));
  return !unread_.empty();
}

result<bool> container_input::at_end() {
  if (!unread_.empty()) return false;
  auto more = fill();
  if (!more) return more;
  return !*more;
}

result<std::int64_t> container_input::read_long(std::string_view what) {
  const std::uint64_t start = offset_;
  std::uint8_t bytes[long_bytes_max];
  std::size_t size = 0;
  do {
    if (size == long_bytes_max) return at(start, errc::malformed, std::string(what) + ": " + why_long_varint);
    std::byte next{};
    if (auto got = read_exactly({&next, 1}, what); !got) return std::move(got).error();
    bytes[size++] = std::to_integer<std::uint8_t>(next);
  } while ((bytes[size - 1] & 0x80U) != 0);
  if (size == 1) return zigzag(bytes[0]);
  const varint read = read_long_varint(bytes, bytes + size, false);
  if (read.next == nullptr) return at(start, errc::malformed, std::string(what) + ": " + why_long_varint);
  return zigzag(read.value);
}

result<void> container_input::read_exactly(std::span<std::byte> out, std::string_view what) {
  while (!out.empty()) {
    if (unread_.empty()) {
      auto more = fill();
      if (!more) return std::move(more).error();
      if (!*more) return ended(what);
    }
    const std::size_t size = std::min(out.size(), unread_.size());
    std::copy_n(unread_.begin(), size, out.begin());
    unread_ = unread_.subspan(size);
    out = out.subspan(size);
    offset_ += size;
  }
  return {};
}

result<void> container_input::read_exactly(std::uint64_t size, byte_buffer& out, std::string_view what) {
  out.clear();
  while (out.size() < size) {
    const std::size_t have = out.size();
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(size - have, std::max(have, buffer_bytes)));
    out.resize(have + step);
    if (auto got = read_exactly(std::span(out).subspan(have), what); !got) return got;
  }
  return {};
}

}  // namespace millrace::avro

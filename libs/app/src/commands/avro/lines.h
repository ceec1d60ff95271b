// Text line by line, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/avro/byte_stream.h>
#include <millrace/base/result.h>

namespace millrace::app::avro_commands {

inline constexpr std::size_t line_bytes_max = std::size_t{64} << 20;

class lines {
 public:
  explicit lines(std::unique_ptr<avro::byte_input> from) : from_(std::move(from)) {}

  // The next line that is not blank, without its end; nullopt at the end of the text. A view, valid until the
  // next call. errc::limit_exceeded: a line longer than `line_bytes_max`.
  [[nodiscard]] result<std::optional<std::string_view>> next();
  // Of the line that next() gave last, from 1.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

 private:
  [[nodiscard]] result<bool> fill();

  std::unique_ptr<avro::byte_input> from_;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what next() has not given yet
  bool ended_ = false;
  std::uint64_t number_ = 0;
};

}  // namespace millrace::app::avro_commands

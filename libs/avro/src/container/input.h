// Reads a container file, counts the offset, and takes memory only as bytes really arrive.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include <millrace/avro/byte_stream.h>

namespace millrace::avro {

class container_input {
 public:
  explicit container_input(std::unique_ptr<byte_input> from);

  // Of the byte that is read next.
  [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
  // Whether nothing follows.
  [[nodiscard]] result<bool> at_end();
  // Of Avro's `long`. `what` is what the errors say is being read.
  [[nodiscard]] result<std::int64_t> read_long(std::string_view what);
  // Fills `out`, or errc::truncated.
  [[nodiscard]] result<void> read_exactly(std::span<std::byte> out, std::string_view what);
  // Replaces `out` by the next `size` bytes.
  [[nodiscard]] result<void> read_exactly(std::uint64_t size, byte_buffer& out, std::string_view what);

  [[nodiscard]] static error at(std::uint64_t offset, errc code, std::string_view what);

 private:
  [[nodiscard]] result<bool> fill();
  [[nodiscard]] error ended(std::string_view what) const;

  std::unique_ptr<byte_input> from_;
  byte_buffer buffer_;
  bytes_view unread_;  // of buffer_
  std::uint64_t offset_ = 0;
};

}  // namespace millrace::avro

#include "frame.h"

#include <string>

namespace millrace::pipeline {

result<framed_value> split_frame(bytes_view value) {
  if (value.size() < frame_bytes) {
    return error(errc::bad_frame,
                 "the value has " + std::to_string(value.size()) + " bytes; a Confluent frame alone has 5");
  }
  if (value[0] != std::byte{0}) {
    return error(errc::bad_frame, "the value starts with 0x" + to_hex(value.first(1)) +
                                      ", not with the 0x00 of Confluent wire format");
  }
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < frame_bytes; ++i) id = (id << 8U) | static_cast<std::uint32_t>(value[i]);
  return framed_value{static_cast<std::int32_t>(id), value.subspan(frame_bytes)};
}

void append_frame(std::int32_t schema_id, byte_buffer& into) {
  const auto id = static_cast<std::uint32_t>(schema_id);
  into.push_back(std::byte{0});
  for (const unsigned shift : {24U, 16U, 8U, 0U}) into.push_back(static_cast<std::byte>(id >> shift));
}

}  // namespace millrace::pipeline

#include <millrace/avro/framing.h>

namespace millrace::avro {

result<framed> split_frame(bytes_view message) {
  if (message.size() < frame_bytes) {
    return error(errc::bad_frame,
                 "a message of " + std::to_string(message.size()) + " bytes is too short for a schema id");
  }
  if (message[0] != std::byte{0}) {
    return error(errc::bad_frame, "the first byte is 0x" + to_hex(message.first(1)) + ", not 0x00");
  }
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < frame_bytes; ++i) id = (id << 8U) | std::to_integer<std::uint32_t>(message[i]);
  return framed{static_cast<std::int32_t>(id), message.subspan(frame_bytes)};
}

void append_frame(std::int32_t schema_id, byte_buffer& out) {
  const auto id = static_cast<std::uint32_t>(schema_id);
  out.push_back(std::byte{0});
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(id >> static_cast<unsigned>(shift)));
}

}  // namespace millrace::avro

#include <algorithm>

#include <millrace/avro/framing.h>

#include "run/wire_read.h"
#include "run/wire_write.h"

namespace millrace::avro {
namespace {

constexpr std::byte id_magic{0};
constexpr std::byte guid_magic{1};

[[nodiscard]] error too_short(bytes_view message, std::string_view what) {
  return {errc::bad_frame, std::to_string(message.size()) + " bytes are too short for " + std::string(what)};
}

[[nodiscard]] std::int32_t id_of(bytes_view frame) {
  std::uint32_t id = 0;
  for (std::size_t i = 1; i < frame_bytes; ++i) id = (id << 8U) | std::to_integer<std::uint32_t>(frame[i]);
  return static_cast<std::int32_t>(id);
}

// The key that `bytes` start with; what is behind it is `datum`.
[[nodiscard]] result<keyed_datum> split_key(bytes_view bytes) {
  if (bytes.empty()) return too_short(bytes, "a schema id");
  if (bytes[0] == id_magic) {
    if (bytes.size() < frame_bytes) return too_short(bytes, "a schema id");
    return keyed_datum{id_of(bytes), bytes.subspan(frame_bytes)};
  }
  if (bytes[0] == guid_magic) {
    if (bytes.size() < guid_frame_bytes) return too_short(bytes, "a schema GUID");
    uuid guid;
    std::copy_n(bytes.begin() + 1, guid.bytes.size(), guid.bytes.begin());
    return keyed_datum{guid, bytes.subspan(guid_frame_bytes)};
  }
  return error(errc::bad_frame, "the first byte is 0x" + to_hex(bytes.first(1)) + ", neither 0x00 nor 0x01");
}

}  // namespace

result<framed> split_frame(bytes_view message) {
  if (message.size() < frame_bytes) {
    return error(errc::bad_frame,
                 "a message of " + std::to_string(message.size()) + " bytes is too short for a schema id");
  }
  if (message[0] != id_magic) {
    return error(errc::bad_frame, "the first byte is 0x" + to_hex(message.first(1)) + ", not 0x00");
  }
  return framed{id_of(message), message.subspan(frame_bytes)};
}

void append_frame(std::int32_t schema_id, byte_buffer& out) {
  const auto id = static_cast<std::uint32_t>(schema_id);
  out.push_back(id_magic);
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(id >> static_cast<unsigned>(shift)));
}

result<std::optional<keyed_datum>> split_message(std::optional<bytes_view> header,
                                                 std::optional<bytes_view> payload) {
  if (!payload) return std::optional<keyed_datum>();
  auto key = split_key(header ? *header : *payload);
  if (!key) return key.error().in(header ? "the schema header" : "the message");
  if (header) {
    if (!key->datum.empty())
      return error(errc::bad_frame, "the schema header: bytes behind the id, which stands there alone");
    key->datum = *payload;
  }
  return std::optional<keyed_datum>(*key);
}

void append_schema_key(const schema_key& schema, byte_buffer& out) {
  if (const auto* id = std::get_if<std::int32_t>(&schema)) {
    append_frame(*id, out);
  } else if (const auto* guid = std::get_if<uuid>(&schema)) {
    out.push_back(guid_magic);
    append(out, guid->bytes.data(), guid->bytes.size());
  }
}

result<single_object> split_single_object(bytes_view message) {
  if (message.size() < single_object_bytes) return too_short(message, "a single object's header");
  if (message[0] != std::byte{0xC3} || message[1] != std::byte{0x01}) {
    return error(errc::bad_frame, "the first bytes are 0x" + to_hex(message.first(2)) + ", not 0xc301");
  }
  return single_object{load<std::uint64_t>(reinterpret_cast<const std::uint8_t*>(message.data()) + 2),
                       message.subspan(single_object_bytes)};
}

void append_single_object(std::uint64_t fingerprint, byte_buffer& out) {
  out.push_back(std::byte{0xC3});
  out.push_back(std::byte{0x01});
  append_raw(out, fingerprint);
}

}  // namespace millrace::avro

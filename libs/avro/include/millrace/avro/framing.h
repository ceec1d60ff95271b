// The frames around a datum that name its schema. A frame is never guessed: the configuration says whether a
// topic is framed, because an unframed datum may start with 0x00.
//
//   format                   bytes
//   Confluent, version 0     0x00, the schema's id as 4 bytes big-endian, the datum
//   Confluent, version 1     0x01, the schema's GUID as 16 bytes, the datum. Usually the frame stands
//                            alone in a header of the message, whose payload then is the datum
//   Avro, single object      0xC3 0x01, the CRC-64-AVRO of the schema as 8 bytes little-endian, the datum
//
// A message whose payload is null is a tombstone: it has no schema and no datum. A datum whose schema is
// "bytes" itself is written raw under Confluent's format, without Avro's length: see `raw_root_bytes` in
// plan.h and encoder.h.
//
// Example:
//
//   byte_buffer message;
//   avro::append_frame(7, message);
//   message.push_back(std::byte{1});
//   const auto frame = avro::split_frame(message);
//   if (!frame) return frame.error();
//   invariant(frame->schema_id == 7 && frame->datum.size() == 1, "the frame is read back");
//
// Threads: the functions are pure and callable from any thread.
// Lifetime: views point into the message.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>

namespace millrace::avro {

// Confluent, version 0.
inline constexpr std::size_t frame_bytes = 5;
struct framed {
  std::int32_t schema_id = 0;
  bytes_view datum;  // of the message
};
// Splits a message. Returns errc::bad_frame when it is shorter than a frame or begins with another byte. A
// tombstone has no frame either; the caller tests for it before.
[[nodiscard]] result<framed> split_frame(bytes_view message);
// Appends the 5 bytes of a frame.
void append_frame(std::int32_t schema_id, byte_buffer& out);

// Confluent, both versions, in a header or in the payload.
inline constexpr std::size_t guid_frame_bytes = 17;
inline constexpr std::string_view key_schema_header = "__key_schema_id";
inline constexpr std::string_view value_schema_header = "__value_schema_id";

// A schema's id, unique within a registry's context, or its GUID, unique everywhere.
using schema_key = std::variant<std::int32_t, uuid>;

struct keyed_datum {
  schema_key schema;
  bytes_view datum;  // of the payload
};

// Splits a message. `header` is the value of the last header named `key_schema_header` or
// `value_schema_header`. When it is nullopt or null, the payload itself starts with a frame of either
// version. Returns nullopt for a tombstone, whatever the header says, and errc::bad_frame for a malformed
// frame.
[[nodiscard]] result<std::optional<keyed_datum>> split_message(std::optional<bytes_view> header,
                                                               std::optional<bytes_view> payload);

// Returns the value of the last of `headers` with this name. Each header has a `name` and a `value`, an
// optional<bytes_view>.
template <class Headers>
[[nodiscard]] std::optional<bytes_view> last_header(const Headers& headers, std::string_view name) {
  std::optional<bytes_view> found;
  for (const auto& header : headers) {
    if (header.name == name) found = header.value;
  }
  return found;
}

// Appends the frame of either version, for the payload or for the header.
void append_schema_key(const schema_key& schema, byte_buffer& out);

// Single-object encoding.
inline constexpr std::size_t single_object_bytes = 10;
struct single_object {
  std::uint64_t fingerprint = 0;  // schema::fingerprint()
  bytes_view datum;
};
// Splits a message. Returns errc::bad_frame when it is not a single object.
[[nodiscard]] result<single_object> split_single_object(bytes_view message);
// Appends the 10 bytes of a frame.
void append_single_object(std::uint64_t fingerprint, byte_buffer& out);

}  // namespace millrace::avro

// What stands around a datum and names its schema. Never guessed: a topic is framed or it is not, by
// configuration (an unframed datum may start with 0x00).
//
// Confluent's wire format:
//   version 0   0x00, the schema's id as 4 bytes big-endian, the datum
//   version 1   0x01, the schema's GUID as 16 bytes, the datum; usually not in front of the datum but alone
//   in a
//               header of the message, whose payload then is the datum
// Single-object encoding, of the Avro specification:
//               0xC3 0x01, the CRC-64-AVRO of the schema as 8 bytes little-endian, the datum
//
// A message whose payload is null is a tombstone: it has no schema and no datum. A datum whose schema is
// "bytes" itself is written raw under Confluent's format, without Avro's length: see `raw_root_bytes` in
// plan.h and encoder.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>

namespace millrace::avro {

// Confluent, version 0 only.
inline constexpr std::size_t frame_bytes = 5;
struct framed {
  std::int32_t schema_id = 0;
  bytes_view datum;  // of the message
};
// errc::bad_frame: shorter than a frame, or another first byte. A tombstone is not a frame either: ask for it
// before.
[[nodiscard]] result<framed> split_frame(bytes_view message);
// Appends the 5 bytes that go before the datum.
void append_frame(std::int32_t schema_id, byte_buffer& out);

// Confluent, both versions, from header or payload.
inline constexpr std::size_t guid_frame_bytes = 17;
inline constexpr std::string_view key_schema_header = "__key_schema_id";
inline constexpr std::string_view value_schema_header = "__value_schema_id";

// An id, which is unique within a registry's context, or a GUID, which is unique everywhere.
using schema_key = std::variant<std::int32_t, uuid>;

struct keyed_datum {
  schema_key schema;
  bytes_view datum;  // of the payload
};

// `header`: the value of the last header named `key_schema_header` or `value_schema_header`; nullopt when
// there is none or its value is null: then the payload itself starts with a frame of either version. nullopt
// for a tombstone, whatever the header says. errc::bad_frame.
[[nodiscard]] result<std::optional<keyed_datum>> split_message(std::optional<bytes_view> header,
                                                               std::optional<bytes_view> payload);

// The last of `headers` (each with a `name` and a `value`, an optional<bytes_view>) that has this name.
template <class Headers>
[[nodiscard]] std::optional<bytes_view> last_header(const Headers& headers, std::string_view name) {
  std::optional<bytes_view> found;
  for (const auto& header : headers) {
    if (header.name == name) found = header.value;
  }
  return found;
}

// Appends what goes before the datum, or alone into the header.
void append_schema_key(const schema_key& schema, byte_buffer& out);

// Single-object encoding.
inline constexpr std::size_t single_object_bytes = 10;
struct single_object {
  std::uint64_t fingerprint = 0;  // schema::fingerprint()
  bytes_view datum;
};
// errc::bad_frame.
[[nodiscard]] result<single_object> split_single_object(bytes_view message);
// Appends the 10 bytes that go before the datum.
void append_single_object(std::uint64_t fingerprint, byte_buffer& out);

}  // namespace millrace::avro

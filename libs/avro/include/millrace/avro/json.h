// Data as JSON text, in both directions. For tools, dead-letter records, logs and tests; the functions are
// slow.
//
//   value               plain, for people                     avro, the specification's encoding
//   union               its value alone                       null or {"branch": value}
//   bytes, fixed        hexadecimal                           text of the code points 0 to 255
//   decimal, uuid,      text in the usual form; the number    the value of the base type
//   date, time, instant when out of range for that form
//   NaN, infinities     a string                              a string
//   map, repeated key   first position, last value            first position, last value
//
// Example:
//
//   const auto schema = avro::schema::parse(R"("int")");
//   if (!schema) return schema.error();
//   byte_buffer bytes;
//   if (const auto encoded = avro::encode_json(*schema, "42", bytes); !encoded) return encoded.error();
//   const auto json = avro::decode_to_json(*schema, bytes);
//   if (!json) return json.error();
//   invariant(json->text == "42", "the datum is read back");
//
// Threads: the functions are pure and callable from any thread.
// Errors: errc::limit_exceeded when the text is longer than `json_text_bytes_max`, and those of each
// function. Messages hold no datum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/avro/arena.h>
#include <millrace/avro/limits.h>
#include <millrace/avro/schema.h>
#include <millrace/avro/value.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// The two forms of the table above.
enum class json_form : std::uint8_t { plain, avro };

// Returns `datum` as text. It is a value of the schema's root and shows the schema's own nodes. Returns
// errc::unresolvable for a value that the schema cannot hold.
[[nodiscard]] result<std::string> to_json(const schema& of, const value& datum,
                                          json_form form = json_form::plain, const limits& limit = {});

// A datum as text, and the bytes that it took.
struct json_datum {
  std::string text;
  std::size_t bytes_used = 0;
};

// Decodes a datum to text.
// Errors: those of plan::decode(), and errc::limit_exceeded.
[[nodiscard]] result<json_datum> decode_to_json(const schema& writer, bytes_view in,
                                                json_form form = json_form::plain, const limits& limit = {});

// Encodes Avro's JSON encoding and appends the bytes. Every field must be present, and no other. Returns
// errc::malformed with the field, or errc::limit_exceeded. After an error `out` is as it was.
[[nodiscard]] result<void> encode_json(const schema& writer, std::string_view text, byte_buffer& out,
                                       const limits& limit = {});
// Reads Avro's JSON encoding into a value, which views `memory` and the schema. Errors as encode_json().
[[nodiscard]] result<value> value_from_json(const schema& of, std::string_view text, arena& memory,
                                            const limits& limit = {});

}  // namespace millrace::avro

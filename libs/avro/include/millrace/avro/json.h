// Data as JSON text, both ways. Slow paths: for tools, dead letters, logs and tests.
//
// Two forms:
// * `plain`, for people: a union shows its value alone; bytes and fixed are hexadecimal; decimals, UUIDs,
//   dates, times and instants are text in their usual forms (a value out of range for its form shows as its
//   number).
// * `avro`, the specification's encoding: a union's value is null or {"branch": value}; bytes and fixed are
//   text of the code points 0 to 255; logical types are what they stand on.
// In both, NaN and infinities are strings, and a repeated map key keeps its first place and its last value.
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

enum class json_form : std::uint8_t { plain, avro };

// `datum` is a value of the schema's root, whose own nodes it shows. errc::limit_exceeded: more text than
// `json_text_bytes_max`; errc::unresolvable: a value that the schema cannot hold.
[[nodiscard]] result<std::string> to_json(const schema& of, const value& datum,
                                          json_form form = json_form::plain, const limits& limit = {});

struct json_datum {
  std::string text;
  std::size_t bytes_used = 0;
};

// From the wire. Errors as of plan::decode; the text is bounded by the output limit too.
[[nodiscard]] result<json_datum> decode_to_json(const schema& writer, bytes_view in,
                                                json_form form = json_form::plain, const limits& limit = {});

// From Avro's JSON encoding to the wire; appends. Every field must be there, and no other. errc::malformed
// naming the field; errc::limit_exceeded. After an error `out` is as it was. Messages hold no datum.
[[nodiscard]] result<void> encode_json(const schema& writer, std::string_view text, byte_buffer& out,
                                       const limits& limit = {});
// The same to a value, which views `memory` and the schema.
[[nodiscard]] result<value> value_from_json(const schema& of, std::string_view text, arena& memory,
                                            const limits& limit = {});

}  // namespace millrace::avro

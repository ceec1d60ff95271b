// A datum as JSON for people: tools, dead letters, tests. Slow path; needs the writer's schema only.
//
// Not Avro's own JSON encoding: a union shows its value alone; bytes and fixed are hexadecimal; decimals,
// UUIDs, dates, times and instants are text in their usual forms (a value out of range for its form shows as
// its number); NaN and infinities are strings; a repeated map key keeps its last value's place and value.
#pragma once

#include <cstddef>
#include <string>

#include <millrace/avro/limits.h>
#include <millrace/avro/schema.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::avro {

struct json_datum {
  std::string text;
  std::size_t bytes_used = 0;
};

// Errors as of plan::decode. The text is bounded by the output limit.
[[nodiscard]] result<json_datum> decode_to_json(const schema& writer, bytes_view in,
                                                const limits& limit = {});

}  // namespace millrace::avro

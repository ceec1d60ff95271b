// JSON to Avro's binary form. Encoding data is declared in json.h.
#pragma once

#include <string_view>

#include <millrace/avro/schema.h>
#include <millrace/base/bytes.h>

namespace millrace::avro {

// A field's default: what the writer would have sent. Appends to `out`. Fields missing in the default of a
// record are filled from their own defaults. The default of a union is of its first branch that fits
// (specification 1.12.0), or of its first (older ones). errc::schema_invalid when the text does not fit the
// type; errc::limit_exceeded. `budget_left` starts as limits::default_bytes_total_max and counts down over
// all defaults of a schema or plan: filled-in records could multiply.
[[nodiscard]] result<void> encode_default(const schema_node& type, std::string_view json_text,
                                          const limits& limit, std::size_t& budget_left, byte_buffer& out,
                                          bool first_branch_only = false);

// What names a branch in Avro's JSON encoding: "long", "com.example.Page".
[[nodiscard]] std::string_view branch_name(const schema_node& branch) noexcept;

}  // namespace millrace::avro

// A field's default, from the JSON of its schema to Avro's binary form: what the writer would have sent.
#pragma once

#include <string_view>

#include <millrace/avro/schema.h>
#include <millrace/base/bytes.h>

namespace millrace::avro {

// Appends to `out`. Fields missing in the default of a record are filled from their own defaults. The default
// of a union is of its first branch that fits (specification 1.12.0; older ones asked for the first branch).
// errc::schema_invalid when the text does not fit the type; errc::limit_exceeded.
[[nodiscard]] result<void> encode_default(const schema_node& type, std::string_view json_text,
                                          const limits& limit, byte_buffer& out);

}  // namespace millrace::avro

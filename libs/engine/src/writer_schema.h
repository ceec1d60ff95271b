// The schema of a topic's values as a registry or a file gives it.
#pragma once

#include <millrace/avro/schema.h>
#include <millrace/base/result.h>
#include <millrace/stream/schemas.h>

namespace millrace::engine {

// Parses the text together with its references.
// Errors: errc::schema_invalid, errc::limit_exceeded.
[[nodiscard]] result<avro::schema> parse_writer(const stream::schema_document& from, bool check_defaults);

}  // namespace millrace::engine

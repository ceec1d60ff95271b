// Pieces of JSON text. Each appends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/avro/schema.h>
#include <millrace/base/values.h>

namespace millrace::avro {

void append_quoted(std::string_view text, std::string& out);
// Dates, times and instants in their usual forms; out of the range of those, and without a meaning, a number.
void append_number(logical_type logical, std::int64_t value, std::string& out);
void append_decimal(const decimal_view& value, std::string& out);

}  // namespace millrace::avro

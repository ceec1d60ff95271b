// JSON inside the schema code: order is kept, so that what is written back reads like what was read.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <millrace/avro/limits.h>
#include <millrace/base/result.h>

namespace millrace::avro {

using json = nlohmann::ordered_json;

// JSON text of bounded size and nesting; invalid UTF-8 is refused.
[[nodiscard]] result<json> parse_json(std::string_view text, std::size_t bytes_max, std::size_t depth_max);
[[nodiscard]] std::string dump(const json& value);

// At most 160 characters of a name that came from outside, quoted, control characters replaced.
[[nodiscard]] std::string in_quotes(std::string_view name);

}  // namespace millrace::avro

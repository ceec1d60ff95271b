// What a schema's author wrote, made harmless for C++ source.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace millrace::avro {

// A C++ identifier that is no keyword, no common macro and no name the generated code relies on.
[[nodiscard]] std::string identifier(std::string_view name);
[[nodiscard]] bool is_identifier(std::string_view name);
// `name`, or with underscores behind it until `taken` lacks it; then `taken` has it.
[[nodiscard]] std::string unique(std::string name, std::set<std::string>& taken);
// A quoted C++ string of ASCII characters.
[[nodiscard]] std::string literal(std::string_view text);
// Lines of a // comment, each with `indent` before it; "" for an empty text.
[[nodiscard]] std::string comment(std::string_view text, std::string_view indent);

}  // namespace millrace::avro

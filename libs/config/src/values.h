// Between the text of a value and its type.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <millrace/config/diagnostic.h>
#include <millrace/config/types.h>

namespace millrace::config {

// "an integer from 1 to 64", "a duration such as 250ms, 15s or 5m, at least 6s": fits behind "must be".
[[nodiscard]] std::string expectation(const type_info& type);

// The same in two parts, for a table: "duration", "6s to 30m". The second is empty without limits.
[[nodiscard]] std::string type_name(const type_info& type);
[[nodiscard]] std::string range_text(const type_info& type);

struct refusal {
  problem code = problem::bad_value;  // or out_of_range
  std::string expected;
  std::string help;
};
// For the scalar kinds. The type's own check is not applied.
[[nodiscard]] std::variant<scalar, refusal> parse_scalar(const type_info& type, std::string_view text);

// As written in the file, unquoted; "***" for a secret that is set and for the credentials of a URL. The member is not an
// optional.
[[nodiscard]] std::string scalar_text(const type_info& type, const void* member);

// The same text in YAML, quoted when it must be.
[[nodiscard]] std::string yaml_quoted(std::string_view text);
// The value of a whole member for one line: a scalar, [a, b], {}; empty for an absent optional. Secrets
// masked.
[[nodiscard]] std::string inline_text(const type_info& type, const void* member);

[[nodiscard]] std::string number_text(double value);

// The text with "***" for what may be the credentials of a URL: all between the first "://" and the last '@'.
[[nodiscard]] std::string without_credentials(std::string text);

}  // namespace millrace::config

// What the tools print, as findings.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::check {

struct finding {
  std::string file;
  int line = 0;
  int column = 0;
  std::string rule;
  std::string what;

  // By place, then by rule.
  friend auto operator<=>(const finding&, const finding&) = default;
};

// The warnings and errors in the output of clang-tidy.
[[nodiscard]] std::vector<finding> read_tidy(std::string_view output);

// The matches in the output of clang-query, printed by `set output diag`. A match that binds `place` and `wait` counts
// when the wait is between the place and its use. errc::internal: clang-query refuses a command; its message.
[[nodiscard]] result<std::vector<finding>> read_query(std::string_view output);

// Sorts, and removes what occurs twice, what is in the headers of Millrace itself (include/millrace/), and what a
// comment NOLINT or NOLINTNEXTLINE in the file accepts.
[[nodiscard]] std::vector<finding> accepted(std::vector<finding> all);

// Whether a NOLINT of the line, or a NOLINTNEXTLINE of the line before, names the rule or no rule at all.
[[nodiscard]] bool is_silenced(std::string_view line, std::string_view line_before, std::string_view rule);

}  // namespace millrace::check

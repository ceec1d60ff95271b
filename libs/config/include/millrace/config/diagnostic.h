// Errors and warnings about a configuration, for people and for programs. No diagnostic holds the value of a
// secret, the value of an unknown key, or the credentials of a URL: the excerpt ends before them.
//
// Example:
//
//   config::diagnostic missing;
//   missing.path = "kafka.group";
//   missing.message = "`kafka.group` is required";
//   const std::string text = config::to_text(missing, false);
//   invariant(text.find("kafka.group") != std::string::npos, "the text names the setting");
//
// Threads: plain values. The functions are pure and callable from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/errors.h>

namespace millrace::config {

enum class severity : std::uint8_t { warning, error };

// Closed; the names are stable, `explain` and editors may refer to them.
enum class problem : std::uint8_t {
  unreadable_file,       // missing, a directory, no permission
  too_large,             // over a limit on bytes, values or nesting
  bad_syntax,            // not YAML
  duplicate_key,         // the same key twice in one section
  unknown_key,           // no such setting
  wrong_type,            // a list where text is expected, ...
  bad_value,             // text that is not a value of the setting's type
  out_of_range,          // a value outside its limits
  missing_required,      // a setting that has no default is absent or empty
  unresolved_reference,  // ${env:X} or ${file:X} cannot be resolved
  bad_override,          // an override that names no single setting
  secret_in_arguments,   // a literal secret on the command line, where every user of the host can read it
  inconsistent,          // settings that are valid alone and contradict each other
  literal_secret,        // warning: a secret written into the file itself
  deprecated_key,        // warning: a key that has a new name
  error_hint,            // warning: valid, but probably unintended
};
inline constexpr std::size_t problem_count = static_cast<std::size_t>(problem::error_hint) + 1;

// Returns the stable name of a problem.
[[nodiscard]] std::string_view to_string(problem code) noexcept;
// One sentence for people.
[[nodiscard]] std::string_view describe(problem code) noexcept;

struct diagnostic {
  severity level = severity::error;
  problem code = problem::bad_value;
  std::string path;     // "kafka.session_timeout"; empty for the whole file
  std::string message;  // "`kafka.session_timeout` must be a duration such as 250ms, 15s or 5m; found `ten`"
  std::string help;     // what to do; may be empty
  std::string origin;   // "config.yaml", "MILLRACE__KAFKA__GROUP", "--set kafka.group"; may be empty

  // Where in the file, counted from 1 in characters; line 0: nowhere in particular.
  std::size_t line = 0;
  std::size_t column = 0;
  std::size_t width = 1;  // of what is wrong, in characters
  std::string excerpt;    // the user's own line, tabs as spaces, secrets cut out; empty when there is none
};

// Text for a terminal: place, message, the line with a caret below, help. `colour` only when the caller knows
// that the output is a terminal and NO_COLOR is not set.
[[nodiscard]] std::string to_text(const diagnostic& one, bool colour);
// All of them, and a last line that counts errors and warnings; empty for none.
[[nodiscard]] std::string to_text(std::span<const diagnostic> all, bool colour);
// A JSON array of objects with the members above.
[[nodiscard]] std::string to_json(std::span<const diagnostic> all);

// True when one of them is an error.
[[nodiscard]] bool has_errors(std::span<const diagnostic> all) noexcept;
// errc::config_invalid with to_text() as its message.
[[nodiscard]] error to_error(std::span<const diagnostic> all);

}  // namespace millrace::config

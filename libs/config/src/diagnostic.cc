#include <algorithm>

#include <nlohmann/json.hpp>

#include <millrace/config/diagnostic.h>

namespace millrace::config {
namespace {

struct colours {
  std::string_view bold, red, yellow, blue, off;
};
constexpr colours no_colours{};
constexpr colours ansi{"\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;34m", "\033[0m"};

std::string counted(std::size_t n, const std::string& what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::size_t errors_in(std::span<const diagnostic> all) {
  return static_cast<std::size_t>(
      std::ranges::count_if(all, [](const diagnostic& one) { return one.level == severity::error; }));
}

}  // namespace

std::string_view to_string(problem code) noexcept {
  switch (code) {
    case problem::unreadable_file:
      return "unreadable_file";
    case problem::too_large:
      return "too_large";
    case problem::bad_syntax:
      return "bad_syntax";
    case problem::duplicate_key:
      return "duplicate_key";
    case problem::unknown_key:
      return "unknown_key";
    case problem::wrong_type:
      return "wrong_type";
    case problem::bad_value:
      return "bad_value";
    case problem::out_of_range:
      return "out_of_range";
    case problem::missing_required:
      return "missing_required";
    case problem::unresolved_reference:
      return "unresolved_reference";
    case problem::bad_override:
      return "bad_override";
    case problem::secret_in_arguments:
      return "secret_in_arguments";
    case problem::inconsistent:
      return "inconsistent";
    case problem::literal_secret:
      return "literal_secret";
    case problem::deprecated_key:
      return "deprecated_key";
    case problem::error_hint:
      return "error_hint";
  }
  return "";
}

std::string_view describe(problem code) noexcept {
  switch (code) {
    case problem::unreadable_file:
      return "The configuration file cannot be read.";
    case problem::too_large:
      return "The configuration exceeds a limit on bytes, values, nesting or messages.";
    case problem::bad_syntax:
      return "The file is not one valid YAML document.";
    case problem::duplicate_key:
      return "A key is set twice in one section.";
    case problem::unknown_key:
      return "No setting of this name exists in this section.";
    case problem::wrong_type:
      return "A section, a list or a single value was found where another kind is expected.";
    case problem::bad_value:
      return "The text is not a value of the setting's type.";
    case problem::out_of_range:
      return "The value lies outside the setting's limits.";
    case problem::missing_required:
      return "A setting that has no default is absent or empty.";
    case problem::unresolved_reference:
      return "A ${env:...} or ${file:...} reference cannot be resolved.";
    case problem::bad_override:
      return "An environment variable or --set flag does not name one setting.";
    case problem::secret_in_arguments:
      return "A secret is on the command line, which every user of the host can read.";
    case problem::inconsistent:
      return "Settings that are valid alone contradict each other.";
    case problem::literal_secret:
      return "A secret is written in the file; a reference keeps it elsewhere.";
    case problem::deprecated_key:
      return "The key has a new name; the old one is still read.";
    case problem::error_hint:
      return "The configuration is valid but probably unintended.";
  }
  return "";
}

std::string to_text(const diagnostic& one, bool colour) {
  const colours& c = colour ? ansi : no_colours;
  const std::string_view accent = one.level == severity::error ? c.red : c.yellow;
  std::string text;
  if (!one.origin.empty()) {
    text += std::string(c.bold) + one.origin;
    if (one.line > 0) text += ":" + std::to_string(one.line) + ":" + std::to_string(one.column);
    text += ": " + std::string(c.off);
  }
  text += std::string(accent) + (one.level == severity::error ? "error" : "warning") + "[";
  text += std::string(to_string(one.code)) + "]" + std::string(c.off) + ": " + one.message + "\n";
  const std::string number = one.line > 0 ? std::to_string(one.line) : "";
  const std::string margin(std::max<std::size_t>(number.size(), 4), ' ');
  if (one.line > 0 && !one.excerpt.empty()) {
    const std::string bar = std::string(c.blue) + " | " + std::string(c.off);
    text += std::string(c.blue) + margin.substr(number.size()) + number + std::string(c.off) + bar +
            one.excerpt + "\n";
    text += margin + bar + std::string(one.column - 1, ' ') + std::string(accent) +
            std::string(one.width, '^') + std::string(c.off) + "\n";
  }
  if (!one.help.empty()) {
    text += margin + std::string(c.blue) + " = " + std::string(c.off) + "help: " + one.help + "\n";
  }
  return text;
}

std::string to_text(std::span<const diagnostic> all, bool colour) {
  std::string text;
  for (const diagnostic& one : all) text += to_text(one, colour);
  if (all.empty()) return text;
  const std::size_t errors = errors_in(all);
  const std::size_t warnings = all.size() - errors;
  if (errors > 0) text += counted(errors, "error");
  if (errors > 0 && warnings > 0) text += ", ";
  if (warnings > 0) text += counted(warnings, "warning");
  return text + "\n";
}

std::string to_json(std::span<const diagnostic> all) {
  auto list = nlohmann::ordered_json::array();
  for (const diagnostic& one : all) {
    nlohmann::ordered_json item;
    item["severity"] = one.level == severity::error ? "error" : "warning";
    item["code"] = to_string(one.code);
    item["path"] = one.path;
    item["message"] = one.message;
    if (!one.help.empty()) item["help"] = one.help;
    if (!one.origin.empty()) item["origin"] = one.origin;
    if (one.line > 0) {
      item["line"] = one.line;
      item["column"] = one.column;
      item["width"] = one.width;
      if (!one.excerpt.empty()) item["excerpt"] = one.excerpt;
    }
    list.push_back(std::move(item));
  }
  // Text of the file may not be UTF-8.
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

bool has_errors(std::span<const diagnostic> all) noexcept { return errors_in(all) > 0; }

error to_error(std::span<const diagnostic> all) { return {errc::config_invalid, to_text(all, false)}; }

}  // namespace millrace::config

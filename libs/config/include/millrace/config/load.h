// Reads a struct from a file, the environment and flags.
//
// Precedence, lowest first: the struct's defaults; the YAML file; environment variables
// MILLRACE__SECTION__KEY; flags
// `--set section.key=value`. A list is overridden as a whole, its items separated by commas; entries of a map
// can be overridden by flags only (section.map.any.key=value); a list of sections in the file only.
//
// References inside a value of the file, the environment and the flags are resolved after parsing, so that a
// reference is one value and cannot add a key or a line: ${env:NAME}, ${env:NAME:-default},
// ${file:/path} (one trailing newline removed; a relative path is relative to the configuration file). $${
// stands for ${.
//
// Example prelude:
//
//   struct server_options {
//     std::string host = "localhost";
//     milliseconds timeout{5'000};
//   };
//
//   const config::spec<server_options> server_spec{
//       config::field(&server_options::host, "host").doc("Name of the server."),
//       config::field(&server_options::timeout, "timeout").doc("Deadline of a request."),
//   };
//
// Example:
//
//   const auto read = config::load(server_spec, {.text = "timeout: 250ms\n"});
//   if (!read.ok()) return config::to_error(read.diagnostics);
//   invariant(read.value.timeout == milliseconds(250), "the text replaces the default");
//
// Threads: any; loading reads files and the given environment, and changes nothing. To be used at start-up.
// Failure: the diagnostics of a load say what is wrong; nothing is thrown.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/config/diagnostic.h>
#include <millrace/config/spec.h>

namespace millrace::config {

inline constexpr std::size_t file_bytes_max = std::size_t{1}
                                              << 20;  // a configuration, and what a reference leads to
inline constexpr std::size_t values_max = 20'000;     // in one file, aliases expanded
inline constexpr std::size_t text_bytes_max = std::size_t{4} << 20;  // in one file, aliases expanded
inline constexpr std::size_t nesting_max = 32;
inline constexpr std::size_t diagnostics_max = 100;
inline constexpr std::string_view environment_prefix = "MILLRACE__";

struct inputs {
  std::string file = {};                           // path; empty: no file
  std::optional<std::string> text = std::nullopt;  // used instead of reading `file`, which still names it
  std::map<std::string, std::string> environment = {};  // overrides and ${env:...}
  std::vector<std::string> set = {};  // "section.key=value", in the order of the command line
};

// Returns the text of a regular file, at most file_bytes_max long. errc::io_error with the reason, without the
// path; errc::limit_exceeded when it is longer.
[[nodiscard]] result<std::string> read_file(const std::string& path);

// The variables of this process. Not while another thread changes them.
[[nodiscard]] std::map<std::string, std::string> process_environment();

// Origins of values by path: "config.yaml:12", "MILLRACE__KAFKA__GROUP", "--set kafka.group", with "via
// ${file:...}" when a reference was resolved. A path that is absent holds the default.
using origins = std::map<std::string, std::string>;

// A struct and the diagnostics about it. `value` is complete when ok(), and a mix of read values and defaults
// otherwise.
template <typename T>
struct [[nodiscard]] loaded {
  T value{};
  std::vector<diagnostic> diagnostics;  // errors and warnings, in the order of the file
  config::origins origins;

  [[nodiscard]] bool ok() const noexcept { return !has_errors(diagnostics); }
};

struct load_report {
  std::vector<diagnostic> diagnostics;
  config::origins origins;
};
// Loads into `object`, a struct that `settings` describes.
[[nodiscard]] load_report load_into(const section_info& settings, void* object, const inputs& from);

// Loads a struct. Never fails as a whole: the result has diagnostics, and ok() when none is an error.
template <typename T>
loaded<T> load(const spec<T>& settings, const inputs& from) {
  loaded<T> read;
  load_report report = load_into(*settings.info(), &read.value, from);
  read.diagnostics = std::move(report.diagnostics);
  read.origins = std::move(report.origins);
  return read;
}

// The effective configuration as YAML, each value with its origin in a comment. Secrets are "***", and so are
// map entries whose key sounds like one (password, secret, token, key material).
[[nodiscard]] std::string show(const section_info& settings, const void* object, const origins& from);

// The same for a struct and its spec.
template <typename T>
[[nodiscard]] std::string show(const spec<T>& settings, const T& value, const origins& from = {}) {
  return show(*settings.info(), &value, from);
}

// Whether a map entry of this key is masked.
[[nodiscard]] bool sounds_secret(std::string_view key);

}  // namespace millrace::config

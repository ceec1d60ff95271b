// Documents generated from a spec. Thread-safe.
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
//   const std::string page = config::to_markdown(server_spec);
//   invariant(page.find("timeout") != std::string::npos, "every setting is documented");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <string>
#include <string_view>

#include <millrace/config/spec.h>

namespace millrace::config {

// Markdown: a table per section with name, type, default, range and description of each setting, in the order
// of declaration. Secrets have no default.
[[nodiscard]] std::string to_markdown(const section_info& settings);
// JSON Schema (draft 2020-12), for completion and checks in editors. Accepts ${...} references where the
// loader does.
[[nodiscard]] std::string to_json_schema(const section_info& settings, std::string_view title);

// The same for a spec.
template <typename T>
[[nodiscard]] std::string to_markdown(const spec<T>& settings) {
  return to_markdown(*settings.info());
}
// The same for a spec.
template <typename T>
[[nodiscard]] std::string to_json_schema(const spec<T>& settings, std::string_view title) {
  return to_json_schema(*settings.info(), title);
}

}  // namespace millrace::config

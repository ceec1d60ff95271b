// Documents generated from a spec. Thread-safe.
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

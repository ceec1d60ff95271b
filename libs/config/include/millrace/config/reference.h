// Documents made from a spec.
#pragma once

#include <string>
#include <string_view>

#include <millrace/config/spec.h>

namespace millrace::config {

// Markdown: a table per section with key, type, default and description, sections in the order of their
// declaration.
[[nodiscard]] std::string to_markdown(const section_info& settings);
// JSON Schema (draft 2020-12), for completion and checks in editors. Accepts ${...} references where the
// loader does.
[[nodiscard]] std::string to_json_schema(const section_info& settings, std::string_view title);

template <typename T>
[[nodiscard]] std::string to_markdown(const spec<T>& settings) {
  return to_markdown(*settings.info());
}
template <typename T>
[[nodiscard]] std::string to_json_schema(const spec<T>& settings, std::string_view title) {
  return to_json_schema(*settings.info(), title);
}

}  // namespace millrace::config

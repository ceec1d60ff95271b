// Rewrites a configuration file whose settings have new names: field(...).formerly("old_name").
//
// Example prelude:
//
//   struct server_options {
//     milliseconds timeout{5'000};
//   };
//
//   const config::spec<server_options> server_spec{
//       config::field(&server_options::timeout, "timeout").formerly("deadline").doc("Deadline of a request."),
//   };
//
// Example:
//
//   const auto renamed = config::rename_former_keys(server_spec, "deadline: 250ms\n");
//   if (!renamed) return renamed.error();
//   invariant(renamed->text == "timeout: 250ms\n", "only the key is replaced");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <string>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/config/spec.h>

namespace millrace::config {

struct renamed_key {
  std::string from;  // "engine.stuck_after"
  std::string to;    // "engine.stall_timeout"
  std::size_t line;  // counted from 1
};

struct renamed_file {
  std::string text;  // differs from the input in these keys only: comments, quotes and layout are kept
  std::vector<renamed_key> keys;
};

// Replaces every former name by the current one. A key is left alone where the current name is set too, which
// load() reports. Reads no file. Returns errc::config_invalid when the text is not valid YAML.
[[nodiscard]] result<renamed_file> rename_former_keys(const section_info& settings, const std::string& text);

// As above, for a spec. Returns errc::config_invalid when the text is not valid YAML.
template <typename T>
[[nodiscard]] result<renamed_file> rename_former_keys(const spec<T>& settings, const std::string& text) {
  return rename_former_keys(*settings.info(), text);
}

}  // namespace millrace::config

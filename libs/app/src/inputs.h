// The inputs of an application: from the configuration to the options of the record engine.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/engine/input_options.h>
#include <millrace/engine/processor.h>

namespace millrace::app {

// `path` is that of a setting: "inputs[0].format".
using input_refusal = std::function<void(const std::string& path, std::string message, std::string help)>;

// Inputs of the engine, each with the path of its settings. Empty: every topic is of the input `default`.
struct engine_inputs {
  std::vector<engine::input_options> options;
  std::vector<std::string> paths;
};

// Reads the files of schemas. `refuse` is called for every file that cannot be used, and for what the settings
// alone show to be wrong.
[[nodiscard]] engine_inputs inputs_of(const app_config& settings, const input_refusal& refuse);

// Calls `refuse` for every reason for which the processors cannot be run with the configured inputs.
void check_inputs(const engine::processors& work, const app_config& settings, const input_refusal& refuse);
// False: no schema of a registry is needed, neither to read nor to emit.
[[nodiscard]] bool needs_registry(const engine::processors& work, const app_config& settings);
// Single objects are read.
[[nodiscard]] bool reads_single_objects(const app_config& settings);

}  // namespace millrace::app

// The configuration of a command: file, environment and --set.
#pragma once

#include <optional>

#include <millrace/app/app_config.h>
#include <millrace/app/application.h>

namespace millrace::app {

// Prints every diagnostic to standard error. nullopt when one of them is an error.
[[nodiscard]] std::optional<app_config> load_settings(const run_arguments& from);

}  // namespace millrace::app

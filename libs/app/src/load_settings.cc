#include "load_settings.h"

#include <cstdlib>
#include <iostream>

#include <unistd.h>

#include <millrace/config/load.h>

namespace millrace::app {

std::optional<app_config> load_settings(const run_arguments& from) {
  config::inputs inputs;
  inputs.file = from.config_file;
  inputs.environment = config::process_environment();
  inputs.set = from.set;
  auto loaded = config::load(app_spec(), inputs);
  const bool colour = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  if (!loaded.diagnostics.empty()) std::cerr << config::to_text(loaded.diagnostics, colour);
  if (!loaded.ok()) return std::nullopt;
  return std::move(loaded.value);
}

}  // namespace millrace::app

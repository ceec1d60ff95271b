// The part of the start that needs no server: `validate` runs it, and so does the start.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/engine/processor.h>

namespace millrace::app {

// Calls `refuse` for every reason for which the application cannot start with this configuration:
//   - a file that cannot be read
//   - an output whose topic is read, or is a dead-letter topic
//   - an entry of `engine.outputs` or `lookups` that no processor declares
//   - a section that the processors need and that is absent
//   - lookup caches that exceed half of `engine.memory_max`
void check_offline(const engine::processor_set& processors, const app_config& settings, unsigned workers,
                   const std::function<void(const error&)>& refuse);

}  // namespace millrace::app

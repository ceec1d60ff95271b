// The sections of the configuration that say what is seen of a process: log, metrics, tap and tracing.
#pragma once

#include <millrace/app/app_config.h>

namespace millrace::app {

[[nodiscard]] const config::spec<log_config>& log_spec();
[[nodiscard]] const config::spec<metrics_config>& metrics_spec();
[[nodiscard]] const config::spec<tap_config>& tap_spec();
[[nodiscard]] const config::spec<tracing_config>& tracing_spec();
void check_buckets(const app_config& value, config::findings& found);

}  // namespace millrace::app

// What an operator has to know of the configuration's safety: settings that give protection up, and the dates
// on which certificates end.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/metrics/registry.h>

namespace millrace::app {

struct insecure_setting {
  std::string_view setting;  // its key in the configuration
  std::string_view why;
};
[[nodiscard]] std::vector<insecure_setting> insecure_settings(const app_config& of);

struct configured_certificate {
  std::string_view setting;
  std::string file;        // PEM
  bool is_bundle = false;  // of authorities, of which the last to end counts; else the first certificate does
};
[[nodiscard]] std::vector<configured_certificate> configured_certificates(const app_config& of);
// Seconds since 1970; nothing when the file cannot be read.
[[nodiscard]] std::optional<double> end_of(const configured_certificate& which);

void declare_security_check_metrics(metrics::catalogue& into);
// Certificates are read anew at each scrape: they are replaced while the process runs.
metrics::scrape_hook add_security_check_metrics(metrics::registry& to, const app_config& of);

}  // namespace millrace::app

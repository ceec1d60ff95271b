// Security checks of a configuration: settings that disable a protection, and the expiry of certificates.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/metrics/table.h>

namespace millrace::app {

struct insecure_setting {
  std::string_view setting;  // its key in the configuration
  std::string_view why;
};
[[nodiscard]] std::vector<insecure_setting> insecure_settings(const app_config& of);

struct configured_certificate {
  std::string_view setting;
  std::string file;        // PEM
  bool is_bundle = false;  // of CAs: the latest expiry counts. Otherwise that of the first certificate
};
[[nodiscard]] std::vector<configured_certificate> configured_certificates(const app_config& of);
// Unix time of the expiry; nothing if the file cannot be read.
[[nodiscard]] std::optional<double> end_of(const configured_certificate& which);

void declare_security_check_metrics(metrics::catalogue& into);
// Certificates are read again at each scrape: they can be replaced while the process runs.
metrics::scrape_hook add_security_check_metrics(metrics::registry& to, const app_config& of);

}  // namespace millrace::app

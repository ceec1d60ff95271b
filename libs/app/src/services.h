// The services of the workers: declared in the code, configured by name.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <millrace/app/app_config.h>
#include <millrace/base/result.h>
#include <millrace/service/worker_services.h>
#include <millrace/statement/declarations.h>

namespace millrace::app {

// The headers of every request to a server, with its credentials.
[[nodiscard]] http::identity::headers headers_of(const http_settings& of);
[[nodiscard]] bool has_credentials(const http_settings& of);

[[nodiscard]] std::vector<service::http_service> http_services_of(const app_config& settings);

// Calls `refuse` with everything that prevents a start: a service of the application that is not configured, an entry
// that it does not declare, TLS files that cannot be used.
void check_services(const statements::declarations& declared, const app_config& settings,
                    const std::function<void(const error&)>& refuse);

// Takes up the credentials of a configuration that was read again, and logs what has changed. Any thread.
void renew_services(service::process_services& of, const app_config& now);

// Ends the threads of blocking functions. False, with a line in the log: after `time` a function still runs, and the
// process has to end without it.
[[nodiscard]] bool end_functions(service::process_services& of, nanoseconds time);

}  // namespace millrace::app

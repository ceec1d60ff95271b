#include "services.h"

#include <algorithm>

#include <millrace/base/text.h>
#include <millrace/http/url.h>

#include "log.h"

namespace millrace::app {
namespace {

using statements::service_kind;

std::string names_of(const statements::declarations& declared, service_kind kind) {
  std::vector<std::string> names;
  for (const statements::service_declaration* each : declared.services) {
    if (each->kind() == kind && std::find(names.begin(), names.end(), each->name()) == names.end())
      names.push_back(each->name());
  }
  return names.empty() ? "none" : joined(names, ", ");
}

template <class Settings>
void check_entries(const statements::declarations& declared, const std::vector<Settings>& entries,
                   service_kind kind, const std::function<void(const error&)>& refuse) {
  const std::string section = kind == service_kind::http ? "http" : "blocking";
  for (const Settings& entry : entries) {
    const auto is_it = [&](const statements::service_declaration* each) {
      return each->kind() == kind && each->name() == entry.name;
    };
    if (std::any_of(declared.services.begin(), declared.services.end(), is_it)) continue;
    refuse(error(errc::config_invalid,
                 "`" + section + "` has '" + entry.name +
                     "', which the application does not declare; its services of this kind are: " +
                     names_of(declared, kind)));
  }
}

http::tls_files files_of(const http_settings& of) {
  return {of.ca_file, of.certificate_file, of.key_file, std::string(of.key_password.reveal())};
}

}  // namespace

bool has_credentials(const http_settings& of) {
  return !of.password.empty() || !of.bearer_token.empty() || !of.secret_headers.empty();
}

http::identity::headers headers_of(const http_settings& of) {
  http::identity::headers all(of.plain_headers.begin(), of.plain_headers.end());
  for (const secret_header& each : of.secret_headers) all.emplace_back(each.name, each.value.reveal());
  if (!of.user.empty()) {
    all.emplace_back("Authorization",
                     "Basic " + http::base64(of.user + ":" + std::string(of.password.reveal())));
  }
  if (!of.bearer_token.empty())
    all.emplace_back("Authorization", "Bearer " + std::string(of.bearer_token.reveal()));
  return all;
}

std::vector<service::http_service> http_services_of(const app_config& settings) {
  std::vector<service::http_service> all;
  for (const http_settings& each : settings.http) {
    service::http_service& made = all.emplace_back(static_cast<const service::http_service&>(each));
    if (const auto at = http::parse_url(each.url)) made.pool.server = *at;
    made.pool.files = files_of(each);
    made.pool.body_bytes_max = each.response_bytes_max.count();
    made.headers = headers_of(each);
  }
  return all;
}

void check_services(const statements::declarations& declared, const app_config& settings,
                    const std::function<void(const error&)>& refuse) {
  check_entries(declared, settings.http, service_kind::http, refuse);
  check_entries(declared, settings.blocking, service_kind::blocking, refuse);
  std::vector<std::string> missing;
  for (const statements::service_declaration* each : declared.services) {
    const auto is_it = [each](const http_settings& entry) { return entry.name == each->name(); };
    if (each->kind() != service_kind::http ||
        std::any_of(settings.http.begin(), settings.http.end(), is_it) ||
        std::find(missing.begin(), missing.end(), each->name()) != missing.end()) {
      continue;
    }
    missing.push_back(each->name());
    refuse(error(errc::config_invalid, "the application calls the service '" + each->name() +
                                           "' and `http` has no entry of that name; add one with its `url`"));
  }
  for (const http_settings& each : settings.http) {
    if (!each.url.starts_with("https://")) continue;
    if (const auto usable = http::check(files_of(each)); !usable)
      refuse(error(errc::config_invalid, "`http` entry '" + each.name + "': " + usable.error().message()));
  }
}

void renew_services(service::process_services& of, const app_config& now) {
  for (const http_settings& each : now.http) {
    if (of.renew(each.name, headers_of(each)))
      log_event(log_level::info, "credentials_renewed", {{"of", "http " + each.name}});
  }
}

bool end_functions(service::process_services& of, nanoseconds time) {
  std::string running;
  if (of.end_within(time, running)) return true;
  log_event(log_level::warning, "left_running",
            {{"service", running},
             {"consequence", "the process ends without the blocking functions of this service"}});
  return false;
}

}  // namespace millrace::app

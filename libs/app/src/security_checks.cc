#include "security_checks.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "services.h"

namespace millrace::app {
namespace {

// Values of the label `setting`.
constexpr std::string_view kafka_protocol = "kafka.properties.security.protocol";
constexpr std::string_view kafka_verification = "kafka.properties.enable.ssl.certificate.verification";
constexpr std::string_view kafka_identity = "kafka.properties.ssl.endpoint.identification.algorithm";
constexpr std::string_view registry_urls = "registry.urls";
constexpr std::string_view database_tls = "cql.tls";
constexpr std::string_view admin_token = "admin.token";
constexpr std::string_view tracing_endpoint = "tracing.endpoint";
constexpr std::string_view service_url = "http[].url";
constexpr std::string_view kafka_authority = "kafka.properties.ssl.ca.location";
constexpr std::string_view kafka_certificate = "kafka.properties.ssl.certificate.location";
constexpr std::string_view registry_authority = "registry.ca_file";
constexpr std::string_view registry_certificate = "registry.certificate_file";
constexpr std::string_view token_authority = "registry.oauth.ca_file";
constexpr std::string_view database_authority = "cql.ca_file";
constexpr std::string_view database_certificate = "cql.certificate_file";
constexpr std::string_view tracing_authority = "tracing.ca_file";
constexpr std::string_view service_authority = "http[].ca_file";
constexpr std::string_view service_certificate = "http[].certificate_file";

constexpr std::string_view insecure_names[] = {kafka_protocol,   kafka_verification, kafka_identity,
                                               registry_urls,    database_tls,       admin_token,
                                               tracing_endpoint, service_url};
constexpr std::string_view certificate_names[] = {
    kafka_authority,    kafka_certificate,    registry_authority, registry_certificate, token_authority,
    database_authority, database_certificate, tracing_authority,  service_authority,    service_certificate};

struct families : metrics::table {
  using table::table;

  metrics::gauge_family insecure =
      gauge_rows({.name = "millrace_insecure_config",
                  .help = "1 for each setting of the configuration that disables a protection.",
                  .labels = {metrics::closed("setting", insecure_names)},
                  .merge = metrics::merge::max});
  metrics::gauge_family certificate_end = gauge_rows(
      {.name = "millrace_certificate_expiry_timestamp_seconds",
       .help = "Unix time at which the certificate of the setting expires; the latest of a CA bundle.",
       .unit = metrics::unit::seconds,
       .labels = {metrics::closed("setting", certificate_names)},
       .merge = metrics::merge::min});
};

std::string property(const app_config& of, const std::string& name) {
  const auto found = of.kafka.client.properties.find(name);
  if (found == of.kafka.client.properties.end()) return {};
  std::string value = found->second;
  std::transform(value.begin(), value.end(), value.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return value;
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

struct file_closer {
  void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
};
struct certificate_freer {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};

}  // namespace

std::vector<insecure_setting> insecure_settings(const app_config& of) {
  std::vector<insecure_setting> found;
  const std::string protocol = property(of, "security.protocol");
  const bool has_password =
      of.kafka.client.properties.contains("sasl.password") || property(of, "sasl.mechanism") == "plain";
  if (has_password && protocol == "sasl_plaintext")
    found.push_back({kafka_protocol, "the password is sent unencrypted"});
  if (property(of, "enable.ssl.certificate.verification") == "false")
    found.push_back({kafka_verification, "any host can impersonate a broker"});
  else if (property(of, "ssl.endpoint.identification.algorithm") == "none")
    found.push_back(
        {kafka_identity, "the holder of any certificate of the authority can impersonate a broker"});
  if (of.registry) {
    const registry_settings& r = *of.registry;
    const bool has_secret = !r.password.empty() || !r.bearer_token.empty() || r.oauth.has_value();
    const auto is_clear = [](const std::string& url) { return url.starts_with("http://"); };
    if (has_secret && std::any_of(r.urls.begin(), r.urls.end(), is_clear))
      found.push_back({registry_urls, "the credentials are sent unencrypted"});
  }
  if (of.cql && !of.cql->user.empty() && !of.cql->tls)
    found.push_back({database_tls, "the password is sent unencrypted"});
  if (!of.admin.token.empty() && !is_loopback(of.admin.address))
    found.push_back({admin_token, "the token is sent unencrypted: the admin endpoint has no TLS"});
  const auto sends_in_clear = [](const http_settings& each) {
    return has_credentials(each) && each.url.starts_with("http://");
  };
  if (std::any_of(of.http.begin(), of.http.end(), sends_in_clear))
    found.push_back({service_url, "the credentials are sent unencrypted"});
  if (!of.tracing.bearer_token.empty() && of.tracing.endpoint.starts_with("http://"))
    found.push_back({tracing_endpoint, "the token is sent unencrypted"});
  return found;
}

std::vector<configured_certificate> configured_certificates(const app_config& of) {
  std::vector<configured_certificate> all;
  const auto add = [&all](std::string_view setting, const std::string& file, bool is_bundle) {
    if (!file.empty() && file != "probe") all.push_back({setting, file, is_bundle});
  };
  const auto path = [&of](const std::string& name) {
    const auto found = of.kafka.client.properties.find(name);
    return found == of.kafka.client.properties.end() ? std::string() : found->second;
  };
  add(kafka_authority, path("ssl.ca.location"), true);
  add(kafka_certificate, path("ssl.certificate.location"), false);
  if (of.registry) {
    add(registry_authority, of.registry->ca_file, true);
    add(registry_certificate, of.registry->certificate_file, false);
    if (of.registry->oauth) add(token_authority, of.registry->oauth->ca_file, true);
  }
  if (of.cql) {
    add(database_authority, of.cql->ca_file, true);
    add(database_certificate, of.cql->certificate_file, false);
  }
  add(tracing_authority, of.tracing.ca_file, true);
  for (const http_settings& each : of.http) {
    add(service_authority, each.ca_file, true);
    add(service_certificate, each.certificate_file, false);
  }
  return all;
}

std::optional<double> end_of(const configured_certificate& which) {
  const std::unique_ptr<std::FILE, file_closer> file(std::fopen(which.file.c_str(), "re"));
  if (!file) return std::nullopt;
  std::optional<double> last;
  for (;;) {
    const std::unique_ptr<X509, certificate_freer> next(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
    if (!next) return last;
    std::tm end{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(next.get()), &end) != 1) continue;
    const auto seconds = static_cast<double>(::timegm(&end));
    if (!which.is_bundle) return seconds;
    last = std::max(last.value_or(seconds), seconds);
  }
}

void declare_security_check_metrics(metrics::catalogue& into) { const families declared(into); }

metrics::scrape_hook add_security_check_metrics(metrics::registry& to, const app_config& of) {
  return to.at_scrape([what = families(to.declared()), insecure = insecure_settings(of),
                       certificates = configured_certificates(of)](metrics::samples& out) {
    for (const insecure_setting& each : insecure) out.set(what.insecure, {each.setting}, 1);
    for (const configured_certificate& each : certificates) {
      if (const auto end = end_of(each)) out.set(what.certificate_end, {each.setting}, *end);
    }
  });
}

}  // namespace millrace::app

#include <millrace/http/url.h>

#include "services.h"
#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::sections;
using config::spec;
using service::channel_options;

namespace {

const spec<secret_header>& secret_header_spec() {
  static const spec<secret_header> declared{
      field(&secret_header::name, "name").required().doc("Name of the header.").example("X-Api-Key"),
      field(&secret_header::value, "value")
          .required()
          .doc("Value of the header. It may be rotated.")
          .example("${file:/run/secrets/credit-key}"),
  };
  return declared;
}

std::optional<std::string> acceptable_name(const std::string& name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  if (name.size() <= statements::service_name_bytes_max &&
      name.find_first_not_of(allowed) == std::string::npos)
    return std::nullopt;
  return "at most 64 lower-case letters, digits, '-', '_' and '.'";
}

std::optional<std::string> acceptable_url(const std::string& url) {
  if (http::parse_url(url)) return std::nullopt;
  return "a URL such as https://credit.example.com/v1, without user, password and query";
}

void check_http(const http_settings& value, findings& found) {
  if (value.certificate_file.empty() != value.key_file.empty())
    found.error("key_file", "a client certificate needs both `certificate_file` and `key_file`");
  if (value.user.empty() != value.password.empty())
    found.error("user", "basic authentication needs both `user` and `password`");
  if (!value.user.empty() && !value.bearer_token.empty())
    found.error("bearer_token", "`user` and `bearer_token` exclude each other", "remove one of them");
  if (auto allowed = http::check(headers_of(value)); !allowed)
    found.error("headers", allowed.error().message(), "remove it, or correct it");
  if (has_credentials(value) && value.url.starts_with("http://")) {
    found.warning("url", "credentials are sent unencrypted to a URL that begins with http://",
                  "use https:// unless the network is trusted");
  }
}

// Connections that most installations leave as they are.
void add_connections(spec<http_settings>& to) {
  using http::pool_options;
  to.add({
      field(&http_settings::pool, &pool_options::connections_max, "connections_max")
          .range(std::size_t{1}, std::size_t{10'000})
          .doc("Limit of connections of each worker, and of its calls at work; further calls wait for their "
               "turn."),
      field(&http_settings::pool, &pool_options::connect_timeout, "connect_timeout")
          .range(milliseconds(10), milliseconds(120'000))
          .doc("Timeout for one connection, including the name and TLS. `timeout` of the call applies too."),
      field(&http_settings::pool, &pool_options::idle_timeout, "idle_timeout")
          .range(milliseconds(100), seconds(3'600))
          .doc("Period without a request after which a connection is closed. Keep it below that of the "
               "server."),
      field(&http_settings::limits, &channel_options::unauthorized_after, "unauthorized_after")
          .range(milliseconds(0), seconds(3'600))
          .doc("Period in which refused credentials (401, 407) are retried before they end the process: they "
               "may be "
               "about to be rotated."),
      field(&http_settings::response_bytes_max, "response_bytes_max")
          .range(kib(1), gib(1))
          .doc(
              "Size limit of the body of one response. A record whose response exceeds it is dead-lettered."),
  });
}

}  // namespace

const spec<http_settings>& http_spec() {
  static const spec<http_settings> declared = [] {
    spec<http_settings> made{
        field(&http_settings::name, "name")
            .required()
            .check(acceptable_name)
            .doc("Name of the service, as the processor declares it; the label `dependency` of metrics.")
            .example("credit-service"),
        field(&http_settings::url, "url")
            .required()
            .check(acceptable_url)
            .doc("URL of the server. Its path precedes the targets of requests.")
            .example("https://credit.example.com/v1"),
        field(&http_settings::user, "user").doc("User name for basic authentication."),
        field(&http_settings::password, "password")
            .doc("Password for basic authentication. It may be rotated.")
            .example("${file:/run/secrets/credit-password}"),
        field(&http_settings::bearer_token, "bearer_token")
            .doc("Bearer token. It may be rotated.")
            .example("${file:/run/secrets/credit-token}"),
        field(&http_settings::plain_headers, "headers")
            .doc("HTTP headers sent with every request. Not for secrets."),
        sections(&http_settings::secret_headers, "secret_headers", secret_header_spec())
            .doc("HTTP headers with secret values, sent with every request."),
        field(&http_settings::ca_file, "ca_file")
            .doc("PEM file of the authorities to trust. Empty: the system's."),
        field(&http_settings::certificate_file, "certificate_file")
            .doc("PEM file of the client certificate. It is read again when it has changed."),
        field(&http_settings::key_file, "key_file").doc("PEM file of the client certificate's key."),
        field(&http_settings::key_password, "key_password").doc("Password of the key."),
        field(&http_settings::limits, &channel_options::timeout, "timeout")
            .range(milliseconds(10), seconds(600))
            .doc("Timeout for one request, from its turn to the last byte of the response. A call may have "
                 "another."),
        field(&http_settings::limits, &channel_options::queue_timeout, "queue_timeout")
            .range(milliseconds(10), seconds(600))
            .doc("Limit of the wait of a call for its turn. The record is then tried again, at no cost of "
                 "attempts."),
        field(&http_settings::limits, &channel_options::requests_per_second, "requests_per_second")
            .range(0.0, 1'000'000.0)
            .doc(
                "Limit of the rate of requests of the process, in equal parts for its workers. 0: no limit."),
    };
    add_connections(made);
    made.check(check_http);
    return made;
  }();
  return declared;
}

const spec<blocking_settings>& blocking_spec() {
  static const spec<blocking_settings> declared{
      field(&blocking_settings::name, "name")
          .required()
          .check(acceptable_name)
          .doc("Name of the service, as the processor declares it; the label `dependency` of metrics.")
          .example("archive"),
      field(&blocking_settings::threads, "threads")
          .range(std::size_t{1}, std::size_t{1'000})
          .doc("Limit of threads of the process for functions of this name, and of the calls at work of each "
               "worker; "
               "further calls wait for their turn."),
      field(&blocking_settings::limits, &channel_options::timeout, "timeout")
          .range(milliseconds(1), seconds(3'600))
          .doc("Timeout for one call, from its turn to the end of the function. A function that runs longer "
               "keeps "
               "its thread until it returns; its result is dropped."),
      field(&blocking_settings::limits, &channel_options::queue_timeout, "queue_timeout")
          .range(milliseconds(10), seconds(3'600))
          .doc("Limit of the wait of a call for its turn. The record is then tried again, at no cost of "
               "attempts."),
      field(&blocking_settings::limits, &channel_options::requests_per_second, "requests_per_second")
          .range(0.0, 1'000'000.0)
          .doc("Limit of the rate of calls of the process, in equal parts for its workers. 0: no limit."),
  };
  return declared;
}

}  // namespace millrace::app

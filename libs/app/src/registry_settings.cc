#include <algorithm>

#include "settings.h"
#include "subjects.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::section;
using config::spec;
using std::chrono::hours;

namespace {

const spec<registry::oauth_options>& oauth_spec() {
  using registry::oauth_options;
  static const spec<oauth_options> declared{
      field(&oauth_options::token_url, "token_url")
          .required()
          .doc("URL of the token endpoint.")
          .example("https://login.example.com/oauth2/token"),
      field(&oauth_options::client_id, "client_id").required().doc("Client id.").example("millrace"),
      field(&oauth_options::client_secret, "client_secret")
          .required()
          .doc("Client secret. It may be rotated; a token in use stays in use.")
          .example("${file:/run/secrets/registry-client}"),
      field(&oauth_options::scope, "scope").doc("Scope requested with each token. Empty: none."),
      field(&oauth_options::ca_file, "ca_file")
          .doc("PEM file of the authorities to trust at the token endpoint. Empty: `registry.ca_file`."),
  };
  return declared;
}

const spec<registry::proxy_options>& proxy_spec() {
  using registry::proxy_options;
  static const spec<proxy_options> declared{
      field(&proxy_options::url, "url").required().doc("URL of the proxy.").example("http://proxy:3128"),
      field(&proxy_options::user, "user").doc("User name at the proxy."),
      field(&proxy_options::password, "password")
          .doc("Password at the proxy.")
          .example("${file:/run/secrets/proxy}"),
  };
  return declared;
}

void check_registry(const registry_settings& value, findings& found) {
  for (const auto& [output, naming] : value.subject_naming_of) {
    if (subject_naming_named(naming)) continue;
    found.error("subject_naming_of." + output, "expected one of topic, record, topic_record");
  }
  registry::check(
      value, [&found](std::string_view option, std::string why) { found.error(option, std::move(why)); });
  const bool has_credentials = !value.user.empty() || !value.bearer_token.empty() || value.oauth;
  const bool encrypted = std::all_of(value.urls.begin(), value.urls.end(),
                                     [](const std::string& url) { return url.starts_with("https://"); });
  if (has_credentials && !encrypted) {
    found.warning("urls", "credentials are sent unencrypted to a URL that begins with http://",
                  "use https:// unless the network is trusted");
  }
}

// The registration of outputs.
spec<registry_settings> with_outputs(spec<registry_settings> to) {
  using registry::subject_naming;
  return to.add({
      field(&registry_settings::subject_naming, "subject_naming")
          .choices({{"topic", subject_naming::topic},
                    {"record", subject_naming::record},
                    {"topic_record", subject_naming::topic_record}})
          .doc("Subject under which the schema of an output is registered: `<topic>-value`, the "
               "record's full name, or `<topic>-<full name>`."),
      field(&registry_settings::subject_naming_of, "subject_naming_of")
          .doc("`subject_naming` of single outputs, by the output's name: `topic`, `record` or "
               "`topic_record`."),
      field(&registry_settings::registers, "register_outputs")
          .doc("Register the schemas of the outputs at start-up. false: they must be registered "
               "already."),
      field(&registry_settings::normalizes, "normalize")
          .doc("Let the registry ignore differences without a meaning when it looks for a schema."),
  });
}

}  // namespace

const spec<registry_settings>& registry_spec() {
  static const spec<registry_settings> declared = with_outputs(spec<registry_settings>{
      field(&registry_settings::urls, "urls")
          .required()
          .doc("URLs of the schema registry, tried in order, starting with the one that responded "
               "last.")
          .example("[http://registry:8081]"),
      field(&registry_settings::context, "context")
          .doc("Context of the registry, such as .staging. Empty: the default context."),
      field(&registry_settings::user, "user").doc("User name for basic authentication."),
      field(&registry_settings::password, "password")
          .doc("Password for basic authentication. It may be rotated.")
          .example("${file:/run/secrets/registry}"),
      field(&registry_settings::bearer_token, "bearer_token")
          .doc("Bearer token. It may be rotated.")
          .example("${file:/run/secrets/registry-token}"),
      section(&registry_settings::oauth, "oauth", oauth_spec())
          .doc("Bearer tokens by OAuth 2.0 client credentials, renewed before they expire."),
      field(&registry_settings::headers, "headers")
          .doc("HTTP headers sent with every request, such as target-sr-cluster of Confluent Cloud. "
               "Not for secrets."),
      field(&registry_settings::ca_file, "ca_file")
          .doc("PEM file of the authorities to trust. Empty: the system's."),
      field(&registry_settings::certificate_file, "certificate_file")
          .doc("PEM file of the client certificate. It is read for every connection and may be "
               "replaced."),
      field(&registry_settings::key_file, "key_file").doc("PEM file of the client certificate's key."),
      field(&registry_settings::key_password, "key_password")
          .doc("Password of the key.")
          .example("${file:/run/secrets/registry-key}"),
      section(&registry_settings::proxy, "proxy", proxy_spec())
          .doc("HTTP proxy; https uses a CONNECT tunnel. Variables such as https_proxy are not read."),
      field(&registry_settings::connect_timeout, "connect_timeout")
          .range(milliseconds(10), milliseconds(120'000))
          .doc("Timeout for one connection attempt, including TLS."),
      field(&registry_settings::timeout, "timeout")
          .range(milliseconds(10), milliseconds(120'000))
          .doc("Timeout for one request to one URL, to the last byte of the response."),
      field(&registry_settings::backoff_first, "backoff_first")
          .range(milliseconds(1), seconds(60))
          .doc("Pause before a URL that failed is used again. It doubles with every failure; jitter "
               "subtracts up to half."),
      field(&registry_settings::backoff_max, "backoff_max")
          .range(milliseconds(1), seconds(600))
          .doc("Upper bound of that pause."),
      field(&registry_settings::connections_max, "connections_max")
          .range(1U, 64U)
          .doc("Limit of concurrent requests."),
      field(&registry_settings::response_bytes_max, "response_bytes_max")
          .range(kib(1), gib(1))
          .doc("Size limit of one response, and of one schema with its references."),
      field(&registry_settings::not_found_ttl, "not_found_ttl")
          .range(milliseconds(0), seconds(60))
          .doc("Lifetime of the cached response that an id does not exist."),
      field(&registry_settings::not_found_grace, "not_found_grace")
          .range(milliseconds(0), hours(1))
          .doc("Period for which an id may be unknown, because a follower of the registry lags, "
               "before its records are dead-lettered. A registry that does not respond dead-letters "
               "no record."),
      field(&registry_settings::cached_ids_max, "cached_ids_max")
          .range(std::size_t{1}, std::size_t{1'000'000})
          .doc("Limit of schemas in memory."),
      field(&registry_settings::cached_bytes_max, "cached_bytes_max")
          .range(mib(1), gib(64))
          .doc("Memory limit of these schemas."),
      field(&registry_settings::cache_folder, "cache_folder")
          .doc("Folder of schemas and registrations on disk, so that a process starts and runs while "
               "the registry is down. Empty: no cache on disk. Delete its content when a registry is "
               "rebuilt.")
          .example("/var/cache/millrace/schemas"),
      field(&registry_settings::disk_ids_max, "disk_ids_max")
          .range(std::size_t{1}, std::size_t{10'000'000})
          .doc("Limit of files in the cache folder; the oldest is removed for a new one."),
  }
                                                                   .check(check_registry));
  return declared;
}

}  // namespace millrace::app

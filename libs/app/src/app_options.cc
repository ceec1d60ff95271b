// What the parts of an application are told, from its configuration.
#include <millrace/app/app_config.h>
#include <millrace/registry/client.h>

namespace millrace::app {

registry::client_options registry_options_of(const registry_config& from) {
  registry::client_options options;
  options.urls = from.urls;
  options.context = from.context;
  options.user = from.user;
  options.password = std::string(from.password.reveal());
  options.bearer_token = std::string(from.bearer_token.reveal());
  if (from.oauth) {
    options.oauth = {from.oauth->token_url, from.oauth->client_id,
                     std::string(from.oauth->client_secret.reveal()), from.oauth->scope, from.oauth->ca_file};
  }
  options.headers = from.headers;
  options.ca_file = from.ca_file;
  options.certificate_file = from.certificate_file;
  options.key_file = from.key_file;
  options.key_password = std::string(from.key_password.reveal());
  if (from.proxy) {
    options.proxy_url = from.proxy->url;
    options.proxy_user = from.proxy->user;
    options.proxy_password = std::string(from.proxy->password.reveal());
  }
  options.connect_timeout = from.connect_timeout;
  options.timeout = from.timeout;
  options.backoff_first = from.backoff_first;
  options.backoff_max = from.backoff_max;
  options.not_found_ttl = from.not_found_ttl;
  options.connections_max = from.connections_max;
  options.response_bytes_max = static_cast<std::size_t>(from.response_bytes_max.bytes);
  options.cached_ids_max = from.cached_ids_max;
  options.cached_bytes_max = static_cast<std::size_t>(from.cached_bytes_max.bytes);
  options.cache_folder = from.cache_folder;
  options.disk_ids_max = from.disk_ids_max;
  options.registers = from.register_outputs;
  options.normalizes = from.normalize;
  return options;
}

engine::engine_options engine_options_of(const app_config& from, std::uint64_t seed) {
  engine::engine_options options;
  options.in_flight_records_max = from.engine.in_flight_records_max;
  options.emits_per_record_max = from.engine.emits_per_record_max;
  options.order = from.engine.order;
  options.trailing_bytes = from.engine.ignore_trailing_bytes ? engine::trailing_bytes_policy::ignore
                                                             : engine::trailing_bytes_policy::dead_letter;
  options.retry = from.engine.retry;
  options.breaker = from.engine.breaker;
  options.commit_interval = from.engine.commit_interval;
  options.drain_timeout = from.engine.drain_timeout;
  options.leave_timeout = from.engine.leave_timeout;
  options.revoke_drain_timeout = from.engine.revoke_drain_timeout;
  options.dead_letter_topic = from.engine.dead_letter_topic;
  options.dead_letter_headers = from.engine.dead_letter_headers;
  options.group = from.kafka.group;
  options.former_groups = from.kafka.former_groups;
  options.other_groups = from.kafka.other_groups;
  if (from.registry) options.schema_not_found_grace = from.registry->not_found_grace;
  options.seed = seed;
  return options;
}

}  // namespace millrace::app

// The configuration of a Millrace application: what config.yaml, MILLRACE__SECTION__KEY and --set may say.
// The spec declares every key once; the parser, the errors, the reference and `config show` come from it.
//
// Threads: plain values and pure functions, for start-up.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/config/secret.h>
#include <millrace/config/spec.h>
#include <millrace/config/units.h>
#include <millrace/engine/options.h>
#include <millrace/metrics/catalogue.h>
#include <millrace/registry/subject.h>
#include <millrace/statement/lookup.h>

namespace millrace::registry {
struct client_options;
}

namespace millrace::app {

enum class group_protocol : std::uint8_t { classic, consumer };
enum class cql_data_plane : std::uint8_t { direct, driver };
// Of the group protocol `classic`.
enum class group_assignor : std::uint8_t { cooperative_sticky, range, round_robin };
enum class offset_policy : std::uint8_t { fail, earliest, latest };
enum class log_level : std::uint8_t { debug, info, warning, error };
enum class log_format : std::uint8_t { logfmt, json };

struct kafka_config {
  std::string bootstrap_servers;
  std::string group;
  std::vector<std::string> other_groups;   // that read the same topics: what is redriven for them is skipped
  std::vector<std::string> former_groups;  // whose dead letters this group redrives and processes
  std::vector<std::string> topics;
  std::string instance_id;  // static membership: worker N is "<instance_id>-w<N>"
  group_protocol protocol = group_protocol::classic;
  std::optional<group_assignor> assignor;  // empty: cooperative-sticky, or the brokers' under `consumer`
  offset_policy start_from = offset_policy::earliest;
  offset_policy on_offset_out_of_range = offset_policy::fail;
  config::byte_size fetch_bytes_max{64U << 20U};
  std::map<std::string, std::string> properties;
  std::map<std::string, std::string> producer_properties;
};

struct oauth_config {
  std::string token_url;
  std::string client_id;
  config::secret client_secret;
  std::string scope;
  std::string ca_file;
};

struct proxy_config {
  std::string url;
  std::string user;
  config::secret password;
};

struct registry_config {
  std::vector<std::string> urls;
  std::string context;
  std::string user;
  config::secret password;
  config::secret bearer_token;
  std::optional<oauth_config> oauth;
  std::map<std::string, std::string> headers;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  config::secret key_password;
  std::optional<proxy_config> proxy;
  milliseconds connect_timeout{3'000};
  milliseconds timeout{5'000};
  milliseconds backoff_first{100};
  milliseconds backoff_max{5'000};
  std::uint32_t connections_max = 4;
  config::byte_size response_bytes_max{4U << 20U};
  milliseconds not_found_ttl{2'000};
  milliseconds not_found_grace{10'000};
  std::size_t cached_ids_max = 10'000;
  config::byte_size cached_bytes_max{64U << 20U};
  std::string cache_folder;
  std::size_t disk_ids_max = 100'000;
  registry::subject_naming subject_naming = registry::subject_naming::topic;
  bool register_outputs = true;
  bool normalize = false;
};

struct cql_config {
  std::vector<std::string> contact_points;
  std::string keyspace;
  std::string user;
  config::secret password;
  bool tls = false;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string datacenter;
  std::string rack;
  bool datacenter_failover = false;
  std::string consistency = "LOCAL_QUORUM";
  milliseconds connect_timeout{15'000};
  milliseconds request_timeout{5'000};
  milliseconds keepalive{5'000};
  milliseconds speculative_after{0};
  std::uint32_t speculative_max = 1;
  std::size_t in_flight_max = 4'096;
  std::size_t prepared_max = 1'000;
  std::uint32_t io_threads = 1;
  cql_data_plane data_plane = cql_data_plane::direct;
};

// Of one lookup that a processor declares; what is not given stays as declared.
struct lookup_config {
  std::string name;
  std::optional<std::size_t> entries_max = {};
  std::optional<config::byte_size> bytes_max = {};
  std::optional<milliseconds> ttl = {};
  std::optional<milliseconds> negative_ttl = {};
  std::optional<statements::miss_policy> on_miss = {};
  std::optional<milliseconds> retry_delay = {};
  std::optional<milliseconds> retry_for = {};
  std::optional<statements::miss_policy> when_late = {};
};

struct engine_config {
  std::uint32_t workers = 0;  // 0: one, or the cores minus one from three cores on
  std::size_t in_flight_records_max = 1'024;
  config::byte_size memory_max{256U << 20U};
  std::size_t emits_per_record_max = 1'000;
  engine::order_mode order = engine::order_mode::unordered;
  std::string dead_letter_topic;
  engine::dead_letter_header_names dead_letter_headers = engine::dead_letter_header_names::millrace;
  engine::retry_policy retry;
  engine::retry_budget_policy retry_budget;
  engine::breaker_policy breaker;
  milliseconds commit_interval{1'000};
  milliseconds start_timeout{60'000};
  milliseconds drain_timeout{30'000};
  milliseconds leave_timeout{5'000};
  milliseconds revoke_drain_timeout{5'000};
  milliseconds stuck_after{10'000};
  bool ignore_trailing_bytes = false;
  std::map<std::string, std::string> outputs;
};

struct admin_config {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9464;
  config::secret token;  // of the verbs; empty: they are off
};

struct log_config {
  log_level level = log_level::info;
  log_format format = log_format::logfmt;
};

// Empty: the default.
struct bucket_config {
  std::vector<nanoseconds> decode;
  std::vector<nanoseconds> request;
  std::vector<nanoseconds> end_to_end;
  std::vector<nanoseconds> stage;
  std::vector<nanoseconds> loop;
};

struct metrics_config {
  bucket_config buckets;
};

struct tap_config {
  bool enabled = false;
  std::uint32_t records_per_second = 10;
  std::vector<std::string> redact;
  bool statement_values = false;
};

struct tracing_config {
  std::string endpoint;  // empty: no traces are sent
  std::string ca_file;   // for https; empty: the system's authorities
  config::secret bearer_token;
  double sample_ratio = 0;
  std::uint32_t records_per_second = 100;  // of each worker
};

struct app_config {
  kafka_config kafka;
  std::optional<registry_config> registry;
  std::optional<cql_config> cql;
  std::vector<lookup_config> lookups;
  engine_config engine;
  admin_config admin;
  log_config log;
  metrics_config metrics;
  tap_config tap;
  tracing_config tracing;
};

// The declaration of every key.
[[nodiscard]] const config::spec<app_config>& app_spec();

// Sets the buckets that the configuration names. Before anything is declared.
void use_buckets(const metrics_config& from, metrics::catalogue& in);

// What a client of the registry is told, from the configuration; without its listeners and counts.
[[nodiscard]] registry::client_options registry_options_of(const registry_config& from);
// What a line is told, from the configuration.
[[nodiscard]] engine::engine_options engine_options_of(const app_config& from, std::uint64_t seed);

}  // namespace millrace::app

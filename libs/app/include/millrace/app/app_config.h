// The configuration of a Millrace application: the settings of config.yaml, MILLRACE__SECTION__KEY and --set.
//
// A section is the option struct of the library that uses it, extended by what only the application needs.
// The libraries' headers hold the defaults and the meaning of the members; app_spec() holds names, ranges and
// descriptions, which `config reference` prints (docs/reference/configuration.md).
//
// Threads: plain values, filled at start-up and not changed afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <millrace/base/byte_size.h>
#include <millrace/base/clock.h>
#include <millrace/base/secret.h>
#include <millrace/config/spec.h>
#include <millrace/cql/session.h>
#include <millrace/engine/options.h>
#include <millrace/kafka/consumer.h>
#include <millrace/kafka/producer.h>
#include <millrace/metrics/catalogue.h>
#include <millrace/registry/client.h>
#include <millrace/registry/subject.h>
#include <millrace/service/worker_services.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/log.h>

namespace millrace::app {

using log_level = stream::log_level;
enum class log_format : std::uint8_t { logfmt, json };

// The producer. It uses the connection of the source, with `kafka_settings::producer_properties` over it.
struct producer_settings : kafka::producer_config {
  std::optional<byte_size> queue_bytes_max = {};  // none: derived from the memory of the process
};

// The source.
struct kafka_settings : kafka::consumer_config {
  std::optional<byte_size> fetch_bytes_max_set = {};  // none: derived from the memory of the process
  producer_settings producer;
  std::vector<std::string> other_groups;   // engine_options::other_groups
  std::vector<std::string> former_groups;  // engine_options::former_groups
  std::map<std::string, std::string> producer_properties;
};

struct registry_settings : registry::client_options {
  registry::subject_naming subject_naming = registry::subject_naming::topic;
  std::map<std::string, std::string> subject_naming_of = {};  // by output: topic, record or topic_record
  milliseconds not_found_grace = engine::engine_options{}.schema_not_found_grace;
};

// Formats of the values and keys of an input.
enum class input_format : std::uint8_t { avro, avro_single_object, avro_raw, json, bytes, text };

// An input that processors declare, or `default`.
struct input_settings {
  std::string name;
  std::vector<std::string> topics = {};
  input_format format = input_format::avro;
  input_format key_format = input_format::bytes;
  std::string schema_file = {};
  std::string key_schema_file = {};
  std::vector<std::string> schema_files = {};
  std::vector<std::string> subjects = {};
  engine::unmatched_policy unmatched = engine::unmatched_policy::automatic;
};

struct cql_settings : cql::session_options {
  cql::store_options store;  // of each worker
  std::optional<bool> client_timestamps_set =
      {};  // none: true with a processor that orders its records by key
};

// Settings of a lookup that a processor declares. An empty one keeps the declared value.
struct lookup_settings {
  std::string name;
  std::optional<std::size_t> entries_max = {};
  std::optional<byte_size> bytes_max = {};
  std::optional<milliseconds> ttl = {};
  std::optional<milliseconds> negative_ttl = {};
  std::optional<statements::miss_policy> on_miss = {};
  std::optional<milliseconds> retry_delay = {};
  std::optional<milliseconds> retry_for = {};
  std::optional<statements::miss_policy> when_late = {};
};

// A header whose value is a secret.
struct secret_header {
  std::string name;
  secret value;
};

// A server that processors call by its name.
struct http_settings : service::http_service {
  std::string url;
  std::string user;
  secret password;
  secret bearer_token;
  std::map<std::string, std::string> plain_headers;
  std::vector<secret_header> secret_headers;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  secret key_password;
  byte_size response_bytes_max = {http::pool_options{}.body_bytes_max};
};

// The threads of blocking functions that processors call by their name.
using blocking_settings = service::blocking_service;

// The record engine of each worker, and the process around it.
struct engine_settings : engine::engine_options {
  std::uint32_t workers = 0;  // 0: one for each CPU of the process, at most one for each partition
  byte_size memory_max = mib(256);
  byte_size record_size_max = {engine::engine_options{}.record_bytes_max};
  byte_size decoded_size_max = {engine::engine_options{}.decoded_bytes_max};
  byte_size emit_size_max = {engine::engine_options{}.emit_bytes_per_record_max};
  engine::retry_budget_policy retry_budget;
  milliseconds start_timeout{60'000};
  milliseconds stall_timeout{10'000};
  std::map<std::string, std::string> outputs;
};

struct admin_settings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9464;
  secret token;  // of the operator commands; empty: they are disabled
};

struct log_settings {
  log_level level = log_level::info;
  log_format format = log_format::logfmt;
};

// Upper bounds of histogram buckets. Empty: the default.
struct bucket_settings {
  std::vector<nanoseconds> decode;
  std::vector<nanoseconds> request;
  std::vector<nanoseconds> end_to_end;
  std::vector<nanoseconds> stage;
  std::vector<nanoseconds> loop;
};

struct metrics_settings {
  bucket_settings buckets;
};

struct tap_settings {
  bool enabled = false;
  std::uint32_t records_per_second = 10;
  std::vector<std::string> redact;
  bool statement_values = false;
};

struct tracing_settings {
  std::string endpoint;  // empty: no traces are sent
  std::string ca_file;   // for https; empty: the system's authorities
  secret bearer_token;
  double sample_ratio = 0;
  std::uint32_t records_per_second = 100;  // of each worker
};

struct app_config {
  kafka_settings kafka;
  std::vector<input_settings> inputs;
  std::optional<registry_settings> registry;
  std::optional<cql_settings> cql;
  std::vector<lookup_settings> lookups;
  std::vector<http_settings> http;
  std::vector<blocking_settings> blocking;
  engine_settings engine;
  admin_settings admin;
  log_settings log;
  metrics_settings metrics;
  tap_settings tap;
  tracing_settings tracing;
  // The struct of application_settings, from the section `app`; nullptr: the application has none.
  std::shared_ptr<void> application;
};

// The declaration of every setting. Thread-safe.
[[nodiscard]] const config::spec<app_config>& app_spec();

// Returns the topics that are read: those of `kafka.topics`, then those of `inputs`, each once. Thread-safe.
[[nodiscard]] std::vector<std::string> topics_of(const app_config& from);

// Sets the bucket bounds that the configuration names, before any histogram is declared in `in`. The
// configuration must have passed app_spec().
void use_buckets(const metrics_settings& from, metrics::catalogue& in);

// The dead-letter topics of the engine and of the processors that are enabled, each once; the engine's first.
[[nodiscard]] std::vector<std::string> dead_letter_topics_of(const engine_settings& from);

// The options of one worker's record engine. `seed` must differ between workers.
[[nodiscard]] engine::engine_options engine_options_of(const app_config& from, std::uint64_t seed);
// Gives the engine of one worker its part of the limits of processors and dependencies, which are those of the
// process: of concurrency at least one. A process with fewer partitions at work than workers stays below its rates.
void divide_among(engine::engine_options& options, unsigned workers);

}  // namespace millrace::app

#include <algorithm>
#include <charconv>
#include <limits>

#include <millrace/app/app_config.h>
#include <millrace/config/units.h>

#include "settings.h"

namespace millrace::app {

using config::findings;
using config::section;
using config::sections;
using config::spec;

namespace {

void check_tap(const app_config& value, findings& found) {
  if (value.tap.enabled && value.admin.token.empty()) {
    found.error("tap.enabled", "the tap shows payloads and `admin.token` is empty",
                "set `admin.token`, or remove `tap.enabled`");
  }
}

void check_lookup_names(const app_config& value, findings& found) {
  for (std::size_t i = 0; i < value.lookups.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (value.lookups[k].name != value.lookups[i].name) continue;
      found.error("lookups[" + std::to_string(i) + "].name",
                  "lookup '" + value.lookups[i].name + "' is configured twice", "merge both entries");
    }
  }
}

template <class Settings>
void check_services_of(const app_config& value, const std::vector<Settings>& entries,
                       const std::string& section, findings& found) {
  const milliseconds attempt = value.engine.attempt_timeout;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string entry = section + "[" + std::to_string(i) + "].";
    const service::channel_options& limits = entries[i].limits;
    if (attempt > milliseconds(0) && limits.queue_timeout + limits.timeout >= attempt) {
      found.warning(
          entry + "timeout",
          "a call may take `queue_timeout` and `timeout`, together not below `engine.attempt_timeout` (" +
              config::to_text(attempt) + "): it costs the record an attempt",
          "lower one of them, or raise `engine.attempt_timeout`");
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (entries[k].name != entries[i].name) continue;
      found.error(entry + "name", "the service '" + entries[i].name + "' is configured twice",
                  "merge both entries");
    }
  }
}

void check_services(const app_config& value, findings& found) {
  check_services_of(value, value.http, "http", found);
  check_services_of(value, value.blocking, "blocking", found);
}

void check_dead_letter_topic(const app_config& value, findings& found) {
  const std::vector<std::string> read = topics_of(value);
  const auto check = [&](const std::string& setting, const std::string& topic) {
    if (std::ranges::find(read, topic) == read.end()) return;
    found.error(setting, "the dead-letter topic is also read: dead-letter records would loop",
                "choose a topic that is not in `kafka.topics` or `inputs`");
  };
  check("engine.dead_letter_topic", value.engine.dead_letter_topic);
  for (std::size_t i = 0; i < value.engine.processors.size(); ++i) {
    const std::string& own = value.engine.processors[i].dead_letter_topic;
    if (!own.empty()) check("engine.processors[" + std::to_string(i) + "].dead_letter_topic", own);
  }
}

// A duration among librdkafka's properties, in milliseconds.
milliseconds property_of(const kafka_settings& from, const std::string& name, milliseconds otherwise) {
  const auto given = from.client.properties.find(name);
  if (given == from.client.properties.end()) return otherwise;
  std::int64_t number = 0;
  const std::string& text = given->second;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() ? milliseconds(number) : otherwise;
}

// The defaults are librdkafka's.
void check_rebalance_times(const app_config& value, findings& found) {
  const engine_settings& e = value.engine;
  const milliseconds longest = e.revoke_drain_timeout + std::min(e.commit_timeout, e.revoke_drain_timeout);
  const milliseconds poll = property_of(value.kafka, "max.poll.interval.ms", milliseconds(300'000));
  const milliseconds session = property_of(value.kafka, "session.timeout.ms", milliseconds(45'000));
  const std::string takes = "a revocation may take " + config::to_text(longest) +
                            " (`revoke_drain_timeout`, then the last commit), which is not below ";
  if (longest >= poll) {
    found.error("engine.revoke_drain_timeout",
                takes + "max.poll.interval.ms (" + config::to_text(poll) +
                    "): the group removes the member before it has committed",
                "lower it, or raise max.poll.interval.ms in `kafka.properties`");
  } else if (value.kafka.protocol == kafka::group_protocol::classic && longest >= session) {
    found.warning("engine.revoke_drain_timeout",
                  takes + "session.timeout.ms (" + config::to_text(session) +
                      "): a rebalance waits longer for a slow member than for a dead one",
                  "lower it, or raise session.timeout.ms in `kafka.properties`");
  }
}

}  // namespace

const spec<app_config>& app_spec() {
  static const spec<app_config> declared =
      spec<app_config>{
          section(&app_config::kafka, "kafka", kafka_spec()).doc("Consumer and producer."),
          sections(&app_config::inputs, "inputs", input_spec())
              .doc("Topics and formats of the inputs that processors declare "
                   "(docs/guide/inputs-and-formats.md). "
                   "Without an input every processor reads `kafka.topics` in the format avro."),
          section(&app_config::registry, "registry", registry_spec()).doc("Schema registry."),
          section(&app_config::cql, "cql", cql_spec()).doc("ScyllaDB or Cassandra."),
          sections(&app_config::lookups, "lookups", lookup_spec())
              .doc("Settings of lookups that processors declare (docs/guide/lookups.md). A setting that is "
                   "absent keeps the declared value."),
          sections(&app_config::http, "http", http_spec())
              .doc("Servers that processors call with `http_client` (docs/guide/other-io.md). Every service "
                   "that "
                   "the application declares needs an entry."),
          sections(&app_config::blocking, "blocking", blocking_spec())
              .doc("Threads of functions that processors call with `blocking` (docs/guide/other-io.md). A "
                   "name "
                   "without an entry has the defaults."),
          section(&app_config::engine, "engine", engine_spec())
              .doc("Limits and policies of the record engine."),
          section(&app_config::admin, "admin", admin_spec()).doc("Admin endpoint."),
          section(&app_config::log, "log", log_spec()).doc("Log on standard error."),
          section(&app_config::metrics, "metrics", metrics_spec()).doc("Metrics of /metrics."),
          section(&app_config::tap, "tap", tap_spec()).doc("Samples of live records for `millrace tap`."),
          section(&app_config::tracing, "tracing", tracing_spec()).doc("Traces of sampled records."),
      }
          .check(check_topics)
          .check(check_tap)
          .check(check_lookup_names)
          .check(check_services)
          .check(check_dead_letter_topic)
          .check(check_rebalance_times);
  return declared;
}

// Longer than any process runs, and short enough to be added to any instant.
constexpr milliseconds no_age_limit = std::chrono::hours(24 * 365 * 100);

engine::engine_options engine_options_of(const app_config& from, std::uint64_t seed) {
  engine::engine_options options = static_cast<const engine::engine_options&>(from.engine);
  options.group = from.kafka.group;
  options.former_groups = from.kafka.former_groups;
  options.other_groups = from.kafka.other_groups;
  if (from.registry) options.schema_not_found_grace = from.registry->not_found_grace;
  options.record_bytes_max = from.engine.record_size_max.count();
  options.decoded_bytes_max = from.engine.decoded_size_max.count();
  options.emit_bytes_per_record_max = from.engine.emit_size_max.count();
  // 0 says "no limit" in the configuration; the engine has a limit for each.
  if (options.retry.attempts_max == 0) options.retry.attempts_max = std::numeric_limits<std::uint32_t>::max();
  if (options.retry.age_max == milliseconds(0)) options.retry.age_max = no_age_limit;
  for (engine::processor_policy& each : options.processors) {
    if (each.retry.attempts_max == 0U) each.retry.attempts_max = std::numeric_limits<std::uint32_t>::max();
    if (each.retry.age_max == milliseconds(0)) each.retry.age_max = no_age_limit;
  }
  options.seed = seed;
  return options;
}

}  // namespace millrace::app

#include <millrace/app/app_config.h>

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

void check_dead_letter_topic(const app_config& value, findings& found) {
  for (const std::string& topic : value.kafka.topics) {
    if (topic != value.engine.dead_letter_topic) continue;
    found.error("engine.dead_letter_topic",
                "the dead-letter topic is also read: dead-letter records would loop",
                "choose a topic that is not in `kafka.topics`");
  }
}

}  // namespace

const spec<app_config>& app_spec() {
  static const spec<app_config> declared =
      spec<app_config>{
          section(&app_config::kafka, "kafka", kafka_spec()).doc("Consumer and producer."),
          section(&app_config::registry, "registry", registry_spec()).doc("Schema registry."),
          section(&app_config::cql, "cql", cql_spec()).doc("ScyllaDB or Cassandra."),
          sections(&app_config::lookups, "lookups", lookup_spec())
              .doc("Settings of lookups that processors declare (docs/guide/lookups.md). A setting that is "
                   "absent keeps the declared value."),
          section(&app_config::engine, "engine", engine_spec())
              .doc("Limits and policies of the record engine."),
          section(&app_config::admin, "admin", admin_spec()).doc("Admin endpoint."),
          section(&app_config::log, "log", log_spec()).doc("Log on standard error."),
          section(&app_config::metrics, "metrics", metrics_spec()).doc("Metrics of /metrics."),
          section(&app_config::tap, "tap", tap_spec()).doc("Samples of live records for `millrace tap`."),
          section(&app_config::tracing, "tracing", tracing_spec()).doc("Traces of sampled records."),
      }
          .check(check_tap)
          .check(check_lookup_names)
          .check(check_dead_letter_topic);
  return declared;
}

engine::engine_options engine_options_of(const app_config& from, std::uint64_t seed) {
  engine::engine_options options = static_cast<const engine::engine_options&>(from.engine);
  options.group = from.kafka.group;
  options.former_groups = from.kafka.former_groups;
  options.other_groups = from.kafka.other_groups;
  if (from.registry) options.schema_not_found_grace = from.registry->not_found_grace;
  options.seed = seed;
  return options;
}

}  // namespace millrace::app

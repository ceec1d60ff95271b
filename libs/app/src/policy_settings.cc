// Policies of single processors and of dependencies, and filters.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "settings.h"

namespace millrace::app {

using config::field;
using config::findings;
using config::section;
using config::sections;
using config::spec;
using engine::processor_policy;
using engine::record_filter;
using runtime::work_limits;

namespace {

// Dependencies that have limits.
constexpr std::array<std::string_view, 1> limited_dependencies = {"database"};

const spec<engine::processor_retries>& processor_retry_spec() {
  using engine::processor_retries;
  static const spec<processor_retries> declared{
      field(&processor_retries::attempts_max, "attempts_max")
          .range(0U, 1'000'000U)
          .doc("Limit of attempts of this processor on one record. 0: no limit."),
      field(&processor_retries::age_max, "age_max")
          .range(milliseconds(0), std::chrono::hours(24))
          .doc("Period for which a record is retried after its first failure. 0: no limit."),
  };
  return declared;
}

// The rule has one home: what the engine refuses is an error here.
void check_filter(const record_filter& value, findings& found) {
  if (const auto valid = engine::check(value); !valid) found.error("header", valid.error().message());
}

const spec<record_filter>& filter_spec() {
  static const spec<record_filter> declared =
      spec<record_filter>{
          field(&record_filter::header, "header")
              .doc("Name of a header. Alone: the header is present and not null.")
              .example("region"),
          field(&record_filter::equals, "equals").doc("Value of the header."),
          field(&record_filter::prefix, "prefix").doc("Beginning of the value of the header."),
          field(&record_filter::absent, "absent").doc("The header is absent or null."),
          field(&record_filter::key_prefix, "key_prefix")
              .doc("Beginning of the key. A null key has none.")
              .example("eu-"),
          field(&record_filter::schema_ids, "schema_ids")
              .range(0, 2'147'483'647)
              .doc("Ids of the writer's schema. A record without a readable id is accepted."),
          field(&record_filter::sample, "sample")
              .range(0.0, 1.0)
              .doc("Share of the records, chosen by a hash of the key: all records of a key or none. A "
                   "replay chooses the same records."),
          field(&record_filter::exclude, "exclude")
              .doc("Accept the records that do not meet the condition instead."),
      }
          .check(check_filter);
  return declared;
}

}  // namespace

const spec<processor_policy>& processor_policy_spec() {
  static const spec<processor_policy> declared{
      field(&processor_policy::name, "name")
          .required()
          .doc("Name of the processor, as metrics have it.")
          .example("enrich_visits"),
      field(&processor_policy::enabled, "enabled").doc("false: the application runs without this processor."),
      section(&processor_policy::retry, "retry", processor_retry_spec())
          .doc("Retries of this processor, where they differ from `engine.retry`."),
      field(&processor_policy::dead_letter_topic, "dead_letter_topic")
          .doc("Dead-letter topic of this processor, where it differs from `engine.dead_letter_topic`."),
      field(&processor_policy::limits, &work_limits::concurrency_max, "concurrency_max")
          .range(0U, 1'000'000U)
          .doc("Limit of attempts at once in the process, divided among the workers, with at least one for "
               "each. The others wait. 0: no limit."),
      field(&processor_policy::limits, &work_limits::rate_max, "rate_max")
          .range(0.0, 1e6)
          .doc("Limit of attempts that begin in a second in the process, divided among the workers. The "
               "others wait. 0: no limit."),
      sections(&processor_policy::filters, "filters", filter_spec())
          .doc("Filters of this processor, besides `engine.filters`."),
  };
  return declared;
}

const spec<engine::dependency_policy>& dependency_policy_spec() {
  using engine::dependency_policy;
  static const spec<dependency_policy> declared{
      field(&dependency_policy::name, "name")
          .required()
          .check([](const std::string& name) -> std::optional<std::string> {
            if (std::ranges::find(limited_dependencies, name) != limited_dependencies.end())
              return std::nullopt;
            return "`database`, the only dependency with limits";
          })
          .doc("Name of the dependency: `database`.")
          .example("database"),
      field(&dependency_policy::limits, &work_limits::concurrency_max, "concurrency_max")
          .range(0U, 1'000'000U)
          .doc("Limit of requests at once in the process, divided among the workers, with at least one for "
               "each. The others wait. 0: no limit."),
      field(&dependency_policy::limits, &work_limits::rate_max, "rate_max")
          .range(0.0, 1e6)
          .doc("Limit of requests that are sent in a second by the process, divided among the workers. The "
               "others wait. 0: no limit."),
  };
  return declared;
}

void add_policies(spec<engine_settings>& to) {
  to.add({
      sections(&engine_settings::filters, "filters", filter_spec())
          .doc("Records that the processors want, decided before decoding: those that every filter accepts. "
               "The others are skipped (docs/guide/policies.md). Each entry has one of `header`, "
               "`key_prefix`, `schema_ids`, `sample`."),
      sections(&engine_settings::processors, "processors", processor_policy_spec())
          .doc("Policies of single processors (docs/guide/policies.md). A setting that is absent has the "
               "value of the engine."),
      sections(&engine_settings::dependencies, "dependencies", dependency_policy_spec())
          .doc("Limits of dependencies."),
  });
}

void check_policies(const engine_settings& value, findings& found) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < value.processors.size(); ++i) {
    if (names.insert(value.processors[i].name).second) continue;
    found.error("processors[" + std::to_string(i) + "].name",
                "processor '" + value.processors[i].name + "' is configured twice", "merge both entries");
  }
  for (std::size_t i = 1; i < value.dependencies.size(); ++i) {
    found.error("dependencies[" + std::to_string(i) + "].name",
                "dependency '" + value.dependencies[i].name + "' is configured twice", "merge both entries");
  }
}

std::vector<std::string> dead_letter_topics_of(const engine_settings& from) {
  std::vector<std::string> all{from.dead_letter_topic};
  for (const processor_policy& each : from.processors) {
    const std::string& own = each.dead_letter_topic;
    if (each.enabled && !own.empty() && std::ranges::find(all, own) == all.end()) all.push_back(own);
  }
  return all;
}

void divide_among(engine::engine_options& options, unsigned workers) {
  const auto divide = [workers](work_limits& limits) {
    if (limits.concurrency_max > 0) limits.concurrency_max = std::max(1U, limits.concurrency_max / workers);
    limits.rate_max /= workers;
  };
  for (processor_policy& each : options.processors) divide(each.limits);
  for (engine::dependency_policy& each : options.dependencies) divide(each.limits);
}

}  // namespace millrace::app

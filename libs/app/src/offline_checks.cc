#include "offline_checks.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <millrace/app/preparation.h>
#include <millrace/base/text.h>

#include "inputs.h"
#include "lookups.h"
#include "services.h"

namespace millrace::app {
namespace {

using refusal = std::function<void(const error&)>;

struct configured_file {
  std::string setting;
  std::string path;
};

void add_kafka_files(const app_config& of, std::vector<configured_file>& all) {
  for (const std::string name :
       {"ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location"}) {
    const auto given = of.kafka.client.properties.find(name);
    if (given == of.kafka.client.properties.end() || given->second == "probe") continue;
    all.push_back({"kafka.properties." + name, given->second});
  }
}

std::vector<configured_file> files_of(const app_config& of) {
  std::vector<configured_file> all;
  add_kafka_files(of, all);
  if (of.registry) {
    all.push_back({"registry.ca_file", of.registry->ca_file});
    all.push_back({"registry.certificate_file", of.registry->certificate_file});
    all.push_back({"registry.key_file", of.registry->key_file});
    if (of.registry->oauth) all.push_back({"registry.oauth.ca_file", of.registry->oauth->ca_file});
  }
  if (of.cql) {
    all.push_back({"cql.ca_file", of.cql->ca_file});
    all.push_back({"cql.certificate_file", of.cql->certificate_file});
    all.push_back({"cql.key_file", of.cql->key_file});
  }
  for (std::size_t i = 0; i < of.http.size(); ++i) {
    const std::string entry = "http[" + std::to_string(i) + "].";
    all.push_back({entry + "ca_file", of.http[i].ca_file});
    all.push_back({entry + "certificate_file", of.http[i].certificate_file});
    all.push_back({entry + "key_file", of.http[i].key_file});
  }
  return all;
}

// Files that the clients read themselves, and would report less clearly.
void check_files(const app_config& settings, const refusal& refuse) {
  for (const configured_file& each : files_of(settings)) {
    if (each.path.empty() || ::access(each.path.c_str(), R_OK) == 0) continue;
    refuse(error(errc::config_invalid, "`" + each.setting + "`: cannot read '" + each.path +
                                           "': " + std::generic_category().message(errno)));
  }
}

void check_topic(const statements::output_declaration& output, const app_config& settings,
                 const refusal& refuse) {
  const std::string topic = topic_of(output, settings);
  const auto wrong = [&](const std::string& why) {
    refuse(error(errc::config_invalid, "output '" + output.name() + "' goes to topic '" + topic + "', " +
                                           why + "; set `engine.outputs." + output.name() +
                                           "` to another topic"));
  };
  const std::vector<std::string> read = topics_of(settings);
  if (std::ranges::find(read, topic) != read.end()) wrong("which is read: the records would loop");
  if (topic == settings.engine.dead_letter_topic) {
    wrong("which is the dead-letter topic");
  } else if (const auto dead = dead_letter_topics_of(settings.engine);
             std::ranges::find(dead, topic) != dead.end()) {
    wrong("which is the dead-letter topic of a processor");
  }
}

// What an entry that nothing declares was meant for would go elsewhere. `all` has the processors that are disabled,
// too: their settings may stay.
void check_outputs(const engine::processors& all, const engine::processors& work, const app_config& settings,
                   const refusal& refuse) {
  for (const statements::output_declaration* output : work.declared.outputs)
    check_topic(*output, settings, refuse);
  std::set<std::string> names;
  for (const statements::output_declaration* output : all.declared.outputs) names.insert(output->name());
  const std::string known = joined({names.begin(), names.end()}, ", ");
  const auto check_names = [&](const std::string& setting, const std::map<std::string, std::string>& given) {
    for (const auto& [name, value] : given) {
      if (names.contains(name)) continue;
      refuse(
          error(errc::config_invalid, "`" + setting + "` has '" + name +
                                          "', which is not an output; the outputs of the application are: " +
                                          (known.empty() ? "none" : known)));
    }
  };
  check_names("engine.outputs", settings.engine.outputs);
  if (settings.registry) check_names("registry.subject_naming_of", settings.registry->subject_naming_of);
}

void check_sections(const engine::processors& work, const app_config& settings, const refusal& refuse) {
  if (!settings.registry && needs_registry(work, settings)) {
    refuse(error(errc::config_invalid,
                 "the records have schema ids and the configuration has no `registry` section"));
  }
  if (!settings.cql && !work.declared.statements.empty()) {
    refuse(error(errc::config_invalid,
                 "the application uses a database and the configuration has no `cql` section"));
  }
}

void check_tombstones(const engine::processors& work, const app_config& settings, const refusal& refuse) {
  if (settings.engine.tombstones != engine::tombstone_policy::process || work.take_deletions()) return;
  refuse(error(errc::config_invalid,
               "`engine.tombstones` is `process`, but no processor of the application overrides `deleted()`; "
               "override it, or set `engine.tombstones` to auto, skip or dead_letter"));
}

}  // namespace

void check_offline(const engine::processor_set& processors, const app_config& settings, unsigned workers,
                   const std::function<void(const error&)>& refuse) {
  check_files(settings, refuse);
  const auto all = engine::build(processors);
  if (!all) return refuse(all.error());
  const auto work = engine::build(processors, settings.engine.processors);
  if (!work) return refuse(work.error());
  check_sections(*work, settings, refuse);
  check_outputs(*all, *work, settings, refuse);
  check_tombstones(*work, settings, refuse);
  check_services(work->declared, settings, refuse);
  const auto lookups = check_lookups(
      all->declared, {settings.lookups, workers, static_cast<std::size_t>(settings.engine.memory_max.bytes)});
  if (!lookups) refuse(lookups.error());
}

result<void> check_start(const engine::processor_set& processors, const app_config& settings,
                         unsigned workers) {
  std::optional<error> first;
  check_offline(processors, settings, workers, [&first](const error& why) {
    if (!first) first = why;
  });
  if (first) return *first;
  return {};
}

}  // namespace millrace::app

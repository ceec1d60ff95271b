#include "dev_command.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "dev/dev.h"

namespace millrace {
namespace {

void declare_dev(CLI::App& self, int& code) {
  auto given = std::make_shared<dev::dev_arguments>();
  self.add_option("program", given->program, "Program of the application")->required();
  self.add_option("--config", given->config_file, "Configuration file (YAML) of the application")->required();
  self.add_option("--set", given->set,
                  "Override a setting of the application: section.key=value (repeatable)")
      ->allow_extra_args(false);
  self.add_option("--schema", given->schema_file, "File of CQL with the keyspace and the tables");
  self.add_option("--samples", given->samples_folder,
                  "Folder with records: TOPIC.jsonl with a record a line, TOPIC.avsc with their schema");
  self.add_option("--records", given->records,
                  "Records to make for a topic with a schema and without records")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  self.add_option("--seed", given->seed, "Seed of the records that are made")->capture_default_str();
  self.add_option("--partitions", given->partitions, "Partitions of each topic")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000));
  self.add_option("--duration", given->duration_seconds,
                  "Seconds; until the samples are processed when absent, or without samples until Ctrl-C")
      ->check(CLI::Range(1, 86'400));
  self.add_flag("--stay", given->stay, "Continue after the samples until Ctrl-C");
  self.add_option(
          "--port", given->port,
          "Port of the application's admin endpoint; 9464 when absent, or a free one when it is in use")
      ->check(CLI::Range(1, 65'535));
  self.callback([given, &code] { code = dev::run_dev(*given); });
}

}  // namespace

app::command dev_command() {
  return {"dev",
          "Run an application on an embedded Kafka, schema registry and CQL server, with sample records",
          declare_dev};
}

}  // namespace millrace

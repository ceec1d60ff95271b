#include "prepare_command.h"

#include <iostream>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>
#include <millrace/app/preparation.h>
#include <millrace/app/schema_file.h>

#include "commands/built_in.h"
#include "finding.h"
#include "needs.h"

namespace millrace::app {
namespace provisioning {
namespace {

constexpr int partitions_max = 100'000;

int refuse(const error& why, std::ostream& err) {
  err << "prepare: " << why.message() << "\n";
  return exit_config;
}

// The schema of the command; a fault of its text, or a statement that does not fit it, ends the command.
result<std::optional<schema_file>> schema_of(const arguments& given, const engine::processor_set& processors,
                                             const app_config& settings) {
  if (given.schema.empty()) return std::optional<schema_file>();
  if (!settings.cql)
    return error(errc::config_invalid, "--schema is given, and the configuration has no `cql` section");
  auto file = schema_file::read(given.schema, settings.cql->keyspace);
  if (!file) return file.error();
  auto found = file->diagnostics();
  if (found.empty()) found = file->check(processors, settings);
  if (config::has_errors(found)) return config::to_error(found);
  return std::optional<schema_file>(std::move(*file));
}

}  // namespace

int run(const application& app, const arguments& given, std::ostream& out, std::ostream& err) {
  const auto loaded = load_config(app, given.run, err);
  if (!loaded) return exit_config;
  const app_config& settings = loaded->value;
  const auto processors = processors_of(app, settings);
  if (!processors) return refuse(processors.error(), err);
  if (auto usable = check_start(*processors, settings, 1); !usable) return refuse(usable.error(), err);
  const auto schema = schema_of(given, *processors, settings);
  if (!schema) return refuse(schema.error(), err);
  const auto needs = needs_of(*processors, settings);
  if (!needs) return refuse(needs.error(), err);
  if (given.list) {
    out << to_text(*needs);
    return exit_ok;
  }
  std::vector<finding> found;
  check_topics(*needs, settings, given.how, found);
  check_subjects(*needs, settings, given.how, found);
  if (*schema) check_tables(**schema, settings, given.how, found);
  out << to_text(found);
  if (complete(found)) return exit_ok;
  if (!given.how.create) err << "prepare: something is missing; --create makes it\n";
  return exit_failure;
}

}  // namespace provisioning

command prepare_command(const application& app) {
  return {
      "prepare", "Report the topics, subjects and tables that are missing, and create them on request",
      [&app](CLI::App& self, int& code) {
        auto given = std::make_shared<provisioning::arguments>();
        add_configuration(self, given->run);
        self.add_option("--schema", given->schema, "File of CQL with the keyspace and the tables");
        CLI::Option* const create = self.add_flag("--create", given->how.create, "Create what is missing");
        self.add_option("--partitions", given->how.partitions,
                        "Partitions of topics that are created; the brokers' default when absent")
            ->check(CLI::Range(1, provisioning::partitions_max));
        self.add_option("--replication", given->how.replication,
                        "Replicas of topics that are created; the brokers' default when absent")
            ->check(CLI::Range(1, 100));
        self.add_flag("--list", given->list, "Print what the application needs, without a server")
            ->excludes(create);
        self.callback([&app, given, &code] { code = provisioning::run(app, *given, std::cout, std::cerr); });
      }};
}

}  // namespace millrace::app

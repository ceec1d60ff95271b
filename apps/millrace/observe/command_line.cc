#include "command_line.h"

#include <cstdlib>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <millrace/config/load.h>

#include "lag.h"
#include "tap.h"
#include "top.h"

namespace millrace::observe {
namespace {

constexpr int exit_config = 78;  // EX_CONFIG

void add_top(CLI::App& program, int& code) {
  auto given = std::make_shared<top_arguments>();
  CLI::App* command = program.add_subcommand("top", "Watch one or several running processes");
  command->add_option("address", given->addresses, "Admin endpoints: http://host:port, host:port or :port")
      ->default_val(std::vector<std::string>{"127.0.0.1:9464"});
  command->add_option("--interval", given->interval_seconds, "Seconds between two looks")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3'600.0));
  command->add_flag("--once", given->once, "Print one screen and end");
  command->callback([given, &code] { code = run_top(*given, std::cout, std::cerr); });
}

void add_lag(CLI::App& program, int& code) {
  struct all {
    config::inputs from;
    lag_arguments arguments;
  };
  auto given = std::make_shared<all>();
  CLI::App* command =
      program.add_subcommand("lag", "How far the consumer group is behind, in records and in time");
  command->add_option("config", given->from.file, "Configuration file (YAML), the one of `run`")->required();
  command->add_option("--set", given->from.set, "Overrides a setting: section.key=value");
  command->add_flag("--json", given->arguments.json, "As a JSON document");
  command->add_flag("--all", given->arguments.all, "Also the partitions that do not lag");
  command->callback([given, &code] {
    given->from.environment = config::process_environment();
    const auto loaded = config::load(app::app_spec(), given->from);
    const bool colour = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    if (!loaded.diagnostics.empty()) std::cerr << config::to_text(loaded.diagnostics, colour);
    code = loaded.ok() ? run_lag(loaded.value, given->arguments, std::cout, std::cerr) : exit_config;
  });
}

void add_tap(CLI::App& program, int& code) {
  auto given = std::make_shared<tap_arguments>();
  CLI::App* command = program.add_subcommand(
      "tap", "Sample the live records of a process as JSON; its configuration must have `tap.enabled`");
  command->add_option("address", given->address, "Admin endpoint: http://host:port, host:port or :port")
      ->default_val("127.0.0.1:9464");
  command->add_option("--token", given->token, "The process's admin.token")->envname("MILLRACE_ADMIN_TOKEN");
  command->add_option("--key", given->key, "Only records with this key");
  command->add_option("--partition", given->partition, "Only records of this partition");
  command->add_option("--outcome", given->outcome, "Only records that ended so")
      ->check(CLI::IsMember({"done", "skipped", "dead_lettered", "abandoned"}));
  command->add_option("--error", given->error, "Only records with this text in an error or reason");
  command->add_option("--limit", given->limit, "Records; 0: until Ctrl-C")->capture_default_str();
  command->callback([given, &code] { code = run_tap(*given, std::cout, std::cerr); });
}

}  // namespace

void add_to(CLI::App& program, int& code) {
  add_top(program, code);
  add_lag(program, code);
  add_tap(program, code);
}

}  // namespace millrace::observe

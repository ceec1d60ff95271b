#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>

#include "commands/built_in.h"
#include "lag_command.h"
#include "tap_command.h"
#include "top_command.h"

namespace millrace::app {
namespace observe {
namespace {

void declare_top(CLI::App& command, int& code) {
  auto given = std::make_shared<top_arguments>();
  command
      .add_option("address", given->addresses, "Admin endpoints, each http://host:port, host:port or :port")
      ->default_val(std::vector<std::string>{"127.0.0.1:9464"});
  command.add_option("--interval", given->interval_seconds, "Seconds between two samples")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3'600.0));
  command.add_flag("--once", given->once, "Print one screen and exit");
  command.callback([given, &code] { code = run_top(*given, std::cout, std::cerr); });
}

void declare_lag(CLI::App& command, int& code) {
  struct all {
    run_arguments from;
    lag_arguments arguments;
  };
  auto given = std::make_shared<all>();
  add_configuration(command, given->from);
  command.add_flag("--json", given->arguments.json, "Print a JSON document");
  command.add_flag("--all", given->arguments.all, "Include partitions without lag");
  command.callback([given, &code] {
    const auto settings = load_config(given->from, std::cerr);
    code = settings ? run_lag(settings->value, given->arguments, std::cout, std::cerr) : exit_config;
  });
}

void declare_tap(CLI::App& command, int& code) {
  auto given = std::make_shared<tap_arguments>();
  command.add_option("address", given->address, "Admin endpoint: http://host:port, host:port or :port")
      ->default_val("127.0.0.1:9464");
  command.add_option("--token", given->token, "Value of the setting admin.token")
      ->envname("MILLRACE_ADMIN_TOKEN");
  command.add_option("--key", given->key, "Only records with this key");
  command.add_option("--partition", given->partition, "Only records of this partition");
  command.add_option("--outcome", given->outcome, "Only records with this outcome")
      ->check(CLI::IsMember({"done", "skipped", "dead_lettered", "abandoned"}));
  command.add_option("--error", given->error, "Only records whose error or reason contains this text");
  command.add_option("--limit", given->limit, "Number of records; 0 continues until Ctrl-C")
      ->capture_default_str();
  command.callback([given, &code] { code = run_tap(*given, std::cout, std::cerr); });
}

}  // namespace
}  // namespace observe

std::vector<command> observe_commands() {
  return {{"top", "Watch running processes in the terminal", observe::declare_top},
          {"lag", "Print the lag of the consumer group, in records and in seconds", observe::declare_lag},
          {"tap", "Sample live records of a process as JSON; needs the setting tap.enabled",
           observe::declare_tap}};
}

}  // namespace millrace::app

#include "command_line.h"

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <millrace/config/load.h>

#include "commands.h"

namespace millrace::dlq_commands {
namespace {

const terminal standard{std::cout, std::cerr};

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's action may set it");
extern "C" void ask_to_stop(int) { stop_asked = true; }

// The configuration is the one that `run` gets.
struct configuration {
  std::string file;
  std::vector<std::string> set;
};

void add_configuration(CLI::App* command, configuration& from) {
  command->add_option("config", from.file, "Configuration file (YAML), the one of `run`")->required();
  command->add_option("--set", from.set, "Overrides a setting: section.key=value");
}

void add_filter(CLI::App* command, dead_letter_filter& filter) {
  command->add_option("--reason", filter.reason, "Only dead letters with this reason, or this error code");
  command->add_option("--processor", filter.processor, "Only dead letters of this processor");
  command->add_option("--topic", filter.topic, "Only dead letters that came from this topic");
}

std::optional<app::app_config> load(const configuration& from) {
  config::inputs inputs;
  inputs.file = from.file;
  inputs.environment = config::process_environment();
  inputs.set = from.set;
  auto loaded = config::load(app::app_spec(), inputs);
  const bool colour = ::isatty(STDERR_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  if (!loaded.diagnostics.empty()) std::cerr << config::to_text(loaded.diagnostics, colour);
  if (!loaded.ok()) return std::nullopt;
  return std::move(loaded.value);
}

template <typename Command>
int with_settings(const configuration& from, const Command& command) {
  const auto settings = load(from);
  return settings ? command(*settings) : exit_config;
}

void add_ls(CLI::App* dlq, int& code) {
  struct all {
    configuration from;
    ls_arguments arguments;
  };
  auto given = std::make_shared<all>();
  CLI::App* command =
      dlq->add_subcommand("ls", "Count the dead letters by reason, processor and where they came from");
  add_configuration(command, given->from);
  add_filter(command, given->arguments.filter);
  command->add_option("--limit", given->arguments.limit,
                      "A line for each of the first so many dead letters as well");
  command->callback([given, &code] {
    code = with_settings(given->from, [&](const app::app_config& settings) {
      return list_dead_letters(settings, given->arguments, standard);
    });
  });
}

void add_show(CLI::App* dlq, int& code) {
  struct all {
    configuration from;
    show_arguments arguments;
  };
  auto given = std::make_shared<all>();
  CLI::App* command =
      dlq->add_subcommand("show", "Print one dead-letter record: its key and headers, its value on demand");
  add_configuration(command, given->from);
  command->add_option("offset", given->arguments.offset, "Of the dead-letter record in the dead-letter topic")
      ->required()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--partition", given->arguments.partition,
                      "Of the dead-letter topic; needed when it has several");
  command->add_flag("--payload", given->arguments.payload,
                    "Print the value too: as JSON when the registry knows its schema, or in hexadecimal");
  command->callback([given, &code] {
    code = with_settings(given->from, [&](const app::app_config& settings) {
      return show_dead_letter(settings, given->arguments, standard);
    });
  });
}

void add_redrive(CLI::App* dlq, int& code) {
  struct all {
    configuration from;
    redrive_arguments arguments;
    std::vector<std::string> renamed;
  };
  auto given = std::make_shared<all>();
  redrive_arguments& arguments = given->arguments;
  CLI::App* command =
      dlq->add_subcommand("redrive",
                          "Produce dead letters again to the topics they came from, for the "
                          "configuration's group and the processor they name. What the broker "
                          "has acknowledged is remembered in the group "
                          "<kafka.group>-redrive: an interrupted redrive goes on there");
  add_configuration(command, given->from);
  add_filter(command, arguments.filter);
  command->add_option("--rate", arguments.rate, "Letters a second")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 100'000.0));
  command->add_option("--limit", arguments.limit, "Stop after so many dead letters");
  command
      ->add_option(
          "--redrives-max", arguments.redrives_max,
          "Refuse dead letters that were redriven so often already: what fails again and again stays")
      ->capture_default_str();
  command->add_option("--to", arguments.to_topic,
                      "Produce to this topic instead of the one the dead-letter record names");
  CLI::Option* const from_group =
      command
          ->add_option("--from-group", arguments.from_groups,
                       "Redrive letters of this group, too, for the configuration's group; repeatable. "
                       "Letters of groups other than kafka.group and kafka.former_groups are refused")
          ->allow_extra_args(false);
  CLI::Option* const as_processor =
      command
          ->add_option("--as-processor", given->renamed,
                       "OLD=NEW: letters of the processor OLD are for the processor NEW; repeatable")
          ->allow_extra_args(false);
  command
      ->add_flag("--for-all", arguments.for_all,
                 "For every group and processor, not only for those that failed")
      ->excludes(from_group, as_processor);
  command->add_flag("--dry-run", arguments.dry_run, "Say what would be redriven; produce and commit nothing");
  command->callback([given, &code] {
    auto names = read_processor_names(given->renamed);
    if (!names) throw CLI::ValidationError("--as-processor", names.error().message());
    given->arguments.as_processor = std::move(*names);
    code = with_settings(given->from, [&](const app::app_config& settings) {
      std::signal(SIGINT, ask_to_stop);
      std::signal(SIGTERM, ask_to_stop);
      return redrive_dead_letters(settings, given->arguments, standard, stop_asked);
    });
  });
}

}  // namespace

void add_to(CLI::App& program, int& code) {
  CLI::App* dlq =
      program.add_subcommand("dlq", "Look at the dead letters of a configuration, and send them back");
  dlq->require_subcommand(1);
  add_ls(dlq, code);
  add_show(dlq, code);
  add_redrive(dlq, code);
}

}  // namespace millrace::dlq_commands

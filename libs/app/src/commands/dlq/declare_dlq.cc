#include <csignal>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>

#include "commands/built_in.h"
#include "dlq_commands.h"

namespace millrace::app {
namespace dlq_commands {
namespace {

const terminal standard{std::cout, std::cerr};

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's action may set it");
extern "C" void ask_to_stop(int) { stop_asked = true; }

void add_filter(CLI::App* command, dead_letter_filter& filter) {
  command->add_option("--reason", filter.reason, "Only records with this reason or error code");
  command->add_option("--processor", filter.processor, "Only records of this processor");
  command->add_option("--topic", filter.topic, "Only records that came from this topic");
}

template <typename Command>
int with_settings(const run_arguments& from, const Command& command) {
  const auto settings = load_config(from, std::cerr);
  return settings ? command(settings->value) : exit_config;
}

void add_ls(CLI::App* dlq, int& code) {
  struct all {
    run_arguments from;
    ls_arguments arguments;
  };
  auto given = std::make_shared<all>();
  CLI::App* command =
      dlq->add_subcommand("ls", "Count the dead-letter records by reason, processor and source partition");
  add_configuration(*command, given->from);
  add_filter(command, given->arguments.filter);
  command->add_option("--limit", given->arguments.limit,
                      "Also print one line for each of the first N records");
  command->callback([given, &code] {
    code = with_settings(given->from, [&](const app::app_config& settings) {
      return list_dead_letters(settings, given->arguments, standard);
    });
  });
}

void add_show(CLI::App* dlq, int& code) {
  struct all {
    run_arguments from;
    show_arguments arguments;
  };
  auto given = std::make_shared<all>();
  CLI::App* command = dlq->add_subcommand(
      "show", "Print the key and the headers of one dead-letter record, and its value on request");
  add_configuration(*command, given->from);
  command->add_option("offset", given->arguments.offset, "Offset of the record in the dead-letter topic")
      ->required()
      ->check(CLI::NonNegativeNumber);
  command->add_option("--partition", given->arguments.partition,
                      "Partition of the dead-letter topic; required when it has several");
  command->add_flag(
      "--payload", given->arguments.payload,
      "Also print the value: as JSON when the registry has its schema, otherwise in hexadecimal");
  command->callback([given, &code] {
    code = with_settings(given->from, [&](const app::app_config& settings) {
      return show_dead_letter(settings, given->arguments, standard);
    });
  });
}

void add_redrive(CLI::App* dlq, int& code) {
  struct all {
    run_arguments from;
    redrive_arguments arguments;
    std::vector<std::string> renamed;
  };
  auto given = std::make_shared<all>();
  redrive_arguments& arguments = given->arguments;
  CLI::App* command = dlq->add_subcommand("redrive",
                                          "Produce dead-letter records to the topics they came from; a "
                                          "second run continues after the last acknowledged record");
  add_configuration(*command, given->from);
  add_filter(command, arguments.filter);
  command->add_option("--rate", arguments.rate, "Records per second")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 100'000.0));
  command->add_option("--limit", arguments.limit, "Maximum number of records");
  command
      ->add_option("--redrives-max", arguments.redrives_max,
                   "Refuse records that were redriven this many times")
      ->capture_default_str();
  command->add_option("--to", arguments.to_topic,
                      "Topic to produce to, in place of the one that the record names");
  CLI::Option* const from_group = command
                                      ->add_option("--from-group", arguments.from_groups,
                                                   "Group whose records are redriven too, besides "
                                                   "kafka.group and kafka.former_groups (repeatable)")
                                      ->allow_extra_args(false);
  CLI::Option* const as_processor =
      command
          ->add_option("--as-processor", given->renamed,
                       "OLD=NEW: records of the processor OLD go to the processor NEW (repeatable)")
          ->allow_extra_args(false);
  command
      ->add_flag("--for-all", arguments.for_all,
                 "Redrive for every group and processor, not only for those that failed")
      ->excludes(from_group, as_processor);
  command->add_flag("--dry-run", arguments.dry_run,
                    "Print what would be redriven; produce and commit nothing");
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

}  // namespace dlq_commands

command dlq_command() {
  return {"dlq", "List, show and redrive dead-letter records", [](CLI::App& dlq, int& code) {
            dlq.require_subcommand(1);
            dlq_commands::add_ls(&dlq, code);
            dlq_commands::add_show(&dlq, code);
            dlq_commands::add_redrive(&dlq, code);
          }};
}

}  // namespace millrace::app

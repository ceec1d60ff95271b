// The commands that come with every application, besides those that run it.
#pragma once

#include <vector>

#include <millrace/app/application.h>
#include <millrace/app/command.h>

namespace millrace::app {

// The configuration of a command, `config` or `--config`, and --set.
void add_configuration(CLI::App& command, run_arguments& into);

[[nodiscard]] command avro_command();     // avro schema, compat, decode, header, encode
[[nodiscard]] command certify_command();  // certify
[[nodiscard]] command dlq_command();      // dlq ls, show, redrive
[[nodiscard]] command prepare_command(const application& app);
[[nodiscard]] std::vector<command> observe_commands();  // top, lag, tap

}  // namespace millrace::app

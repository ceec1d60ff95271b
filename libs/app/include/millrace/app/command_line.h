// The command line of a program: a tree of commands. Every application has the same ones (commands_of); a
// program may add its own.
//
// The library that reads the arguments is CLI11; only a command that declares options of its own includes it.
//
// Example, at namespace scope:
//
//   #include <memory>
//
//   #include <CLI/CLI.hpp>
//
//   int write_again(const std::string& first_day);
//
//   int run_backfill(int argc, char** argv) {
//     const app::command backfill{"backfill", "Write the table again", [](CLI::App& self, int& code) {
//       auto from = std::make_shared<std::string>();
//       self.add_option("--from", *from, "First day")->required();
//       self.callback([from, &code] { code = write_again(*from); });
//     }};
//     return app::run_program({.name = "visits",
//                              .version = "1.0.0",
//                              .purpose = "Writes visits to the database",
//                              .shared = {},
//                              .own = {backfill}},
//                             argc, argv);
//   }
//
// Threads: the main thread. Commands run one at a time on the thread that calls run_program.
// Errors: messages go to standard error; the exit code is the result.
#pragma once

#include <string>
#include <vector>

#include <millrace/app/command.h>

namespace millrace::app {

struct application;

// A program: its name and its commands.
struct program {
  std::string name;
  std::string version;
  std::string purpose;          // one line
  std::vector<command> shared;  // those of every application: commands_of
  std::vector<command> own;
};

// Returns the commands run, validate, config, metrics, prepare, top, lag, tap, dlq, avro and certify. The
// application must outlive them.
[[nodiscard]] std::vector<command> commands_of(const application& app);

// Runs the command that the arguments name, of the program's commands, `help` and `version`, and returns its
// exit code. For arguments that cannot be parsed, prints a message on standard error and returns exit_config.
[[nodiscard]] int run_program(const program& of, int argc, char** argv);

// Returns the reference of all commands with their options, in Markdown; `help --markdown` prints it.
[[nodiscard]] std::string to_markdown(const program& of);

}  // namespace millrace::app

// The command line of a program: a tree of commands. Every application has the same ones (commands_of); a
// program may add its own.
//
// Commands run one at a time on the calling thread. The library that reads the arguments is CLI11; only a
// command that declares options of its own includes it.
//
//   command backfill{"backfill", "Write the table again", [](CLI::App& self, int& code) {
//     auto from = std::make_shared<std::string>();
//     self.add_option("--from", *from, "First day")->required();
//     self.callback([from, &code] { code = write_again(*from); });
//   }};
#pragma once

#include <string>
#include <vector>

#include <millrace/app/command.h>

namespace millrace::app {

struct application;

struct program {
  std::string name;
  std::string version;
  std::string purpose;          // one line
  std::vector<command> shared;  // what every application has: commands_of
  std::vector<command> own;
};

// run, validate, config, metrics, top, lag, tap, dlq and avro. The application must outlive the commands.
[[nodiscard]] std::vector<command> commands_of(const application& app);

// Runs the command that the arguments name, of the program's commands, `help` and `version`, and returns its
// exit code. Arguments that are not understood: a message on standard error, and exit_config.
[[nodiscard]] int run_program(const program& of, int argc, char** argv);

// The reference of all commands with their options, in Markdown; `help --markdown` prints it.
[[nodiscard]] std::string to_markdown(const program& of);

}  // namespace millrace::app

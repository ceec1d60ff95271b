// An application: a name and its processors. The engine brings configuration, workers, admin endpoint,
// signals and exit codes.
//
// Exit codes: 0 stopped on request, everything in flight finished and committed; 1 stopped by a failure, or
// records will be worked on again: abandoned at the drain deadline, or finished and not committed; 78 the
// configuration cannot be used (EX_CONFIG of sysexits.h).
#pragma once

#include <string>
#include <vector>

#include <millrace/app/command_line.h>
#include <millrace/engine/processor.h>

namespace millrace::app {

struct application {
  std::string name;
  std::string version = "0.0.0";
  engine::processor_set processors;
  std::vector<command> commands = {};  // of its own, beside commands_of
};

struct run_arguments {
  std::string config_file;
  std::vector<std::string> set;  // "section.key=value", over the file and the environment
};

// Runs until SIGTERM or SIGINT (drain; a second one aborts) or a failure. Blocks these signals in the calling
// thread, which must be the only one. Messages go to standard error.
[[nodiscard]] int run(const application& app, const run_arguments& arguments);

// Reads and checks the configuration; prints what is wrong.
[[nodiscard]] int validate(const run_arguments& arguments);

// The command line of an application: commands_of, the commands of its own, `help` and `version`. Returns the
// exit code.
int main(int argc, char** argv, const application& app);

}  // namespace millrace::app

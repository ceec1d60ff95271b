// A command of a program's command line.
//
// Example prelude:
//
//   #include <CLI/CLI.hpp>
//
// Example:
//
//   const app::command ping{"ping", "Check that the program starts", [](CLI::App& self, int& code) {
//     self.callback([&code] { code = 0; });
//   }};
//   invariant(ping.name == "ping", "a command has a name");
//
// Threads: plain values; commands run one at a time on the thread that called run_program.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace millrace::app {

// A command: its name, its line of help, and the function that declares it.
struct command {
  std::string name;
  std::string summary;  // one line, in the imperative, without a full stop
  // Adds arguments and sub-commands to `self`. The callback of the command that was given sets `exit_code`,
  // one of exit_code.h; both references are valid until run_program returns.
  std::function<void(CLI::App& self, int& exit_code)> declare;
};

}  // namespace millrace::app

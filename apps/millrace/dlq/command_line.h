// The command line of `millrace dlq`.
#pragma once

namespace CLI {
class App;
}

namespace millrace::dlq_commands {

// Adds `dlq` to the program's commands. When one of its commands has run, `code` is its exit code.
void add_to(CLI::App& program, int& code);

}  // namespace millrace::dlq_commands

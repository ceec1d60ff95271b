// The command line of `millrace avro`.
#pragma once

namespace CLI {
class App;
}

namespace millrace::avro_commands {

// Adds `avro` to the program's commands. When one of its commands has run, `code` is its exit code.
void add_to(CLI::App& program, int& code);

}  // namespace millrace::avro_commands

// The tree of commands as CLI11 knows it, for the reference.
#pragma once

#include <millrace/app/command_line.h>

namespace millrace::app {

// Adds all commands of the program. The references must be valid until the arguments have been read.
void declare_program(const program& of, CLI::App& root, int& code);

}  // namespace millrace::app

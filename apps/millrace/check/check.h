// `millrace check`: finds traps of coroutines in the code of an application, by clang-tidy and clang-query.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <millrace/app/command_line.h>

namespace millrace::check {

struct check_arguments {
  std::vector<std::string> files;  // empty: all of the build
  std::string build;               // empty: searched from the first file, or from the working folder
  std::string tidy;                // empty: searched in PATH
  unsigned jobs = 1;
};

// Checks the files and prints findings on `out`, and what prevents the check on `err`. Returns exit_ok without a
// finding, exit_failure with one or when a tool fails, exit_config when there is nothing to check or no tool.
[[nodiscard]] int run_check(const check_arguments& arguments, std::ostream& out, std::ostream& err);

// Prints every rule with what to do.
void print_rules(std::ostream& out);

[[nodiscard]] app::command check_command();

}  // namespace millrace::check

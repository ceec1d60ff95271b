// `millrace demo` on the command line.
#pragma once

#include <millrace/app/command_line.h>

namespace millrace {

[[nodiscard]] app::command demo_command();

}  // namespace millrace

// `millrace dev`.
#pragma once

#include <millrace/app/command_line.h>

namespace millrace {

[[nodiscard]] app::command dev_command();

}  // namespace millrace

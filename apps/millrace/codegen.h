// `millrace codegen`: the C++ header of an Avro schema.
#pragma once

#include <millrace/app/command_line.h>

namespace millrace {

[[nodiscard]] app::command codegen_command();

}  // namespace millrace

// The subset of CQL the emulator executes. What Cassandra knows and the emulator does not is code::invalid
// and says so; what neither knows is code::syntax.
#pragma once

#include <string_view>

#include "cql_ast.h"

namespace millrace::emulators::cql {

[[nodiscard]] answer<parsed_statement> parse_statement(std::string_view text);

}  // namespace millrace::emulators::cql

// Whether what is known of a statement still holds after its table has changed.
//
// Threads: any; the function is pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <millrace/statement/declaration.h>

namespace millrace::cql {

// Why cells that were made for, or are read by, `before` no longer fit `after`: another number of columns, another
// name, or a type that can_read() refuses. nullopt when they fit.
[[nodiscard]] std::optional<std::string> changed(const std::vector<statements::column>& before,
                                                 const std::vector<statements::column>& after);

}  // namespace millrace::cql

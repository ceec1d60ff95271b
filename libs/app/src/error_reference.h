// The reference of errors: docs/reference/errors.md.
//
// Threads: any; the function is pure.
#pragma once

#include <string>

namespace millrace::app {

// Returns the page in Markdown: every code with its consequence, and what becomes of the errors of the CQL protocol.
[[nodiscard]] std::string error_reference();

}  // namespace millrace::app

// Invariants. A broken one aborts the process with its reason and place, in release builds too: a wrong
// commit is worse than a restart. Never used for input, servers or configuration: those are
// errors.
#pragma once

#include <source_location>

namespace millrace {

// Prints "millrace: invariant broken: REASON at FILE:LINE (FUNCTION)" to standard error and aborts.
[[noreturn]] void invariant_broken(const char* reason,
                                   std::source_location where = std::source_location::current()) noexcept;

// invariant(cond, "why this must hold")
inline void invariant(bool holds, const char* reason,
                      std::source_location where = std::source_location::current()) noexcept {
  if (!holds) [[unlikely]] {
    invariant_broken(reason, where);
  }
}

}  // namespace millrace

// Invariants: conditions that hold unless the program has a defect.
//
// A broken invariant aborts the process in release builds too, because a wrong commit is worse than a
// restart. Invariants are never used for input, servers or configuration: those return an error (errors.h).
//
// Example:
//
//   std::int64_t position = 41;
//   std::int64_t next = 42;
//   millrace::invariant(next > position, "a committed position never decreases");
//
// Example prelude:
//
//   #include <cstdint>
//
// Threads: any.
#pragma once

#include <source_location>

namespace millrace {

// Prints "millrace: invariant broken: REASON at FILE:LINE (FUNCTION)" to standard error and aborts the
// process. `reason` says why the condition must hold.
[[noreturn]] void invariant_broken(const char* reason,
                                   std::source_location where = std::source_location::current()) noexcept;

// Returns when `holds` is true and calls invariant_broken() otherwise.
inline void invariant(bool holds, const char* reason,
                      std::source_location where = std::source_location::current()) noexcept {
  if (!holds) [[unlikely]] {
    invariant_broken(reason, where);
  }
}

}  // namespace millrace

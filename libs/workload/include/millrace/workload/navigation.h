// The navigation application: three processors that share each decoded page view. `millrace run`, `millrace
// demo` and examples/navigation run it; the benchmarks run its processor `visits`.
//
//   visits         looks up the visitor's profile and writes the enriched visit
//   last_seen      writes the visit to the table whose first row is the visitor's newest visit
//   audience_feed  emits the enriched visit as Avro, keyed by visitor
//
// Example, at namespace scope:
//
//   int run_navigation(int argc, char** argv) {
//     return app::main(argc, argv, workload::navigation_application());
//   }
//
// Threads: the functions are callable from any thread and return the same object each time.
#pragma once

#include <millrace/app/application.h>

namespace millrace::workload {

// Returns the application with all three processors.
[[nodiscard]] const app::application& navigation_application();
// Returns the application with the processor `visits` only: one SELECT and one INSERT per record.
[[nodiscard]] const app::application& visits_application();

}  // namespace millrace::workload

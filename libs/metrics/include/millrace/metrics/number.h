// Numbers as text.
//
// Example:
//
//   invariant(metrics::format_number(0.0005) == "0.0005", "small bounds have plain digits");
//
// Threads: the function is pure and callable from any thread.
#pragma once

#include <string>

namespace millrace::metrics {

// Returns a number as Prometheus reads it: the shortest form that round-trips, plain digits from 1e-4 to
// below 1e21 (so that an alert can name le="0.0005"), +Inf, -Inf, NaN.
[[nodiscard]] std::string format_number(double value);

}  // namespace millrace::metrics

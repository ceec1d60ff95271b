// Numbers as text. Thread-safe.
#pragma once

#include <string>

namespace millrace::metrics {

// A number as Prometheus reads it: shortest form that round-trips, plain digits from 1e-4 to below 1e21 (so
// that an alert can name le="0.0005"), +Inf, -Inf, NaN.
[[nodiscard]] std::string format_number(double value);

}  // namespace millrace::metrics

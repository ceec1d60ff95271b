// The Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
#pragma once

#include <string>
#include <string_view>

#include <millrace/metrics/snapshot.h>

namespace millrace::metrics {

inline constexpr std::string_view text_content_type = "text/plain; version=0.0.4; charset=utf-8";

// The whole page: HELP and TYPE once per family, families and series sorted, histograms cumulative with +Inf,
// and a _count that equals the +Inf bucket.
[[nodiscard]] std::string to_text(const snapshot& values);

// A number as Prometheus reads it: shortest form that round-trips, plain digits from 1e-4 to below 1e21 (so
// that an alert can name le="0.0005"), +Inf, -Inf, NaN.
[[nodiscard]] std::string format_number(double value);

}  // namespace millrace::metrics

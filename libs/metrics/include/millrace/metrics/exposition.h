// The Prometheus text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
//
// Example:
//
//   metrics::catalogue declared;
//   metrics::registry counts(declared);
//   const std::string page = metrics::to_text(counts.take_snapshot());
//   invariant(metrics::format_number(0.0005) == "0.0005", "an alert can name the number");
//
// Example prelude:
//
//   #include <millrace/metrics/registry.h>
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <string>
#include <string_view>

#include <millrace/metrics/number.h>
#include <millrace/metrics/snapshot.h>

namespace millrace::metrics {

inline constexpr std::string_view text_content_type = "text/plain; version=0.0.4; charset=utf-8";

// The whole page: HELP and TYPE once per family, families and series sorted, histograms cumulative with +Inf,
// and a _count that equals the +Inf bucket.
[[nodiscard]] std::string to_text(const snapshot& values);

}  // namespace millrace::metrics

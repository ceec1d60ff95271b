// The catalogue of all metrics: every family that a process may expose at /metrics, whatever its
// configuration. The metrics reference, the dashboard and the rules are generated from it.
//
// Example:
//
//   metrics::catalogue all;
//   app::declare_metrics(all);
//   invariant(!app::metric_catalogue_json().empty(), "the catalogue is not empty");
//
// Threads: any.
#pragma once

#include <string>

#include <millrace/metrics/catalogue.h>

namespace millrace::app {

// Declares every family of every part. Bounds of buckets are to be set before.
void declare_metrics(metrics::catalogue& into);
// Returns the catalogue with the default buckets as JSON, in the form of catalogue::to_json().
[[nodiscard]] std::string metric_catalogue_json();

}  // namespace millrace::app

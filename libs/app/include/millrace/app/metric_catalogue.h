// The one place that knows every metric: what a process may expose at /metrics, whatever its configuration.
// The metrics reference, the dashboard and the rules are generated from it.
#pragma once

#include <string>

#include <millrace/metrics/catalogue.h>

namespace millrace::app {

// Declares every family of every part. Bounds of buckets are set before.
void declare_metrics(metrics::catalogue& into);
// All of it with the default buckets, as catalogue::to_json() writes it.
[[nodiscard]] std::string metric_catalogue_json();

}  // namespace millrace::app

// The catalogue of all metrics: every family that a process may expose at /metrics, whatever its
// configuration. The metrics reference, the dashboard and the rules are generated from it.
//
// Example:
//
//   metrics::catalogue all;
//   app::declare_metrics(all);
//   invariant(app::metric_catalogue_json({}).ok(), "an application may declare no metric");
//
// Threads: any.
#pragma once

#include <string>

#include <millrace/base/result.h>
#include <millrace/engine/processor.h>
#include <millrace/metrics/catalogue.h>

namespace millrace::app {

// Declares every family of every part. Bounds of buckets are to be set before.
void declare_metrics(metrics::catalogue& into);
// Declares the metrics of an application's processors. Returns errc::config_invalid when one breaks a rule, which
// engine::build() has checked.
[[nodiscard]] result<void> declare_metrics(const statements::declarations& of, metrics::catalogue& into);
// Returns the catalogue with the default buckets as JSON, in the form of catalogue::to_json(): the metrics of the
// product and those that the processors declare. Errors: those of engine::build(), except for an application without
// processors.
[[nodiscard]] result<std::string> metric_catalogue_json(const engine::processor_set& processors);

}  // namespace millrace::app

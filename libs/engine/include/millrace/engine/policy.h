// Policies of a single processor and of a dependency, where they differ from those of the engine (options.h).
//
// Example prelude:
//
//   #include <millrace/engine/options.h>
//
// Example:
//
//   engine::engine_options options;
//   options.processors = {{.name = "enrich", .retry = {.attempts_max = 3}, .limits = {.concurrency_max = 8, .rate_max = 200}}};
//   options.dependencies = {{.name = "database", .limits = {.concurrency_max = 64}}};
//
// Limits: a run of a processor that is over its limit waits before its attempt begins, in the order in which records
// arrive; retries go first. A record that waits is in flight: it counts against the limits of the engine, and when
// those are reached no record is taken. Nothing is lost or refused. Order (`order_mode`) holds: the next record of a
// key follows when the one that waits has ended. Processors without a limit are not delayed by those that have one.
// An attempt holds its place until process() returns, also when it was cancelled. Time in the queue counts neither
// as time of the attempt nor towards age_max.
// Stop and rebalance: a record that waits and on which no processor has begun is given up at once, with those of its
// key behind it, and delivered again. A record on which another processor has begun keeps waiting until the drain
// ends.
// Limits are those of one worker's engine. The application divides those of the configuration among its workers.
//
// Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/engine/filter.h>
#include <millrace/runtime/limiter.h>

namespace millrace::engine {

// Bounds of the retries of one processor (retry_policy). A member that is not set has the value of the engine.
struct processor_retries {
  std::optional<std::uint32_t> attempts_max = {};
  std::optional<milliseconds> age_max = {};
};

// The policies of one processor. A member that is not set has the value of the engine.
struct processor_policy {
  std::string name;     // of the processor
  bool enabled = true;  // false: build() leaves it out
  processor_retries retry = {};
  std::string dead_letter_topic = {};       // empty: the engine's. Of records that this processor condemns
  runtime::work_limits limits = {};         // of attempts
  std::vector<record_filter> filters = {};  // besides engine_options::filters
};

// The policies of a dependency. "database" is the only one with limits: its requests, each execution and each batch
// being one. Requests over the limit wait in order.
struct dependency_policy {
  std::string name;
  runtime::work_limits limits = {};
};

}  // namespace millrace::engine

// A line: the engine of one worker. It takes records from a source, decodes them, runs the processors on
// them, sends what they emit, and commits an offset only when everything before it is finished. It works on
// ports alone.
//
// Promise: at-least-once. An offset is committed only when every delivered record below it has ended: done
// (its emits acknowledged), skipped by rule, or dead-lettered (the letter acknowledged). A stop that drains
// repeats nothing after a restart; a crash repeats at most the window of each partition.
//
// Errors become retry, dead letter or stop by stream::disposition_of. On stop the line drains and ends as
// `failed`; the record that caused it stays uncommitted. A broken invariant aborts the process.
//
// Threads: everything belongs to the loop's thread, except status() and entered().
#pragma once

#include <memory>
#include <optional>

#include <millrace/base/errors.h>
#include <millrace/engine/budget.h>
#include <millrace/engine/observer.h>
#include <millrace/engine/operator_command.h>
#include <millrace/engine/options.h>
#include <millrace/engine/processor.h>
#include <millrace/engine/retry_budget.h>
#include <millrace/engine/status.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/schemas.h>
#include <millrace/stream/sink.h>
#include <millrace/stream/source.h>
#include <millrace/stream/store.h>

namespace millrace::engine {

// All must outlive the line; the budgets are shared by the workers of the process, the rest is this worker's.
struct engine_ports {
  runtime::loop& loop;
  stream::source& source;
  stream::sink& sink;
  stream::store& store;
  stream::schemas& schemas;
  byte_budget& budget;
  retry_budget& retries;
  metrics::shard& metrics;
  record_observer* observer = nullptr;  // may be none
};

// Declares every metric family of the pipeline, for the reference and for checking dashboards.
void declare_metrics(metrics::catalogue& into);

class engine_core;

class record_engine {
 public:
  // `work` was built for this worker, its statements prepared and its outputs registered.
  record_engine(engine_ports ports, engine_options options, processors work);
  record_engine(const record_engine&) = delete;
  record_engine& operator=(const record_engine&) = delete;
  // quiescent() must hold.
  ~record_engine();

  // Starts taking records. Once.
  void start();
  // Drain: takes no more, finishes or, after drain_timeout, abandons what is in flight, commits, leaves the
  // group. Ends within drain_timeout + commit_timeout + leave_timeout, whatever does not answer. Safe in any
  // state; before start() it ends the line at once.
  void request_stop();
  // Gives up at once: abandons everything, commits nothing more, leaves the group if that takes no longer
  // than 2 s.
  void abort();
  // Ends the line as failed, as an error with disposition stop would.
  void fail(error cause);

  // An operator's verb about the oldest unfinished record of a partition.
  [[nodiscard]] command_answer act_on(const record_name& which, operator_command verb);

  [[nodiscard]] engine_state state() const noexcept;
  // stopped or failed: the group was left, or did not answer in time; the books are closed.
  [[nodiscard]] bool finished() const noexcept;
  // No coroutine of a processor, no receipt and no schema request is outstanding: the line may be destroyed.
  // After finished() this needs only that the store and the sink answer what they still hold.
  [[nodiscard]] bool quiescent() const noexcept;
  // Set when the state is failed, or will be after the drain.
  [[nodiscard]] const std::optional<error>& failure() const noexcept;
  [[nodiscard]] const record_accounting& counts() const noexcept;
  // Of the abandoned records, those that were given up after the stop began: 0 before it.
  [[nodiscard]] std::uint64_t abandoned_by_stop() const noexcept;
  // Of the uncommitted records, those whose partition was given up after the stop began: 0 before it.
  [[nodiscard]] std::uint64_t uncommitted_by_stop() const noexcept;
  // False when the line ended before the group's coordinator let it go.
  [[nodiscard]] bool left_group() const noexcept;
  [[nodiscard]] std::size_t in_flight_records() const noexcept;

  // Any thread: a copy that is at most status_interval old.
  [[nodiscard]] engine_status status() const;
  // Any thread, and also while the loop is stuck. Taken while the loop turns, name and record may be of two
  // entries.
  [[nodiscard]] std::optional<entered_processor> entered() const noexcept;
  // The loop's thread: as of now.
  [[nodiscard]] engine_status status_now() const;

 private:
  std::unique_ptr<engine_core> engine_;
};

}  // namespace millrace::engine

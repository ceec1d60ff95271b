// The record engine of one worker. It takes records from a source, decodes them, runs the processors on them,
// sends their emits, and commits an offset only when everything before it is finished. It works on ports
// only.
//
// At-least-once: an offset is committed only when every delivered record below it has ended: done (its emits
// acknowledged), skipped by rule, or dead-lettered (the dead-letter record acknowledged). A stop that drains
// repeats nothing after a restart. A crash repeats at most the window of each partition.
//
// Example, at namespace scope:
//
//   void drain(engine::record_engine& worker, runtime::loop& loop) {
//     worker.request_stop();
//     while (!worker.finished()) loop.run_turn(milliseconds(100));
//     invariant(worker.counts().balanced(), "every record has one outcome");
//   }
//
// Failure: errors become retry, dead letter or stop by stream::disposition_of(). On stop the engine drains
// and ends as `failed`; the record that caused it stays uncommitted. A broken invariant aborts the process.
// Threads: the loop's thread, except status() and entered(), which any thread may call.
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

// The ports of an engine. All of them must outlive it. The budgets are shared by the workers of the process;
// the other ports belong to this worker.
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
  stream::log_sink* log = nullptr;      // of processors; none: their lines are written nowhere
};

// Declares every metric family of the record engine, for the reference and for checks of dashboards.
void declare_metrics(metrics::catalogue& into);

class engine_core;

// One worker's engine. Its states are those of engine_state (status.h).
class record_engine {
 public:
  // `work` was built for this worker, with its statements prepared and its outputs registered.
  record_engine(engine_ports ports, engine_options options, processors work);
  record_engine(const record_engine&) = delete;
  record_engine& operator=(const record_engine&) = delete;
  // quiescent() must be true.
  ~record_engine();

  // Starts to take records. Called once.
  void start();
  // Drains: takes no more records, finishes the records in flight or abandons them after drain_timeout,
  // commits, and leaves the group. Ends within drain_timeout + commit_timeout + leave_timeout, whatever does
  // not answer. Allowed in any state; before start() it ends the engine at once.
  void request_stop();
  // Ends at once: abandons all records, commits nothing more, and leaves the group if that takes no longer
  // than 2 s.
  void abort();
  // Drains and ends as failed, as an error with disposition stop does.
  void fail(error cause);

  // Executes an operator command about the oldest unfinished record of a partition. The answer says whether
  // it was accepted.
  [[nodiscard]] command_answer act_on(const record_name& which, operator_command verb);

  // The present state.
  [[nodiscard]] engine_state state() const noexcept;
  // True when the state is stopped or failed: the group was left or did not answer in time, and the record
  // accounting is final.
  [[nodiscard]] bool finished() const noexcept;
  // True when no coroutine of a processor, no receipt and no schema request is outstanding: the engine may be
  // destroyed. After finished() this only needs the answers that the store and the sink still owe.
  [[nodiscard]] bool quiescent() const noexcept;
  // Set when the state is failed, or will be after the drain.
  [[nodiscard]] const std::optional<error>& failure() const noexcept;
  // The record accounting as of now.
  [[nodiscard]] const record_accounting& counts() const noexcept;
  // The number of abandoned records that were given up after the stop began; 0 before it.
  [[nodiscard]] std::uint64_t abandoned_by_stop() const noexcept;
  // The number of uncommitted records whose partition was given up after the stop began; 0 before it.
  [[nodiscard]] std::uint64_t uncommitted_by_stop() const noexcept;
  // False when the engine ended before the group's coordinator confirmed that it left.
  [[nodiscard]] bool left_group() const noexcept;
  // The number of records that were taken and have not ended.
  [[nodiscard]] std::size_t in_flight_records() const noexcept;

  // Any thread: a copy of the status that is at most status_interval old.
  [[nodiscard]] engine_status status() const;
  // Any thread, also while the event loop is blocked: the processor that was entered last. Read while the
  // loop runs, the name and the record may be of two different entries.
  [[nodiscard]] std::optional<entered_processor> entered() const noexcept;
  // Loop's thread: the status as of now.
  [[nodiscard]] engine_status status_now() const;

 private:
  std::unique_ptr<engine_core> engine_;
};

}  // namespace millrace::engine

// The status of an engine as plain data, for /status, health checks and tests.
//
// Example:
//
//   const engine::record_accounting counts{.received = 3, .done = 2, .in_flight = 1};
//   invariant(counts.balanced(), "every record is counted once");
//   const std::string_view state = engine::to_string(engine::engine_state::running);
//   invariant(!state.empty(), "every state has a name");
//
// Threads: plain values. The functions are pure and callable from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>

namespace millrace::engine {

// The state of an engine. The number is the value of the metric millrace_state.
//
//   idle ──▶ running ──▶ draining ──▶ leaving ──▶ stopped or failed
//    └───────────────────────────────────────────────▲
//
//   from      event                                                      to
//   idle      start()                                                    running
//   idle      request_stop(), abort(); fail()                            stopped; failed
//   running   request_stop(), abort(); fail(), an error with             draining
//             disposition stop, a fatal error of the source or sink
//   draining  all work has ended, drain_timeout, or abort()              leaving
//   leaving   the last commits are answered or commit_timeout is over,   stopped, or failed when
//             and the group was left or leave_timeout is over            failure() is set
//
// stopped and failed are final.
enum class engine_state : std::uint8_t {
  idle = 0,      // not started
  running = 1,   // takes records
  draining = 2,  // takes no more, finishes what it has
  leaving = 3,   // last commits, leaving the group
  stopped = 4,   // final: ended by request
  failed = 5,    // final: ended because of `failure`
};
// Returns the name of a state.
[[nodiscard]] std::string_view to_string(engine_state s) noexcept;

// Record accounting: received = done + skipped + dead_lettered + abandoned + in_flight, at any moment.
struct record_accounting {
  std::uint64_t received = 0;
  std::uint64_t done = 0;
  std::uint64_t skipped = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t abandoned = 0;  // given up on revoke, loss or stop; delivered again later
  std::uint64_t in_flight = 0;
  // Records that are done, skipped or dead-lettered, and whose offset was not committed when their partition
  // was given up on revoke, loss or stop. They are delivered again later.
  std::uint64_t uncommitted = 0;

  // True when the equation above holds.
  [[nodiscard]] bool balanced() const noexcept {
    return received == done + skipped + dead_lettered + abandoned + in_flight;
  }
};

// The processor that was entered last since the worker last took records. When the event loop is blocked, it
// is the most likely place.
struct entered_processor {
  std::string_view name;  // valid as long as the engine
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

// The oldest unfinished record of a partition.
struct oldest_record {
  std::int64_t offset = 0;
  std::string key;        // as text, at most 64 bytes, unprintable bytes escaped
  std::string stage;      // schema, queued, limit, process, retry, emit, dead_letter
  std::string processor;  // the one that is not finished; empty before processing
  std::uint32_t attempt = 0;
  std::string last_error;  // empty when none
  nanoseconds age{0};      // since it was taken
};

// Why a partition is not fetched:
//
//   reason   condition
//   schema   its records wait for schemas
//   window   its window of uncommitted records is full
//   share    it holds its share of the records in flight
//   stall    it is stalled with more than its part of half of the records in flight
enum class pause_reason : std::uint8_t { none, schema, window, share, stall };
inline constexpr std::size_t pause_reason_count = 5;
// Returns the name of a reason, "schema"; empty for none.
[[nodiscard]] std::string_view to_string(pause_reason r) noexcept;

// The status of one assigned partition.
struct partition_status {
  std::string topic;
  std::int32_t partition = 0;
  std::uint64_t epoch = 0;
  std::string state;  // open, revoking, sealed
  pause_reason paused = pause_reason::none;
  std::size_t in_flight = 0;
  std::uint64_t window = 0;                // the most records that a crash now would deliver again
  std::optional<std::int64_t> position;    // the offset that would be committed now
  std::optional<std::int64_t> committed;   // the last offset of this assignment that the broker confirmed
  std::optional<std::int64_t> lag;         // records up to the high watermark that are not finished
  std::optional<double> time_lag_seconds;  // age of the oldest of these, since its creation
  std::optional<oldest_record> oldest;
};

// The state of a circuit breaker. The number is the value of the metric millrace_breaker_state.
enum class breaker_state : std::uint8_t {
  closed = 0,   // requests are sent
  probing = 1,  // single requests test whether the dependency has recovered
  open = 2,     // no request is sent
};
// Returns the name of a state.
[[nodiscard]] std::string_view to_string(breaker_state s) noexcept;

struct breaker_status {
  std::string dependency;  // database, broker, or the name of a service
  breaker_state state = breaker_state::closed;
};

// The status of an engine.
struct engine_status {
  engine_state state = engine_state::idle;
  bool joined = false;           // the group has answered with an assignment, possibly empty
  std::optional<error> failure;  // why the engine stopped by itself
  std::optional<error> last_error;
  record_accounting counts;
  std::size_t in_flight_bytes = 0;
  std::size_t retrying = 0;         // waiting for their next attempt
  std::size_t over_budget = 0;      // of those, held back by the retry budget
  std::uint64_t retries_left = 0;   // in the retry budget, which is that of the process
  std::size_t schemas_missing = 0;  // ids being fetched
  std::vector<breaker_status> breakers;
  std::vector<partition_status> partitions;
};

}  // namespace millrace::engine

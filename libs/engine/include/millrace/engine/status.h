// What a line is doing, as plain data: for /status, health checks and tests.
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

// The number is the value of millrace_state.
enum class engine_state : std::uint8_t {
  idle = 0,      // not started
  running = 1,   // takes records
  draining = 2,  // takes no more, finishes what it has
  leaving = 3,   // last commits, leaving the group
  stopped = 4,   // at rest, by request
  failed = 5,    // at rest, because of `failure`
};
[[nodiscard]] std::string_view to_string(engine_state s) noexcept;

// received = done + skipped + dead_lettered + abandoned + in_flight, at any moment.
struct record_accounting {
  std::uint64_t received = 0;
  std::uint64_t done = 0;
  std::uint64_t skipped = 0;
  std::uint64_t dead_lettered = 0;
  std::uint64_t abandoned = 0;  // given up on revoke, loss or stop; delivered again later
  std::uint64_t in_flight = 0;
  // Of those that are done, skipped or dead-lettered: not committed when their partition was given up on
  // revoke, loss or stop; delivered again later.
  std::uint64_t uncommitted = 0;

  [[nodiscard]] bool balanced() const noexcept {
    return received == done + skipped + dead_lettered + abandoned + in_flight;
  }
};

// The processor that was entered last since the worker last took records: in a loop that is stuck, most
// likely where.
struct entered_processor {
  std::string_view name;  // lives as long as the line
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

struct oldest_record {
  std::int64_t offset = 0;
  std::string key;        // as text, at most 64 bytes, unprintable bytes escaped
  std::string stage;      // schema, queued, process, retry, emit, dead_letter
  std::string processor;  // the one that is not finished; empty before processing
  std::uint32_t attempt = 0;
  std::string last_error;  // empty when none
  nanoseconds age{0};      // since it was taken
};

// Why a partition is not fetched: records of it wait for schemas; the window of uncommitted records is full;
// it holds its share of the records in flight; it stands still with more than its part of half of them.
enum class pause_reason : std::uint8_t { none, schema, window, share, stall };
inline constexpr std::size_t pause_reason_count = 5;
// "schema"; empty: none.
[[nodiscard]] std::string_view to_string(pause_reason r) noexcept;

struct partition_status {
  std::string topic;
  std::int32_t partition = 0;
  std::uint64_t epoch = 0;
  std::string state;  // open, revoking, sealed
  pause_reason paused = pause_reason::none;
  std::size_t in_flight = 0;
  std::uint64_t window = 0;                // records a crash now would deliver again, at most
  std::optional<std::int64_t> position;    // what would be committed now
  std::optional<std::int64_t> committed;   // what the broker has from this assignment
  std::optional<std::int64_t> lag;         // records up to the high watermark that are not finished
  std::optional<double> time_lag_seconds;  // age of the oldest of these, since its creation
  std::optional<oldest_record> oldest;
};

// The number is the value of millrace_breaker_state.
enum class breaker_state : std::uint8_t {
  closed = 0,   // all is well
  probing = 1,  // a request now and then shows whether it is well again
  open = 2,     // nothing is asked
};
[[nodiscard]] std::string_view to_string(breaker_state s) noexcept;

struct breaker_status {
  std::string_view dependency;  // database, broker
  breaker_state state = breaker_state::closed;
};

struct engine_status {
  engine_state state = engine_state::idle;
  bool joined = false;           // the group has said what is assigned, if anything
  std::optional<error> failure;  // why the line stopped by itself
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

// Time as a port. Everything that waits, times out or measures reads a `clock`, so that tests and the
// simulation control time.
//
// Timeouts and latencies use the monotonic clock only: a step of the wall clock must not fire them. The wall
// clock is compared with the timestamps of records.
//
// Example:
//
//   millrace::manual_clock time;
//   const millrace::instant began = time.now();
//   time.advance(millrace::milliseconds(20));
//   millrace::invariant(time.now() - began == millrace::milliseconds(20), "a manual clock moves as told");
//
// Threads: `system_clock()` is thread-safe. A `manual_clock` belongs to one thread.
// Units: `instant` and durations are in nanoseconds, wall time in microseconds since 1970-01-01T00:00Z.
#pragma once

#include <chrono>
#include <cstdint>

#include <millrace/base/values.h>

namespace millrace {

using nanoseconds = std::chrono::nanoseconds;
using microseconds = std::chrono::microseconds;
using milliseconds = std::chrono::milliseconds;
using seconds = std::chrono::seconds;

// A point of a monotonic clock in nanoseconds. Its epoch is arbitrary; only differences have a meaning.
struct instant {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(instant, instant) = default;
  friend constexpr instant operator+(instant at, nanoseconds by) { return {at.ns + by.count()}; }
  friend constexpr nanoseconds operator-(instant later, instant earlier) {
    return nanoseconds(later.ns - earlier.ns);
  }
};

// The port. An implementation that several threads share is thread-safe.
class clock {
 public:
  clock() = default;
  clock(const clock&) = delete;
  clock& operator=(const clock&) = delete;
  virtual ~clock() = default;

  // Returns the monotonic time and the wall time. Neither can fail.
  [[nodiscard]] virtual instant now() const noexcept = 0;
  [[nodiscard]] virtual timestamp_micros wall() const noexcept = 0;
};

// Returns the clock of the process: CLOCK_MONOTONIC and CLOCK_REALTIME. It lives as long as the process.
[[nodiscard]] const clock& system_clock() noexcept;

// A clock that a test moves. It starts at `wall`. The monotonic time only moves forward; a negative step is
// ignored. The wall clock may be stepped separately.
class manual_clock final : public clock {
 public:
  explicit manual_clock(timestamp_micros wall = timestamp_micros(microseconds(1'700'000'000'000'000)))
      : wall_offset_us_(wall.time_since_epoch().count()) {}

  [[nodiscard]] instant now() const noexcept override { return {now_ns_}; }
  [[nodiscard]] timestamp_micros wall() const noexcept override {
    return timestamp_micros(microseconds(wall_offset_us_ + now_ns_ / 1000));
  }
  void advance(nanoseconds by) noexcept { now_ns_ += by.count() > 0 ? by.count() : 0; }
  void advance_to(instant at) noexcept { now_ns_ = at.ns > now_ns_ ? at.ns : now_ns_; }
  // Steps the wall clock alone, as an administrator or NTP does.
  void jump_wall(microseconds by) noexcept { wall_offset_us_ += by.count(); }

 private:
  std::int64_t now_ns_ = 0;
  std::int64_t wall_offset_us_;
};

}  // namespace millrace

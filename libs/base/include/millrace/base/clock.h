// Time as a port. Everything that waits, times out or measures asks a `clock`, so that tests and the
// simulation drive time by hand. Timeouts and latencies use the monotonic side only (a wall-clock jump must
// not fire them); the wall clock is for comparing with record timestamps.
#pragma once

#include <chrono>
#include <cstdint>

#include <millrace/base/values.h>

namespace millrace {

using nanoseconds = std::chrono::nanoseconds;
using microseconds = std::chrono::microseconds;
using milliseconds = std::chrono::milliseconds;
using seconds = std::chrono::seconds;

// An instant of a monotonic clock; its epoch is arbitrary.
struct instant {
  std::int64_t ns = 0;

  friend constexpr auto operator<=>(instant, instant) = default;
  friend constexpr instant operator+(instant at, nanoseconds by) { return {at.ns + by.count()}; }
  friend constexpr nanoseconds operator-(instant later, instant earlier) {
    return nanoseconds(later.ns - earlier.ns);
  }
};

// Thread-safe.
class clock {
 public:
  clock() = default;
  clock(const clock&) = delete;
  clock& operator=(const clock&) = delete;
  virtual ~clock() = default;

  [[nodiscard]] virtual instant now() const noexcept = 0;
  [[nodiscard]] virtual timestamp_micros wall() const noexcept = 0;
};

// CLOCK_MONOTONIC and CLOCK_REALTIME. One instance for the process.
[[nodiscard]] const clock& system_clock() noexcept;

// Moved by hand; starts at `wall`. Single-threaded use. Time only moves forward; the wall clock may be set
// apart.
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
  // A jump of the wall clock alone, as an administrator or NTP would cause.
  void jump_wall(microseconds by) noexcept { wall_offset_us_ += by.count(); }

 private:
  std::int64_t now_ns_ = 0;
  std::int64_t wall_offset_us_;
};

}  // namespace millrace

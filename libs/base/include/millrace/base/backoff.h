// Exponential backoff with jitter, from a seeded generator, so that a simulation replays exactly.
//
// Example:
//
//   backoff waits(milliseconds(50), milliseconds(10'000), 7);
//   const instant now{};
//   const instant next = waits.failed(now);
//   invariant(next - now >= milliseconds(25) && next - now <= milliseconds(50), "less up to half at random");
//   waits.succeeded();
//   invariant(waits.failures() == 0, "a success ends the row");
//
// Threads: a `backoff` belongs to one thread. backoff_wait() may be called from
// any thread that owns `random`.
#pragma once

#include <algorithm>
#include <cstdint>

#include <millrace/base/clock.h>
#include <millrace/base/random.h>

namespace millrace {

// Returns the wait after the `failures`-th failure in a row (1 for the first): first · 2^(failures-1), at
// most `most`, less up to the share `jitter` of it. The result is at least one millisecond.
[[nodiscard]] inline nanoseconds backoff_wait(std::uint32_t failures, milliseconds first, milliseconds most,
                                              double jitter, random_source& random) noexcept {
  const std::uint32_t doublings = std::min<std::uint32_t>(failures > 0 ? failures - 1 : 0, 30);
  const auto full = static_cast<double>(std::min<std::int64_t>(first.count() << doublings, most.count()));
  const double kept = full * (1.0 - std::clamp(jitter, 0.0, 1.0) * random.fraction());
  return nanoseconds(std::max<std::int64_t>(static_cast<std::int64_t>(kept * 1e6), 1'000'000));
}

// The waits of one peer: they double with every failure in a row, less up to half at random.
class backoff {
 public:
  backoff(milliseconds first, milliseconds most, std::uint64_t seed) noexcept
      : first_(first), most_(most), random_(seed) {}

  // Counts a failure and returns the time before which the peer is not contacted again.
  [[nodiscard]] instant failed(instant now) noexcept {
    failures_ = std::min(failures_ + 1, failures_counted_max);
    return now + backoff_wait(failures_, first_, most_, 0.5, random_);
  }
  // Ends the row: the next failure counts as the first.
  void succeeded() noexcept { failures_ = 0; }
  // Returns the number of failures in a row, at most 30.
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }

 private:
  static constexpr std::uint32_t failures_counted_max = 30;

  milliseconds first_;
  milliseconds most_;
  std::uint32_t failures_ = 0;
  random_source random_;
};

}  // namespace millrace

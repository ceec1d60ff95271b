// Exponential backoff with jitter, from a seeded generator so that a simulation replays exactly.
#pragma once

#include <algorithm>
#include <cstdint>

#include <millrace/base/clock.h>

namespace millrace::engine {

// splitmix64
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}
  [[nodiscard]] std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
  }
  // In [0, 1).
  [[nodiscard]] double fraction() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

// The wait after the `failures`-th failure in a row (1 for the first): first · 2^(failures-1), at most
// `most`, less up to `jitter` of it. At least a millisecond.
[[nodiscard]] inline nanoseconds backoff(std::uint32_t failures, milliseconds first, milliseconds most,
                                         double jitter, random_source& random) noexcept {
  const std::uint32_t doublings = std::min<std::uint32_t>(failures > 0 ? failures - 1 : 0, 30);
  const auto full = static_cast<double>(std::min<std::int64_t>(first.count() << doublings, most.count()));
  const double kept = full * (1.0 - std::clamp(jitter, 0.0, 1.0) * random.fraction());
  return nanoseconds(std::max<std::int64_t>(static_cast<std::int64_t>(kept * 1e6), 1'000'000));
}

}  // namespace millrace::engine

// The numbers of successes and failures in a sliding window.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <millrace/base/clock.h>

namespace millrace::engine {

class rate_window {
 public:
  explicit rate_window(nanoseconds window) noexcept
      : slot_ns_(std::max<std::int64_t>(window.count() / static_cast<std::int64_t>(slot_count), 1)) {}

  struct counts {
    std::uint64_t good = 0;
    std::uint64_t bad = 0;
    [[nodiscard]] bool bad_exceeds(double ratio) const noexcept {
      return static_cast<double>(bad) > ratio * static_cast<double>(good + bad);
    }
  };

  void good(instant now) noexcept { ++current(now).seen.good; }
  void bad(instant now) noexcept { ++current(now).seen.bad; }
  [[nodiscard]] counts in_window(instant now) const noexcept {
    const std::int64_t newest = number_at(now);
    counts sum;
    for (const slot& s : slots_) {
      if (s.number <= newest - static_cast<std::int64_t>(slot_count)) continue;
      sum.good += s.seen.good;
      sum.bad += s.seen.bad;
    }
    return sum;
  }
  void clear() noexcept { slots_ = {}; }

 private:
  static constexpr std::size_t slot_count = 12;
  struct slot {
    std::int64_t number = -1'000;  // before any window
    counts seen;
  };

  [[nodiscard]] std::int64_t number_at(instant now) const noexcept { return now.ns / slot_ns_; }
  [[nodiscard]] slot& current(instant now) noexcept {
    const std::int64_t number = number_at(now);
    slot& mine = slots_[static_cast<std::size_t>(number) % slot_count];
    if (mine.number != number) mine = {number, {}};
    return mine;
  }

  std::int64_t slot_ns_;
  std::array<slot, slot_count> slots_{};
};

}  // namespace millrace::engine

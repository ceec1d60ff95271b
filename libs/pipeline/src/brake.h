// The dead-letter brake: watches the share of dead letters in a sliding window.
#pragma once

#include <array>
#include <cstdint>

#include <millrace/base/clock.h>
#include <millrace/pipeline/options.h>

namespace millrace::pipeline {

class dead_letter_brake {
 public:
  explicit dead_letter_brake(brake_policy policy) noexcept : policy_(policy) {}

  void ended_well(instant now) noexcept { ++current(now).good; }
  // True: the line must stop.
  [[nodiscard]] bool dead_letter(instant now) noexcept;

 private:
  static constexpr std::size_t slot_count = 12;
  struct slot {
    std::int64_t number = -1;
    std::uint64_t good = 0;
    std::uint64_t dead = 0;
  };
  [[nodiscard]] slot& current(instant now) noexcept;

  brake_policy policy_;
  std::array<slot, slot_count> slots_;
};

}  // namespace millrace::pipeline

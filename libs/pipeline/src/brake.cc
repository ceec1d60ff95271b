#include "brake.h"

#include <algorithm>

namespace millrace::pipeline {

dead_letter_brake::slot& dead_letter_brake::current(instant now) noexcept {
  const std::int64_t slot_ns =
      std::max<std::int64_t>(nanoseconds(policy_.window).count() / static_cast<std::int64_t>(slot_count), 1);
  const std::int64_t number = now.ns / slot_ns;
  slot& mine = slots_[static_cast<std::size_t>(number) % slot_count];
  if (mine.number != number) mine = {number, 0, 0};
  return mine;
}

bool dead_letter_brake::dead_letter(instant now) noexcept {
  const slot& mine = current(now);
  ++slots_[static_cast<std::size_t>(mine.number) % slot_count].dead;
  std::uint64_t good = 0;
  std::uint64_t dead = 0;
  for (const slot& s : slots_) {
    if (s.number <= mine.number - static_cast<std::int64_t>(slot_count)) continue;
    good += s.good;
    dead += s.dead;
  }
  if (policy_.ratio >= 1.0 || dead < policy_.letters_min) return false;
  return static_cast<double>(dead) > policy_.ratio * static_cast<double>(good + dead);
}

}  // namespace millrace::pipeline

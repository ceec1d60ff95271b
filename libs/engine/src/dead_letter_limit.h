// The dead-letter rate limit: the share of dead letters in a sliding window.
#pragma once

#include <millrace/base/clock.h>
#include <millrace/engine/options.h>

#include "rate_window.h"

namespace millrace::engine {

class dead_letter_limiter {
 public:
  explicit dead_letter_limiter(dead_letter_limit_policy policy) noexcept
      : policy_(policy), window_(policy.window) {}

  void ended_well(instant now) noexcept { window_.good(now); }
  // True: the engine must stop.
  [[nodiscard]] bool dead_letter(instant now) noexcept {
    window_.bad(now);
    const rate_window::counts seen = window_.in_window(now);
    return policy_.ratio < 1.0 && seen.bad >= policy_.dead_letters_min && seen.bad_exceeds(policy_.ratio);
  }

 private:
  dead_letter_limit_policy policy_;
  rate_window window_;
};

}  // namespace millrace::engine

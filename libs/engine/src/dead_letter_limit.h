// The dead-letter rate limit: the share of dead letters in a sliding window.
//
// A process that it stopped is started again, and would dead-letter `dead_letters_min` more each time. The commits
// after the stop therefore carry a mark, and who continues there tolerates none of them for one window.
#pragma once

#include <optional>
#include <string_view>

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
    const std::uint64_t tolerated = is_exceeded(now) ? 0 : policy_.dead_letters_min - 1;
    if (policy_.ratio >= 1.0 || seen.bad <= tolerated || !seen.bad_exceeds(policy_.ratio)) return false;
    exceeded_until_ = now + policy_.window;
    return true;
  }
  // A mark was found.
  void was_exceeded(instant now) noexcept { exceeded_until_ = now + policy_.window; }
  [[nodiscard]] bool is_exceeded(instant now) const noexcept {
    return policy_.ratio < 1.0 && exceeded_until_ && now < *exceeded_until_;
  }

 private:
  dead_letter_limit_policy policy_;
  rate_window window_;
  std::optional<instant> exceeded_until_;
};

// The mark in the metadata of a commit, before the other text.
inline constexpr std::string_view exceeded_mark = "dll ";

[[nodiscard]] inline bool take_exceeded_mark(std::string_view& metadata) noexcept {
  if (!metadata.starts_with(exceeded_mark)) return false;
  metadata.remove_prefix(exceeded_mark.size());
  return true;
}

}  // namespace millrace::engine

// The limit of the process on retries: in every window at most `reserve` retries, and `ratio` of the first
// tries, may be spent on retries that fail. A retry takes one unit when it starts and returns it when it
// succeeds. Retries against a healthy database are therefore not limited, and an unavailable one is not
// overloaded further.
//
// Example:
//
//   engine::retry_budget budget({.ratio = 0.1, .reserve = 2});
//   const instant now = system_clock().now();
//   if (budget.try_take(now)) budget.give_back(now);  // the retry succeeded
//   invariant(budget.left(now) == 2, "a successful retry costs nothing");
//
// Threads: thread-safe. The workers of the process share one budget and one clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <millrace/base/clock.h>
#include <millrace/engine/options.h>

namespace millrace::engine {

// The budget. It is not used per record: workers report their first tries in batches.
class retry_budget {
 public:
  explicit retry_budget(const retry_budget_policy& policy) noexcept;
  retry_budget(const retry_budget&) = delete;
  retry_budget& operator=(const retry_budget&) = delete;

  // Adds `ratio` units per first try.
  void first_tries(std::uint32_t count, instant now) noexcept;
  // Takes one unit and returns true, or returns false when none is left: the retry waits.
  [[nodiscard]] bool try_take(instant now) noexcept;
  // Returns the unit of a retry that succeeded.
  void give_back(instant now) noexcept;
  // Returns the number of retries that might start now.
  [[nodiscard]] std::uint64_t left(instant now) const noexcept;

 private:
  static constexpr std::size_t slot_count = 12;
  // Thousandths of a retry, so that small shares add up exactly.
  static constexpr std::int64_t one = 1'000;
  struct slot {
    std::int64_t number = -1'000;  // before any window
    std::int64_t balance = 0;      // earned less taken
  };

  [[nodiscard]] std::int64_t number_at(instant now) const noexcept { return now.ns / slot_ns_; }
  [[nodiscard]] std::int64_t sum_at(instant now) const noexcept;
  void add(std::int64_t amount, instant now) noexcept;

  const bool unlimited_;
  const std::int64_t earned_by_first_try_;
  const std::int64_t reserve_;
  const std::int64_t slot_ns_;
  mutable std::mutex mutex_;  // held for nanoseconds: a dozen numbers
  std::array<slot, slot_count> slots_{};
};

}  // namespace millrace::engine

// The process-wide limit on retries: in every window at most `reserve`, and `ratio` of the first tries, may
// be spent on retries that fail. A retry takes one when it starts and gives it back when it succeeds, so that
// a database that is well again is worked for without a brake, and a sick one is not hammered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include <millrace/base/clock.h>
#include <millrace/engine/options.h>

namespace millrace::engine {

// Thread-safe. Shared by all workers of the process, whose clocks are one. Not asked per record: workers
// report their first tries in batches.
class retry_budget {
 public:
  explicit retry_budget(const retry_budget_policy& policy) noexcept;
  retry_budget(const retry_budget&) = delete;
  retry_budget& operator=(const retry_budget&) = delete;

  void first_tries(std::uint32_t count, instant now) noexcept;
  // True: the retry may start.
  [[nodiscard]] bool try_take(instant now) noexcept;
  void give_back(instant now) noexcept;
  // Retries that might start now.
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

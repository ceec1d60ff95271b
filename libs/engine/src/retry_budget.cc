#include <algorithm>
#include <cmath>

#include <millrace/engine/retry_budget.h>

namespace millrace::engine {

retry_budget::retry_budget(const retry_budget_policy& policy) noexcept
    : unlimited_(policy.ratio >= 1.0),
      earned_by_first_try_(std::llround(std::clamp(policy.ratio, 0.0, 1.0) * static_cast<double>(one))),
      reserve_(static_cast<std::int64_t>(std::max<std::uint32_t>(policy.reserve, 1)) * one),
      slot_ns_(std::max<std::int64_t>(
          nanoseconds(policy.window).count() / static_cast<std::int64_t>(slot_count), 1)) {}

void retry_budget::first_tries(std::uint32_t count, instant now) noexcept {
  const std::lock_guard lock(mutex_);
  add(earned_by_first_try_ * count, now);
}

bool retry_budget::try_take(instant now) noexcept {
  const std::lock_guard lock(mutex_);
  if (!unlimited_ && sum_at(now) < one) return false;
  add(-one, now);
  return true;
}

void retry_budget::give_back(instant now) noexcept {
  const std::lock_guard lock(mutex_);
  add(one, now);
}

std::uint64_t retry_budget::left(instant now) const noexcept {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(sum_at(now), 0) / one);
}

std::int64_t retry_budget::sum_at(instant now) const noexcept {
  const std::int64_t newest = number_at(now);
  std::int64_t sum = reserve_;
  for (const slot& s : slots_) {
    if (s.number > newest - static_cast<std::int64_t>(slot_count)) sum += s.balance;
  }
  return sum;
}

// Another worker's turn may have begun a little later than ours.
void retry_budget::add(std::int64_t amount, instant now) noexcept {
  const std::int64_t number = number_at(now);
  slot& mine = slots_[static_cast<std::size_t>(number) % slot_count];
  if (mine.number < number) mine = {number, 0};
  mine.balance += amount;
}

}  // namespace millrace::engine

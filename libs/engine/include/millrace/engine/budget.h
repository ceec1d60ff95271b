// The limit of the process on the bytes that records hold in memory. Workers lease it in chunks, so that the
// record path touches no shared cache line.
//
// Example:
//
//   engine::byte_budget budget(std::size_t{64} << 20U);
//   engine::byte_lease lease(budget);
//   lease.take(1'024);
//   invariant(lease.used() == 1'024 && budget.in_use() >= 1'024, "the lease covers what is used");
//   lease.give_back(1'024);
//
// Threads: byte_budget is thread-safe; a byte_lease belongs to one worker.
// Units: bytes.
#pragma once

#include <atomic>
#include <cstddef>

#include <millrace/statement/lookup.h>

namespace millrace::engine {

// The budget. Shared by all workers of the process.
class byte_budget final : public statements::byte_account {
 public:
  explicit byte_budget(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}
  // Used by caches of lookups, which take the part that records leave free.
  [[nodiscard]] bool try_hold(std::size_t bytes) noexcept override { return try_take(bytes); }
  void let_go(std::size_t bytes) noexcept override { give_back(bytes); }

  // Takes `bytes` and returns true, or takes nothing and returns false when the budget would be exceeded.
  [[nodiscard]] bool try_take(std::size_t bytes) noexcept {
    std::size_t in_use = in_use_.load(std::memory_order_relaxed);
    do {
      if (in_use + bytes > bytes_max_) return false;
    } while (!in_use_.compare_exchange_weak(in_use, in_use + bytes, std::memory_order_relaxed));
    return true;
  }
  // Takes `bytes` that are in memory already, even above the limit.
  void take(std::size_t bytes) noexcept { in_use_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::size_t bytes) noexcept { in_use_.fetch_sub(bytes, std::memory_order_relaxed); }
  // The bytes in use, and the limit.
  [[nodiscard]] std::size_t in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes_max() const noexcept { return bytes_max_; }

 private:
  std::size_t bytes_max_;
  std::atomic<std::size_t> in_use_{0};
};

// One worker's part of the budget. Returns everything when destroyed.
class byte_lease {
 public:
  static constexpr std::size_t chunk_bytes_max = std::size_t{1} << 20U;

  explicit byte_lease(byte_budget& shared) noexcept;
  byte_lease(const byte_lease&) = delete;
  byte_lease& operator=(const byte_lease&) = delete;
  ~byte_lease() { shared_.give_back(leased_); }

  // Returns the bytes that may still be taken.
  [[nodiscard]] std::size_t room() const noexcept {
    const std::size_t in_use = shared_.in_use();
    if (in_use > shared_.bytes_max()) return 0;
    return shared_.bytes_max() - in_use + (leased_ - used_);
  }
  // Takes `bytes`. Always succeeds, because a requested batch is in memory already. The overdraft is at most
  // that batch.
  void take(std::size_t bytes) noexcept {
    used_ += bytes;
    if (used_ > leased_) grow();
  }
  void give_back(std::size_t bytes) noexcept {
    used_ -= bytes;
    if (leased_ - used_ > 2 * chunk_) shrink();
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  void grow() noexcept;
  void shrink() noexcept;

  byte_budget& shared_;
  std::size_t chunk_;
  std::size_t leased_ = 0;
  std::size_t used_ = 0;
};

}  // namespace millrace::engine

// The process-wide limit on bytes that records hold in memory. Workers lease it in chunks, so that the record
// path touches no shared cache line.
#pragma once

#include <atomic>
#include <cstddef>

#include <millrace/statement/lookup.h>

namespace millrace::engine {

// Thread-safe. Shared by all workers of the process.
class byte_budget final : public statements::byte_account {
 public:
  explicit byte_budget(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}
  // Caches of lookups hold of it what records leave them.
  [[nodiscard]] bool try_hold(std::size_t bytes) noexcept override { return try_take(bytes); }
  void let_go(std::size_t bytes) noexcept override { give_back(bytes); }

  [[nodiscard]] bool try_take(std::size_t bytes) noexcept {
    std::size_t in_use = in_use_.load(std::memory_order_relaxed);
    do {
      if (in_use + bytes > bytes_max_) return false;
    } while (!in_use_.compare_exchange_weak(in_use, in_use + bytes, std::memory_order_relaxed));
    return true;
  }
  // For what is in memory already.
  void take(std::size_t bytes) noexcept { in_use_.fetch_add(bytes, std::memory_order_relaxed); }
  void give_back(std::size_t bytes) noexcept { in_use_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t bytes_max() const noexcept { return bytes_max_; }

 private:
  std::size_t bytes_max_;
  std::atomic<std::size_t> in_use_{0};
};

// One worker's part. Single-threaded. Gives everything back when destroyed.
class byte_lease {
 public:
  static constexpr std::size_t chunk_bytes_max = std::size_t{1} << 20U;

  explicit byte_lease(byte_budget& shared) noexcept;
  byte_lease(const byte_lease&) = delete;
  byte_lease& operator=(const byte_lease&) = delete;
  ~byte_lease() { shared_.give_back(leased_); }

  // How much more may be taken in now.
  [[nodiscard]] std::size_t room() const noexcept {
    const std::size_t in_use = shared_.in_use();
    if (in_use > shared_.bytes_max()) return 0;
    return shared_.bytes_max() - in_use + (leased_ - used_);
  }
  // Always succeeds: a batch that was asked for is in memory. The overdraft is at most that batch.
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

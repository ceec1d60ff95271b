// Counters, gauges and histograms of one shard: the cells that the record path writes.
//
// A cell has one writer, the thread that owns its shard (registry.h); any thread may read it. Writing is a
// relaxed load and a relaxed store: no lock, no read-modify-write, no allocation, a few nanoseconds. A reader
// may see one cell newer than its neighbour, never a torn one. References to cells stay valid as long as
// their registry.
//
// Example:
//
//   metrics::counter received;
//   received.add(3);
//   invariant(received.total() == 3, "a counter only grows");
//
// Threads: the owner of the shard writes; any thread reads.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <millrace/base/clock.h>

namespace millrace::metrics {

class shard;

inline constexpr std::size_t histogram_bounds_max = 40;

// A number that only grows. A counter of a family in seconds counts nanoseconds and is exposed in seconds.
class counter {
 public:
  counter() = default;
  counter(const counter&) = delete;
  counter& operator=(const counter&) = delete;

  void add(std::uint64_t by = 1) noexcept {
    total_.store(total_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  // For families in seconds. Negative durations count as zero.
  void add(nanoseconds by) noexcept {
    add(by.count() > 0 ? static_cast<std::uint64_t>(by.count()) : std::uint64_t{0});
  }
  // Mirrors a total from elsewhere, e.g. the statistics of a client library. A value below the current one is
  // ignored.
  void advance_to(std::uint64_t total) noexcept {
    if (total > total_.load(std::memory_order_relaxed)) total_.store(total, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t total() const noexcept { return total_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> total_{0};
};

// A number that goes up and down, in the base unit of its family (seconds, bytes, ...).
class gauge {
 public:
  gauge() = default;
  gauge(const gauge&) = delete;
  gauge& operator=(const gauge&) = delete;

  void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(double by) noexcept { set(value() + by); }
  [[nodiscard]] double value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0.0};
};

// The upper bounds of a histogram's buckets (inclusive, ascending), and an index that finds the bucket of a
// value without a branch for each bound: the bit width of the value selects the first candidate, and the
// bounds inside one octave are compared side by side.
class bucket_layout {
 public:
  // 1 to histogram_bounds_max strictly ascending bounds, all below UINT64_MAX; breaks an invariant otherwise.
  explicit bucket_layout(std::span<const std::uint64_t> bounds);

  [[nodiscard]] std::span<const std::uint64_t> bounds() const noexcept { return {upper_.data(), size_}; }
  // Including the +Inf bucket, which is the last.
  [[nodiscard]] std::size_t buckets() const noexcept { return size_ + 1; }
  [[nodiscard]] std::size_t bucket_of(std::uint64_t value) const noexcept {
    const std::size_t first = first_[static_cast<std::size_t>(std::bit_width(value))];
    std::size_t passed = 0;
    for (std::size_t k = 0; k < octave_bounds_; ++k) {
      passed += value > upper_[first + k] ? 1U : 0U;
    }
    return first + passed;
  }

 private:
  std::size_t size_;
  std::size_t octave_bounds_ = 0;  // the most bounds that one octave [2^k, 2^(k+1)) holds
  std::array<std::uint8_t, 65> first_{};
  std::array<std::uint64_t, 2 * histogram_bounds_max> upper_{};  // padded with UINT64_MAX
};

// The distribution of whole numbers. The sum is kept as a double, because a backlog (thousands of records a
// second, each hours old) would wrap 64 bits of nanoseconds within minutes.
class histogram_cells {
 public:
  histogram_cells(const bucket_layout& layout, std::atomic<std::uint64_t>* counts) noexcept
      : layout_(&layout), counts_(counts) {}
  histogram_cells(const histogram_cells&) = delete;
  histogram_cells& operator=(const histogram_cells&) = delete;

  [[nodiscard]] const bucket_layout& layout() const noexcept { return *layout_; }
  [[nodiscard]] std::uint64_t count_in(std::size_t bucket) const noexcept {
    return counts_[bucket].load(std::memory_order_relaxed);
  }
  // In whole numbers: nanoseconds for a histogram of durations.
  [[nodiscard]] double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 protected:
  void record(std::uint64_t value) noexcept {
    std::atomic<std::uint64_t>& count = counts_[layout_->bucket_of(value)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + static_cast<double>(static_cast<std::int64_t>(value)),
               std::memory_order_relaxed);
  }

 private:
  const bucket_layout* layout_;
  std::atomic<std::uint64_t>* counts_;
  std::atomic<double> sum_{0.0};
};

// Durations, exposed in seconds. A negative duration (a record from a clock that is ahead) counts as zero.
class histogram final : public histogram_cells {
 public:
  using histogram_cells::histogram_cells;
  void observe(nanoseconds took) noexcept {
    record(took.count() > 0 ? static_cast<std::uint64_t>(took.count()) : std::uint64_t{0});
  }
};

// Sizes and counts: bytes, records, rows. Below 2^63.
class size_histogram final : public histogram_cells {
 public:
  using histogram_cells::histogram_cells;
  void observe(std::uint64_t size) noexcept { record(size); }
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<double>::is_always_lock_free);

}  // namespace millrace::metrics

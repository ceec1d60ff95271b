// When the records of an assignment finished, until they are committed: for the time they wait for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/stream/offset_tracker.h>

namespace millrace::engine {

// A ring that grows to the largest window and is not freed: nothing allocates once it is warm.
class finish_times {
 public:
  using ticket = stream::offset_tracker::ticket;

  // In order of the tickets, from 0.
  void delivered() {
    if (end_ - begin_ == ring_.size()) grow();
    ring_[end_++ & mask()] = unknown;
  }
  void finished(ticket which, instant at) noexcept {
    if (which >= begin_ && which < end_) ring_[which & mask()] = at.ns;
  }
  // Calls `each` with the time of every record below `passed` that finished here, and forgets them.
  template <typename Each>
  void commit(std::uint64_t passed, const Each& each) {
    for (; begin_ < passed && begin_ < end_; ++begin_) {
      const std::int64_t at = ring_[begin_ & mask()];
      if (at != unknown) each(instant{at});
    }
  }
  // How many finished here and were not forgotten.
  [[nodiscard]] std::uint64_t kept() const noexcept {
    std::uint64_t count = 0;
    for (std::uint64_t i = begin_; i < end_; ++i) count += ring_[i & mask()] != unknown ? 1 : 0;
    return count;
  }

 private:
  static constexpr std::int64_t unknown = INT64_MIN;

  [[nodiscard]] std::size_t mask() const noexcept { return ring_.size() - 1; }
  void grow() {
    std::vector<std::int64_t> larger(ring_.empty() ? 64 : 2 * ring_.size());
    for (std::uint64_t i = begin_; i < end_; ++i) larger[i & (larger.size() - 1)] = ring_[i & mask()];
    ring_.swap(larger);
  }

  std::vector<std::int64_t> ring_;  // a power of two
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace millrace::engine

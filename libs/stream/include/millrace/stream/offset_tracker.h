// Which offsets of one assignment are finished, and how far the partition may be committed.
//
// It knows only offsets that were really delivered: compaction, transaction markers and aborted records leave
// holes, so nothing here computes "the next offset" except after the last delivered one. O(1) per record,
// amortised. One tracker per assignment object, never reused (that is how a late acknowledgement of an
// earlier assignment cannot pollute a later one).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <millrace/stream/finished_map.h>

namespace millrace::stream {

class offset_tracker {
 public:
  // Names a delivered record; valid for this tracker only.
  using ticket = std::uint64_t;

  // Offsets arrive in increasing order (invariant).
  ticket delivered(std::int64_t offset);
  // Exactly once per ticket (invariant).
  void finished(ticket which);

  // The offset to commit: the lowest unfinished one, or one past the last delivered when all are finished;
  // nullopt before the first delivery. Never decreases.
  [[nodiscard]] std::optional<std::int64_t> position() const noexcept;
  [[nodiscard]] std::uint64_t unfinished() const noexcept { return unfinished_; }
  // Delivered offsets from the lowest unfinished one on: what the tracker holds in memory.
  [[nodiscard]] std::uint64_t window() const noexcept { return count_; }
  // How many were delivered, and how many of them are below position().
  [[nodiscard]] std::uint64_t delivered_count() const noexcept { return first_ + count_; }
  [[nodiscard]] std::uint64_t passed_count() const noexcept { return first_; }
  [[nodiscard]] std::optional<std::int64_t> lowest_unfinished() const noexcept;
  // What is finished beyond position(): at most `ranges_max` ranges, the nearest. Offsets that were never
  // delivered belong to the range around them. O(window).
  [[nodiscard]] std::vector<offset_range> finished_beyond(std::size_t ranges_max = finished_ranges_max) const;
  // Grows with every record that ends.
  [[nodiscard]] std::uint64_t finished_count() const noexcept { return first_ + count_ - unfinished_; }

 private:
  struct entry {
    std::int64_t offset;
    bool finished;
  };
  [[nodiscard]] entry& at(ticket which) noexcept { return ring_[which & (ring_.size() - 1)]; }
  [[nodiscard]] const entry& at(ticket which) const noexcept { return ring_[which & (ring_.size() - 1)]; }
  void resize(std::size_t capacity);

  std::vector<entry> ring_;  // a power of two; ticket t is at t modulo its size
  ticket first_ = 0;         // of the window; the front is unfinished
  std::size_t count_ = 0;
  std::uint64_t unfinished_ = 0;
  std::optional<std::int64_t> last_delivered_;
};

}  // namespace millrace::stream

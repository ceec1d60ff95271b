// The finished offsets of one assignment, and how far its partition may be committed.
//
// A tracker knows only offsets that were really delivered. Compaction, transaction markers and aborted
// records leave holes, so no "next offset" is computed except after the last delivered one. The cost is O(1)
// per record, amortised. An assignment has one tracker, which is never reused: a late acknowledgement of an
// earlier assignment cannot affect a later one.
//
// Example:
//
//   stream::offset_tracker tracker;
//   const auto first = tracker.delivered(10);
//   const auto second = tracker.delivered(12);
//   tracker.finished(second);
//   invariant(tracker.position() == 10, "the lowest unfinished offset is committed");
//   tracker.finished(first);
//   invariant(tracker.position() == 13, "one past the last delivered offset");
//
// Threads: the worker's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <millrace/stream/finished_map.h>

namespace millrace::stream {

// The tracker of one assignment.
class offset_tracker {
 public:
  // Identifies a delivered record in this tracker only.
  using ticket = std::uint64_t;

  // Adds a delivered offset and returns its ticket. Offsets must increase (invariant).
  ticket delivered(std::int64_t offset);
  // Marks a record as finished: exactly once per ticket (invariant).
  void finished(ticket which);

  // Returns the offset to commit: the lowest unfinished one, or one past the last delivered when all are
  // finished; nullopt before the first delivery. Never decreases.
  [[nodiscard]] std::optional<std::int64_t> position() const noexcept;
  // Returns the number of unfinished records.
  [[nodiscard]] std::uint64_t unfinished() const noexcept { return unfinished_; }
  // Returns the number of delivered offsets from the lowest unfinished one on, which the tracker holds in
  // memory.
  [[nodiscard]] std::uint64_t window() const noexcept { return count_; }
  // Returns the number of delivered offsets, and the number of these below position().
  [[nodiscard]] std::uint64_t delivered_count() const noexcept { return first_ + count_; }
  [[nodiscard]] std::uint64_t passed_count() const noexcept { return first_; }
  [[nodiscard]] std::optional<std::int64_t> lowest_unfinished() const noexcept;
  // Returns the finished ranges beyond position(): at most `ranges_max` ranges, the nearest. Offsets that
  // were never delivered belong to the range around them. O(window).
  [[nodiscard]] std::vector<offset_range> finished_beyond(std::size_t ranges_max = finished_ranges_max) const;
  // Returns the number of records that have ended.
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

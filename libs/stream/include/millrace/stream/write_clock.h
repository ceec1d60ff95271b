// The write times of a partition's records, which replay-safe writes use as their timestamp
// (docs/decisions/0006-write-times-follow-the-log.md).
//
// Write times of a partition grow by at least `step_us` and keep up with the timestamps of the records. A
// later record therefore always wins, whatever its timestamp, and write times can be compared with those of
// other writers. A record has the same write time in every process, because each process starts from the
// metadata of the committed offset.
//
// Example:
//
//   stream::write_clock writes;
//   const timestamp created{milliseconds(1'700'000'000'000)};
//   const std::int64_t first = writes.next(created, 1'700'000'000'000'000);
//   const std::int64_t second = writes.next(created, 1'700'000'000'000'000);
//   invariant(second == first + stream::write_clock::step_us, "a later record has a later write time");
//
// Threads: the worker's thread.
// Units: microseconds since 1970-01-01T00:00Z, unless a name says otherwise.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/stream/mutations.h>

namespace millrace::stream {

// The write times of one partition.
class write_clock {
 public:
  // Smallest distance between two records. A record deletes at its write time and writes one microsecond
  // later: on a tie the database lets the deletion win, so a record can delete a row and write it again.
  static constexpr std::int64_t step_us = 2;
  // Limit of a record's timestamp beyond the wall clock. A timestamp further ahead is ignored and the record
  // follows its predecessor, as one without a timestamp does. Otherwise it would hide the writes of others
  // for as long.
  static constexpr std::int64_t ahead_max_us = std::int64_t{24} * 3'600 * 1'000'000;

  // Returns the write time of the next record, in offset order.
  [[nodiscard]] std::int64_t next(timestamp created, std::int64_t wall_us) noexcept {
    if (mutated(mutation::time_writes_by_timestamp_alone)) return created.time_since_epoch().count() * 1'000;
    const std::int64_t millis = created.time_since_epoch().count();
    const std::int64_t earliest = last_us_ + step_us;
    const bool believed = millis > 0 && millis <= (wall_us + ahead_max_us) / 1'000;
    last_us_ = believed ? std::max(millis * 1'000, earliest) : earliest;
    return last_us_;
  }
  // Returns the write time of the last record; 0 before the first.
  [[nodiscard]] std::int64_t last_us() const noexcept { return last_us_; }
  // Continues after the write time that an earlier owner of the partition had reached.
  void resume_after(std::int64_t last_us) noexcept { last_us_ = std::max(last_us_, last_us); }

 private:
  std::int64_t last_us_ = 0;
};

// Returns the text by which a commit's metadata carries the write time. It stands in front of the finished
// map.
[[nodiscard]] std::string encode_write_floor(std::int64_t last_us);
// Removes that text from the front of `metadata` and returns the write time. Returns nullopt, and removes
// nothing, when there is none.
[[nodiscard]] std::optional<std::int64_t> take_write_floor(std::string_view& metadata) noexcept;

}  // namespace millrace::stream

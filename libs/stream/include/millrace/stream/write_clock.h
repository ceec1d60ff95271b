// The write times of a partition's records: what replay-safe writes use as their timestamp
// (docs/decisions/0006-write-times-follow-the-log.md).
//
// Along a partition they only grow, by at least `step`, and keep up with the records' own timestamps: a later
// record always wins, whatever its timestamp, and the times can be compared with those of other writers. A
// record has the same write time in every process, because each starts from what the committed offset's
// metadata says.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/stream/mutations.h>

namespace millrace::stream {

class write_clock {
 public:
  // A record deletes at its write time and writes one microsecond later, so that deleting a row and writing
  // it anew is possible within one record: on a tie the database lets the deletion win.
  static constexpr std::int64_t step_us = 2;
  // A record's timestamp that is further ahead of the wall clock is not believed: the record follows its
  // predecessor, as one without a timestamp does. Otherwise it would hide what others write for as long.
  static constexpr std::int64_t ahead_max_us = std::int64_t{24} * 3'600 * 1'000'000;

  // The write time of the next record, in offset order.
  [[nodiscard]] std::int64_t next(timestamp created, std::int64_t wall_us) noexcept {
    if (mutated(mutation::time_writes_by_timestamp_alone)) return created.time_since_epoch().count() * 1'000;
    const std::int64_t millis = created.time_since_epoch().count();
    const std::int64_t earliest = last_us_ + step_us;
    const bool believed = millis > 0 && millis <= (wall_us + ahead_max_us) / 1'000;
    last_us_ = believed ? std::max(millis * 1'000, earliest) : earliest;
    return last_us_;
  }
  // Of the last record; 0 before the first.
  [[nodiscard]] std::int64_t last_us() const noexcept { return last_us_; }
  // What an earlier owner of the partition had reached.
  void resume_after(std::int64_t last_us) noexcept { last_us_ = std::max(last_us_, last_us); }

 private:
  std::int64_t last_us_ = 0;
};

// What a commit's metadata says of the write time before the committed offset: in front of the finished map.
[[nodiscard]] std::string encode_write_floor(std::int64_t last_us);
// Takes it off the front of `metadata`; nullopt, and nothing taken, when it says nothing.
[[nodiscard]] std::optional<std::int64_t> take_write_floor(std::string_view& metadata) noexcept;

}  // namespace millrace::stream

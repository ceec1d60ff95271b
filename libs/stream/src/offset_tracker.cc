#include <millrace/base/assert.h>
#include <millrace/stream/offset_tracker.h>
#include <millrace/stream/planted.h>

namespace millrace::stream {

offset_tracker::ticket offset_tracker::delivered(std::int64_t offset) {
  invariant(!last_delivered_ || offset > *last_delivered_,
            "offsets of a partition arrive in increasing order");
  last_delivered_ = offset;
  entries_.push_back({offset, false});
  ++unfinished_;
  return first_ + entries_.size() - 1;
}

void offset_tracker::finished(ticket which) {
  const bool early = planted(bug::acknowledge_on_delivery) || planted(bug::commit_before_the_dead_letter) ||
                     planted(bug::commit_before_the_emit);
  if (early && (which < first_ || entries_[which - first_].finished)) return;
  invariant(which >= first_ && which - first_ < entries_.size(),
            "a finished record was delivered and not finished");
  entry& e = entries_[which - first_];
  invariant(!e.finished, "a record is finished once");
  e.finished = true;
  --unfinished_;
  while (!entries_.empty() && entries_.front().finished) {
    entries_.pop_front();
    ++first_;
  }
}

std::optional<std::int64_t> offset_tracker::position() const noexcept {
  if (planted(bug::commit_the_highest) && unfinished_ < entries_.size()) return *last_delivered_ + 1;
  if (planted(bug::commit_one_too_far) && !entries_.empty()) return entries_.front().offset + 1;
  if (!entries_.empty()) return entries_.front().offset;
  if (last_delivered_) return *last_delivered_ + 1;
  return std::nullopt;
}

std::vector<offset_range> offset_tracker::finished_beyond(std::size_t ranges_max) const {
  std::vector<offset_range> ranges;
  bool open = false;
  for (const entry& e : entries_) {
    if (!e.finished && !planted(bug::remember_the_unfinished)) {
      open = false;
      continue;
    }
    if (open) {
      ranges.back().last = e.offset;
      continue;
    }
    if (ranges.size() == ranges_max) break;
    ranges.push_back({e.offset, e.offset});
    open = true;
  }
  return ranges;
}

std::optional<std::int64_t> offset_tracker::lowest_unfinished() const noexcept {
  if (entries_.empty()) return std::nullopt;
  return entries_.front().offset;
}

}  // namespace millrace::stream

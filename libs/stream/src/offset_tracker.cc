#include <algorithm>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/offset_tracker.h>

namespace millrace::stream {
namespace {
constexpr std::size_t ring_entries_min = 64;
constexpr std::size_t ring_entries_kept = 4'096;  // more are given back when a stall is over
}  // namespace

void offset_tracker::resize(std::size_t capacity) {
  std::vector<entry> next(capacity);
  for (ticket t = first_; t < first_ + count_; ++t) next[t & (capacity - 1)] = at(t);
  ring_ = std::move(next);
}

offset_tracker::ticket offset_tracker::delivered(std::int64_t offset) {
  invariant(!last_delivered_ || offset > *last_delivered_,
            "offsets of a partition arrive in increasing order");
  last_delivered_ = offset;
  if (count_ == ring_.size()) resize(std::max(2 * count_, ring_entries_min));
  const ticket which = first_ + count_++;
  at(which) = {offset, false};
  ++unfinished_;
  return which;
}

void offset_tracker::finished(ticket which) {
  const bool early = mutated(mutation::acknowledge_on_delivery) ||
                     mutated(mutation::commit_before_the_dead_letter) ||
                     mutated(mutation::commit_before_the_emit);
  if (early && (which < first_ || at(which).finished)) return;
  invariant(which >= first_ && which - first_ < count_, "a finished record was delivered and not finished");
  entry& e = at(which);
  invariant(!e.finished, "a record is finished once");
  e.finished = true;
  --unfinished_;
  while (count_ > 0 && at(first_).finished) {
    --count_;
    ++first_;
  }
  if (ring_.size() > ring_entries_kept && count_ < ring_.size() / 16) resize(ring_.size() / 4);
}

std::optional<std::int64_t> offset_tracker::position() const noexcept {
  if (mutated(mutation::commit_the_highest) && unfinished_ < count_) return *last_delivered_ + 1;
  if (mutated(mutation::commit_one_too_far) && count_ > 0) return at(first_).offset + 1;
  if (count_ > 0) return at(first_).offset;
  if (last_delivered_) return *last_delivered_ + 1;
  return std::nullopt;
}

std::vector<offset_range> offset_tracker::finished_beyond(std::size_t ranges_max) const {
  std::vector<offset_range> ranges;
  bool open = false;
  for (ticket t = first_; t < first_ + count_; ++t) {
    const entry& e = at(t);
    if (!e.finished && !mutated(mutation::remember_the_unfinished)) {
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
  if (count_ == 0) return std::nullopt;
  return at(first_).offset;
}

}  // namespace millrace::stream

#include "flow_control.h"

#include <algorithm>

#include <millrace/stream/mutations.h>

#include "envelope.h"

namespace millrace::engine {

std::size_t flow_control::room(std::size_t in_use) const {
  const engine_options& options = env_.options;
  if (!state_.running()) return 0;
  if (mutated(stream::mutation::ignore_the_limit)) return options.take_records_max;
  if (in_use >= options.in_flight_records_max || share_room_ == 0) return 0;
  const std::size_t affordable = (lease_.room() + kept_bytes_) / usual_bytes_;
  // With nothing in flight one record is always taken, or other workers could starve this one for ever.
  if (affordable == 0) return in_use == 0 ? std::min<std::size_t>(needs_.let_in(), 1) : 0;
  return std::min({options.in_flight_records_max - in_use, needs_.let_in(), affordable, share_room_});
}

void flow_control::took(std::size_t taken, std::size_t wanted) noexcept {
  was_short_ = taken == wanted && !mutated(stream::mutation::lose_the_wake_up_for_room);
}

// A moving average.
void flow_control::note_size(std::size_t bytes) noexcept {
  usual_bytes_ += bytes / 16;
  usual_bytes_ -= usual_bytes_ / 16;
  usual_bytes_ = std::max<std::size_t>(usual_bytes_, 1);
}

// A partition that has no new record holds no more than it did, so that the share of the others stands. Near
// a share the exact figure counts, also of partitions whose records have ended.
void flow_control::update_if_outdated() {
  if (crowding_until_ && env_.turn() >= *crowding_until_) outdated_ = true;
  const bool near = share_room_ < partition_share() / 2;
  if (outdated_ || (near && !touched_.empty())) {
    update_all();
  } else {
    update_touched();
  }
  for (const assignment_ref& a : touched_) a->touched = false;
  touched_.clear();
}

void flow_control::update_all() {
  outdated_ = false;
  share_room_ = no_limit;
  crowding_until_.reset();
  for (const auto& [id, a] : partitions_) update(id, *a);
}

void flow_control::update_touched() {
  for (const assignment_ref& a : touched_) update(a->id, *a);
}

void flow_control::update(stream::partition_id id, assignment& a) {
  if (a.state != assignment::phase::open) return;
  const pause_reason because = state_.running() ? reason_to_pause(a) : pause_reason::none;
  const bool wanted = because != pause_reason::none;
  if (wanted) commits_.commit_before_full(a);
  if (a.paused() && !wanted && mutated(stream::mutation::never_resume)) return;
  if (wanted && !a.paused()) env_.ports.source.pause(id);
  if (!wanted && a.paused()) env_.ports.source.resume(id);
  a.paused_for = because;
  note_share(a);
}

// The next records' partitions are unknown before they are taken: no more are taken than every partition that
// is not paused may still have.
void flow_control::note_share(assignment& a) {
  const std::size_t share = partition_share();
  a.crowding = !a.paused() && a.in_flight >= share;
  if (a.paused()) return;
  share_room_ = std::min(share_room_, share - std::min(a.in_flight, share));
  if (!a.crowding) return;
  const instant until = oldest_taken_at(a) + env_.options.partition_pause_after;
  if (!crowding_until_ || until < *crowding_until_) crowding_until_ = until;
}

std::size_t flow_control::partition_share() const noexcept {
  if (env_.options.partition_share_max != 0) return env_.options.partition_share_max;
  const std::size_t all = env_.options.in_flight_records_max;
  return partitions_.size() > 1 ? std::max<std::size_t>(all - all / 8, 1) : no_limit;
}

instant flow_control::oldest_taken_at(const assignment& a) noexcept {
  return static_cast<const envelope&>(*const_cast<assignment&>(a).unsettled.front()).taken_at;
}

// A paused partition resumes at half of what paused it.
pause_reason flow_control::reason_to_pause(const assignment& a) const {
  const engine_options& options = env_.options;
  const bool paused = a.paused();
  const auto over = [paused](std::size_t amount, std::size_t most) {
    return amount >= (paused ? std::max<std::size_t>(most / 2, 1) : most);
  };
  if (over(a.waiting_count, options.schema_wait_records_max)) return pause_reason::schema;
  if (over(a.window(), options.partition_window_max)) return pause_reason::window;
  if (a.in_flight == 0) return pause_reason::none;
  const nanoseconds age = env_.turn() - oldest_taken_at(a);
  if (over(a.in_flight, partition_share()) && (paused || age >= options.partition_pause_after))
    return pause_reason::share;
  const std::size_t partitions = partitions_.size();
  if (partitions <= 1) return pause_reason::none;
  const std::size_t stalled_share = std::max<std::size_t>(options.in_flight_records_max / 2 / partitions, 1);
  const bool stalls = over(a.in_flight, stalled_share) && age >= options.partition_stall_after;
  return stalls ? pause_reason::stall : pause_reason::none;
}

}  // namespace millrace::engine

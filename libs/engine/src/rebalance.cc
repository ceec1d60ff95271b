// Rebalances: partitions that the group assigns and revokes. The phases of an assignment (assignment.h):
//
//   open ─────▶ revoking ─────▶ sealed ─────▶ closed
//    ├───────────────│─────────────▲             ▲
//    └───────────────┴───────────────────────────┘
//
//   from            event                                                              to
//   (none)          on_assigned()                                                      open
//   open            on_revoked()                                                       revoking
//   revoking        nothing is in flight, or revoke_drain_timeout is over              sealed
//   open, revoking  the drain of a stop is over                                        sealed
//   sealed          the last commit is answered or has timed out; the engine ends      closed
//   open, revoking, on_lost(), or the partition is assigned again                      closed
//   sealed
//
//   phase      takes records   ends count   commits
//   open       yes             yes          yes
//   revoking   no              yes          yes
//   sealed     no              no           the last one
//   closed     no              no           no
//
// A revocation ends with source::release() of its partitions, unless all of them were lost meanwhile. While
// the engine leaves, sealed assignments are closed when it ends (stop.cc).
#include <algorithm>

#include <millrace/stream/mutations.h>

#include "engine_core.h"

namespace millrace::engine {

assignment* engine_core::find(stream::partition_id id) {
  if (last_found_ != nullptr && last_found_->id == id) return last_found_;
  const auto found = assignments_.find(id);
  if (found == assignments_.end()) return nullptr;
  return last_found_ = &*found->second;
}

void engine_core::on_assigned(std::span<const stream::partition_id> partitions) {
  metrics_.rebalanced("assigned");
  joined_ = true;
  for (const stream::partition_id id : partitions) {
    // A partition that is assigned again was lost in between, whether or not anybody said so.
    drop(id);
    if (assignment* reused = find(id); reused != nullptr && mutated(stream::mutation::reuse_the_tracker)) {
      reused->state = assignment::phase::open;
      continue;
    }
    invariant(assignments_.size() < options_.partitions_max, "a worker keeps to the limit of partitions");
    assignment* const made =
        new assignment(id, ++last_epoch_, std::string(ports_.source.topic_name(id.topic)));
    made->keeps_write_floors = work_.uses_write_time;
    assignments_.emplace(id, assignment_ref(made));
  }
  last_found_ = nullptr;
  pauses_outdated_ = true;
}

// Our own commits are marked. The broker does not keep how far it was moved.
void engine_core::note_foreign_position(const assignment& a, std::int64_t offset) {
  metrics_.foreign_positions.add();
  if (!options_.on_problem) return;
  options_.on_problem(
      "offset_moved",
      error(errc::offset_out_of_range,
            a.topic + "/" + a.number + " starts at the committed offset " + std::to_string(offset) +
                ", which this application did not commit: the offset was moved, another "
                "client of the group committed it, or the topic was recreated. Unprocessed records before it "
                "stay unprocessed; records after it are processed again"));
}

// Metadata of another topic or offset is ignored, which only repeats work.
void engine_core::on_position(const stream::partition_offset& start, stream::position_origin origin) {
  assignment* a = find(start.partition);
  if (a == nullptr || a->last_delivered) return;
  std::string_view metadata = start.metadata;
  const std::optional<std::int64_t> floor = stream::take_write_floor(metadata);
  if (floor && !mutated(stream::mutation::forget_the_write_floor)) a->writes.resume_after(*floor);
  a->topic_id = ports_.source.topic_id(start.partition.topic);
  if (origin != stream::position_origin::committed) {
    // The log's end moves on: the next owner is to begin where this one did.
    if (origin == stream::position_origin::end && !mutated(stream::mutation::forget_where_latest_began)) {
      a->began_at = start.offset;
      commit_now_ = true;
    }
    return;
  }
  if (!a->remembers()) return;
  auto finished = stream::decode_finished(metadata, a->topic_id, start.offset);
  if (finished) {
    a->before = stream::finished_before(*std::move(finished));
  } else {
    note_foreign_position(*a, start.offset);
  }
}

void engine_core::on_gap(stream::partition_id, std::uint64_t records) { metrics_.gap_records.add(records); }

void engine_core::on_revoked(std::span<const stream::partition_id> partitions) {
  metrics_.rebalanced("revoked");
  revocation& r = revocations_.emplace_back();
  r.asked_at = ports_.loop.now();
  r.drain_until = r.asked_at + options_.revoke_drain_timeout;
  r.partitions.assign(partitions.begin(), partitions.end());
  for (const stream::partition_id id : partitions) {
    assignment* a = find(id);
    if (a == nullptr) continue;
    if (a->state == assignment::phase::open) a->state = assignment::phase::revoking;
    r.members.emplace_back(a);
  }
}

void engine_core::on_lost(std::span<const stream::partition_id> partitions) {
  metrics_.rebalanced("lost");
  if (mutated(stream::mutation::commit_after_a_loss)) return;
  for (const stream::partition_id id : partitions) drop(id);
  pauses_outdated_ = true;
}

// Gone without a release: nothing of it may be committed or released any more.
void engine_core::drop(stream::partition_id id) {
  for (revocation& r : revocations_) {
    if (std::erase(r.partitions, id) > 0 && r.partitions.empty()) r.lost = true;
  }
  if (assignment* a = find(id)) {
    const assignment_ref kept(a);
    close(*kept);
  }
}

void engine_core::on_source_error(const error& failure, bool fatal) {
  note_failure(work_stage::source, failure);
  if (fatal) fail(failure);
}

void engine_core::advance_revocations() {
  for (auto r = revocations_.begin(); r != revocations_.end();) {
    r = advance(*r) ? revocations_.erase(r) : std::next(r);
  }
}

// True when its partitions were given up.
bool engine_core::advance(revocation& r) {
  const instant now = ports_.loop.now();
  std::erase_if(r.members, [](const assignment_ref& a) { return a->state == assignment::phase::closed; });
  for (const assignment_ref& a : r.members) abandon_waiting(*a);
  if (!r.commit_until) {
    const bool drained = std::all_of(r.members.begin(), r.members.end(), [](const assignment_ref& a) {
      return a->in_flight == 0 || !a->counts();
    });
    if (mutated(stream::mutation::release_before_the_drain)) r.drain_until = now;
    if (!drained && working_ > 0 && now < r.drain_until && !aborted_) return false;
    for (const assignment_ref& a : r.members) seal(*a);
    r.commit_until = now + std::min(options_.commit_timeout, options_.revoke_drain_timeout);
    commit_now_ = true;
  }
  for (const assignment_ref& a : r.members) {
    if (!final_commit_over(*a, *r.commit_until) && !mutated(stream::mutation::release_before_the_commit))
      return false;
  }
  for (const assignment_ref& a : r.members) close(*a);
  metrics_.rebalance_time.observe(now - r.asked_at);
  if (!r.lost) ports_.source.release(r.partitions);
  pauses_outdated_ = true;
  return true;
}

}  // namespace millrace::engine

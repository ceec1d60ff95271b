#include "assignments.h"

#include <algorithm>
#include <string>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>

namespace millrace::engine {

void assignments::on_assigned(std::span<const stream::partition_id> partitions) {
  env_.metrics.rebalanced("assigned");
  joined_ = true;
  for (const stream::partition_id id : partitions) {
    // A partition that is assigned again was lost in between, whether or not anybody said so.
    drop(id);
    if (assignment* reused = partitions_.find(id);
        reused != nullptr && mutated(stream::mutation::reuse_the_tracker)) {
      reused->state = assignment::phase::open;
      continue;
    }
    invariant(partitions_.size() < env_.options.partitions_max, "a worker keeps to the limit of partitions");
    assignment* const made =
        new assignment(id, ++last_epoch_, std::string(env_.ports.source.topic_name(id.topic)));
    made->way = &env_.routes.of(made->topic);
    made->keeps_write_floors = env_.work.uses_write_time;
    partitions_.add(assignment_ref(made));
  }
  flow_.outdated();
}

// Our own commits are marked. The broker does not keep how far it was moved.
void assignments::note_foreign_position(const assignment& a, std::int64_t offset) const {
  env_.metrics.foreign_positions.add();
  env_.report_problem(
      "offset_moved",
      error(errc::offset_out_of_range,
            a.topic + "/" + a.number + " starts at the committed offset " + std::to_string(offset) +
                ", which this application did not commit: the offset was moved, another "
                "client of the group committed it, or the topic was recreated. Unprocessed records before it "
                "stay unprocessed; records after it are processed again"));
}

// Metadata of another topic or offset is ignored, which only repeats work.
void assignments::on_position(const stream::partition_offset& start, stream::position_origin origin) {
  assignment* a = partitions_.find(start.partition);
  if (a == nullptr || a->last_delivered) return;
  a->starts_at = start.offset;
  std::string_view metadata = start.metadata;
  const std::optional<std::int64_t> floor = stream::take_write_floor(metadata);
  if (floor && !mutated(stream::mutation::forget_the_write_floor)) a->writes.resume_after(*floor);
  if (take_exceeded_mark(metadata)) {
    a->committed_exceeded = true;
    accounts_.dead_letter_limit_was_exceeded();
  }
  a->topic_id = env_.ports.source.topic_id(start.partition.topic);
  if (origin != stream::position_origin::committed) {
    // The log's end moves on: the next owner is to begin where this one did.
    if (origin == stream::position_origin::end && !mutated(stream::mutation::forget_where_latest_began)) {
      a->began_at = start.offset;
      if (!mutated(stream::mutation::commit_where_latest_began_later)) commits_.commit_soon();
    }
    return;
  }
  if (!a->remembers()) return;
  auto finished = stream::decode_finished(metadata, a->topic_id, start.offset);
  if (finished) {
    a->before = stream::finished_before(*std::move(finished));
  } else if (metadata != own_commit) {
    note_foreign_position(*a, start.offset);
  }
}

void assignments::on_rewind(stream::partition_id partition, std::int64_t from, std::int64_t to) {
  env_.metrics.rewound_positions.add();
  const assignment* const a = partitions_.find(partition);
  env_.report_problem(
      "offset_rewound",
      error(errc::offset_out_of_range,
            (a == nullptr ? std::string(env_.ports.source.topic_name(partition.topic)) + "/" +
                                std::to_string(partition.partition)
                          : a->topic + "/" + a->number) +
                " is read again from offset " + std::to_string(to) + " instead of " + std::to_string(from) +
                ": its log no longer reached that far; records are processed again"));
}

void assignments::on_revoked(std::span<const stream::partition_id> partitions) {
  env_.metrics.rebalanced("revoked");
  revocation& r = revocations_.emplace_back();
  commits_.revokes(true);
  r.asked_at = env_.turn();
  r.drain_until = r.asked_at + env_.options.revoke_drain_timeout;
  r.partitions.assign(partitions.begin(), partitions.end());
  for (const stream::partition_id id : partitions) {
    assignment* a = partitions_.find(id);
    if (a == nullptr) continue;
    if (a->state == assignment::phase::open) a->state = assignment::phase::revoking;
    r.members.emplace_back(a);
  }
}

void assignments::on_lost(std::span<const stream::partition_id> partitions) {
  env_.metrics.rebalanced("lost");
  if (mutated(stream::mutation::commit_after_a_loss)) return;
  for (const stream::partition_id id : partitions) drop(id);
  flow_.outdated();
}

// Gone without a release: nothing of it may be committed or released any more.
void assignments::drop(stream::partition_id id) {
  for (revocation& r : revocations_) {
    if (std::erase(r.partitions, id) > 0 && r.partitions.empty()) r.lost = true;
  }
  if (assignment* a = partitions_.find(id)) {
    const assignment_ref kept(a);
    close(*kept);
  }
}

void assignments::seal(assignment& a) {
  if (!a.counts()) return;
  records_.abandon_waiting(a);
  a.state = assignment::phase::sealed;
  records_.abandon_all(a);
}

void assignments::seal_all() {
  for (const auto& [id, a] : partitions_) seal(*a);
}

void assignments::close(assignment& a) {
  seal(a);
  accounts_.uncommitted(a.finished_uncommitted());
  a.state = assignment::phase::closed;
  commits_.forget(a);
  const engine_metrics& m = env_.metrics;
  for (const metrics::gauge_family family : {m.oldest_age, m.time_lag, m.lag, m.high_watermark, m.window}) {
    env_.metrics.cells().retire(family, {a.topic, a.number});
  }
  if (mutated(stream::mutation::reuse_the_tracker) && state_.running()) return;
  partitions_.remove(a);
}

void assignments::close_all() {
  revocations_.clear();
  while (!partitions_.empty()) {
    const assignment_ref kept = partitions_.begin()->second;
    close(*kept);
  }
}

void assignments::advance_revocations() {
  for (auto r = revocations_.begin(); r != revocations_.end();) {
    r = advance(*r) ? revocations_.erase(r) : std::next(r);
  }
  commits_.revokes(!revocations_.empty());
}

bool assignments::is_drained(const revocation& r) const {
  return needs_.working() == 0 ||
         std::all_of(r.members.begin(), r.members.end(),
                     [](const assignment_ref& a) { return a->in_flight == 0 || !a->counts(); });
}

bool assignments::advance(revocation& r) {
  const instant now = env_.turn();
  std::erase_if(r.members, [](const assignment_ref& a) { return a->state == assignment::phase::closed; });
  for (const assignment_ref& a : r.members) {
    records_.abandon_waiting(*a);
    if (a->counts()) records_.abandon_limited(*a);
  }
  if (!r.commit_until) {
    if (mutated(stream::mutation::release_before_the_drain)) r.drain_until = now;
    if (!is_drained(r) && now < r.drain_until && !state_.aborted_at()) return false;
    for (const assignment_ref& a : r.members) seal(*a);
    r.commit_until = now + std::min(env_.options.commit_timeout, env_.options.revoke_drain_timeout);
    commits_.commit_soon();
  }
  for (const assignment_ref& a : r.members) {
    if (!commits_.is_final_commit_over(*a, *r.commit_until) &&
        !mutated(stream::mutation::release_before_the_commit))
      return false;
  }
  give_up(r);
  return true;
}

void assignments::give_up(revocation& r) {
  for (const assignment_ref& a : r.members) close(*a);
  env_.metrics.rebalance_time.observe(env_.turn() - r.asked_at);
  if (!r.lost) env_.ports.source.release(r.partitions);
  flow_.outdated();
}

std::optional<instant> assignments::next_deadline() const {
  std::optional<instant> next;
  for (const revocation& r : revocations_) {
    const instant at = r.commit_until.value_or(r.drain_until);
    if (!next || at < *next) next = at;
  }
  return next;
}

}  // namespace millrace::engine

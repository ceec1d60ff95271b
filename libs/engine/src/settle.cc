// The end of records, and the end of a turn.
#include <algorithm>

#include <millrace/stream/mutations.h>

#include "engine_core.h"

namespace millrace::engine {

bool engine_core::settle_turn() {
  if (state_ == engine_state::stopped || state_ == engine_state::failed) return false;
  if (plans_changed_) admit_waiting();
  if (const error* dead = ports_.sink.failure(); dead != nullptr && state_ == engine_state::running) {
    note_failure(work_stage::emit, *dead);
    fail(*dead);
  }
  if (!revocations_.empty()) advance_revocations();
  if (state_ == engine_state::draining || state_ == engine_state::leaving) advance_stop();
  if (crowding_until_ && ports_.loop.now() >= *crowding_until_) pauses_outdated_ = true;
  if (pauses_outdated_) update_pauses();
  commit_if_due();
  arm_deadline();
  return room_was_short_ && room() > 0;
}

void engine_core::settle(envelope& e) {
  count_ending(e);
  finish(e);
}

void engine_core::note_end(envelope& e, std::string_view outcome, const std::optional<error>& cause) {
  if (!e.followed) return;
  e.followed->outcome = outcome;
  if (cause) e.followed->reason = cause->code() == errc::rejected ? cause->message() : cause->to_string();
}

void engine_core::tell_observer(envelope& e) {
  e.followed->ended_at = ports_.loop.time().now();
  ports_.observer->ended(std::move(*e.followed));
  e.followed.reset();
}

void engine_core::count_ending(envelope& e) {
  const auto ended_as = [&e](processor_run::ending how) {
    return std::find_if(e.runs.begin(), e.runs.end(),
                        [how](const processor_run& run) { return run.ended_as() == how; });
  };
  if (const auto dead = ended_as(processor_run::ending::dead); dead != e.runs.end()) {
    const error& cause = *dead->cause();
    ++accounting_.dead_lettered;
    note_end(e, "dead_lettered", cause);
    metrics_.failed_end_to_end.observe(age_of(e, ports_.loop.time().now()));
    metrics_.dead_lettered(cause.code() == errc::rejected ? std::string_view(cause.message())
                                                          : to_string(cause.code()));
    return;
  }
  dead_letter_limiter_.ended_well(ports_.loop.now());
  if (ended_as(processor_run::ending::done) != e.runs.end()) {
    ++accounting_.done;
    note_end(e, "done", std::nullopt);
    metrics_.done.add();
    metrics_.end_to_end.observe(age_of(e, ports_.loop.time().now()));
    return;
  }
  ++accounting_.skipped;
  note_end(e, "skipped", e.runs.front().cause());
  metrics_.skipped(e.runs.front().cause()->message());
}

void engine_core::skip(envelope& e, std::string_view reason) {
  ++accounting_.skipped;
  metrics_.skipped(reason);
  note_end(e, "skipped", error(errc::rejected, std::string(reason)));
  dead_letter_limiter_.ended_well(ports_.loop.now());
  e.unended = 0;
  finish(e);
}

void engine_core::finish(envelope& e) {
  assignment& a = e.of();
  invariant(!e.abandoned && a.counts(), "a record is settled while it is ours");
  a.tracker.finished(e.ticket);
  a.finishes.finished(e.ticket, ports_.loop.now());
  ++a.finished_here;
  --a.in_flight;
  note_in_flight(accounting_.in_flight - 1);
  static_cast<unsettled_hook&>(e).unlink();
  if (a.paused() || a.crowding) pauses_outdated_ = true;
  if (e.followed) tell_observer(e);
  if (e.key_hash != 0) leave_barrier(e);
  let_go(e);
}

// Gives back the engine's own reference.
void engine_core::let_go(envelope& e) {
  invariant(!e.let_go, "a record ends once");
  e.let_go = true;
  e.release();
}

void engine_core::leave_barrier(envelope& e) {
  envelope* next = barrier_.leave(e);
  while (next != nullptr) {
    next->queued = false;
    if (!next->abandoned && is_given_up_unbegun(*next)) {
      static_cast<unsettled_hook&>(*next).unlink();
      abandon(*next);
    }
    if (!next->abandoned) {
      const instant now = ports_.loop.time().now();
      metrics_.waited(wait::key, now - next->queued_at);
      next->note("key_wait", {}, 0, next->queued_at, now);
      return start_processors(*next, now);
    }
    envelope* after = barrier_.leave(*next);
    let_go(*next);
    next = after;
  }
}

// Records of a partition that is being given up would only lengthen the drain, up to its end, where the one
// running is repeated. In log order none behind them has finished, so that releasing them repeats nothing.
bool engine_core::is_given_up_unbegun(const envelope& e) const noexcept {
  return options_.order == order_mode::partition && e.of().state == assignment::phase::revoking;
}

void engine_core::abandon(envelope& e) {
  e.abandoned = true;
  for (processor_run& run : e.runs) run.abandon();
  ++accounting_.abandoned;
  note_in_flight(accounting_.in_flight - 1);
  --e.of().in_flight;
  metrics_.abandoned.add();
  note_end(e, "abandoned", std::nullopt);
  if (e.followed) tell_observer(e);
}

void engine_core::abandoned_attempt_ended(envelope& e) {
  if (e.queued) return;  // released when its turn comes
  if (e.key_hash != 0) leave_barrier(e);
  let_go(e);
}

// Nothing of this partition finished beyond the waiting records, so giving them up repeats nothing.
void engine_core::abandon_waiting(assignment& a) {
  while (waiting_hook* hook = a.waiting.pop_front()) {
    envelope& e = static_cast<envelope&>(*hook);
    --a.waiting_count;
    static_cast<unsettled_hook&>(e).unlink();
    abandon(e);
    let_go(e);
    e.release();
  }
}

// From here on nothing that happens to a record of this assignment counts, so that the offset to commit
// stands.
void engine_core::seal(assignment& a) {
  if (!a.counts()) return;
  abandon_waiting(a);
  a.state = assignment::phase::sealed;
  // All are marked before the first is let go: the one that leaves the key table must not start the next.
  runtime::intrusive_list<unsettled_hook> given_up;
  while (unsettled_hook* hook = a.unsettled.pop_front()) {
    envelope& e = static_cast<envelope&>(*hook);
    e.retain();
    abandon(e);
    given_up.push_back(*hook);
  }
  while (unsettled_hook* hook = given_up.pop_front()) {
    envelope& e = static_cast<envelope&>(*hook);
    if (mutated(stream::mutation::forget_the_key_on_revoke) && e.key_hash != 0 && !e.queued) leave_barrier(e);
    if (e.outstanding == 0 && !e.let_go) abandoned_attempt_ended(e);
    e.release();
  }
}

void engine_core::close(assignment& a) {
  seal(a);
  const std::uint64_t uncommitted = a.finished_uncommitted();
  accounting_.uncommitted += uncommitted;
  metrics_.uncommitted.add(uncommitted);
  a.state = assignment::phase::closed;
  forget_commit_of(a);
  const engine_metrics& m = metrics_;
  for (const metrics::gauge_family family : {m.oldest_age, m.time_lag, m.lag, m.high_watermark, m.window}) {
    metrics_.cells().retire(family, {a.topic, a.number});
  }
  last_found_ = nullptr;
  if (mutated(stream::mutation::reuse_the_tracker) && state_ == engine_state::running) return;
  const auto found = assignments_.find(a.id);
  if (found != assignments_.end() && found->second.is(a)) assignments_.erase(found);  // may destroy `a`
}

void envelope::recycle() noexcept {
  invariant(outstanding == 0 && key_hash == 0, "a record that is released has nothing outstanding");
  for (processor_run& run : runs) run.reset();
  followed.reset();
  engine_.recycled(*this);
  block_ = {};
  assignment_ = {};
}

void engine_core::recycled(envelope& e) noexcept {
  if (!mutated(stream::mutation::keep_the_bytes_of_the_abandoned) || !e.abandoned) lease_.give_back(e.bytes);
  pool_.give_back(e);
}

void engine_core::update_pauses() {
  pauses_outdated_ = false;
  share_room_ = no_limit;
  crowding_until_.reset();
  for (const auto& [id, a] : assignments_) {
    if (a->state != assignment::phase::open) continue;
    const pause_reason because = state_ == engine_state::running ? reason_to_pause(*a) : pause_reason::none;
    const bool wanted = because != pause_reason::none;
    if (wanted) commit_before_full(*a);
    if (a->paused() && !wanted && mutated(stream::mutation::never_resume)) continue;
    if (wanted && !a->paused()) ports_.source.pause(id);
    if (!wanted && a->paused()) ports_.source.resume(id);
    a->paused_for = because;
    note_share(*a);
  }
}

// The next records' partitions are unknown before they are taken: no more are taken than every partition that
// is not paused may still have.
void engine_core::note_share(assignment& a) {
  const std::size_t share = partition_share();
  a.crowding = !a.paused() && a.in_flight >= share;
  if (a.paused()) return;
  share_room_ = std::min(share_room_, share - std::min(a.in_flight, share));
  if (!a.crowding) return;
  const instant until = oldest_taken_at(a) + options_.partition_pause_after;
  if (!crowding_until_ || until < *crowding_until_) crowding_until_ = until;
}

std::size_t engine_core::partition_share() const noexcept {
  if (options_.partition_share_max != 0) return options_.partition_share_max;
  const std::size_t all = options_.in_flight_records_max;
  return assignments_.size() > 1 ? std::max<std::size_t>(all - all / 8, 1) : no_limit;
}

instant engine_core::oldest_taken_at(const assignment& a) noexcept {
  return static_cast<const envelope&>(*const_cast<assignment&>(a).unsettled.front()).taken_at;
}

// A paused partition resumes at half of what paused it.
pause_reason engine_core::reason_to_pause(const assignment& a) const {
  const bool paused = a.paused();
  const auto over = [paused](std::size_t amount, std::size_t most) {
    return amount >= (paused ? std::max<std::size_t>(most / 2, 1) : most);
  };
  if (over(a.waiting_count, options_.schema_wait_records_max)) return pause_reason::schema;
  if (over(a.window(), options_.partition_window_max)) return pause_reason::window;
  if (a.in_flight == 0) return pause_reason::none;
  const nanoseconds age = ports_.loop.now() - oldest_taken_at(a);
  if (over(a.in_flight, partition_share()) && (paused || age >= options_.partition_pause_after))
    return pause_reason::share;
  const std::size_t all = options_.in_flight_records_max;
  const std::size_t partitions = assignments_.size();
  if (partitions <= 1) return pause_reason::none;
  const std::size_t stalled_share = std::max<std::size_t>(all / 2 / partitions, 1);
  const bool stalls = over(a.in_flight, stalled_share) && age >= options_.partition_stall_after;
  return stalls ? pause_reason::stall : pause_reason::none;
}

}  // namespace millrace::engine

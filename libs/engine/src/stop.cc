// The end of an engine: drain, last commits, leave.
#include <algorithm>

#include <millrace/stream/mutations.h>

#include "engine_core.h"

namespace millrace::engine {
namespace {
// An abort does not wait as long as a stop for a coordinator that does not answer.
constexpr milliseconds abort_leave_max{2'000};
}  // namespace

void engine_core::request_stop() { begin_drain(); }

void engine_core::fail(error cause) {
  if (state_ == engine_state::stopped || state_ == engine_state::failed) return;
  if (!failure_) failure_ = std::move(cause);
  begin_drain();
}

void engine_core::abort() {
  aborted_ = true;
  if (!aborted_at_) aborted_at_ = ports_.loop.time().now();
  begin_drain();
}

// Only notes it: this may be called from within a record's work. The turn does the rest.
void engine_core::begin_drain() {
  if (state_ == engine_state::idle) return at_rest();
  ports_.loop.wake();
  if (state_ != engine_state::running) return;
  state_ = engine_state::draining;
  abandoned_before_stop_ = accounting_.abandoned;
  uncommitted_before_stop_ = accounting_.uncommitted;
  drain_until_ = ports_.loop.time().now() + options_.drain_timeout;
}

void engine_core::advance_stop() {
  const instant now = ports_.loop.now();
  if (state_ == engine_state::draining) {
    plans_.stop();
    for (const auto& [id, a] : assignments_) abandon_waiting(*a);
    if (ports_.sink.in_flight() > 0) ports_.sink.flush();  // nothing more comes that is worth lingering for
    if (working_ > 0 && now < drain_until_ && !aborted_) return;
    seal_the_rest();
    state_ = engine_state::leaving;
    last_commits_until_ = now + options_.commit_timeout;
    commit_now_ = true;
    if (mutated(stream::mutation::stop_without_the_last_commit)) last_commits_until_ = now;
  }
  if (!close_requested_at_) {
    const bool over = std::all_of(assignments_.begin(), assignments_.end(), [this](const auto& item) {
      return final_commit_over(*item.second, *last_commits_until_);
    });
    if (!over || !revocations_.empty()) return;
    close_requested_at_ = now;
    ports_.source.close();
  }
  if (ports_.source.closed() && revocations_.empty()) return at_rest();
  if (now >= leave_until()) end_without_leaving();
}

instant engine_core::leave_until() const {
  const instant until = *close_requested_at_ + options_.leave_timeout;
  return aborted_at_ ? std::min(until, *aborted_at_ + abort_leave_max) : until;
}

// The end of the engine does not depend on the group's answer.
void engine_core::end_without_leaving() {
  const nanoseconds waited = ports_.loop.now() - *close_requested_at_;
  const error late(errc::timed_out,
                   "the coordinator did not confirm that this member left the group within " +
                       std::to_string(waited / milliseconds(1)) +
                       " ms; its partitions are reassigned after its session timeout");
  note_failure(work_stage::source, late);
  if (options_.on_problem) options_.on_problem("group_not_left", late);
  left_group_ = false;
  revocations_.clear();
  at_rest();
}

void engine_core::seal_the_rest() {
  for (const auto& [id, a] : assignments_) seal(*a);
}

void engine_core::at_rest() {
  while (!assignments_.empty()) {
    const assignment_ref kept = assignments_.begin()->second;
    close(*kept);
  }
  sent_.clear();
  tick_.cancel();
  deadline_.cancel();
  state_ = failure_ ? engine_state::failed : engine_state::stopped;
  update_gauges();
  publish();
}

// A sleeping loop wakes for the next deadline.
void engine_core::arm_deadline() {
  std::optional<instant> next;
  const auto consider = [&next](instant at) {
    if (!next || at < *next) next = at;
  };
  for (const revocation& r : revocations_) consider(r.commit_until.value_or(r.drain_until));
  if (state_ == engine_state::running) {
    if (crowding_until_) consider(*crowding_until_);
    // The next record taken is to be a probe. When its time has come already, only new records are missing.
    for (const dependency d : {dependency::database, dependency::broker}) {
      const bool waits = !is_healthy(d) && !will_be_probed(d) && breaker(d).next_try() > ports_.loop.now();
      if (waits) consider(breaker(d).next_try());
    }
  }
  if (state_ == engine_state::draining) consider(drain_until_);
  if (state_ == engine_state::leaving) consider(close_requested_at_ ? leave_until() : *last_commits_until_);
  if ((state_ == engine_state::leaving || !revocations_.empty()) && sent_.empty() &&
      final_commits_pending()) {
    consider(next_commit_at_);
  }
  if (!sent_.empty()) consider(answer_due_at());
  if (!next) return deadline_.cancel();
  ports_.loop.start_at(deadline_, *next);
}

}  // namespace millrace::engine

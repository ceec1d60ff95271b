#include "shutdown.h"

#include <algorithm>
#include <string>

#include <millrace/stream/mutations.h>

namespace millrace::engine {
namespace {
// An abort does not wait as long as a stop for a coordinator that does not answer.
constexpr milliseconds abort_leave_max{2'000};
}  // namespace

void shutdown::advance() {
  const instant now = env_.turn();
  if (state_.now() == engine_state::draining) {
    if (!drain()) return;
    assigned_.seal_all();
    state_.leave();
    const bool commits = !mutated(stream::mutation::stop_without_the_last_commit);
    commits_.finish_until(commits ? now + env_.options.commit_timeout : now);
    commits_.commit_soon();
  }
  if (!close_requested_at_) {
    if (!commits_are_over() || assigned_.is_revoking()) return;
    close_requested_at_ = now;
    env_.ports.source.close();
  }
  if (env_.ports.source.closed() && !assigned_.is_revoking()) return end();
  if (now >= leave_until()) end_without_leaving();
}

bool shutdown::drain() {
  taking_.stop();
  for (const auto& [id, a] : partitions_) {
    records_.abandon_waiting(*a);
    records_.abandon_limited(*a);
  }
  // Nothing more comes that is worth lingering for.
  if (env_.ports.sink.in_flight() > 0) env_.ports.sink.flush();
  const bool waits = mutated(stream::mutation::wait_for_what_never_returns);
  if (needs_.working() == 0 || (env_.turn() >= state_.drain_until() && !waits) || state_.aborted_at())
    return true;
  return needs_.working() == needs_.retrying() && records_.only_waits(partitions_, state_.drain_until());
}

bool shutdown::commits_are_over() const {
  return std::all_of(partitions_.begin(), partitions_.end(), [this](const auto& item) {
    return commits_.is_final_commit_over(*item.second, *commits_.finishes_until());
  });
}

instant shutdown::leave_until() const {
  const instant until = *close_requested_at_ + env_.options.leave_timeout;
  const std::optional<instant> aborted = state_.aborted_at();
  return aborted ? std::min(until, *aborted + abort_leave_max) : until;
}

// The end of the engine does not depend on the group's answer.
void shutdown::end_without_leaving() {
  const nanoseconds waited = env_.turn() - *close_requested_at_;
  const error late(errc::timed_out,
                   "the coordinator did not confirm that this member left the group within " +
                       std::to_string(waited / milliseconds(1)) +
                       " ms; its partitions are reassigned after its session timeout");
  accounts_.failed(work_stage::source, late);
  env_.report_problem("group_not_left", late);
  left_group_ = false;
  end();
}

void shutdown::end() {
  assigned_.close_all();
  commits_.forget_all();
  state_.end();
}

std::optional<instant> shutdown::next_deadline() const {
  if (state_.now() == engine_state::draining) return state_.drain_until();
  if (state_.now() != engine_state::leaving) return std::nullopt;
  return close_requested_at_ ? leave_until() : *commits_.finishes_until();
}

}  // namespace millrace::engine

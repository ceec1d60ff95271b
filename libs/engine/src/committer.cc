#include "committer.h"

#include <algorithm>
#include <string>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

namespace millrace::engine {
namespace {
constexpr milliseconds final_commit_retry{100};
// Not even the name of the topic fits into less.
constexpr std::size_t metadata_bytes_min = 32;
}  // namespace

void committer::commit_before_full(const assignment& a) noexcept {
  const std::size_t much = std::max<std::size_t>(env_.options.partition_window_max / 4, 1);
  if (!sent_failed_ && a.window() >= 2 * much && a.committable() >= much) now_ = true;
}

void committer::commit_if_due() {
  const instant now = env_.turn();
  if (!sent_.empty() && now >= answer_due_at()) give_up_unanswered();
  if (state_.aborted_at() || !sent_.empty() || (!now_ && now < next_at_)) return;
  now_ = false;
  const milliseconds interval = env_.options.commit_interval;
  next_at_ = now + (are_final_commits_pending() ? std::min(interval, final_commit_retry) : interval);
  send();
}

// One answer that never comes must not cost the last commit of a partition: half of its time is left for a
// second request.
instant committer::answer_due_at() const {
  const engine_options& options = env_.options;
  if (!are_final_commits_pending()) return sent_at_ + options.commit_timeout;
  const bool revoking =
      revoking_ && !(last_until_ && mutated(stream::mutation::forget_a_revocation_in_a_stop));
  const milliseconds whole =
      revoking ? std::min(options.commit_timeout, options.revoke_drain_timeout) : options.commit_timeout;
  return sent_at_ + nanoseconds(whole) / 2;
}

void committer::give_up_unanswered() {
  const nanoseconds waited = env_.turn() - sent_at_;
  const error late(errc::timed_out, "the broker did not answer a commit within " +
                                        std::to_string(waited / milliseconds(1)) + " ms; it is sent again");
  env_.report_problem("commit_failed", late);
  for (const sent_commit& sent : sent_) apply(sent, late);
  sent_.clear();
  env_.metrics.commit_failed_time.observe(waited);
  unanswered_ = true;
  now_ = true;
}

void committer::send() {
  batch_.clear();
  for (const auto& [id, a] : partitions_) {
    if (a->counts() && !mutated(stream::mutation::forget_the_markers))
      a->read_to = env_.ports.source.read_position(id);
    a->exceeded_limit = accounts_.is_dead_letter_limit_exceeded();
    const std::optional<std::int64_t> offset = a->uncommitted();
    if (!offset) continue;
    batch_.push_back({id, *offset, a->metadata_of(*offset)});
    sent_.push_back({a, *offset, a->tracker.finished_count(), a->tracker.passed_count(), a->finished_here,
                     a->exceeded_limit});
  }
  if (batch_.empty()) return;
  sent_at_ = env_.turn();
  sent_failed_ = false;
  if (std::exchange(unanswered_, false)) {
    env_.ports.source.commit_again(batch_);
  } else {
    env_.ports.source.commit(batch_);
  }
}

// A result concerns the assignment object that the commit was sent for, whoever holds the partition now.
void committer::on_committed(std::span<const stream::commit_result> results) {
  for (const stream::commit_result& answer : results) {
    const auto sent = std::find_if(sent_.begin(), sent_.end(), [&answer](const sent_commit& s) {
      return s.of->id == answer.partition && s.offset == answer.offset;
    });
    if (sent == sent_.end()) continue;  // given up as late
    const sent_commit answered = std::move(*sent);
    sent_.erase(sent);
    apply(answered, answer.failure);
    if (sent_.empty()) {
      (sent_failed_ ? env_.metrics.commit_failed_time : env_.metrics.commit_time)
          .observe(env_.turn() - sent_at_);
    }
  }
  if (sent_.empty() && are_final_commits_pending()) {
    next_at_ = std::min(next_at_, env_.turn() + final_commit_retry);
  }
}

void committer::apply(const sent_commit& sent, const std::optional<error>& failure) {
  if (!failure || mutated(stream::mutation::take_a_failed_commit_for_done)) return accepted(sent);
  sent_failed_ = true;
  accounts_.failed(work_stage::commit, *failure);
  env_.metrics.commit_failed(failure->code());
  if (sent.of->state != assignment::phase::closed) refused(*sent.of, *failure);
}

void committer::accepted(const sent_commit& sent) {
  assignment& a = *sent.of;
  env_.metrics.commits.add();
  env_.metrics.last_commit.set(static_cast<double>(env_.wall().time_since_epoch().count()) * 1e-6);
  if (a.state == assignment::phase::closed) return;
  // Before the first commit `committed` is where delivery began, which may be beyond markers that were committed meanwhile.
  invariant(!a.broker_has_commit || sent.offset >= *a.committed, "commits of an assignment never go back");
  a.committed = sent.offset;
  a.finishes.commit(sent.passed_count,
                    [this](instant finished) { env_.metrics.waited(wait::commit, env_.turn() - finished); });
  a.committed_count = sent.finished_count;
  a.committed_passed = sent.passed_count;
  a.committed_here = sent.finished_here;
  a.committed_exceeded = sent.exceeded_limit;
  a.broker_has_commit = true;
}

void committer::refused(assignment& a, const error& failure) {
  if (failure.code() == errc::broker_fenced) {
    a.fenced = true;  // the group has moved on; a revoke or loss follows
    return;
  }
  if (failure.code() == errc::limit_exceeded) return send_less(a, failure);
  if (stream::disposition_of(failure.code()) == stream::disposition::stop) {
    state_.fail(failure.in("commit of " + a.topic + "/" + a.number));
  }
}

// The metadata only saves work: less of it is no reason to stop.
void committer::send_less(assignment& a, const error& failure) {
  if (a.metadata_bytes_max == 0) {
    return state_.fail(
        error(errc::config_invalid,
              "a commit of " + a.topic + "/" + a.number +
                  " is refused without metadata; raise offset.metadata.max.bytes of the broker: " +
                  failure.message()));
  }
  env_.metrics.commit_metadata_refused.add();
  a.metadata_bytes_max = a.metadata_bytes_max > metadata_bytes_min ? a.metadata_bytes_max / 2 : 0;
  now_ = true;
}

void committer::forget(const assignment& a) {
  if (mutated(stream::mutation::wait_for_a_closed_assignment)) return;
  if (std::erase_if(sent_, [&a](const sent_commit& s) { return s.of.is(a); }) == 0 || !sent_.empty()) return;
  unanswered_ = true;
  if (are_final_commits_pending()) now_ = true;
}

bool committer::is_final_commit_over(const assignment& a, instant until) const {
  const instant now = env_.turn();
  const bool left_without = last_until_ && now >= *last_until_;
  return state_.aborted_at() || left_without || !a.uncommitted() || now >= until;
}

bool committer::are_final_commits_pending() const {
  return std::any_of(partitions_.begin(), partitions_.end(), [](const auto& item) {
    return item.second->state == assignment::phase::sealed && item.second->uncommitted().has_value();
  });
}

std::optional<instant> committer::next_deadline(bool giving_up) const {
  if (!sent_.empty()) return answer_due_at();
  if (giving_up && are_final_commits_pending()) return next_at_;
  return std::nullopt;
}

}  // namespace millrace::engine

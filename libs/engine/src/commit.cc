// Commits: what changed, one request at a time; a partition whose commit failed is sent again alone.
#include <algorithm>
#include <string>
#include <utility>

#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

#include "engine_core.h"

namespace millrace::engine {
namespace {
constexpr milliseconds final_commit_retry{100};
}

void engine_core::commit_if_due() {
  const instant now = ports_.loop.now();
  if (!sent_.empty() && now >= answer_due_at()) give_up_unanswered_commit();
  if (aborted_ || !sent_.empty() || (!commit_now_ && now < next_commit_at_)) return;
  commit_now_ = false;
  next_commit_at_ = now + (final_commits_pending() ? std::min(options_.commit_interval, final_commit_retry)
                                                   : options_.commit_interval);
  send_commit();
}

// One answer that never comes must not cost the last commit of a partition: half of its time is left for a
// second request.
instant engine_core::answer_due_at() const {
  if (!final_commits_pending()) return sent_at_ + options_.commit_timeout;
  const milliseconds whole = revocations_.empty()
                                 ? options_.commit_timeout
                                 : std::min(options_.commit_timeout, options_.revoke_drain_timeout);
  return sent_at_ + nanoseconds(whole) / 2;
}

void engine_core::give_up_unanswered_commit() {
  const nanoseconds waited = ports_.loop.now() - sent_at_;
  const error late(errc::timed_out, "the broker did not answer a commit within " +
                                        std::to_string(waited / milliseconds(1)) + " ms; it is sent again");
  if (options_.on_problem) options_.on_problem("commit_failed", late);
  for (const sent_commit& sent : sent_) apply_commit_result(sent, late);
  sent_.clear();
  metrics_.commit_failed_time.observe(waited);
  unanswered_ = true;
  commit_now_ = true;
}

void engine_core::send_commit() {
  commit_batch_.clear();
  for (const auto& [id, a] : assignments_) {
    const std::optional<std::int64_t> offset = a->uncommitted();
    if (!offset) continue;
    commit_batch_.push_back({id, *offset, a->metadata_of(*offset)});
    sent_.push_back({a, *offset, a->tracker.finished_count(), a->tracker.passed_count(), a->finished_here});
  }
  if (commit_batch_.empty()) return;
  sent_at_ = ports_.loop.now();
  sent_failed_ = false;
  if (std::exchange(unanswered_, false)) {
    ports_.source.commit_again(commit_batch_);
  } else {
    ports_.source.commit(commit_batch_);
  }
}

// A result concerns the assignment object that the commit was sent for, whoever holds the partition now.
void engine_core::on_committed(std::span<const stream::commit_result> results) {
  for (const stream::commit_result& answer : results) {
    const auto sent = std::find_if(sent_.begin(), sent_.end(), [&answer](const sent_commit& s) {
      return s.of->id == answer.partition && s.offset == answer.offset;
    });
    if (sent == sent_.end()) continue;  // given up as late
    const sent_commit answered = std::move(*sent);
    sent_.erase(sent);
    apply_commit_result(answered, answer.failure);
    if (sent_.empty()) {
      (sent_failed_ ? metrics_.commit_failed_time : metrics_.commit_time)
          .observe(ports_.loop.now() - sent_at_);
    }
  }
  if (sent_.empty() && final_commits_pending()) {
    next_commit_at_ = std::min(next_commit_at_, ports_.loop.now() + final_commit_retry);
  }
}

void engine_core::apply_commit_result(const sent_commit& sent, const std::optional<error>& failure) {
  assignment& a = *sent.of;
  if (!failure || mutated(stream::mutation::take_a_failed_commit_for_done)) {
    metrics_.commits.add();
    metrics_.last_commit.set(static_cast<double>(wall().time_since_epoch().count()) * 1e-6);
    if (a.state == assignment::phase::closed) return;
    invariant(!a.committed || sent.offset >= *a.committed, "commits of an assignment never go back");
    a.committed = sent.offset;
    a.finishes.commit(sent.passed_count, [this](instant finished) {
      metrics_.waited(wait::commit, ports_.loop.now() - finished);
    });
    a.committed_count = sent.finished_count;
    a.committed_passed = sent.passed_count;
    a.committed_here = sent.finished_here;
    if (a.paused()) pauses_outdated_ = true;
    a.broker_has_commit = true;
    return;
  }
  sent_failed_ = true;
  note_failure(work_stage::commit, *failure);
  metrics_.commit_failed(failure->code());
  if (a.state == assignment::phase::closed) return;
  if (failure->code() == errc::broker_fenced) {
    a.fenced = true;  // the group has moved on; a revoke or loss follows
    return;
  }
  if (stream::disposition_of(failure->code()) == stream::disposition::stop) {
    fail(failure->in("commit of " + a.topic + "/" + a.number));
  }
}

// The source answers nothing for an assignment that has ended: what is still to be committed of others must
// not wait for it, neither here nor in the source.
void engine_core::forget_commit_of(const assignment& a) {
  if (std::erase_if(sent_, [&a](const sent_commit& s) { return s.of.is(a); }) == 0 || !sent_.empty()) return;
  unanswered_ = true;
  if (final_commits_pending()) commit_now_ = true;
}

bool engine_core::final_commit_over(const assignment& a, instant until) const {
  const instant now = ports_.loop.now();
  const bool left_without = last_commits_until_ && now >= *last_commits_until_;
  return aborted_ || left_without || !a.uncommitted() || now >= until;
}

bool engine_core::final_commits_pending() const {
  return std::any_of(assignments_.begin(), assignments_.end(), [](const auto& item) {
    return item.second->state == assignment::phase::sealed && item.second->uncommitted().has_value();
  });
}

}  // namespace millrace::engine

// Commits: what changed, one request at a time; a partition whose commit failed is sent again alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/stream/source.h>

#include "environment.h"
#include "partition_table.h"
#include "record_accounts.h"
#include "run_state.h"

namespace millrace::engine {

class committer {
 public:
  committer(engine_environment& env, record_accounts& accounts, run_state& state,
            const partition_table& partitions) noexcept
      : env_(env), accounts_(accounts), state_(state), partitions_(partitions) {}
  committer(const committer&) = delete;
  committer& operator=(const committer&) = delete;

  void start() { next_at_ = env_.now() + env_.options.commit_interval; }
  // The next commit does not wait for its time.
  void commit_soon() noexcept { now_ = true; }
  // A full window pauses the partition: a commit that empties much of it does not wait for its time. One that
  // failed does.
  void commit_before_full(const assignment& a) noexcept;
  void commit_if_due();
  void on_committed(std::span<const stream::commit_result> results);
  // The source answers nothing for an assignment that has ended: what is still to be committed of others must
  // not wait for it, neither here nor in the source.
  void forget(const assignment& a);
  void forget_all() noexcept { sent_.clear(); }

  // Partitions are being given up to the group, also while the engine stops: their last commits have less time.
  void revokes(bool any) noexcept { revoking_ = any; }
  // The last commits of a stop are given up then.
  void finish_until(instant until) noexcept { last_until_ = until; }
  [[nodiscard]] std::optional<instant> finishes_until() const noexcept { return last_until_; }
  // The last commit of a sealed assignment is answered, or is not waited for any longer.
  [[nodiscard]] bool is_final_commit_over(const assignment& a, instant until) const;
  // When a sleeping loop has to wake for a commit.
  [[nodiscard]] std::optional<instant> next_deadline(bool giving_up) const;

 private:
  struct sent_commit {
    assignment_ref of;
    std::int64_t offset;
    std::uint64_t finished_count;
    std::uint64_t passed_count;
    std::uint64_t finished_here;
    bool exceeded_limit;
  };

  [[nodiscard]] bool are_final_commits_pending() const;
  [[nodiscard]] instant answer_due_at() const;
  void give_up_unanswered();
  void send();
  void apply(const sent_commit& sent, const std::optional<error>& failure);
  void accepted(const sent_commit& sent);
  void refused(assignment& a, const error& failure);
  void send_less(assignment& a, const error& failure);

  engine_environment& env_;
  record_accounts& accounts_;
  run_state& state_;
  const partition_table& partitions_;
  std::vector<sent_commit> sent_;  // the commit that is outstanding
  instant sent_at_;
  bool sent_failed_ = false;  // a partition of it, so far
  bool unanswered_ = false;   // the last one, and the next one does not wait for it
  instant next_at_;
  bool now_ = false;
  bool revoking_ = false;
  std::optional<instant> last_until_;
  std::vector<stream::partition_offset> batch_;
};

}  // namespace millrace::engine

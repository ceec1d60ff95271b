// How many records are taken, and which partitions are paused.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/engine/budget.h>

#include "committer.h"
#include "dependencies.h"
#include "environment.h"
#include "partition_table.h"
#include "run_state.h"

namespace millrace::engine {

class flow_control {
 public:
  flow_control(engine_environment& env, const run_state& state, const dependencies& needs, committer& commits,
               const partition_table& partitions) noexcept
      : env_(env),
        state_(state),
        needs_(needs),
        commits_(commits),
        partitions_(partitions),
        lease_(env.ports.budget) {}
  flow_control(const flow_control&) = delete;
  flow_control& operator=(const flow_control&) = delete;

  // How many records may be taken when `in_use` are in memory.
  [[nodiscard]] std::size_t room(std::size_t in_use) const;
  // As many were taken as there was room for: the loop looks again once there is room.
  void took(std::size_t taken, std::size_t wanted) noexcept;
  [[nodiscard]] bool was_short() const noexcept { return was_short_; }

  // Memory of a record.
  void take(std::size_t bytes) noexcept { lease_.take(bytes); }
  void give_back(std::size_t bytes) noexcept { lease_.give_back(bytes); }
  // Memory that was taken and that idle slots keep for the next records: they do not have to take it again.
  void keep(std::ptrdiff_t bytes) noexcept { kept_bytes_ += static_cast<std::size_t>(bytes); }
  // For the estimate of the next records' memory.
  void note_size(std::size_t bytes) noexcept;
  [[nodiscard]] std::size_t bytes_used() const noexcept { return lease_.used(); }

  // What the pauses of all partitions depend on has changed.
  void outdated() noexcept { outdated_ = true; }
  // A record of `a` was taken.
  void touched(assignment& a) {
    if (!std::exchange(a.touched, true)) touched_.emplace_back(&a);
  }
  // A record of `a` has ended.
  void ended(const assignment& a) noexcept {
    if (a.paused() || a.crowding) outdated_ = true;
  }
  void update_if_outdated();
  // Then a partition that crowds is paused.
  [[nodiscard]] std::optional<instant> next_deadline() const noexcept { return crowding_until_; }

 private:
  static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

  void update_all();
  void update_touched();
  void update(stream::partition_id id, assignment& a);
  [[nodiscard]] pause_reason reason_to_pause(const assignment& a) const;
  [[nodiscard]] std::size_t partition_share() const noexcept;
  [[nodiscard]] static instant oldest_taken_at(const assignment& a) noexcept;
  void note_share(assignment& a);

  engine_environment& env_;
  const run_state& state_;
  const dependencies& needs_;
  committer& commits_;
  const partition_table& partitions_;
  byte_lease lease_;
  std::size_t usual_bytes_ = 4'096;  // of a record
  std::size_t kept_bytes_ = 0;       // by idle slots
  bool was_short_ = false;
  bool outdated_ = false;
  std::vector<assignment_ref> touched_;    // since the last update: a turn looks at no other partition
  std::size_t share_room_ = no_limit;      // of the partition that is nearest to its share
  std::optional<instant> crowding_until_;  // then a partition that crowds is paused
};

}  // namespace millrace::engine

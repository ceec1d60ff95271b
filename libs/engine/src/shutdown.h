// The end of an engine: drain, last commits, leave.
#pragma once

#include <optional>

#include <millrace/base/clock.h>

#include "assignments.h"
#include "committer.h"
#include "dependencies.h"
#include "environment.h"
#include "intake.h"
#include "partition_table.h"
#include "record_accounts.h"
#include "records_in_flight.h"
#include "run_state.h"

namespace millrace::engine {

class shutdown {
 public:
  shutdown(engine_environment& env, record_accounts& accounts, run_state& state, const dependencies& needs,
           committer& commits, records_in_flight& records, partition_table& partitions, assignments& assigned,
           intake& taking) noexcept
      : env_(env),
        accounts_(accounts),
        state_(state),
        needs_(needs),
        commits_(commits),
        records_(records),
        partitions_(partitions),
        assigned_(assigned),
        taking_(taking) {}
  shutdown(const shutdown&) = delete;
  shutdown& operator=(const shutdown&) = delete;

  // Once per turn while the engine stops. The state is `stopped` or `failed` at the end.
  void advance();
  // False when the engine ended before the group's coordinator confirmed that it left.
  [[nodiscard]] bool left_group() const noexcept { return left_group_; }
  [[nodiscard]] std::optional<instant> next_deadline() const;

 private:
  // True when there is nothing to wait for any more.
  [[nodiscard]] bool drain();
  [[nodiscard]] bool commits_are_over() const;
  [[nodiscard]] instant leave_until() const;
  void end_without_leaving();
  void end();

  engine_environment& env_;
  record_accounts& accounts_;
  run_state& state_;
  const dependencies& needs_;
  committer& commits_;
  records_in_flight& records_;
  partition_table& partitions_;
  assignments& assigned_;
  intake& taking_;
  bool left_group_ = true;
  std::optional<instant> close_requested_at_;
};

}  // namespace millrace::engine

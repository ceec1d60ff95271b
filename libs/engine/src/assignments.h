// The partitions that the group assigns and revokes. The phases of an assignment (assignment.h):
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
// the engine leaves, sealed assignments are closed when it ends (shutdown.cc).
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/stream/source.h>

#include "committer.h"
#include "dependencies.h"
#include "environment.h"
#include "flow_control.h"
#include "partition_table.h"
#include "record_accounts.h"
#include "records_in_flight.h"
#include "run_state.h"

namespace millrace::engine {

class assignments {
 public:
  assignments(engine_environment& env, record_accounts& accounts, const run_state& state,
              const dependencies& needs, committer& commits, flow_control& flow, records_in_flight& records,
              partition_table& partitions) noexcept
      : env_(env),
        accounts_(accounts),
        state_(state),
        needs_(needs),
        commits_(commits),
        flow_(flow),
        records_(records),
        partitions_(partitions) {}
  assignments(const assignments&) = delete;
  assignments& operator=(const assignments&) = delete;

  // As in stream::source_events.
  void on_assigned(std::span<const stream::partition_id> partitions);
  void on_position(const stream::partition_offset& start, stream::position_origin origin);
  void on_rewind(stream::partition_id partition, std::int64_t from, std::int64_t to);
  void on_revoked(std::span<const stream::partition_id> partitions);
  void on_lost(std::span<const stream::partition_id> partitions);
  // The group has answered with an assignment, possibly an empty one.
  [[nodiscard]] bool joined() const noexcept { return joined_; }

  // Once per turn.
  void advance_revocations();
  [[nodiscard]] bool is_revoking() const noexcept { return !revocations_.empty(); }
  [[nodiscard]] std::optional<instant> next_deadline() const;

  // From here on nothing that happens to a record of the assignment counts: the offset to commit stands.
  void seal(assignment& a);
  void seal_all();
  // The end of an engine: no commit and no release any more.
  void close_all();

 private:
  // Partitions that are being given up together.
  struct revocation {
    std::vector<stream::partition_id> partitions;
    std::vector<assignment_ref> members;
    instant asked_at;
    instant drain_until;
    std::optional<instant> commit_until;  // set once sealed
    bool lost = false;                    // all of it, meanwhile: nothing is left to release
  };

  void note_foreign_position(const assignment& a, std::int64_t offset) const;
  void drop(stream::partition_id id);
  void close(assignment& a);
  // True when its partitions were given up.
  [[nodiscard]] bool advance(revocation& r);
  [[nodiscard]] bool is_drained(const revocation& r) const;
  void give_up(revocation& r);

  engine_environment& env_;
  record_accounts& accounts_;
  const run_state& state_;
  const dependencies& needs_;
  committer& commits_;
  flow_control& flow_;
  records_in_flight& records_;
  partition_table& partitions_;
  std::list<revocation> revocations_;
  std::uint64_t last_epoch_ = 0;
  bool joined_ = false;
};

}  // namespace millrace::engine

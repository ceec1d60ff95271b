// The record engine: its parts, and the steps of a turn.
//
//   intake step: poll the source → records are copied, decoded and started; rebalances are noted
//   (between) coroutines, receipts and timers move the runs of records on; the last to end settles its record
//   settle step: waiting records whose schema came → revocations and the stop advance → commit → pauses
//
// Nothing here calls the source from within its poll, except that poll itself. A part knows the ones before
// it:
//
//   part                 owns
//   engine_environment   ports, options, processors, metrics
//   record_accounts      the accounting of records, the dead-letter rate limit
//   run_state            the state of the engine, its failure
//   partition_table      the assignments
//   dependencies         circuit breakers, retries, running work
//   committer            the commit that is outstanding
//   flow_control         the byte lease, pauses, shares
//   records_in_flight    envelopes, blocks, the key barrier
//   assignments          revocations
//   intake               the plans of schemas
//   shutdown             the request to leave the group
//   status_reporter      the published status
//   operator_commands    nothing
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <millrace/engine/record_engine.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/source.h>

#include "assignments.h"
#include "committer.h"
#include "dependencies.h"
#include "environment.h"
#include "flow_control.h"
#include "intake.h"
#include "operator_commands.h"
#include "partition_table.h"
#include "record_accounts.h"
#include "records_in_flight.h"
#include "run_state.h"
#include "shutdown.h"
#include "status_reporter.h"

namespace millrace::engine {

class engine_core final : private stream::source_events {
 public:
  engine_core(engine_ports ports, engine_options options, processors work);
  engine_core(const engine_core&) = delete;
  engine_core& operator=(const engine_core&) = delete;
  ~engine_core();

  void start();
  void request_stop();
  void abort();
  void fail(error cause);
  [[nodiscard]] bool quiescent() const noexcept;
  [[nodiscard]] command_answer act_on(const record_name& which, operator_command command) {
    return commands_.act_on(which, command);
  }

  [[nodiscard]] const run_state& state() const noexcept { return state_; }
  [[nodiscard]] const record_accounts& accounts() const noexcept { return accounts_; }
  [[nodiscard]] const records_in_flight& records() const noexcept { return records_; }
  [[nodiscard]] const shutdown& stopping() const noexcept { return shutdown_; }
  [[nodiscard]] const status_reporter& status() const noexcept { return status_; }

 private:
  template <bool (engine_core::*Method)()>
  class turn_step final : public runtime::step {
   public:
    explicit turn_step(engine_core& owner) : owner_(owner) {}
    bool on_turn() override { return (owner_.*Method)(); }

   private:
    engine_core& owner_;
  };
  template <void (engine_core::*Method)()>
  class alarm final : public runtime::timer {
   public:
    explicit alarm(engine_core& owner) : owner_(owner) {}

   private:
    void on_timer() override { (owner_.*Method)(); }
    engine_core& owner_;
  };

  bool take_in();
  bool settle_turn();
  void fail_with_the_sink();
  void tick();
  void ended();
  // A sleeping loop wakes for the next deadline of its parts.
  void arm_deadline();
  void deadline_passed() {}  // the turn it causes does the work

  // stream::source_events
  void on_record(const stream::record_view& record) override { intake_.on_record(record); }
  void on_assigned(std::span<const stream::partition_id> partitions) override {
    assignments_.on_assigned(partitions);
  }
  void on_position(const stream::partition_offset& start, stream::position_origin origin) override {
    assignments_.on_position(start, origin);
  }
  void on_gap(stream::partition_id, std::uint64_t records) override { env_.metrics.gap_records.add(records); }
  void on_rewind(stream::partition_id partition, std::int64_t from, std::int64_t to) override {
    assignments_.on_rewind(partition, from, to);
  }
  void on_revoked(std::span<const stream::partition_id> partitions) override {
    assignments_.on_revoked(partitions);
  }
  void on_lost(std::span<const stream::partition_id> partitions) override {
    assignments_.on_lost(partitions);
  }
  void on_committed(std::span<const stream::commit_result> results) override {
    committer_.on_committed(results);
    flow_.outdated();
  }
  void on_source_error(const error& failure, bool fatal) override;

  engine_environment env_;
  record_accounts accounts_;
  run_state state_;
  partition_table partitions_;
  dependencies needs_;
  committer committer_;
  flow_control flow_;
  records_in_flight records_;
  assignments assignments_;
  intake intake_;
  shutdown shutdown_;
  status_reporter status_;
  operator_commands commands_;

  turn_step<&engine_core::take_in> intake_step_{*this};
  turn_step<&engine_core::settle_turn> settle_step_{*this};
  alarm<&engine_core::tick> tick_{*this};
  alarm<&engine_core::deadline_passed> deadline_{*this};
};

}  // namespace millrace::engine

// The core of the record engine: the steps of a turn, and which part may call which.
//
//   intake step: poll the source → records are copied, decoded and started; rebalances are noted
//   (between) coroutines, receipts and timers move the runs of records on; the last to end settles its record
//   settle step: waiting records whose schema came → revocations and the stop advance → commit → pauses
//
// Nothing here calls the source from within its poll, except that poll itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <millrace/base/backoff.h>
#include <millrace/engine/record_engine.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/source.h>

#include "assignment.h"
#include "breaker.h"
#include "dead_letter_limit.h"
#include "engine_metrics.h"
#include "envelope.h"
#include "key_barrier.h"
#include "plan_table.h"

namespace millrace::engine {

class engine_core final : private stream::source_events, private plan_watcher {
 public:
  engine_core(engine_ports ports, engine_options options, processors work);
  engine_core(const engine_core&) = delete;
  engine_core& operator=(const engine_core&) = delete;
  ~engine_core();

  // As in record_engine.h.
  void start();
  void request_stop();
  void abort();
  void fail(error cause);
  [[nodiscard]] command_answer act_on(const record_name& which, operator_command verb);
  [[nodiscard]] engine_state state() const noexcept { return state_; }
  [[nodiscard]] bool quiescent() const noexcept;
  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }
  [[nodiscard]] const record_accounting& counts() const noexcept { return accounting_; }
  [[nodiscard]] std::uint64_t abandoned_by_stop() const noexcept {
    return abandoned_before_stop_ ? accounting_.abandoned - *abandoned_before_stop_ : 0;
  }
  [[nodiscard]] bool left_group() const noexcept { return left_group_; }
  [[nodiscard]] std::uint64_t uncommitted_by_stop() const noexcept {
    return uncommitted_before_stop_ ? accounting_.uncommitted - *uncommitted_before_stop_ : 0;
  }
  [[nodiscard]] std::size_t in_flight_records() const noexcept { return pool_.in_use(); }
  [[nodiscard]] engine_status status() const;
  [[nodiscard]] engine_status status_now() const;
  [[nodiscard]] std::optional<entered_processor> entered() const noexcept;

  // For envelopes and their runs.
  [[nodiscard]] engine_ports& ports() noexcept { return ports_; }
  [[nodiscard]] const engine_options& options() const noexcept { return options_; }
  [[nodiscard]] processor_base& processor(std::size_t index) const noexcept { return *work_.all[index]; }
  [[nodiscard]] engine_metrics& counters() noexcept { return metrics_; }
  [[nodiscard]] random_source& random() noexcept { return random_; }
  [[nodiscard]] timestamp_micros wall() const noexcept { return ports_.loop.time().wall(); }
  // A processor begins or goes on.
  void enter(const processor_base& processor, std::int32_t partition, std::int64_t offset) noexcept {
    entered_partition_.store(partition, std::memory_order_relaxed);
    entered_offset_.store(offset, std::memory_order_relaxed);
    entered_.store(&processor, std::memory_order_relaxed);
  }
  // Counts a failure and remembers it for the status.
  void note_failure(work_stage where, const error& cause);
  // An exception left process(): `cause` says on which record.
  void note_exception(std::string_view processor, std::string_view type, const error& cause);
  // False: the dead-letter rate limit is exceeded, the engine is stopping.
  [[nodiscard]] bool may_dead_letter(envelope& e);
  // All runs have ended.
  void settle(envelope& e);
  // An abandoned record has nothing outstanding any more.
  void abandoned_attempt_ended(envelope& e);
  void recycled(envelope& e) noexcept;
  void leave_barrier(envelope& e);
  // breakers.cc. What a try of a processor, or of the producer, says about the dependency.
  void try_began(dependency on) noexcept;
  void try_succeeded(dependency on);
  void try_failed(dependency on);
  [[nodiscard]] bool uses_database(std::size_t processor) const noexcept {
    return work_.uses_database[processor];
  }
  [[nodiscard]] bool is_healthy(dependency d) const noexcept {
    return breaker(d).state() == breaker_state::closed;
  }
  // Zero: a retry may go now.
  [[nodiscard]] nanoseconds retry_waits(dependency on);
  // How long a deferred retry waits until it is tried again.
  [[nodiscard]] nanoseconds asks_again() noexcept;
  void first_try() noexcept {
    if (++first_tries_ >= first_tries_kept_max) report_first_tries();
  }
  // False: over the retry budget.
  [[nodiscard]] bool take_retry() noexcept;
  void give_back_retry() noexcept { ports_.retries.give_back(ports_.loop.time().now()); }
  void began_waiting_for_budget() noexcept {
    ++over_budget_;
    metrics_.retries_delayed.add();
  }
  void ended_waiting_for_budget() noexcept { --over_budget_; }
  void began_waiting_for_retry(std::optional<dependency> on) noexcept {
    ++retrying_;
    if (on == dependency::database) ++waiting_for_database_;
  }
  void ended_waiting_for_retry(std::optional<dependency> on) noexcept {
    --retrying_;
    if (on == dependency::database) --waiting_for_database_;
  }
  // What keeps a drain waiting: work that may still end.
  void began_work() noexcept { ++working_; }
  void ended_work() noexcept { --working_; }

 private:
  // First tries that the retry budget hears of together: the record path touches nothing that is shared.
  static constexpr std::uint32_t first_tries_kept_max = 64;

  static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

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

  // Partitions that are being given up together.
  struct revocation {
    std::vector<stream::partition_id> partitions;
    std::vector<assignment_ref> members;
    instant asked_at;
    instant drain_until;
    std::optional<instant> commit_until;  // set once sealed
    bool lost = false;                    // all of it, meanwhile: nothing is left to release
  };
  struct sent_commit {
    assignment_ref of;
    std::int64_t offset;
    std::uint64_t finished_count;
    std::uint64_t passed_count;
    std::uint64_t finished_here;
  };
  using partition_map = std::map<stream::partition_id, assignment_ref>;

  // intake.cc
  bool take_in();
  [[nodiscard]] std::size_t room();
  void on_record(const stream::record_view& record) override;
  void follow(envelope& e);
  void commit_before_full(const assignment& a);
  void pass_over(assignment& a, std::int64_t offset);
  void admit_waiting();
  // False: its schema is not known yet.
  [[nodiscard]] bool admit(envelope& e);
  void wait_for_schema(envelope& e);
  void decode(envelope& e, plan_entry& plan, bytes_view body);
  void enter(envelope& e, instant at);
  void start_processors(envelope& e, instant at);
  void condemn(envelope& e, const error& cause, work_stage where);
  void skip(envelope& e, std::string_view reason);
  // Whom a redriven record is for, by the group that it names.
  enum class redrive_target : std::uint8_t { ours, other, unknown };
  [[nodiscard]] redrive_target target_of(const envelope& e) const noexcept;
  // Set: it was redriven for a processor that is not here.
  [[nodiscard]] std::optional<error> names_no_processor(const envelope& e) const;
  void on_plan_settled() override {
    plans_changed_ = !mutated(stream::mutation::lose_the_wake_up_of_a_schema);
  }
  void on_schema_failure(const error& failure) override;
  [[nodiscard]] nanoseconds age_of(const envelope& e, instant at) const;

  // At once, so that the record_accounting balance at any scrape.
  void note_in_flight(std::uint64_t records) noexcept {
    accounting_.in_flight = records;
    metrics_.in_flight_records.set(static_cast<double>(records));
  }

  // breakers.cc
  [[nodiscard]] const circuit_breaker& breaker(dependency d) const noexcept {
    return breakers_[static_cast<std::size_t>(d)];
  }
  [[nodiscard]] circuit_breaker& breaker(dependency d) noexcept {
    return breakers_[static_cast<std::size_t>(d)];
  }
  // How many records the breakers let in now.
  [[nodiscard]] std::size_t let_in() const noexcept;
  // Work that is in flight will probe it, sooner or later.
  [[nodiscard]] bool will_be_probed(dependency d) const noexcept;
  void breaker_changed(dependency d);
  void report_first_tries() noexcept;
  void forgive_the_unasked();

  // settle.cc
  bool settle_turn();
  void count_ending(envelope& e);
  void note_end(envelope& e, std::string_view outcome, const std::optional<error>& cause);
  void tell_observer(envelope& e);
  void finish(envelope& e);
  void let_go(envelope& e);
  [[nodiscard]] bool is_given_up_unbegun(const envelope& e) const noexcept;
  void abandon(envelope& e);
  void abandon_waiting(assignment& a);
  void seal(assignment& a);
  void close(assignment& a);
  void update_pauses();
  [[nodiscard]] pause_reason reason_to_pause(const assignment& a) const;
  [[nodiscard]] std::size_t partition_share() const noexcept;
  [[nodiscard]] static instant oldest_taken_at(const assignment& a) noexcept;
  void note_share(assignment& a);

  // commit.cc
  void commit_if_due();
  [[nodiscard]] instant answer_due_at() const;
  void give_up_unanswered_commit();
  void send_commit();
  void on_committed(std::span<const stream::commit_result> results) override;
  void apply_commit_result(const sent_commit& sent, const std::optional<error>& failure);
  void forget_commit_of(const assignment& a);
  [[nodiscard]] bool final_commit_over(const assignment& a, instant until) const;
  [[nodiscard]] bool final_commits_pending() const;

  // rebalance.cc
  void on_assigned(std::span<const stream::partition_id> partitions) override;
  void on_position(const stream::partition_offset& start, stream::position_origin origin) override;
  void note_foreign_position(const assignment& a, std::int64_t offset);
  void on_gap(stream::partition_id partition, std::uint64_t records) override;
  void on_revoked(std::span<const stream::partition_id> partitions) override;
  void on_lost(std::span<const stream::partition_id> partitions) override;
  void on_source_error(const error& failure, bool fatal) override;
  void drop(stream::partition_id id);
  void advance_revocations();
  [[nodiscard]] bool advance(revocation& r);
  [[nodiscard]] assignment* find(stream::partition_id id);

  // stop.cc
  void begin_drain();
  void at_rest();
  void advance_stop();
  [[nodiscard]] instant leave_until() const;
  void end_without_leaving();
  void seal_the_rest();
  void arm_deadline();
  void deadline_passed() {}  // the turn it causes does the work

  // operator_command.cc
  [[nodiscard]] assignment* find(const record_name& which);
  [[nodiscard]] command_answer act_on(envelope& e, operator_command verb);
  [[nodiscard]] command_answer act_on_waiting(envelope& e, operator_command verb);

  // engine_status.cc
  void tick();
  void publish();
  void update_gauges();
  [[nodiscard]] double time_lag_seconds(const assignment& a, std::int64_t lag) const;
  [[nodiscard]] std::optional<oldest_record> describe_oldest(const assignment& a) const;

  engine_ports ports_;
  engine_options options_;
  processors work_;
  engine_metrics metrics_;
  byte_lease lease_;
  stream::block_pool blocks_;
  envelope_pool pool_;
  plan_table plans_;
  key_barrier barrier_;
  dead_letter_limiter dead_letter_limiter_;
  std::array<circuit_breaker, dependency_count> breakers_;
  random_source random_;

  engine_state state_ = engine_state::idle;
  std::optional<error> failure_;
  std::optional<error> last_error_;
  record_accounting accounting_;
  std::size_t working_ = 0;
  std::size_t usual_bytes_ = 4'096;  // of a record
  std::size_t retrying_ = 0;
  std::size_t waiting_for_database_ = 0;  // of those
  std::size_t over_budget_ = 0;           // of those, too
  std::uint32_t first_tries_ = 0;         // not reported yet
  std::uint64_t last_epoch_ = 0;
  std::uint64_t frame_allocations_ = 0;  // of the thread, as counted last
  std::uint64_t barrier_seed_;
  bool plans_changed_ = false;
  bool joined_ = false;
  bool room_was_short_ = false;
  bool pauses_outdated_ = false;
  std::size_t share_room_ = no_limit;      // of the partition that is nearest to its share
  std::optional<instant> crowding_until_;  // then a partition that crowds is paused
  bool aborted_ = false;
  std::optional<std::uint64_t> abandoned_before_stop_;
  std::optional<std::uint64_t> uncommitted_before_stop_;
  bool left_group_ = true;
  std::optional<instant> aborted_at_;
  std::optional<instant> close_requested_at_;
  instant drain_until_;
  std::unique_ptr<followed_record> candidate_ = std::make_unique<followed_record>();
  std::int64_t wall_minus_loop_us_ = 0;  // as of this turn
  std::optional<instant> last_commits_until_;

  partition_map assignments_;
  assignment* last_found_ = nullptr;
  std::list<revocation> revocations_;

  std::vector<sent_commit> sent_;  // the commit that is outstanding
  instant sent_at_;
  bool sent_failed_ = false;  // a partition of it, so far
  bool unanswered_ = false;   // the last one, and the next one does not wait for it
  instant next_commit_at_;
  bool commit_now_ = false;
  std::vector<stream::partition_offset> commit_batch_;

  turn_step<&engine_core::take_in> intake_step_{*this};
  turn_step<&engine_core::settle_turn> settle_step_{*this};
  alarm<&engine_core::tick> tick_{*this};
  alarm<&engine_core::deadline_passed> deadline_{*this};

  // Written by the loop's thread, read by the watchdog's.
  std::atomic<const processor_base*> entered_{nullptr};
  std::atomic<std::int32_t> entered_partition_{0};
  std::atomic<std::int64_t> entered_offset_{0};

  mutable std::mutex status_mutex_;
  engine_status published_;
};

}  // namespace millrace::engine

// The records in flight: their memory, the order of their keys, their start and their end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include <millrace/stream/record.h>

#include "dependencies.h"
#include "envelope.h"
#include "environment.h"
#include "flow_control.h"
#include "key_barrier.h"
#include "partition_table.h"
#include "record_accounts.h"
#include "record_host.h"
#include "run_state.h"

namespace millrace::engine {

class records_in_flight final : public record_host {
 public:
  records_in_flight(engine_environment& env, record_accounts& accounts, dependencies& needs, run_state& state,
                    flow_control& flow);

  // Copies a record into memory and counts it. Its offset is unfinished from here on.
  [[nodiscard]] envelope& take(const stream::record_view& view, assignment& of);
  // Its value is decoded: the processors start, at once or after the earlier records of its key.
  void start_in_order(envelope& e, instant at);
  // Its value is decoded, or not: its memory counts.
  void note_decoded(envelope& e) noexcept;
  // Gives back the memory that idle slots hold when no record was taken for a while.
  void trim_if_idle() noexcept;
  // It cannot be read, or must not be: to the dead-letter topic.
  void condemn(envelope& e, const error& cause, work_stage where);
  // The engine stops because of it, and it stays uncommitted.
  void stop_at(envelope& e, const error& cause, work_stage where);
  // By rule, without a processor.
  void skip(envelope& e, std::string_view reason);
  // Ends the wait for attempts that take too long.
  void expire_attempts(const partition_table& partitions);
  // True: what is unfinished only waits for the time of a retry that comes after `until`, or for a dependency
  // that is down.
  [[nodiscard]] bool only_waits(const partition_table& partitions, instant until) const;
  // Gives up the records of a partition: those that wait for a schema, or all. What happens to them from here
  // on counts for nothing.
  void abandon_waiting(assignment& a);
  // The same for records that wait for the limit of a processor and on which none has begun, with those of their
  // key behind them.
  void abandon_limited(assignment& a);
  void abandon_all(assignment& a);

  // Includes what has ended but is still referred to.
  [[nodiscard]] std::size_t in_use() const noexcept { return pool_.in_use(); }
  // Any thread: the processor that was entered last since the worker last took records.
  [[nodiscard]] std::optional<entered_processor> entered() const noexcept;
  void forget_entered() noexcept { entered_.store(nullptr, std::memory_order_relaxed); }

  // record_host
  void enter(const processor_base& processor, std::int32_t partition, std::int64_t offset) noexcept override {
    entered_partition_.store(partition, std::memory_order_relaxed);
    entered_offset_.store(offset, std::memory_order_relaxed);
    entered_.store(&processor, std::memory_order_relaxed);
  }
  void note_failure(work_stage where, const error& cause) override { accounts_.failed(where, cause); }
  void note_exception(std::string_view processor, std::string_view type, const error& cause) override {
    accounts_.threw(processor, type, cause);
  }
  [[nodiscard]] bool may_dead_letter(envelope& e, const error& cause) override;
  void fail(error cause) override { state_.fail(std::move(cause)); }
  void hold(std::size_t& held, std::size_t bytes) noexcept override;
  void settle(envelope& e) override;
  void abandoned_attempt_ended(envelope& e) override;
  void leave_barrier(envelope& e) override;
  void recycled(envelope& e) noexcept override;

 private:
  void start_processors(envelope& e, instant at);
  void start_queued(envelope& e);
  void finish(envelope& e);
  void abandon(envelope& e);
  // Gives back the engine's own reference.
  static void let_go(envelope& e);
  [[nodiscard]] std::uint64_t place_in_order(const envelope& e) const noexcept;
  [[nodiscard]] bool is_given_up_unbegun(const envelope& e) const noexcept;
  [[nodiscard]] static bool only_waits_for_limit(const envelope& e) noexcept;

  engine_environment& env_;
  record_accounts& accounts_;
  run_state& state_;
  flow_control& flow_;
  stream::block_pool blocks_;
  envelope_pool pool_;
  key_barrier barrier_;
  const std::uint64_t barrier_seed_;
  // With something outstanding. An attempt that does not return must not keep its key from the next assignment.
  runtime::intrusive_list<unsettled_hook> abandoned_;
  std::deque<envelope*> next_;  // whose turn it is
  bool starting_ = false;
  bool idle_ = false;  // no record was taken since the last trim_if_idle()

  // Written by the loop's thread, read by the watchdog's.
  std::atomic<const processor_base*> entered_{nullptr};
  std::atomic<std::int32_t> entered_partition_{0};
  std::atomic<std::int64_t> entered_offset_{0};
};

}  // namespace millrace::engine

// One worker of a process of the group: an engine with its ports and its loop, on the common clock.
#pragma once

#include <coroutine>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/engine/record_engine.h>
#include <millrace/metrics/registry.h>
#include <millrace/simulation/simulated_log.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_source.h>
#include <millrace/simulation/simulated_store.h>

#include "faults.h"
#include "history.h"
#include "visit.h"

namespace scenario {

// Records are numbered so that every effect names its record.
[[nodiscard]] constexpr std::int64_t number_of(std::int32_t partition, std::int64_t offset) {
  return partition * 1'000'000LL + offset;
}

inline constexpr std::int32_t known_schema = 7;
inline constexpr std::int32_t other_schema = 8;
inline constexpr std::int32_t absent_schema = 404;

// Records of a run that emit many.
inline constexpr std::size_t many_emits_max = 3;

// What all members share.
struct common {
  millrace::manual_clock& time;
  millrace::simulation::simulated_log& log;
  fault_injector& faults;
  history& told;
  millrace::engine::engine_options options;
  std::size_t budget_bytes = 0;
  millrace::engine::retry_budget_policy retries;
  std::size_t workers = 1;    // of a process
  std::size_t cells_max = 0;  // of a record, but for those that have too many
  bool second_load = false;
};

// What the workers of a process share.
struct process {
  process(const common& shared, int which)
      : number(which), budget(shared.budget_bytes), retries(shared.retries) {}

  const int number;
  millrace::engine::byte_budget budget;
  millrace::engine::retry_budget retries;
  std::size_t slot_bytes = 0;  // that decoded values hold
};

class member {
 public:
  member(common& shared, std::shared_ptr<process> of, int number, std::uint64_t seed);
  member(const member&) = delete;
  member& operator=(const member&) = delete;
  ~member();

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] int process_number() const noexcept { return process_->number; }
  [[nodiscard]] millrace::simulation::simulated_source& source() noexcept { return *source_; }
  [[nodiscard]] millrace::runtime::loop& loop() noexcept { return loop_; }
  // Takes part in the group: neither crashed, nor stopping, nor failed.
  [[nodiscard]] bool serves() const noexcept;
  // Failed by itself: the process ends, and its other workers with it.
  [[nodiscard]] bool has_failed() const noexcept { return !crashed_ && engine_->failure().has_value(); }
  // Has ended; attempts that were abandoned may still run.
  [[nodiscard]] bool finished() const noexcept { return engine_->finished(); }
  // Has ended, in whatever way, and may be destroyed.
  [[nodiscard]] bool gone() const noexcept { return engine_->quiescent(); }

  void run();
  void stop();
  // Nothing of it reaches the cluster after this.
  void crash();
  // Its producer cannot send any more.
  void lose_producer();
  // What never returned returns after all, also that of abandoned attempts.
  void resume_hung();
  // Everything is finished: no partition has a lag.
  void check_lag();

  // For its processors.
  void note(happening what, std::int64_t number, std::string_view processor, std::string_view key);
  [[nodiscard]] bool may_hang() const noexcept { return !crashed_ && !shared_.faults.recovered(); }
  [[nodiscard]] std::size_t emits_max() const noexcept { return shared_.options.emits_per_record_max; }
  // An awaitable that nothing resumes but resume_hung().
  [[nodiscard]] auto hang() noexcept {
    struct awaitable {
      std::vector<std::coroutine_handle<>>& hung;
      [[nodiscard]] bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiting) { hung.push_back(waiting); }
      void await_resume() const noexcept {}
    };
    return awaitable{hung_};
  }

 private:
  struct commit_wait {
    std::int64_t committed = -1;
    std::optional<millrace::instant> since;  // more is finished than the broker is known to have
  };

  [[nodiscard]] std::uint64_t epoch_of(std::int32_t partition) const;
  void note_at(happening what, std::int32_t partition, std::int64_t offset, std::string processor = {},
               std::string key = {}, std::uint64_t epoch = 0);
  void on_source_event(millrace::simulation::simulated_source::happening what,
                       millrace::stream::partition_id where, std::int64_t offset);
  [[nodiscard]] millrace::simulation::commit_fate fate_of_commit();
  void on_applied(const millrace::simulation::executed_statement& what);
  void on_produced(const millrace::simulation::produced_record& what);
  void on_written(const millrace::simulation::produced_record& what);
  void check_emit_id(const millrace::simulation::produced_record& what, std::int32_t partition,
                     std::int64_t offset);
  void check_books();
  void check_limits();
  void check_commit_waits();
  void check_end();
  void check_deadlines();
  void check_final_commit(millrace::stream::partition_id given_up);
  void note_positions();
  void complain(const std::string& what);

  common& shared_;
  std::shared_ptr<process> process_;
  int number_;
  bool crashed_ = false;
  bool stopping_ = false;
  bool end_noted_ = false;
  std::optional<millrace::instant> ends_at_;           // a stop, or a failure
  std::optional<millrace::instant> ends_until_;        // the same, at the latest
  std::map<std::uint64_t, commit_wait> commit_waits_;  // by the engine's epoch
  std::optional<millrace::instant> commit_lost_at_;
  std::optional<millrace::instant> commit_fault_at_;
  std::map<std::int32_t, millrace::instant> revoked_at_;
  std::map<std::int32_t, std::int64_t> positions_;             // finished to here, of what is held
  std::map<std::int32_t, std::uint64_t> epochs_;               // by partition
  std::map<std::uint64_t, std::uint64_t> epochs_of_produced_;  // by the sink's number
  std::vector<std::coroutine_handle<>> hung_;
  slot_memory slots_;
  millrace::runtime::loop loop_;
  std::unique_ptr<millrace::simulation::simulated_source> source_;
  std::unique_ptr<millrace::simulation::simulated_sink> sink_;
  std::unique_ptr<millrace::simulation::simulated_store> store_;
  std::unique_ptr<millrace::simulation::simulated_schemas> schemas_;
  millrace::metrics::catalogue declared_;
  millrace::metrics::registry registry_;
  std::unique_ptr<millrace::engine::record_engine> engine_;
};

}  // namespace scenario

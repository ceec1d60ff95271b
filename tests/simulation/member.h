// One process of the group: an engine with its ports and its loop, on the common clock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/engine/record_engine.h>
#include <millrace/metrics/registry.h>
#include <millrace/simulation/simulated_log.h>
#include <millrace/simulation/simulated_schemas.h>
#include <millrace/simulation/simulated_sink.h>
#include <millrace/simulation/simulated_source.h>
#include <millrace/simulation/simulated_store.h>

#include "faults.h"
#include "history.h"

namespace scenario {

// Records are numbered so that every effect names its record.
[[nodiscard]] constexpr std::int64_t number_of(std::int32_t partition, std::int64_t offset) {
  return partition * 1'000'000LL + offset;
}

inline constexpr std::int32_t known_schema = 7;
inline constexpr std::int32_t other_schema = 8;
inline constexpr std::int32_t absent_schema = 404;

// What all members share.
struct common {
  millrace::manual_clock& time;
  millrace::simulation::simulated_log& log;
  fault_injector& faults;
  history& told;
  millrace::engine::engine_options options;
  std::size_t budget_bytes = 0;
  millrace::engine::retry_budget_policy retries;
  bool second_load = false;
};

class member {
 public:
  member(common& shared, int number, std::uint64_t seed);
  member(const member&) = delete;
  member& operator=(const member&) = delete;
  ~member();

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] millrace::simulation::simulated_source& source() noexcept { return *source_; }
  [[nodiscard]] millrace::runtime::loop& loop() noexcept { return loop_; }
  // Takes part in the group: neither crashed, nor stopping, nor failed.
  [[nodiscard]] bool serves() const noexcept;
  // Has ended, in whatever way, and may be destroyed.
  [[nodiscard]] bool gone() const noexcept { return engine_->quiescent(); }
  [[nodiscard]] const millrace::engine::record_accounting& counts() const noexcept {
    return engine_->counts();
  }

  void run();
  void stop();
  // Nothing of it reaches the cluster after this.
  void crash();

  // For its processors.
  void note(happening what, std::int64_t number, std::string_view processor, std::string_view key);

 private:
  [[nodiscard]] std::uint64_t epoch_of(std::int32_t partition) const;
  void note_at(happening what, std::int32_t partition, std::int64_t offset, std::string processor = {},
               std::string key = {}, std::uint64_t epoch = 0);
  void on_source_event(millrace::simulation::simulated_source::happening what,
                       millrace::stream::partition_id where, std::int64_t offset);
  void on_applied(const millrace::simulation::executed_statement& what);
  void on_produced(const millrace::simulation::produced_record& what);
  void on_written(const millrace::simulation::produced_record& what);
  void check_limits();
  void check_commit_waits();
  void complain(const std::string& what);

  common& shared_;
  int number_;
  bool crashed_ = false;
  bool stopping_ = false;
  bool end_noted_ = false;
  struct commit_wait {
    std::int64_t committed = -1;
    std::optional<millrace::instant> since;  // more is finished than the broker is known to have
  };
  std::map<std::uint64_t, commit_wait> commit_waits_;  // by the engine's epoch
  std::optional<millrace::instant> commit_lost_at_;
  std::map<std::int32_t, std::uint64_t> epochs_;               // by partition
  std::map<std::uint64_t, std::uint64_t> epochs_of_produced_;  // by the sink's number
  millrace::runtime::loop loop_;
  std::unique_ptr<millrace::simulation::simulated_source> source_;
  std::unique_ptr<millrace::simulation::simulated_sink> sink_;
  std::unique_ptr<millrace::simulation::simulated_store> store_;
  std::unique_ptr<millrace::simulation::simulated_schemas> schemas_;
  millrace::engine::byte_budget budget_;
  millrace::engine::retry_budget retries_;
  millrace::metrics::catalogue declared_;
  millrace::metrics::registry registry_;
  std::unique_ptr<millrace::engine::record_engine> engine_;
};

}  // namespace scenario

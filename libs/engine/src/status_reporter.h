// The status of an engine: for other threads, and as gauges.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include <millrace/engine/status.h>

#include "assignments.h"
#include "dependencies.h"
#include "environment.h"
#include "flow_control.h"
#include "intake.h"
#include "partition_table.h"
#include "record_accounts.h"
#include "run_state.h"

namespace millrace::engine {

class status_reporter {
 public:
  status_reporter(engine_environment& env, const record_accounts& accounts, const run_state& state,
                  const dependencies& needs, const flow_control& flow, const partition_table& partitions,
                  const assignments& assigned, const intake& taking) noexcept
      : env_(env),
        accounts_(accounts),
        state_(state),
        needs_(needs),
        flow_(flow),
        partitions_(partitions),
        assigned_(assigned),
        taking_(taking) {}
  status_reporter(const status_reporter&) = delete;
  status_reporter& operator=(const status_reporter&) = delete;

  // The loop's thread.
  void publish();
  [[nodiscard]] engine_status now() const;
  // Any thread: as published last.
  [[nodiscard]] engine_status published() const;

 private:
  [[nodiscard]] partition_status describe(stream::partition_id id, const assignment& a) const;
  [[nodiscard]] static std::optional<oldest_record> describe_oldest(const assignment& a, instant now);
  [[nodiscard]] std::optional<std::int64_t> lag_of(stream::partition_id id, const assignment& a) const;
  [[nodiscard]] double time_lag_seconds(const assignment& a, std::int64_t lag) const;
  void update_gauges();
  void update_gauges_of(stream::partition_id id, const assignment& a);
  void update_coroutine_gauges();

  engine_environment& env_;
  const record_accounts& accounts_;
  const run_state& state_;
  const dependencies& needs_;
  const flow_control& flow_;
  const partition_table& partitions_;
  const assignments& assigned_;
  const intake& taking_;
  std::uint64_t frame_allocations_ = 0;  // of the thread, as counted last
  mutable std::mutex mutex_;
  engine_status published_;
};

}  // namespace millrace::engine

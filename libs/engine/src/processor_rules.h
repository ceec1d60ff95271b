// The policies that apply to each processor: those of the engine where the processor has none of its own.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/engine/filter.h>
#include <millrace/engine/options.h>
#include <millrace/engine/processor.h>
#include <millrace/metrics/cells.h>
#include <millrace/runtime/limiter.h>

#include "engine_metrics.h"

namespace millrace::engine {

// A limiter with its metrics.
struct measured_limiter {
  measured_limiter(runtime::loop& loop, runtime::work_limits limits, metrics::gauge& waiting,
                   metrics::histogram& waited)
      : limit(loop, limits), time(loop.time()), waiting_records(waiting), wait_time(waited) {}

  void began_waiting() noexcept { waiting_records.add(1); }
  void ended_waiting() noexcept { waiting_records.add(-1); }

  runtime::limiter limit;
  const clock& time;
  metrics::gauge& waiting_records;
  metrics::histogram& wait_time;
};

struct processor_rules {
  processor_rules(const engine_options& options, const processor_base& of, runtime::loop& loop,
                  engine_metrics& metrics);

  std::uint32_t attempts_max;
  milliseconds age_max;
  std::string_view dead_letter_topic;                               // of the options
  std::unique_ptr<measured_limiter> limiter;                        // none: no limit
  std::vector<record_filter> filters;                               // those of the engine, too
  bool asks_processor;                                              // wants() is overridden
  std::array<metrics::counter*, filter_reasons.size()> filtered{};  // by reason, once they were used
  [[nodiscard]] bool filters_any() const noexcept { return asks_processor || !filters.empty(); }
};

}  // namespace millrace::engine

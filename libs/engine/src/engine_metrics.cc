#include "engine_metrics.h"

#include <millrace/engine/record_engine.h>

namespace millrace::engine {

std::string_view to_string(work_stage s) noexcept { return stage_names[static_cast<std::size_t>(s)]; }
std::string_view to_string(wait w) noexcept { return wait_names[static_cast<std::size_t>(w)]; }

void declare_metrics(metrics::catalogue& into) { const engine_metrics declared(into); }

engine_metrics::engine_metrics(metrics::shard& cells) : table(&cells) {
  for (std::size_t i = 0; i < wait_count; ++i) waits_[i] = &stage_.of(wait_names[i]);
  // A counter that appears with its first event hides that event from rate(): the counters of the alerts are
  // shown from the start.
  errors(work_stage::schema, errc::schema_not_found);
  errors(work_stage::schema, errc::registry_unauthorized);
  errors(work_stage::dead_letter, errc::produce_failed);
  errors(work_stage::dead_letter, errc::produce_rejected);
  for (const std::string_view type : rebalance_types) static_cast<void>(rebalanced.of(type));
}

metrics::counter& engine_metrics::errors(work_stage where, errc what) {
  metrics::counter*& known = errors_[static_cast<std::size_t>(where)][static_cast<std::size_t>(what)];
  if (known == nullptr)
    known = &cells().counter(errors_family_, {to_string(where), millrace::to_string(what)});
  return *known;
}

}  // namespace millrace::engine

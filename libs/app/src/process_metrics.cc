#include "process_metrics.h"

#include <millrace/app/metric_catalogue.h>
#include <millrace/cql/session.h>
#include <millrace/engine/record_engine.h>
#include <millrace/metrics/cgroup.h>
#include <millrace/metrics/process.h>
#include <millrace/registry/client.h>
#include <millrace/service/channel.h>

#include "kafka_statistics.h"
#include "security_checks.h"
#include "tracing.h"

namespace millrace::app {
metrics::scrape_hook add_engine_metrics(metrics::registry& to, process_facts facts,
                                        std::function<std::vector<worker_pulse>()> pulses,
                                        std::function<bool()> ready) {
  return to.at_scrape([what = process_families(to.declared()), facts = std::move(facts),
                       pulses = std::move(pulses), ready = std::move(ready)](metrics::samples& out) {
    const std::vector<worker_pulse> all = pulses();
    out.set(what.workers, {}, static_cast<double>(all.size()));
    for (std::size_t i = 0; i < all.size(); ++i) {
      out.set(what.since_turn, {std::to_string(i)}, static_cast<double>(all[i].since_turn.count()) * 1e-9);
    }
    out.set(what.in_flight_max, {}, facts.in_flight_records_max * facts.workers());
    out.set(what.memory_max, {}, facts.memory_bytes_max);
    out.set(what.ready, {}, ready() ? 1 : 0);
    out.set(what.group, {facts.group, facts.protocol}, 1);
    const log_counts counts = logged();
    for (const log_level level : log_levels) {
      out.set(what.log_lines, {to_string(level)},
              static_cast<double>(counts.lines[static_cast<std::size_t>(level)]));
    }
    out.set(what.log_suppressed, {}, static_cast<double>(counts.suppressed));
  });
}

void declare_metrics(metrics::catalogue& into) {
  engine::declare_metrics(into);
  cql::declare_metrics(into);
  registry::declare_metrics(into);
  service::declare_metrics(into);
  const kafka_metrics kafka(into);
  declare_tracing_metrics(into);
  declare_security_check_metrics(into);
  metrics::declare_process_metrics(into);
  metrics::declare_cgroup_metrics(into);
  const worker_metrics workers(into);
  const process_families process(into);
}

result<void> declare_metrics(const statements::declarations& of, metrics::catalogue& into) {
  for (const statements::metric_declaration* each : of.metrics) {
    if (const auto declared = each->declare(into); !declared) return declared.error();
  }
  return {};
}

result<std::string> metric_catalogue_json(const engine::processor_set& processors) {
  metrics::catalogue all;
  declare_metrics(all);
  if (processors.empty()) return all.to_json();
  const auto work = engine::build(processors);
  if (!work) return work.error();
  if (auto declared = declare_metrics(work->declared, all); !declared) return declared.error();
  return all.to_json();
}

}  // namespace millrace::app

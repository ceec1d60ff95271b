#include "process_metrics.h"

#include <millrace/app/metric_catalogue.h>
#include <millrace/cql/session.h>
#include <millrace/engine/record_engine.h>
#include <millrace/metrics/cgroup.h>
#include <millrace/metrics/process.h>
#include <millrace/registry/client.h>

#include "kafka_statistics.h"
#include "security_checks.h"
#include "tracing.h"

namespace millrace::app {
namespace {

using metrics::label;
using metrics::unit;

constexpr std::size_t workers_max = 256;
constexpr log_level levels[] = {log_level::debug, log_level::info, log_level::warning, log_level::error};

label level_label() {
  std::vector<std::string> names;
  for (const log_level level : levels) names.emplace_back(to_string(level));
  return label::closed("level", std::move(names));
}

}  // namespace

process_families::process_families(metrics::catalogue& in)
    : turns(in.histogram({.name = "millrace_loop_turn_seconds",
                          .help = "Work of one turn of a worker's event loop: how late it is for the next "
                                  "event.",
                          .buckets = in.bounds(metrics::scale::loop)})),
      since_turn(in.gauge({.name = "millrace_worker_since_turn_seconds",
                           .help = "Since the worker's loop began its present turn, and so since it last "
                                   "polled Kafka.",
                           .unit = unit::seconds,
                           .labels = {label::open("worker", workers_max)},
                           .merge = metrics::merge::max})),
      workers(in.gauge({.name = "millrace_workers", .help = "Workers that run."})),
      in_flight_max(in.gauge({.name = "millrace_in_flight_records_max",
                              .help = "Records that may be in flight, in all workers."})),
      memory_max(in.gauge({.name = "millrace_in_flight_max_bytes",
                           .help = "Memory that records in flight may hold.",
                           .unit = unit::bytes})),
      ready(in.gauge({.name = "millrace_ready", .help = "1 when /readyz says so, 0 otherwise."})),
      group(in.gauge({.name = "millrace_group_info",
                      .help = "Always 1; the labels say which consumer group the process is a member of.",
                      .labels = {label::open("group", 4), label::open("protocol", 2)},
                      .merge = metrics::merge::max})),
      log_lines(in.counter({.name = "millrace_log_lines_total",
                            .help = "Messages by level, those below the configured level included.",
                            .labels = {level_label()}})),
      log_suppressed(in.counter({.name = "millrace_log_lines_suppressed_total",
                                 .help = "Messages left out because one of their kind had just been "
                                         "written."})) {}

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
    out.set(what.in_flight_max, {}, facts.in_flight_records_max);
    out.set(what.memory_max, {}, facts.memory_bytes_max);
    out.set(what.ready, {}, ready() ? 1 : 0);
    out.set(what.group, {facts.group, facts.protocol}, 1);
    const log_counts counts = logged();
    for (const log_level level : levels) {
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
  declare_kafka_statistics(into);
  declare_tracing_metrics(into);
  declare_security_check_metrics(into);
  metrics::declare_process_metrics(into);
  metrics::declare_cgroup_metrics(into);
  const process_families declared(into);
}

std::string metric_catalogue_json() {
  metrics::catalogue all;
  declare_metrics(all);
  return all.to_json();
}

}  // namespace millrace::app

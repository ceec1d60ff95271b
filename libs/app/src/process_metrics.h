// Metrics of the process: the event loops of its workers, its log, its limits.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/metrics/table.h>

#include "log.h"
#include "watchdog.h"

namespace millrace::app {

inline constexpr std::array<log_level, 4> log_levels = {log_level::debug, log_level::info, log_level::warning,
                                                        log_level::error};
inline constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warning", "error"};

// Each worker.
struct worker_metrics : metrics::table {
  using table::table;

  metrics::histogram& turns =
      histogram({.name = "millrace_loop_turn_seconds",
                 .help = "Duration of one turn of a worker's event loop: the delay of the next event.",
                 .scale = metrics::scale::loop});
};

struct process_families : metrics::table {
  using table::table;
  using merge = metrics::merge;
  using unit = metrics::unit;

  metrics::gauge_family since_turn =
      gauge_rows({.name = "millrace_worker_since_turn_seconds",
                  .help = "Time since the worker's event loop began its current turn, and therefore since "
                          "its last poll of Kafka.",
                  .unit = unit::seconds,
                  .labels = {metrics::open("worker", 256)},
                  .merge = merge::max});
  metrics::gauge_family workers = gauge_rows({"millrace_workers", "Workers that run."});
  metrics::gauge_family in_flight_max =
      gauge_rows({"millrace_in_flight_records_max", "Limit of records in flight, over all workers."});
  metrics::gauge_family memory_max =
      gauge_rows({"millrace_in_flight_max_bytes",
                  "Limit of the memory held by records in flight, over all workers.", unit::bytes});
  metrics::gauge_family ready = gauge_rows({"millrace_ready", "1 if /readyz reports ready, 0 otherwise."});
  metrics::gauge_family group =
      gauge_rows({.name = "millrace_group_info",
                  .help = "Always 1. The labels identify the consumer group of the process.",
                  .labels = {metrics::open("group", 4), metrics::open("protocol", 2)},
                  .merge = merge::max});
  metrics::counter_family log_lines =
      counter_rows({"millrace_log_lines_total",
                    "Log messages by level, including those below the configured level.",
                    unit::none,
                    {metrics::closed("level", level_names)}});
  metrics::counter_family log_suppressed =
      counter_rows({"millrace_log_lines_suppressed_total",
                    "Log messages suppressed by the rate limit for messages of one kind."});
};

struct process_facts {
  double in_flight_records_max = 0;   // of one worker
  std::function<unsigned()> workers;  // that run, or will; called on the scraping thread
  double memory_bytes_max = 0;
  std::string group;
  std::string protocol;
};

// `pulses` and `ready` are called on the scraping thread.
metrics::scrape_hook add_engine_metrics(metrics::registry& to, process_facts facts,
                                        std::function<std::vector<worker_pulse>()> pulses,
                                        std::function<bool()> ready);

}  // namespace millrace::app

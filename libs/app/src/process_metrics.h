// What the process itself counts: its workers' loops, its log, its budgets, the clients its workers share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <millrace/metrics/registry.h>

#include "log.h"
#include "watchdog.h"

namespace millrace::app {

struct process_families {
  explicit process_families(metrics::catalogue& in);

  metrics::histogram_family turns;
  metrics::gauge_family since_turn, workers, in_flight_max, memory_max, ready, group;
  metrics::counter_family log_lines, log_suppressed;
};

struct process_facts {
  double in_flight_records_max = 0;  // of all workers
  double memory_bytes_max = 0;
  std::string group;
  std::string protocol;
};

// `pulses` and `ready` are called on the scraping thread.
metrics::scrape_hook add_engine_metrics(metrics::registry& to, process_facts facts,
                                        std::function<std::vector<worker_pulse>()> pulses,
                                        std::function<bool()> ready);

}  // namespace millrace::app

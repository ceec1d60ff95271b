// The metrics of one service in one worker: one member each (metrics/table.h).
#pragma once

#include <string>

#include <millrace/base/errors.h>
#include <millrace/metrics/table.h>

namespace millrace::service {

inline constexpr metrics::label_declaration by_service = metrics::open("dependency", 32);

class service_metrics : public metrics::table {
 public:
  using table::table;

  metrics::histogram& seconds = histogram({.name = "millrace_service_seconds",
                                           .help = "Duration of successful calls of a service.",
                                           .labels = {by_service}});
  metrics::histogram& failed_seconds = histogram({.name = "millrace_service_failed_seconds",
                                                  .help = "Duration of failed calls of a service.",
                                                  .labels = {by_service}});
  metrics::histogram& wait = histogram(
      {.name = "millrace_service_wait_seconds",
       .help = "Time that calls of a service waited for their turn: for concurrency, rate, or a pause.",
       .labels = {by_service},
       .scale = metrics::scale::stage});
  metrics::counter& requests =
      counter({.name = "millrace_service_requests_total",
               .help = "Calls of a service that have ended, including those that never had their turn.",
               .labels = {by_service}});
  metrics::counters_by_value failures = counters({.name = "millrace_service_failures_total",
                                                  .help = "Failed calls of a service, by error.",
                                                  .labels = {by_service, metrics::errors()}});
  metrics::gauge& in_flight = gauge({.name = "millrace_service_in_flight",
                                     .help = "Calls of a service without an answer.",
                                     .labels = {by_service}});
  metrics::gauge& waiting = gauge({.name = "millrace_service_waiting",
                                   .help = "Calls of a service that wait for their turn.",
                                   .labels = {by_service}});
  metrics::gauge& abandoned =
      gauge({.name = "millrace_service_abandoned_calls",
             .help = "Blocking functions that still run although nobody waits for their result: after a "
                     "timeout, or after the record was given up. Each holds a thread.",
             .labels = {by_service}});
};

}  // namespace millrace::service

#include "meters.h"

#include <millrace/cql/session.h>

#include "lookup_cache.h"

namespace millrace::cql {
namespace {

constexpr std::size_t statements_max = 200;

metrics::label statement_label() { return metrics::label::open("statement", statements_max); }

struct metric_families {
  explicit metric_families(metrics::catalogue& in);
  metrics::histogram_family took, took_failed, slot_wait;
  metrics::counter_family failures, requests, timeouts, wakes, panics;
  metrics::gauge_family in_flight, prepared, driver_in_flight;
};

metric_families::metric_families(metrics::catalogue& in)
    : took(in.histogram({.name = "millrace_statement_seconds",
                         .help = "Time of successful executions of a statement, all pages included.",
                         .labels = {statement_label()},
                         .buckets = in.bounds(metrics::scale::request)})),
      took_failed(in.histogram({.name = "millrace_statement_failed_seconds",
                                .help = "Time of executions of a statement that failed.",
                                .labels = {statement_label()},
                                .buckets = in.bounds(metrics::scale::request)})),
      slot_wait(in.histogram({.name = "millrace_statement_slot_wait_seconds",
                              .help = "How long executions waited to be given to the driver: for the end of "
                                      "the turn, or for one of the limited slots.",
                              .buckets = in.bounds(metrics::scale::stage)})),
      failures(in.counter({.name = "millrace_statement_failures_total",
                           .help = "Executions of a statement that failed, by error.",
                           .labels = {statement_label(), metrics::label::errors()}})),
      requests(in.counter({.name = "millrace_driver_requests_total",
                           .help = "Requests given to the database driver, pages apart."})),
      timeouts(in.counter({.name = "millrace_driver_client_timeouts_total",
                           .help = "Requests that were not answered within their own deadline."})),
      wakes(in.counter({.name = "millrace_driver_wakes_total",
                        .help = "Wake-ups of workers by the driver: the fewer for a request, the better the "
                                "batches."})),
      panics(in.counter({.name = "millrace_driver_contained_panics_total",
                         .help = "Defects of the driver that were contained."})),
      in_flight(in.gauge({.name = "millrace_statements_in_flight",
                          .help = "Executions of statements that have not been answered."})),
      prepared(in.gauge(
          {.name = "millrace_statements_prepared", .help = "Statements that a worker has prepared."})),
      driver_in_flight(
          in.gauge({.name = "millrace_driver_requests_in_flight", .help = "Requests inside the driver."})) {}

}  // namespace

void declare_metrics(metrics::catalogue& into) {
  const metric_families declared(into);
  internal::declare_lookup_metrics(into);
}

statement_meters::statement_meters(metrics::shard* counts, std::string statement)
    : counts_(counts), statement_(std::move(statement)) {
  if (counts_ == nullptr) return;
  const metric_families declared(counts_->declared());
  seconds_ = &counts_->histogram(declared.took, {statement_});
  failed_seconds_ = &counts_->histogram(declared.took_failed, {statement_});
}

void statement_meters::failed(errc why, nanoseconds took) {
  if (counts_ == nullptr) return;
  metrics::counter*& counter = failures_[static_cast<std::size_t>(why)];
  if (counter == nullptr) {
    const metric_families declared(counts_->declared());
    counter = &counts_->counter(declared.failures, {statement_, to_string(why)});
  }
  counter->add();
  failed_seconds_->observe(took);
}

store_meters::store_meters(metrics::shard* counts) {
  if (counts == nullptr) return;
  const metric_families declared(counts->declared());
  in_flight_ = &counts->gauge(declared.in_flight);
  prepared_ = &counts->gauge(declared.prepared);
  slot_wait_ = &counts->histogram(declared.slot_wait);
}

metrics::scrape_hook add_metrics(metrics::registry& to, const session& of) {
  return to.at_scrape([what = metric_families(to.declared()), &of](metrics::samples& out) {
    const session::statistics now = of.stats();
    out.set(what.requests, {}, static_cast<double>(now.requests));
    out.set(what.timeouts, {}, static_cast<double>(now.client_timeouts));
    out.set(what.wakes, {}, static_cast<double>(now.wakes));
    out.set(what.panics, {}, static_cast<double>(now.panics));
    out.set(what.driver_in_flight, {}, static_cast<double>(now.in_flight));
  });
}

}  // namespace millrace::cql

#include "meters.h"

namespace millrace::cql {
namespace {

constexpr std::size_t statements_max = 200;

metrics::label statement_label() { return metrics::label::open("statement", statements_max); }

metrics::counter_family failures(metrics::catalogue& declared) {
  return declared.counter({.name = "millrace_statement_failures_total",
                           .help = "Executions of a statement that failed, by error.",
                           .labels = {statement_label(), metrics::label::errors()}});
}

}  // namespace

statement_meters::statement_meters(metrics::shard* counts, std::string statement)
    : counts_(counts), statement_(std::move(statement)) {
  if (counts_ == nullptr) return;
  metrics::catalogue& declared = counts_->declared();
  seconds_ = &counts_->histogram(
      declared.histogram({.name = "millrace_statement_seconds",
                          .help = "Time of successful executions of a statement, all pages included.",
                          .labels = {statement_label()},
                          .buckets = declared.bounds(metrics::scale::request)}),
      {statement_});
  failed_seconds_ =
      &counts_->histogram(declared.histogram({.name = "millrace_statement_failed_seconds",
                                              .help = "Time of executions of a statement that failed.",
                                              .labels = {statement_label()},
                                              .buckets = declared.bounds(metrics::scale::request)}),
                          {statement_});
  static_cast<void>(failures(declared));
}

void statement_meters::failed(errc why, nanoseconds took) {
  if (counts_ == nullptr) return;
  metrics::counter*& counter = failures_[static_cast<std::size_t>(why)];
  if (counter == nullptr) {
    counter = &counts_->counter(failures(counts_->declared()), {statement_, to_string(why)});
  }
  counter->add();
  failed_seconds_->observe(took);
}

metrics::gauge* in_flight_gauge(metrics::shard* counts) {
  if (counts == nullptr) return nullptr;
  return &counts->gauge(
      counts->declared().gauge({.name = "millrace_statements_in_flight",
                                .help = "Executions of statements that have not been answered."}));
}

metrics::gauge* prepared_gauge(metrics::shard* counts) {
  if (counts == nullptr) return nullptr;
  return &counts->gauge(counts->declared().gauge(
      {.name = "millrace_statements_prepared", .help = "Statements that a worker has prepared."}));
}

}  // namespace millrace::cql

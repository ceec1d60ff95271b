#include "cql_metrics.h"

#include <algorithm>
#include <utility>

#include <millrace/cql/session.h>

#include "lookup_cache.h"

namespace millrace::cql {
namespace {

constexpr std::size_t statements_max = 200;
constexpr std::size_t nodes_max = 64;

metrics::label node_label() { return metrics::label::open("node", nodes_max); }
metrics::label statement_label() { return metrics::label::open("statement", statements_max); }

struct metric_families {
  explicit metric_families(metrics::catalogue& in);
  metrics::histogram_family took, took_failed, slot_wait, node_took;
  metrics::counter_family failures, requests, direct_requests, timeouts, wakes, panics, speculative, refused,
      shrunk, node_failures;
  metrics::gauge_family in_flight, prepared, driver_in_flight, waiting, nodes, node_connections,
      node_in_flight, node_limit;
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
      node_took(in.histogram({.name = "millrace_node_seconds",
                              .help = "From the sending of an execution over a worker's own connection to "
                                      "its answer, waiting for the node's limit included; successful ones.",
                              .labels = {node_label()},
                              .buckets = in.bounds(metrics::scale::request)})),
      failures(in.counter({.name = "millrace_statement_failures_total",
                           .help = "Executions of a statement that failed, by error.",
                           .labels = {statement_label(), metrics::label::errors()}})),
      requests(in.counter({.name = "millrace_driver_requests_total",
                           .help = "Requests sent to the database, by workers or the driver, pages apart."})),
      direct_requests(
          in.counter({.name = "millrace_direct_requests_total",
                      .help = "Of these, those that workers sent over connections of their own."})),
      timeouts(in.counter({.name = "millrace_driver_client_timeouts_total",
                           .help = "Requests that were not answered within their own deadline."})),
      wakes(in.counter({.name = "millrace_driver_wakes_total",
                        .help = "Wake-ups of workers by the driver: the fewer for a request, the better the "
                                "batches."})),
      panics(in.counter({.name = "millrace_driver_contained_panics_total",
                         .help = "Defects of the driver that were contained."})),
      speculative(in.counter({.name = "millrace_driver_speculative_total",
                              .help = "Executions that were also asked of another node, because the first "
                                      "was slow."})),
      refused(in.counter({.name = "millrace_node_limit_refused_total",
                          .help = "Requests refused because their nodes held their shares of what may be in "
                                  "flight."})),
      shrunk(in.counter({.name = "millrace_node_limit_shrunk_total",
                         .help = "Times that a node's limit of requests in flight was lowered, after "
                                 "overload errors and timeouts."})),
      node_failures(in.counter({.name = "millrace_node_failures_total",
                                .help = "Executions over workers' own connections that failed, by node.",
                                .labels = {node_label(), metrics::label::errors()}})),
      in_flight(in.gauge({.name = "millrace_statements_in_flight",
                          .help = "Executions of statements that have not been answered."})),
      prepared(in.gauge(
          {.name = "millrace_statements_prepared", .help = "Statements that a worker has prepared."})),
      driver_in_flight(in.gauge({.name = "millrace_driver_requests_in_flight",
                                 .help = "Requests sent to the database and not answered, by workers or the "
                                         "driver."})),
      waiting(in.gauge(
          {.name = "millrace_node_limit_waiting", .help = "Requests that wait for the limit of a node."})),
      nodes(in.gauge({.name = "millrace_driver_nodes",
                      .help = "Nodes of the cluster, by whether the driver is connected to them.",
                      .labels = {metrics::label::closed("state", {"connected", "disconnected"})}})),
      node_connections(in.gauge({.name = "millrace_node_connections",
                                 .help = "Workers' own connections to a node.",
                                 .labels = {node_label()}})),
      node_in_flight(in.gauge({.name = "millrace_node_requests_in_flight",
                               .help = "Executions that a node has not answered, over workers' own "
                                       "connections.",
                               .labels = {node_label()}})),
      node_limit(in.gauge({.name = "millrace_node_limit",
                           .help = "Executions that a node may have in flight, of all workers.",
                           .labels = {node_label()}})) {}

}  // namespace

void declare_metrics(metrics::catalogue& into) {
  const metric_families declared(into);
  internal::declare_lookup_metrics(into);
}

statement_metrics::statement_metrics(metrics::shard* counts, std::string statement)
    : counts_(counts), statement_(std::move(statement)) {
  if (counts_ == nullptr) return;
  const metric_families declared(counts_->declared());
  seconds_ = &counts_->histogram(declared.took, {statement_});
  failed_seconds_ = &counts_->histogram(declared.took_failed, {statement_});
}

void statement_metrics::failed(errc why, nanoseconds took) {
  if (counts_ == nullptr) return;
  metrics::counter*& counter = failures_[static_cast<std::size_t>(why)];
  if (counter == nullptr) {
    const metric_families declared(counts_->declared());
    counter = &counts_->counter(declared.failures, {statement_, to_string(why)});
  }
  counter->add();
  failed_seconds_->observe(took);
}

store_metrics::store_metrics(metrics::shard* counts) {
  if (counts == nullptr) return;
  const metric_families declared(counts->declared());
  in_flight_ = &counts->gauge(declared.in_flight);
  prepared_ = &counts->gauge(declared.prepared);
  slot_wait_ = &counts->histogram(declared.slot_wait);
}

node_metrics::node_metrics(metrics::shard* counts, std::string node)
    : counts_(counts), node_(std::move(node)) {
  if (counts_ == nullptr) return;
  const metric_families declared(counts_->declared());
  seconds_ = &counts_->histogram(declared.node_took, {node_});
  connections_ = &counts_->gauge(declared.node_connections, {node_});
  in_flight_ = &counts_->gauge(declared.node_in_flight, {node_});
  limit_ = &counts_->gauge(declared.node_limit, {node_});
}

void node_metrics::failed(errc why) {
  if (counts_ == nullptr) return;
  const metric_families declared(counts_->declared());
  counts_->counter(declared.node_failures, {node_, to_string(why)}).add();
}

void node_metrics::now(std::size_t connections, std::size_t in_flight, double limit) noexcept {
  if (counts_ == nullptr) return;
  connections_->set(static_cast<double>(connections));
  in_flight_->set(static_cast<double>(in_flight));
  limit_->set(limit);
}

void node_metrics::retire() {
  if (counts_ == nullptr) return;
  const metric_families declared(counts_->declared());
  for (const metrics::gauge_family each :
       {declared.node_connections, declared.node_in_flight, declared.node_limit}) {
    counts_->retire(each, {node_});
  }
}

metrics::scrape_hook add_metrics(metrics::registry& to, const session& of) {
  return to.at_scrape([what = metric_families(to.declared()), &of](metrics::samples& out) {
    const session::statistics now = of.stats();
    out.set(what.requests, {}, static_cast<double>(now.requests));
    out.set(what.direct_requests, {}, static_cast<double>(now.direct_requests));
    out.set(what.speculative, {}, static_cast<double>(now.speculative));
    out.set(what.refused, {}, static_cast<double>(now.refused));
    out.set(what.shrunk, {}, static_cast<double>(now.shrunk));
    out.set(what.waiting, {}, static_cast<double>(now.waiting));
    out.set(what.nodes, {"connected"}, static_cast<double>(now.nodes_connected));
    out.set(what.nodes, {"disconnected"},
            static_cast<double>(now.nodes - std::min(now.nodes, now.nodes_connected)));
    out.set(what.timeouts, {}, static_cast<double>(now.client_timeouts));
    out.set(what.wakes, {}, static_cast<double>(now.wakes));
    out.set(what.panics, {}, static_cast<double>(now.panics));
    out.set(what.driver_in_flight, {}, static_cast<double>(now.in_flight));
  });
}

}  // namespace millrace::cql

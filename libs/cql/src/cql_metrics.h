// The metrics of statements, of a store and of nodes: one member each (metrics/table.h).
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <millrace/base/errors.h>
#include <millrace/metrics/table.h>

namespace millrace::cql {

inline constexpr metrics::label_declaration by_statement = metrics::open("statement", 200);
inline constexpr metrics::label_declaration by_node = metrics::open("node", 64);
inline constexpr std::array<std::string_view, 2> node_states = {"connected", "disconnected"};

// One statement. Without a shard nothing is shown.
class statement_metrics : public metrics::table {
 public:
  using table::table;

  void succeeded(nanoseconds took) noexcept { seconds_->observe(took); }
  void failed(errc why, nanoseconds took) {
    failures_(why);
    failed_seconds_->observe(took);
  }

 private:
  metrics::histogram* seconds_ =
      &histogram({.name = "millrace_statement_seconds",
                  .help = "Duration of successful statement executions, including all pages.",
                  .labels = {by_statement}});
  metrics::histogram* failed_seconds_ = &histogram({.name = "millrace_statement_failed_seconds",
                                                    .help = "Duration of failed statement executions.",
                                                    .labels = {by_statement}});
  metrics::counters_by_value failures_ = counters({.name = "millrace_statement_failures_total",
                                                   .help = "Failed statement executions, by error.",
                                                   .labels = {by_statement, metrics::errors()}});
};

// One store: the executions of one worker.
class store_metrics : public metrics::table {
 public:
  explicit store_metrics(metrics::shard* counts) : table(counts) {}
  explicit store_metrics(metrics::catalogue& into) : table(into) {}

  void in_flight(std::size_t requests) noexcept { in_flight_.set(static_cast<double>(requests)); }
  void prepared(std::size_t statements) noexcept { prepared_.set(static_cast<double>(statements)); }
  void handed_over(nanoseconds after) noexcept { slot_wait_.observe(after); }

 private:
  metrics::gauge& in_flight_ =
      gauge({"millrace_statements_in_flight", "Statement executions without a response."});
  metrics::gauge& prepared_ = gauge({"millrace_statements_prepared", "Statements prepared by the worker."});
  metrics::histogram& slot_wait_ = histogram({.name = "millrace_statement_slot_wait_seconds",
                                              .help = "Time that executions waited to be sent: for the end "
                                                      "of the loop turn, or for a free request slot.",
                                              .scale = metrics::scale::stage});
};

// A worker's own connections to one node, named by its address: "10.0.0.1:9042".
class node_metrics : public metrics::table {
 public:
  using table::table;

  void succeeded(nanoseconds took) noexcept { seconds_->observe(took); }
  void failed(errc why) { failures_(why); }
  void connect_failed(errc why) { connect_failures_(why); }
  void now(std::size_t connections, std::size_t in_flight, double limit, bool failing) noexcept {
    connections_->set(static_cast<double>(connections));
    in_flight_->set(static_cast<double>(in_flight));
    limit_->set(limit);
    failing_->set(failing ? 1 : 0);
  }
  // The node has left the cluster: its gauges leave the page.
  void retire() { table::retire({connections_, in_flight_, limit_, failing_}); }

 private:
  metrics::histogram* seconds_ = &histogram({.name = "millrace_node_seconds",
                                             .help = "Time from sending an execution over a worker's "
                                                     "connection to its response, including the wait for "
                                                     "the node's limit; successful executions only.",
                                             .labels = {by_node}});
  metrics::counters_by_value failures_ =
      counters({.name = "millrace_node_failures_total",
                .help = "Failed executions over workers' connections, by node and error.",
                .labels = {by_node, metrics::errors()}});
  metrics::counters_by_value connect_failures_ =
      counters({.name = "millrace_node_connect_failures_total",
                .help = "Failed attempts of workers to connect to the node, by error.",
                .labels = {by_node, metrics::errors()}});
  metrics::gauge* failing_ = &gauge({.name = "millrace_node_failing",
                                     .help = "Workers that send to the node last, because most of its latest "
                                             "answers were failures.",
                                     .labels = {by_node}});
  metrics::gauge* connections_ = &gauge({.name = "millrace_node_connections",
                                         .help = "Workers' connections to the node.",
                                         .labels = {by_node}});
  metrics::gauge* in_flight_ = &gauge({.name = "millrace_node_requests_in_flight",
                                       .help = "Executions over workers' connections without a response.",
                                       .labels = {by_node}});
  metrics::gauge* limit_ = &gauge({.name = "millrace_node_limit",
                                   .help = "Limit of executions in flight to the node, over all workers.",
                                   .labels = {by_node}});
};

// The session: read from its statistics at each scrape.
struct session_metrics : metrics::table {
  using table::table;

  metrics::counter_family requests =
      counter_rows({"millrace_cql_requests_total", "Requests sent to the database; each page counts."});
  metrics::counter_family timeouts =
      counter_rows({"millrace_cql_client_timeouts_total",
                    "Requests without a response within their client-side timeout."});
  metrics::counter_family next_node =
      counter_rows({"millrace_cql_next_node_total",
                    "Requests sent to a second node because the first one failed without executing them."});
  metrics::counter_family prepared_again = counter_rows(
      {"millrace_cql_prepared_again_total", "Statements prepared again on a node that had forgotten them."});
  metrics::counter_family tablet_reports =
      counter_rows({"millrace_cql_tablet_reports_total",
                    "Responses that named the replicas of a tablet, because the request had reached another "
                    "node or shard."});
  metrics::counter_family panics =
      counter_rows({"millrace_driver_caught_panics_total", "Panics of the driver that were caught."});
  metrics::counter_family speculative = counter_rows(
      {"millrace_cql_speculative_total",
       "Speculative executions: executions also sent to another node because the first was slow."});
  metrics::counter_family refused =
      counter_rows({"millrace_node_limit_rejected_total",
                    "Requests rejected because the limits of their nodes were reached."});
  metrics::counter_family shrunk =
      counter_rows({"millrace_node_limit_reductions_total",
                    "Reductions of a node's limit after overload errors and timeouts."});
  metrics::gauge_family in_flight =
      gauge_rows({"millrace_cql_requests_in_flight", "Requests without a response."});
  metrics::gauge_family tablets =
      gauge_rows({"millrace_cql_tablets", "Tablets whose replicas the workers know, over all workers."});
  metrics::gauge_family buffers = gauge_rows({.name = "millrace_cql_buffer_bytes",
                                              .help = "Memory held by the buffers of connections.",
                                              .unit = metrics::unit::bytes});
  metrics::gauge_family waiting =
      gauge_rows({"millrace_node_limit_waiting", "Requests that wait for the limit of a node."});
  metrics::gauge_family nodes =
      gauge_rows({.name = "millrace_driver_nodes",
                  .help = "Nodes of the cluster, by the state of the driver's connection.",
                  .labels = {metrics::closed("state", node_states)}});
};

}  // namespace millrace::cql

// The connection to ScyllaDB or Cassandra: one session per process, one store per worker.
//
// Example, at namespace scope:
//
//   result<void> connect(runtime::loop& worker) {
//     const auto opened = cql::session::open({.contact_points = {"scylla-1"}, .datacenter = "dc1"});
//     if (!opened) return opened.error();
//     const auto store = (*opened)->attach(worker, {}, nullptr);
//     if (!store) return store.error();
//     return {};
//   }
//
// A store collects the requests of one turn of its loop, sends them together over its own connections
// (data_plane), and completes them on the loop's thread. Requests off the fast path are sent by the driver,
// which runs on the session's I/O threads, with connections per I/O thread, node and shard. Prepared
// statements are routed by token to their replicas, with a preference for the datacentre and rack.
//
// Node limits: a node's limit of requests in flight begins at its share of the window: all of it for one
// node, three quarters for each of two, twice the fair share for more. It shrinks when the node reports
// overload or requests to it time out, and grows with successes; slow answers alone never lower it. A request
// waits while all its replicas are at their limit, and fails with db_overloaded at once when a node holds its
// whole share, so that one slow node cannot fill the window.
//
// Nothing is retried: every failure is reported and counted here, and the engine decides about a retry.
//
// Errors of open(): errc::db_unauthorized (with the server's text), errc::tls_error (with the reason),
// errc::db_unavailable (with the contact points), errc::config_invalid (unknown datacentre, consistency),
// errc::db_invalid (unknown keyspace).
// Threads: a session is thread-safe; a store belongs to its worker's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/secret.h>
#include <millrace/base/values.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

// The sender of executions of prepared statements.
//
// * direct: the worker itself, over its own connection to every node and shard. The driver watches the
//   cluster and sends the requests off the fast path: conditions, batches, traces, tablets, speculative
//   executions, other datacentres.
// * driver: the driver's I/O threads send everything.
enum class data_plane : std::uint8_t { direct, driver };

struct session_options {
  std::vector<std::string> contact_points = {};  // host or host:port; the default port is 9042
  std::string keyspace = {};                     // of statements that name none
  std::string user = {};
  secret password = {};
  bool tls = false;          // no fallback to plaintext; certificates must carry the node's IP address
  std::string ca_file = {};  // PEM; "" = the system's authorities
  std::string certificate_file = {};  // PEM; for servers that ask for a client certificate
  std::string key_file = {};          // PEM; "" = in certificate_file
  std::string datacenter = {};        // preferred; "" = no preference
  std::string rack = {};
  bool datacenter_failover = false;          // requests may leave the preferred datacentre when it is down
  std::string consistency = "LOCAL_QUORUM";  // default of statements; in any case, with or without '_'
  milliseconds connect_timeout{15'000};      // of open() as a whole
  milliseconds request_timeout{5'000};       // of statements without a timeout of their own
  std::size_t prepared_max = 1'000;          // distinct statements
  milliseconds keepalive{5'000};             // a connection that is silent for twice as long is given up
  // An idempotent statement without an answer after this is also executed on another node, up to
  // speculative_max times; 0: never. Costs a timer per request.
  milliseconds speculative_after{0};
  std::uint32_t speculative_max = 1;
  std::uint32_t io_threads = 1;
  data_plane plane = data_plane::direct;
  std::string application_name = "millrace";  // what the server shows in system.clients
  std::string application_version = {};
};

// The names of the consistency levels when `name` is none of them, "one of ONE, TWO, ..."; empty otherwise.
[[nodiscard]] std::optional<std::string> expected_consistency(std::string_view name);

// Declares the metrics of sessions and stores.
void declare_metrics(metrics::catalogue& into);

struct store_options {
  std::size_t in_flight_max = 4'096;  // requests; more wait in the store
  // Told the id of every trace that the server kept (statement_options::trace), on the worker. The trace
  // itself is in system_traces.sessions and system_traces.events, a moment later.
  std::function<void(const statements::statement_declaration& statement, const uuid& trace)> on_trace = {};
};

// The session.
class session {
 public:
  // Opens a session. Blocks for up to connect_timeout.
  [[nodiscard]] static result<std::unique_ptr<session>> open(const session_options& options);
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  // Blocks until the I/O threads have ended. The stores must have been destroyed before.
  virtual ~session() = default;

  // Executes one statement without values and ignores its rows; for tools and tests (DDL). Blocks. Returns
  // the error of the statement.
  [[nodiscard]] virtual result<void> execute(const std::string& cql) = 0;

  // Returns the store of one worker. Any thread may call it while the worker's loop does not run. With
  // `counts`, which belongs to the worker, the store counts millrace_statement_seconds,
  // millrace_statement_failed_seconds, millrace_statement_failures_total,
  // millrace_statement_slot_wait_seconds, millrace_statements_in_flight and millrace_statements_prepared.
  //
  // Destroying the store cancels its requests and resumes every waiting coroutine first.
  // Errors: those of the driver's channel, and errc::io_error when the loop cannot watch its descriptor.
  [[nodiscard]] virtual result<std::unique_ptr<stream::store>> attach(runtime::loop& worker,
                                                                      store_options options,
                                                                      metrics::shard* counts) = 0;

  // Counters since the session was opened; "now" marks present values.
  struct statistics {
    std::uint64_t requests = 0;         // sent, over either plane
    std::uint64_t client_timeouts = 0;  // deadlines that passed
    std::uint64_t wakes = 0;            // of workers: the fewer per request, the better the batches
    std::uint64_t panics = 0;           // of the driver, contained
    std::uint64_t in_flight = 0;        // now
    std::uint64_t prepared = 0;         // distinct statements, at most prepared_max
    std::uint64_t refused = 0;          // db_overloaded because a node had its share of what may be in flight
    std::uint64_t shrunk = 0;           // times that a node's limit was lowered
    std::uint64_t waiting = 0;          // now, for a node's limit
    std::uint64_t limit_min = 0;        // now, of the node that may have the fewest requests in flight
    std::uint64_t direct_requests = 0;  // of the requests, those that the workers sent themselves
    std::uint64_t direct_connections = 0;  // now, the workers' own
    std::uint64_t speculative = 0;         // executions that were also sent to another node
    std::uint64_t nodes = 0;               // now, of the cluster; looked at every 5 s
    std::uint64_t nodes_connected = 0;     // now, of them, those that the driver has a connection to
  };
  // The statistics as of now. Thread-safe.
  [[nodiscard]] virtual statistics stats() const = 0;

 protected:
  session() = default;
};

// Exposes the statistics of `of` as metrics. `of` must outlive the hook.
metrics::scrape_hook add_metrics(metrics::registry& to, const session& of);

}  // namespace millrace::cql

// The connection to ScyllaDB or Cassandra: one session per process, one store per worker.
//
//   auto opened = session::open({.contact_points = {"scylla-1"}, .datacenter = "dc1"});
//   session& db = **opened;
//   std::unique_ptr<stream::store> store = db.attach(loop, {}, &shard);   // on the worker
//
// A store collects the requests of a turn of its loop, sends them together over connections of its own
// (data_plane), and completes them on the loop's thread. What is out of the ordinary goes by the driver,
// which runs on the session's own I/O threads, with connections per I/O thread, node and shard. Prepared
// statements are routed by token to their replicas, preferring the datacentre and rack.
//
// A node's limit of requests in flight begins at its share of the window (all of it when it is alone, three
// quarters when there are two, twice the fair share when there are more). It shrinks when the node reports
// overload or requests to it time out, and grows with successes; slow answers alone never lower it. What
// finds all its replicas full waits for one, and is db_overloaded at once when a node holds its whole share:
// one slow node cannot fill the window.
//
// Nothing is retried, so every failure is seen and counted here, and repeating it is the engine's decision.
//
// Errors of open(): db_unauthorized (with the server's text), tls_error (with the reason), db_unavailable
// (naming the contact points), config_invalid (unknown datacentre, consistency), db_invalid (unknown
// keyspace).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

// Who sends executions of prepared statements. direct: the worker itself, over its own connection to every
// node and shard; the driver, which then only looks after the cluster, still sends what is out of the
// ordinary (conditions, batches, traces, tablets, speculative executions, other datacentres). driver: its I/O
// threads send everything.
enum class data_plane : std::uint8_t { direct, driver };

struct session_options {
  std::vector<std::string> contact_points = {};  // host or host:port; port 9042 by default
  std::string keyspace = {};                     // of statements that name none
  std::string user = {};
  std::string password = {};
  bool tls = false;          // no fallback to plaintext; certificates must carry the node's IP address
  std::string ca_file = {};  // PEM; "" = the system's authorities
  std::string certificate_file = {};  // PEM; for servers that ask for a client certificate
  std::string key_file = {};          // PEM; "" = in certificate_file
  std::string datacenter = {};        // preferred; "" = no preference
  std::string rack = {};
  bool datacenter_failover = false;          // requests may leave the preferred datacentre when it is down
  std::string consistency = "LOCAL_QUORUM";  // default of statements; in any case, with or without '_'
  milliseconds connect_timeout{15'000};      // of open() as a whole
  milliseconds request_timeout{5'000};       // of statements that keep statement_options' default
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

// What sessions and their stores count.
void declare_metrics(metrics::catalogue& into);

struct store_options {
  std::size_t in_flight_max = 4'096;  // requests; more wait in the store
  // Told the id of every trace that the server kept (statement_options::trace), on the worker. The trace
  // itself is in system_traces.sessions and system_traces.events, a moment later.
  std::function<void(const statements::statement_declaration& statement, const uuid& trace)> on_trace = {};
};

class session {
 public:
  // Blocks up to connect_timeout.
  [[nodiscard]] static result<std::unique_ptr<session>> open(const session_options& options);
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  // Blocks until the I/O threads have ended. Stores must be gone.
  virtual ~session() = default;

  // Blocks: one statement without values, its rows ignored; for tools and tests (DDL).
  [[nodiscard]] virtual result<void> execute(const std::string& cql) = 0;

  // The store of one worker; any thread, but its loop must not be running on another. Counts into `counts`
  // when given (millrace_statement_seconds, millrace_statement_failed_seconds,
  // millrace_statement_failures_total, millrace_statement_slot_wait_seconds, millrace_statements_in_flight,
  // millrace_statements_prepared), which belongs to the worker.
  //
  // Destroying the store cancels what is in flight and resumes every waiting coroutine first.
  [[nodiscard]] virtual result<std::unique_ptr<stream::store>> attach(runtime::loop& worker,
                                                                      store_options options,
                                                                      metrics::shard* counts) = 0;

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
    std::uint64_t speculative = 0;         // executions that were also asked of another node
    std::uint64_t nodes = 0;               // now, of the cluster; looked at every 5 s
    std::uint64_t nodes_connected = 0;     // now, of them, those that the driver has a connection to
  };
  // Thread-safe.
  [[nodiscard]] virtual statistics stats() const = 0;

 protected:
  session() = default;
};

// The statistics of `of` as metrics; it must outlive the hook.
metrics::scrape_hook add_metrics(metrics::registry& to, const session& of);

}  // namespace millrace::cql

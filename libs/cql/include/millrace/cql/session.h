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
// A store collects the requests of one turn of its loop, sends them together over its worker's own connections
// (one to every node and shard), and completes them on the loop's thread. The official ScyllaDB driver is the
// control plane: it finds the nodes, follows the topology and the schema, and prepares statements, on a thread of
// its own.
//
// Routing: a statement goes to a replica of its partition, and to the shard that has it. Replicas of the preferred
// rack come first, and nodes that fail come last. Where a table has tablets the nodes report them: the first request
// to an unknown tablet goes to any node. Requests leave the preferred datacentre only with datacenter_failover, when
// none of its nodes can be reached, and never at a consistency level that names the local datacentre.
//
// Node limits: a node's limit of requests in flight begins at its share of the window: all of it for one
// node, three quarters for each of two, twice the fair share for more. It shrinks when the node reports
// overload or requests to it time out, and grows with successes; slow answers alone never lower it. A request
// waits while all its replicas are at their limit, and fails with db_overloaded at once when a node holds its
// whole share, so that one slow node cannot fill the window.
//
// Retries: the engine retries records. The session sends a request to the next replica once, within its deadline,
// when it was certainly not executed (overloaded, bootstrapping and unavailable coordinators) or may be executed
// twice (idempotent statements on a connection that broke or a coordinator that failed). It prepares a statement
// again that a node has forgotten, and compares its description with the one that the C++ types were checked with.
//
// Errors of open(): errc::db_unauthorized (with the server's text), errc::tls_error (with the reason),
// errc::db_unavailable (with the contact points), errc::config_invalid (unknown datacentre, consistency),
// errc::db_invalid (unknown keyspace).
// Signals: with TLS, open() ignores SIGPIPE when the process has left it at its default.
// Threads: a session is thread-safe; a store belongs to its worker's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/byte_size.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/base/secret.h>
#include <millrace/base/values.h>
#include <millrace/cql/frame_compression.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/statement/lookup.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

// A login.
struct credentials {
  std::string user = {};
  secret password = {};
};

struct session_options {
  std::vector<std::string> contact_points = {};  // host or host:port; the default port is 9042
  std::string keyspace = {};                     // of statements that name none
  std::string user = {};
  secret password = {};
  // No fallback to plaintext. A certificate must carry the node's IP address, or the name of a contact point that is
  // a name; connections to such a node also send the name (SNI).
  bool tls = false;
  std::string ca_file = {};           // PEM; "" = the system's authorities
  std::string certificate_file = {};  // PEM; for servers that ask for a client certificate
  std::string key_file = {};          // PEM; "" = in certificate_file
  std::string datacenter = {};        // preferred; "" = no preference
  std::string rack = {};
  bool datacenter_failover = false;          // requests may leave the preferred datacentre when it is down
  std::string consistency = "LOCAL_QUORUM";  // default of statements; in any case, with or without '_'
  milliseconds connect_timeout{15'000};      // of open() as a whole
  milliseconds request_timeout{5'000};       // of statements without a timeout of their own
  // A permission that is refused counts as missing, and a table that is gone as dropped, when that lasts this long.
  milliseconds unauthorized_after{60'000};
  std::size_t prepared_max = 1'000;     // distinct statements
  std::size_t connections_max = 2'048;  // of all workers together; at least one for each worker and node
  byte_size request_bytes_max =
      mib(16);  // of one request; servers refuse larger ones by ending the connection
  frame_compression compression = frame_compression::none;
  // Writes carry the worker's clock, strictly increasing, unless they have a timestamp: two writes of one worker
  // then take effect in their order, whichever nodes coordinate them. Not for statements with IF.
  bool client_timestamps = false;
  // Where nodes are really found: "10.0.0.1:9042" (as the cluster announces it) to "127.0.0.1:19142".
  std::map<std::string, std::string> address_map = {};
  milliseconds keepalive{5'000};  // a connection that is silent for twice as long is given up
  // An idempotent statement without an answer after this is also executed on another node, up to
  // speculative_max times; 0: never. Costs a timer per request.
  milliseconds speculative_after{0};
  std::uint32_t speculative_max = 1;
  std::string application_name = "millrace";  // what the server shows in system.clients
  std::string application_version = {};
  // The credentials of now, asked for every renewal_interval and after renew(), on a thread of the session; none: they
  // never change.
  // Certificate files are looked at in the same interval. New connections use what was found.
  std::function<result<credentials>()> current_credentials = {};
  milliseconds renewal_interval{10'000};
  // Called on that thread after a renewal, with the reason when it failed and the former ones stay in use.
  std::function<void(const error* why)> on_renewal = {};
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
  // Called on the worker with each warning that a server attaches to an answer, e.g. about tombstones.
  std::function<void(const statements::statement_declaration& statement, std::string_view text)> on_warning =
      {};
  // Called on the worker when a node stops being reachable, with the reason and again with every other reason, and
  // with nullptr when it is reachable again.
  std::function<void(const std::string& node, const error* why)> on_node = {};
  // Charged for large answers and for the buffers of connections; null: nothing is. Outlives every answer.
  statements::byte_account* memory = nullptr;
};

// The session.
class session {
 public:
  // Opens a session. Blocks for up to connect_timeout.
  [[nodiscard]] static result<std::unique_ptr<session>> open(const session_options& options);
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  // Blocks until its threads have ended. The stores must have been destroyed before.
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
  [[nodiscard]] virtual result<std::unique_ptr<stream::store>> attach(runtime::loop& worker,
                                                                      store_options options,
                                                                      metrics::shard* counts) = 0;

  // Requests the credentials of now, and looks at the certificate files, before the interval ends; on the thread of
  // the session. Thread-safe; does not block. No effect where nothing can change.
  virtual void renew() = 0;

  // Counters since the session was opened; "now" marks present values.
  struct statistics {
    std::uint64_t requests = 0;         // sent; each page counts
    std::uint64_t client_timeouts = 0;  // deadlines that passed
    std::uint64_t panics = 0;           // of the driver, contained
    std::uint64_t in_flight = 0;        // now
    std::uint64_t prepared = 0;         // distinct statements, at most prepared_max
    std::uint64_t prepared_again = 0;   // on a node that had forgotten the statement
    std::uint64_t refused = 0;          // db_overloaded because a node had its share of what may be in flight
    std::uint64_t shrunk = 0;           // times that a node's limit was lowered
    std::uint64_t waiting = 0;          // now, for a node's limit
    std::uint64_t limit_min = 0;        // now, of the node that may have the fewest requests in flight
    std::uint64_t connections = 0;      // now
    std::uint64_t buffer_bytes = 0;     // now, of connections
    std::uint64_t speculative = 0;      // executions that were also sent to another node
    std::uint64_t next_node = 0;        // requests that were sent to a second node after the first one failed
    std::uint64_t tablets = 0;          // now, known to workers
    std::uint64_t tablet_reports = 0;   // answers that corrected where a tablet is
    std::uint64_t nodes = 0;            // now, of the cluster
    std::uint64_t nodes_connected = 0;  // now, of them, those that the driver has a connection to
  };
  // The statistics as of now. Thread-safe.
  [[nodiscard]] virtual statistics stats() const = 0;

 protected:
  session() = default;
};

// Exposes the statistics of `of` as metrics. `of` must outlive the hook.
metrics::scrape_hook add_metrics(metrics::registry& to, const session& of);

}  // namespace millrace::cql

// A CQL server inside the process: native protocol v4 over TCP on 127.0.0.1, tables in memory, latencies and
// errors by script. It is the embedded default of the demo, the server of the bench, and the fault injector
// of the tests: real drivers connect to it, discover its nodes from its system tables, route by token,
// prepare and execute. What it stores can be read directly, so that a verifier needs no driver.
//
// Several nodes listen on addresses of their own (127.0.0.1, 127.0.0.2, ...) on one port and share the
// tables: what differs is who is slow, who fails and who is down. With `shards` it looks like ScyllaDB to a
// driver.
//
// What it is not: compressed frames, tablets, consistency between replicas.
//
// What it executes: CREATE KEYSPACE / TABLE, ALTER TABLE ADD, DROP, TRUNCATE, USE; INSERT, UPDATE and DELETE
// by primary key with USING TIMESTAMP / TTL; SELECT of columns, count(*), writetime(), ttl() and token() by
// primary key, by clustering range, by token range or over a whole table, with LIMIT, ORDER BY the first
// clustering column, IN, paging and ALLOW FILTERING; batches; IF NOT EXISTS, IF EXISTS and IF
// with comparisons. All scalar types, list, set, map and tuple;
// cells are checked against their type and otherwise opaque. Not executed, with an error that says so:
// counters' increments, updates of parts of a collection, static columns, indexes,
// views, functions, user types. Errors carry Cassandra's codes and texts.
//
// Semantics: each cell has its write timestamp and the newest wins; on a tie a deletion beats a value and a
// larger value a smaller one, as in Cassandra. A request takes effect when it arrives; a scripted latency
// delays the answer only. Consistency levels are accepted and mean nothing.
//
// Cost: at most a few microseconds of CPU per request, on threads of its own (one by default).
//
// Threads: every member function of every class here may be called from any thread, while clients are served.
// Lifetime: the emulator outlives its tables' users; a table taken with table() stays readable after DROP.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::emulators {

namespace cql {
class stored_table;
}

inline constexpr std::size_t nodes_max = 8;

struct emulated_place {
  std::string datacenter = "dc1";
  std::string rack = "rack1";
};

struct cql_emulator_options {
  std::uint16_t port = 0;  // 0: a free one, the same on every node
  // The nodes after the first, which is at `datacenter` and `rack`. Tokens are spread evenly, one per node.
  std::vector<emulated_place> other_nodes = {};
  unsigned shards = 0;   // of each node, as ScyllaDB has them; 0: none, as Cassandra
  unsigned threads = 1;  // 1 to 16; connections are dealt out in turn
  // With a user, clients must authenticate (PasswordAuthenticator).
  std::string user = {};
  std::string password = {};
  // With a certificate, every connection is TLS. PEM files. With a client CA, clients must show a
  // certificate.
  std::string tls_certificate_file = {};
  std::string tls_key_file = {};
  std::string tls_client_ca_file = {};
  std::string cluster_name = "millrace emulator";
  std::string datacenter = "dc1";
  std::string rack = "rack1";
  // A longer request frame is a protocol error that ends its connection.
  std::size_t frame_bytes_max = std::size_t{16} << 20U;
  // A larger BATCH is refused: "Batch too large". Cassandra's default is 50 KiB; 0: no limit.
  std::size_t batch_bytes_max = 0;
  // Delayed answers of one connection that fall due within this time share one write. Half of it is the
  // largest error of a scripted latency, besides what the kernel's timers add.
  microseconds answer_slack = microseconds(50);
  // Of latencies and of faults with a probability.
  std::uint64_t seed = 1;
};

// What a request asks for. The values index counters.
enum class operation : std::uint8_t {
  control,  // OPTIONS, STARTUP, AUTH_RESPONSE, REGISTER
  prepare,
  select,
  insert,
  update,
  remove,  // DELETE
  batch,
  schema,  // DDL, TRUNCATE, USE
  system,  // SELECT from a system keyspace: the driver's own
};
inline constexpr std::size_t operation_count = 9;
[[nodiscard]] std::string_view to_string(operation kind) noexcept;

// The time between a request and its answer: log-normal with median `p50`, or exactly p50 when sigma is 0.
// P95 = p50 × exp(1.645 sigma).
struct latency {
  microseconds p50 = microseconds(0);
  double sigma = 0;
};

enum class fault_kind : std::uint8_t {
  overloaded,
  unavailable,
  write_timeout,
  read_timeout,
  write_failure,
  read_failure,
  server_error,
  bootstrapping,
  truncate_error,
  invalid,
  unauthorized,
  unprepared,       // of EXECUTE: names the statement's id; the next prepare answers the same id
  custom,           // fault::code and fault::message; for codes without further fields
  drop_connection,  // closes without an answer
  no_reply,         // the request is never answered, the connection stays
  garbage,          // the answer is bytes that are no frame
  oversized,        // the answer is the beginning of a frame of 2 GiB, of which no more comes
  empty_page,       // of SELECT: a page without rows, with more to come
};

// Errors are answered at once; with takes_effect, after the operation's latency.
struct fault {
  fault_kind kind = fault_kind::overloaded;
  // Which requests: of this operation (nothing: SELECT, INSERT, UPDATE, DELETE and batches) and of this table
  // ("keyspace.table"; empty: any).
  std::optional<operation> on = {};
  std::string table = {};
  std::optional<unsigned> node = {};  // only there; 0 is the first
  double probability = 1;
  std::uint64_t times = UINT64_MAX;  // then it is spent
  bool takes_effect = false;         // the write happens although the client is told otherwise
  std::int32_t code = 0;             // of custom
  std::string message = {};          // empty: Cassandra's text
};

struct cql_emulator_counters {
  std::uint64_t requests[operation_count] = {};
  std::uint64_t requests_of_node[nodes_max] = {};  // SELECT, INSERT, UPDATE, DELETE, batches, schema, system
  std::uint64_t errors = 0;                        // ERROR frames sent, faults included
  std::uint64_t unprepared = 0;                    // of them, UNPREPARED
  std::uint64_t faults = 0;                        // requests that a fault hit
  std::uint64_t batched_rows = 0;                  // statements inside batches
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t answers_delayed = 0;  // waiting now for their latency to pass
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  nanoseconds cpu = nanoseconds(0);  // user and system time of the serving threads

  [[nodiscard]] std::uint64_t of(operation kind) const noexcept {
    return requests[static_cast<std::size_t>(kind)];
  }
};

struct emulated_column {
  std::string name;
  std::string type;  // "map<text, int>"
  bool primary_key = false;
};

// One cell as stored. Views: valid inside the call that shows them.
struct emulated_cell {
  bytes_view bytes;
  std::int64_t written_at_us = 0;
};

// One row, seen inside a visit.
class emulated_row {
 public:
  // A column's serialised value: nothing when it is null, was never written, or is deleted or expired. A
  // primary key column's written_at_us is 0.
  [[nodiscard]] std::optional<emulated_cell> cell(std::string_view column) const;
  // INSERTs and UPDATEs of this primary key since it was first written, stale ones included: more than one
  // means that something was written again.
  [[nodiscard]] std::uint64_t writes() const noexcept;

 private:
  friend class emulated_table;
  struct state;
  explicit emulated_row(const state& of) : state_(of) {}

  const state& state_;
};

struct emulated_table_counts {
  std::uint64_t writes = 0;  // rows written by INSERT and UPDATE, batched ones included
  std::uint64_t superseded_writes =
      0;  // of them, those that changed nothing because something newer was there
  std::uint64_t deletes = 0;
  std::uint64_t keys_written = 0;    // distinct primary keys ever written
  std::uint64_t keys_rewritten = 0;  // of them, those written more than once
};

// A table's content, read beside the server. Cheap to copy.
class emulated_table {
 public:
  using visitor = std::function<void(const emulated_row&)>;

  [[nodiscard]] std::vector<emulated_column> columns() const;
  [[nodiscard]] emulated_table_counts counts() const;
  // Shows one live row; false when there is none. `primary_key` holds the serialised cells of all partition
  // key and clustering columns in order. The visitor runs under a lock of the table: it must be short and
  // must not call back into this table.
  bool visit(std::span<const bytes_view> primary_key, const visitor& see) const;
  // Shows every live row in token and clustering order, under one shard's lock at a time: rows written
  // meanwhile may or may not be seen.
  void visit_all(const visitor& see) const;
  // How often this key was written, also when it is deleted now; 0 when never.
  [[nodiscard]] std::uint64_t writes_of(std::span<const bytes_view> primary_key) const;
  // Drops a row as if it had never been written (its writes stay in counts()): a verifier that has seen
  // enough of it keeps the memory bounded. A later write of the key counts as its first. False when there is
  // none.
  bool forget(std::span<const bytes_view> primary_key);

 private:
  friend class cql_emulator;
  explicit emulated_table(std::shared_ptr<cql::stored_table> table) : table_(std::move(table)) {}

  std::shared_ptr<cql::stored_table> table_;
};

class cql_emulator {
 public:
  // Listens when it returns. errc::address_in_use, errc::tls_error (certificate files), errc::config_invalid.
  [[nodiscard]] static result<std::unique_ptr<cql_emulator>> start(const cql_emulator_options& options = {});
  // Closes every connection and joins the threads.
  ~cql_emulator();
  cql_emulator(const cql_emulator&) = delete;
  cql_emulator& operator=(const cql_emulator&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] std::string contact_point(unsigned node = 0) const;  // "127.0.0.1:PORT"

  // Runs one statement without bind markers, in no session: for schemas and for priming rows. Name the
  // keyspace. Neither latencies, faults nor counters apply. errc::db_invalid with the server's text.
  result<void> execute(std::string_view statement);
  // errc::db_invalid when there is no such table.
  [[nodiscard]] result<emulated_table> table(std::string_view keyspace, std::string_view name) const;

  // Latency of an operation on every table, or on one ("keyspace.table", which then wins). Applies to
  // requests that arrive from now on.
  void set_latency(operation kind, latency to);
  void set_latency(std::string_view table, operation kind, latency to);
  // Multiplies every latency from now on: 16 is the database that got slow, 1 the end of it.
  void set_latency_factor(double factor);
  // The same for one node, on top of it.
  void set_node_latency_factor(unsigned node, double factor);

  // Faults are tried in the order of their injection; the first that hits is the request's fate.
  using fault_id = std::uint64_t;
  fault_id inject(fault what);
  void clear(fault_id id);
  void clear_faults();
  // Requests this fault has hit; 0 for an id that was cleared.
  [[nodiscard]] std::uint64_t hits(fault_id id) const;

  // Forgets every prepared statement, as a restarted server: the next EXECUTE of each is UNPREPARED.
  void forget_prepared();
  // The same, and from now on statements get other ids than before, as from a server of another version.
  void renumber_prepared();
  // Of new connections from now on; those that there are stay.
  void set_password(std::string password);
  // Closes every connection now; answers that were waiting are lost.
  void drop_connections();
  // While refusing, new connections are accepted and closed at once: a node that is down.
  void refuse_connections(bool refuse);
  // A node that is down: its connections are closed, and new ones at once. Others do not tell drivers.
  void stop_node(unsigned node);
  void start_node(unsigned node);

  [[nodiscard]] cql_emulator_counters counters() const;

 private:
  struct state;
  explicit cql_emulator(std::unique_ptr<state> state);

  std::unique_ptr<state> state_;
};

}  // namespace millrace::emulators

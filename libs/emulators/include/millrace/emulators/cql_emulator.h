// A CQL server inside the process: native protocol v4 over TCP on 127.0.0.1, tables in memory, latencies and
// errors by script. It is the embedded database of the demo, the server of benchmarks, and the fault injector
// of tests. Real drivers connect to it, discover its nodes from its system tables, route by token, prepare
// and execute. Its tables can be read directly, so that a verifier needs no driver.
//
// Example:
//
//   const auto database = emulators::cql_emulator::start({.shards = 2});
//   if (!database) return database.error();
//   if (const auto made = (*database)->execute("CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', "
//                                              "'replication_factor': 1}");
//       !made) {
//     return made.error();
//   }
//   (*database)->set_latency(emulators::operation::select, {.p50 = milliseconds(2), .sigma = 0.5});
//   (*database)->inject({.kind = emulators::fault_kind::overloaded, .on = {}, .probability = 0.01});
//   const std::string clients_connect_to = (*database)->contact_point();
//
// Nodes: several nodes listen on addresses of their own (127.0.0.1, 127.0.0.2, ...) on one port and share the
// tables. Latency, faults and availability are per node. With `shards` a driver takes the server for
// ScyllaDB: SUPPORTED describes the shards, the shard-aware port, tablets, the metadata of statements and the
// rate limit's error code. Nodes join, leave, move and are replaced at run time, and clients that registered
// for it receive the events.
//
// Replicas: the emulator knows which nodes and shards hold a token (SimpleStrategy and NetworkTopologyStrategy
// with racks over the ring; tablets) and counts the requests that came elsewhere: `routing` of the counters.
// A request by EXECUTE to a tablet table that came to no replica, or to another shard of one, is answered with
// the payload `tablets-routing-v1` when the client asked for it in STARTUP. Answers to BATCH carry none.
//
// Traces: a request that asks for one leaves its coordinator and its shard in system_traces, the first 100,000 of them.
//
// Statements:
//
// * CREATE KEYSPACE / TABLE / TYPE, ALTER TABLE ADD / DROP, ALTER TYPE ADD / RENAME, DROP, TRUNCATE, USE.
// * INSERT, UPDATE and DELETE by primary key with USING TIMESTAMP / TTL; batches (BATCH frames); IF NOT EXISTS,
//   IF EXISTS and IF with comparisons.
// * Counters; + and - on collections, entries of maps, elements of sets, fields of user-defined types.
// * Static columns, SELECT DISTINCT of the partition key and static columns.
// * SELECT of columns, count(*), writetime(), ttl() and token() by primary key, by clustering range, by token
//   range or over a whole table, with LIMIT, ORDER BY the first clustering column, IN, paging and ALLOW
//   FILTERING.
// * All scalar types, list, set, map, tuple and user-defined types, nested in each other. Cells are checked
//   against their type and otherwise opaque. A frozen value of a user-defined type is answered as it was
//   written, with the fields of that time; one that is not frozen has all fields of today. A collection or a
//   user-defined type that is not frozen and has no part is null.
//
// Schema changes: a change of a table, or of a type that its columns contain, outdates the prepared statements
// of the table: the next EXECUTE is answered UNPREPARED. The id of a statement is a hash of its text, so that
// after another client has prepared it again, a client that skips metadata gets the new columns unannounced,
// as from Cassandra and ScyllaDB over protocol v4; `metadata_id` is ScyllaDB's remedy. With shards, PREPARED
// announces the columns of conditional statements (the whole row, or those of the IF), marks them where
// SCYLLA_LWT_ADD_METADATA_MARK was negotiated, and their answers always have these columns. Without shards
// they are announced by the answer.
//
// Limits: the nodes share their rows and prepared statements, so there is no consistency between replicas, and
// a tablet that moves moves no row. `tablets-routing-v2` is not offered. Elements of lists by index, conditions
// inside batches, BEGIN BATCH in text, a field or an element as a selection, ALTER KEYSPACE, indexes, views and
// functions are refused with an error that says so. The parts of a collection and of a user-defined type share
// one timestamp and one time to live: a change of a part counts when it is newer than the last deletion of the
// whole. A frozen set or map is kept as it was sent, without being put in order. A column may come back with
// another type after DROP, which servers refuse for some types. Errors carry Cassandra's codes and texts, also
// with shards.
//
// Semantics: each cell has its write timestamp and the newest wins. On a tie a deletion wins against a value
// and a larger value against a smaller one, as in Cassandra. A request takes effect when it arrives; a
// scripted latency delays the answer only. Consistency levels have no effect, except that with
// `enforce_consistency` a level that too few live replicas can meet is answered UNAVAILABLE.
//
// Cost: at most a few microseconds of CPU per request, on threads of its own (one by default).
// Threads: every member function of every class here may be called from any thread, while clients are served.
// Lifetime: the emulator must outlive the clients' requests. A table that was taken with table() stays
// readable after DROP.
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

inline constexpr std::size_t nodes_max = 16;

// The place of a node.
struct emulated_place {
  std::string datacenter = "dc1";
  std::string rack = "rack1";
};

// The shard-aware port of ScyllaDB: the client's source port chooses the shard. The ordinary port deals shards
// out in turn.
enum class shard_aware_port_mode : std::uint8_t {
  announced,            // listens, and SUPPORTED names it
  hidden,               // listens, and SUPPORTED does not name it
  unreachable,          // is named, and refuses connections
  ignores_source_port,  // is named and listens, but deals shards out in turn, as behind an address translation
};

// Options of an emulator.
struct cql_emulator_options {
  std::uint16_t port = 0;  // 0: a free one, the same on every node
  // The nodes after the first one, which is at `datacenter` and `rack`.
  std::vector<emulated_place> other_nodes = {};
  // 1: spread evenly; more: random-looking, at most 256.
  unsigned tokens_per_node = 1;
  // The tokens of each of these nodes, the first one included; none: by tokens_per_node.
  std::vector<std::vector<std::int64_t>> tokens = {};
  unsigned shards = 0;  // of each node, as ScyllaDB has them; 0: none, as Cassandra
  shard_aware_port_mode shard_aware_port = shard_aware_port_mode::announced;  // with shards
  // With shards: keyspaces of NetworkTopologyStrategy have tablets unless CREATE KEYSPACE says otherwise.
  bool tablets = false;
  // With shards: SCYLLA_USE_METADATA_ID is offered. PREPARED then has the id of the result's columns, EXECUTE
  // says which ones the client knows, and an answer with others describes them.
  bool metadata_id = true;
  unsigned threads = 1;  // 1 to 16; connections are dealt out in turn
  // With a user, clients must authenticate (PasswordAuthenticator).
  std::string user = {};
  std::string password = {};
  // With a certificate, every connection uses TLS (PEM files). With a client CA, clients must present a
  // certificate.
  std::string tls_certificate_file = {};
  std::string tls_key_file = {};
  std::string tls_client_ca_file = {};
  std::string cluster_name = "millrace emulator";
  std::string datacenter = "dc1";
  std::string rack = "rack1";
  // SUPPORTED lists lz4 and snappy. Every answer to a client that chose one is compressed.
  bool compression = true;
  // UNAVAILABLE when fewer replicas live than the consistency level needs; for requests about one partition.
  bool enforce_consistency = false;
  // A longer request frame is a protocol error that ends its connection.
  std::size_t frame_bytes_max = std::size_t{16} << 20U;
  // A larger BATCH is refused: "Batch too large". Cassandra's default is 50 KiB; 0: no limit.
  std::size_t batch_bytes_max = 0;
  // A write of a collection with more bytes or elements is refused, as by Cassandra's guardrails
  // collection_size and items_per_collection. 0: no limit.
  std::size_t collection_bytes_max = 0;
  std::size_t collection_items_max = 0;
  // Delayed answers of one connection that fall due within this time share one write. Half of it is the
  // largest error of a scripted latency, besides what the kernel's timers add.
  microseconds answer_slack = microseconds(50);
  // Seed of latencies and of faults with a probability.
  std::uint64_t seed = 1;
};

// Kinds of requests. The values index counters.
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

// Kinds of faults.
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
  garbage,          // the answer is bytes that are not a frame
  oversized,        // the answer is the beginning of a frame of 2 GiB, of which no more comes
  empty_page,       // of SELECT: a page without rows, with more to come
  // The answer is the header of a frame of fault::code bytes (at most 256 MiB), which is never completed: later
  // answers on the connection become part of its body, until one byte is missing.
  unending_frame,
  cdc_write_failure,
  rate_limit,  // ScyllaDB's error for clients that asked for it, else a configuration error, as ScyllaDB does
};

// A fault. Errors are answered at once; with takes_effect, after the operation's latency.
struct fault {
  fault_kind kind = fault_kind::overloaded;
  // Affected requests: of this operation (nullopt: SELECT, INSERT, UPDATE, DELETE and batches) and of this
  // table ("keyspace.table"; empty: any).
  std::optional<operation> on = {};
  std::string table = {};
  std::optional<unsigned> node = {};  // only there; 0 is the first
  double probability = 1;
  std::uint64_t times = UINT64_MAX;  // then it is spent
  bool takes_effect = false;         // the write takes effect although the answer is an error
  std::int32_t code = 0;             // of custom, unending_frame
  std::string message = {};          // empty: Cassandra's text
};

// Kinds of requests by token. The values index counters.
enum class routed_kind : std::uint8_t { select, write, conditional, batch };
inline constexpr std::size_t routed_kind_count = 4;

// Requests by token: EXECUTE with every part of the partition key bound, and BATCH by its first statement when
// that is one.
struct emulated_routing {
  std::uint64_t routed = 0;           // came to a replica and, with shards, to its shard
  std::uint64_t misrouted_node = 0;   // came to a node that is no replica
  std::uint64_t misrouted_shard = 0;  // came to a replica, on another shard

  [[nodiscard]] std::uint64_t total() const noexcept { return routed + misrouted_node + misrouted_shard; }
};

// Tokens in (first_token, last_token] and their replicas.
struct emulated_tablet {
  struct replica {
    unsigned node = 0;
    unsigned shard = 0;
  };

  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  std::vector<replica> replicas = {};
};

// Counters since the start.
struct cql_emulator_counters {
  std::uint64_t requests[operation_count] = {};
  std::uint64_t requests_of_node[nodes_max] = {};  // SELECT, INSERT, UPDATE, DELETE, batches, schema, system
  std::uint64_t errors = 0;                        // ERROR frames sent, faults included
  std::uint64_t unprepared = 0;                    // of them, UNPREPARED
  std::uint64_t faults = 0;                        // requests affected by a fault
  std::uint64_t batched_rows = 0;                  // statements inside batches
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t answers_delayed = 0;  // waiting now for their latency to pass
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t options_frames = 0;   // OPTIONS requests, which drivers also send to keep connections alive
  std::uint64_t compressed_in = 0;    // compressed frames from clients
  std::uint64_t compressed_out = 0;   // compressed answers and events
  std::uint64_t tablet_payloads = 0;  // answers with `tablets-routing-v1`
  // EXECUTE, QUERY and BATCH of statements that do not name their keyspace, on a connection that never said
  // USE.
  std::uint64_t unqualified_without_keyspace = 0;
  emulated_routing routing[routed_kind_count] = {};
  nanoseconds cpu = nanoseconds(0);  // user and system time of the serving threads

  [[nodiscard]] std::uint64_t of(operation kind) const noexcept {
    return requests[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] const emulated_routing& of(routed_kind kind) const noexcept {
    return routing[static_cast<std::size_t>(kind)];
  }
};

// A column of a table.
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
  // Returns a column's serialised value; nullopt when it is null, was never written, or is deleted or
  // expired. A primary key column's written_at_us is 0.
  [[nodiscard]] std::optional<emulated_cell> cell(std::string_view column) const;
  // The number of INSERTs and UPDATEs of this primary key since it was first written, including those without
  // effect. A number above 1 shows a repeated write.
  [[nodiscard]] std::uint64_t writes() const noexcept;

 private:
  friend class emulated_table;
  struct state;
  explicit emulated_row(const state& of) : state_(of) {}

  const state& state_;
};

// Counters of one table.
struct emulated_table_counts {
  std::uint64_t writes = 0;             // rows written by INSERT and UPDATE, batched ones included
  std::uint64_t superseded_writes = 0;  // of them, those without effect because a newer write was present
  std::uint64_t deletes = 0;
  std::uint64_t keys_written = 0;    // distinct primary keys ever written
  std::uint64_t keys_rewritten = 0;  // of them, those written more than once
};

// The content of a table, read beside the server. Cheap to copy.
class emulated_table {
 public:
  using visitor = std::function<void(const emulated_row&)>;

  // The columns and the counters.
  [[nodiscard]] std::vector<emulated_column> columns() const;
  [[nodiscard]] emulated_table_counts counts() const;
  // Passes one live row to the visitor; false when there is none. `primary_key` has the serialised cells of
  // all partition key and clustering columns in order. The visitor runs under a lock of the table: it must be
  // short and must not call this table.
  bool visit(std::span<const bytes_view> primary_key, const visitor& see) const;
  // Passes every live row to the visitor in token and clustering order, under one shard's lock at a time.
  // Rows written meanwhile may or may not be seen.
  void visit_all(const visitor& see) const;
  // The number of writes of a key, also when it is deleted now; 0 when it was never written.
  [[nodiscard]] std::uint64_t writes_of(std::span<const bytes_view> primary_key) const;
  // Removes a row as if it had never been written (its writes stay in counts()), so that a verifier can bound
  // the memory. A later write of the key counts as its first. False when there is no such row.
  bool forget(std::span<const bytes_view> primary_key);

 private:
  friend class cql_emulator;
  explicit emulated_table(std::shared_ptr<cql::stored_table> table) : table_(std::move(table)) {}

  std::shared_ptr<cql::stored_table> table_;
};

// The server.
class cql_emulator {
 public:
  // Starts a server, which listens when this returns. Returns errc::address_in_use, errc::tls_error for a
  // certificate file, or errc::config_invalid.
  [[nodiscard]] static result<std::unique_ptr<cql_emulator>> start(const cql_emulator_options& options = {});
  // Closes every connection and joins the threads.
  ~cql_emulator();
  cql_emulator(const cql_emulator&) = delete;
  cql_emulator& operator=(const cql_emulator&) = delete;

  // The port of every node, and the address of one: "127.0.0.1:PORT".
  [[nodiscard]] std::uint16_t port() const noexcept;
  // The shard-aware port of every node; 0 without shards.
  [[nodiscard]] std::uint16_t shard_aware_port() const noexcept;
  [[nodiscard]] std::string contact_point(unsigned node = 0) const;

  // Executes one statement without bind markers and outside any session, for schemas and initial rows. The
  // statement names the keyspace. Latencies, faults and counters do not apply. Returns errc::db_invalid with
  // the server's text.
  result<void> execute(std::string_view statement);
  // Returns a table, or errc::db_invalid when it does not exist.
  [[nodiscard]] result<emulated_table> table(std::string_view keyspace, std::string_view name) const;

  // Sets the latency of an operation on every table, or on one ("keyspace.table", which takes precedence).
  // Applies to requests that arrive from now on.
  void set_latency(operation kind, latency to);
  void set_latency(std::string_view table, operation kind, latency to);
  // Multiplies every latency from now on.
  void set_latency_factor(double factor);
  // Multiplies the latencies of one node as well.
  void set_node_latency_factor(unsigned node, double factor);

  // Adds, removes and counts faults. Faults are tried in the order of their injection; the first that applies
  // decides.
  using fault_id = std::uint64_t;
  fault_id inject(fault what);
  void clear(fault_id id);
  void clear_faults();
  // The number of requests that this fault has affected; 0 for a removed one.
  [[nodiscard]] std::uint64_t hits(fault_id id) const;

  // Forgets every prepared statement, as a restarted server does: the next EXECUTE of each is answered
  // UNPREPARED.
  void forget_prepared();
  // Forgets every prepared statement and gives statements new ids from now on, as a server of another version
  // does.
  void renumber_prepared();
  // Sets the password of new connections; existing connections stay.
  void set_password(std::string password);
  // Closes every connection now; delayed answers are lost.
  void drop_connections();
  // While `refuse` is true, new connections are accepted and closed at once.
  void refuse_connections(bool refuse);
  // Stops a node, as a crash does: its connections are closed, and new ones at once. Drivers are not
  // notified. start_node() ends this.
  void stop_node(unsigned node);
  void start_node(unsigned node);

  // While `pause` is true, nothing is read from the connections of a node: what clients send stays in the
  // kernel's buffers until they are full. Answers that are due are written.
  void pause_reading(unsigned node, bool pause);
  // Writes at most `bytes` bytes to each connection of a node every `every`; 0 bytes end this.
  void trickle(unsigned node, std::size_t bytes, microseconds every);

  // Changes of the cluster, each with its TOPOLOGY_CHANGE and STATUS_CHANGE events. Node numbers are not used
  // again.
  //
  // Adds a node, which listens when this returns, and returns its number, or errc::limit_exceeded when there
  // were nodes_max, or errc::address_in_use.
  result<unsigned> add_node(const emulated_place& place);
  // Lets a node leave; its tablets go to nodes of its datacentre that have none of them. Returns
  // errc::db_invalid for a node that is no member, and for the last one.
  result<void> remove_node(unsigned node);
  // Puts another node at the place and address of this one, with an identity (host_id) of its own and its
  // tablets, and with other tokens when `new_tokens`. Closes its connections. Returns errc::db_invalid for a
  // node that is no member.
  result<void> replace_node(unsigned node, bool new_tokens = false);
  // Restarts a node at another address (127.0.0.x) with its identity. Closes its connections. Returns
  // errc::db_invalid for a node that is no member, errc::config_invalid for another network, or
  // errc::address_in_use.
  result<void> move_node_address(unsigned node, const std::string& address);
  // Restarts a node with another number of shards. Closes its connections. Returns errc::db_invalid for a node
  // that is no member, or errc::config_invalid for 0 or too many shards, or when the cluster has none.
  result<void> set_shards(unsigned node, unsigned shards);

  // The tablets of a table in token order; none when its keyspace has none.
  [[nodiscard]] std::vector<emulated_tablet> tablets(std::string_view keyspace, std::string_view name) const;
  // Splits every tablet of a table into two with the same replicas. Drivers learn it as from a real server: by
  // the answers to requests that they route wrongly. Returns errc::db_invalid for a table without tablets.
  result<void> split_tablets(std::string_view keyspace, std::string_view name);
  // Moves the replica of the tablet that has `token` from one node to another, or to another shard of the same
  // one. Without a shard it gets the one with the fewest tablets of this table. Returns errc::db_invalid when
  // there is no such replica, node or shard.
  result<void> move_tablet(std::string_view keyspace, std::string_view name, std::int64_t token,
                           unsigned from, unsigned to, std::optional<unsigned> shard = {});

  // The open connections of a node, by shard; one number without shards.
  [[nodiscard]] std::vector<std::uint64_t> connections_of(unsigned node) const;
  // The distinct server names (SNI) that TLS clients asked for.
  [[nodiscard]] std::vector<std::string> server_names() const;

  // The counters as of now.
  [[nodiscard]] cql_emulator_counters counters() const;

 private:
  struct state;
  explicit cql_emulator(std::unique_ptr<state> state);

  std::unique_ptr<state> state_;
};

}  // namespace millrace::emulators

// From a request frame to its answer: the protocol's opcodes over catalogue, plans and script.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cql_behaviour.h"
#include "cql_catalog.h"
#include "cql_cluster.h"
#include "cql_compression.h"
#include "cql_executor.h"
#include "cql_plan.h"
#include "cql_wire.h"

namespace millrace::emulators::cql {

inline constexpr std::size_t prepared_max = 16'384;
inline constexpr std::size_t prepared_id_bytes = 16;
inline constexpr std::size_t batch_statements_max = 65'535;

// The statements a node has prepared, by id. Thread-safe.
class prepared_statements {
 public:
  // The id is a hash of keyspace, text and numbering, so that preparing again answers the same one. At
  // prepared_max an older statement is evicted.
  std::string add(std::string_view session_keyspace, std::string_view text, std::shared_ptr<const plan> what);
  // Nothing when it was never prepared here, was evicted, or its table changed.
  [[nodiscard]] std::shared_ptr<const plan> find(std::string_view id, const catalog& in);
  void forget_all();
  void renumber();
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_acquire); }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<const plan>> by_id_;
  std::uint64_t numbering_ = 0;
  std::atomic<std::uint64_t> epoch_{1};
};

// Written by one thread, read by any.
struct thread_counters {
  using counter = std::atomic<std::uint64_t>;

  counter requests[operation_count] = {};
  counter errors{0};
  counter unprepared{0};
  counter faults{0};
  counter batched_rows{0};
  counter connections_accepted{0};
  counter connections_open{0};
  counter protocol_errors{0};
  counter answers_delayed{0};
  counter bytes_in{0};
  counter bytes_out{0};
  counter by_node[nodes_max] = {};
  counter options_frames{0};
  counter compressed_in{0};
  counter compressed_out{0};
  counter tablet_payloads{0};
  counter unqualified_without_keyspace{0};
  struct {
    counter routed{0};
    counter misrouted_node{0};
    counter misrouted_shard{0};
  } routing[routed_kind_count] = {};

  static void add(counter& to, std::uint64_t by = 1) noexcept {
    to.store(to.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
};

enum class event_kind : std::uint8_t { schema, topology, status };
inline constexpr std::size_t event_kind_count = 3;

// An EVENT frame of TOPOLOGY_CHANGE or STATUS_CHANGE about the node at an IPv4 address.
[[nodiscard]] std::string node_event(event_kind kind, std::string_view change, const std::string& address,
                                     std::uint16_t port);

// What all threads of one emulator share.
struct emulated_node {
  emulated_node(const cql_emulator_options& with, cluster_view nodes, std::uint16_t shard_port)
      : options(with),
        port(nodes.port),
        shard_aware_port(shard_port),
        members(std::move(nodes)),
        tables(members, with.shards > 0, with.tablets) {
    scripted.change([&](script& next) { next.password = with.password; });
  }

  const cql_emulator_options options;
  const std::uint16_t port;              // that was bound
  const std::uint16_t shard_aware_port;  // 0 without shards
  cluster members;
  catalog tables;
  behaviour scripted;
  prepared_statements prepared;
  // Sends a finished EVENT frame to every connection that registered for events of that kind.
  std::function<void(event_kind, const std::string&)> publish;

  // Runs DDL, TRUNCATE or USE; appends the RESULT body.
  verdict run_schema_statement(std::string& out, const plan& what, std::string& session_keyspace);
};

// One connection's conversation.
struct session {
  enum class stage : std::uint8_t { fresh, authenticating, ready };

  stage at = stage::fresh;
  std::array<bool, event_kind_count> wants_events{};
  bool tablets_routing = false;    // the client asked for `tablets-routing-v1`
  bool rate_limit_error = false;   // and for SCYLLA_RATE_LIMIT_ERROR
  bool sends_metadata_id = false;  // SCYLLA_USE_METADATA_ID
  bool wants_lwt_mark = false;     // SCYLLA_LWT_ADD_METADATA_MARK
  compressor compresses = compressor::none;
  unsigned node = 0;     // that it is connected to
  unsigned shard = 0;    // that serves it, where there are shards
  std::string keyspace;  // of USE
};

struct request_head {
  std::uint8_t version = 0;
  std::uint8_t flags = 0;
  std::int16_t stream = 0;
  std::uint8_t op = 0;
};

// What becomes of a request.
struct fate {
  enum class kind : std::uint8_t { answer, answer_and_close, drop, silence };

  kind is = kind::answer;
  nanoseconds delay = nanoseconds(0);
  // Of fault_kind::unending_frame: the answer is a header that announces this many bytes.
  std::size_t unending = 0;
};

// Frames are appended whole; their length is filled in at the end.
std::size_t begin_frame(std::string& out, opcode op, std::int16_t stream);
void end_frame(std::string& out, std::size_t begun);

// Threads: one per serving thread.
class dispatcher {
 public:
  dispatcher(emulated_node& node, thread_counters& counters, std::uint64_t seed);

  // Appends the answer's frame to `out` unless the fate is drop or silence.
  fate handle(session& with, const request_head& head, std::string_view body, std::string& out);
  // The ERROR frame for a frame that cannot be read.
  void put_protocol_error(std::string& out, std::int16_t stream, const std::string& message);

 private:
  struct request;
  struct location;

  fate route(session& with, const request_head& head, std::string_view body, std::string& out);
  void add_trace_id(const session& with, std::string& out, std::size_t begun);
  // A plan on a table of which every node has its own; `own` may hold it.
  [[nodiscard]] const plan* as_seen_by(unsigned node, const plan& what, plan& own) const;
  fate answer_error(request& of, failure why);
  fate protocol_error(request& of, std::string message);
  fate on_startup(request& of);
  fate on_auth_response(request& of);
  fate on_register(request& of);
  fate on_options(request& of);
  fate on_prepare(request& of);
  fate on_query(request& of);
  fate on_execute(request& of);
  fate on_batch(request& of);
  fate run_plan(request& of, const plan& what, std::string_view id);
  fate answer_plan(request& of, const plan& what, std::string_view id, const fault* hit);
  std::optional<location> locate(const plan& what, std::span<const value> values);
  std::optional<location> locate_batch(const session& with);
  void count_routing(const session& with, const location& at, routed_kind kind);
  verdict check_levels(const session& with, const location& at, bool conditional) const;
  void note_unqualified(const session& with, const plan& what);
  fate run_batch(request& of, bool only_check, std::optional<std::int64_t> timestamp);
  verdict read_batch(request& of, wire_reader& in);
  [[nodiscard]] verdict check_batch_counters() const;
  fate strike(request& of, const fault& with, std::string_view id, const std::string& table);
  [[nodiscard]] verdict check_guardrails(const plan& what, std::span<const value> values) const;
  fate rate_limited(request& of, const fault& with, const std::string& table);
  fate unprepared(request& of, std::string_view id);
  verdict read_options(wire_reader& in, const plan* named_by);
  [[nodiscard]] std::shared_ptr<const plan> find_prepared(std::string_view id);
  void refresh();

  struct batched {
    std::shared_ptr<const plan> what;
    std::size_t first_value = 0;
    std::size_t values = 0;
    bool prepared = false;  // named by id
  };

  emulated_node& node_;
  thread_counters& counters_;
  script_random random_;
  executor executor_;
  std::shared_ptr<const script> script_;
  std::uint64_t script_version_ = 0;
  std::unordered_map<std::string, std::shared_ptr<const plan>> prepared_;
  std::uint64_t prepared_epoch_ = 0;
  std::uint64_t generation_ = 0;
  std::shared_ptr<const cluster_view> nodes_;
  std::uint64_t nodes_version_ = 0;
  std::unordered_map<const stored_table*, std::shared_ptr<const table_routing>> routing_;
  std::string inflated_;     // scratch: the body of a compressed request
  bool raw_answer_ = false;  // the answer is no frame, or not a whole one
  std::uint16_t consistency_ = 0;
  std::uint16_t serial_consistency_ = 0;
  std::string id_;  // scratch: the key of a lookup
  std::vector<value> values_;
  request_options options_;
  std::vector<batched> batch_;
  std::string batch_unprepared_;
  std::uint8_t batch_type_ = 0;
};

}  // namespace millrace::emulators::cql

// From a request frame to its answer: the protocol's opcodes over catalogue, plans and script.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cql_behaviour.h"
#include "cql_catalog.h"
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

  static void add(counter& to, std::uint64_t by = 1) noexcept {
    to.store(to.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
};

// What all threads of one emulator share.
struct emulated_node {
  emulated_node(const cql_emulator_options& with, topology of)
      : options(with), port(of.port), tables(std::move(of)) {
    scripted.change([&](script& next) { next.password = with.password; });
  }

  const cql_emulator_options options;
  const std::uint16_t port;  // that was bound
  catalog tables;
  behaviour scripted;
  prepared_statements prepared;
  // Sends a finished EVENT frame to every connection that registered for schema changes.
  std::function<void(const std::string&)> publish;

  // Runs DDL, TRUNCATE or USE; appends the RESULT body.
  verdict run_schema_statement(std::string& out, const plan& what, std::string& session_keyspace);
};

// One connection's conversation.
struct session {
  enum class stage : std::uint8_t { fresh, authenticating, ready };

  stage at = stage::fresh;
  bool wants_schema_events = false;
  unsigned node = 0;   // that it is connected to
  unsigned shard = 0;  // that serves it, where there are shards
  std::string keyspace;
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

  fate route(session& with, const request_head& head, std::string_view body, std::string& out);
  void add_trace_id(std::string& out, std::size_t begun);
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
  fate run_batch(request& of, bool only_check, std::optional<std::int64_t> timestamp);
  verdict read_batch(request& of, wire_reader& in);
  fate strike(request& of, const fault& with, std::string_view id, const std::string& table);
  fate unprepared(request& of, std::string_view id);
  verdict read_options(wire_reader& in, const plan* named_by);
  [[nodiscard]] std::shared_ptr<const plan> find_prepared(std::string_view id);
  void refresh();

  struct batched {
    std::shared_ptr<const plan> what;
    std::size_t first_value = 0;
    std::size_t values = 0;
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
  std::string id_;  // scratch: the key of a lookup
  std::vector<value> values_;
  request_options options_;
  std::vector<batched> batch_;
  std::string batch_unprepared_;
};

}  // namespace millrace::emulators::cql

#include "millrace/emulators/cql_emulator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "cql_server.h"

namespace millrace::emulators {
namespace {

constexpr unsigned threads_max = 16;
// Taking a port that is free on every node's address.
constexpr int port_attempts_max = 20;

std::string address_of(std::size_t node) { return fmt::format("127.0.0.{}", node + 1); }

cql::topology topology_of(const cql_emulator_options& options, std::uint16_t port) {
  cql::topology out{options.cluster_name, port, {{options.datacenter, options.rack, address_of(0)}}};
  for (const emulated_place& each : options.other_nodes) {
    out.nodes.push_back({each.datacenter, each.rack, address_of(out.nodes.size())});
  }
  return out;
}

result<std::vector<file_descriptor>> listen_everywhere(const cql_emulator_options& options,
                                                       std::uint16_t& port) {
  for (int attempt = 1;; ++attempt) {
    std::vector<file_descriptor> all;
    port = options.port;
    std::optional<error> failed;
    while (all.size() <= options.other_nodes.size() && !failed) {
      auto one = cql::listen_on(address_of(all.size()), port);
      if (one)
        all.push_back(std::move(*one));
      else
        failed = one.error();
    }
    if (!failed) return all;
    if (options.port != 0 || attempt == port_attempts_max) return *failed;
  }
}

std::string clustering_of(const cql::table_schema& schema, std::span<const bytes_view> primary_key) {
  std::string out;
  for (const bytes_view each : primary_key.subspan(schema.partition_columns))
    cql::put_clustering(out, as_text(each));
  return out;
}

std::string partition_of(const cql::table_schema& schema, std::span<const bytes_view> primary_key) {
  std::vector<std::string_view> parts;
  for (const bytes_view each : primary_key.first(schema.partition_columns)) parts.push_back(as_text(each));
  std::string out;
  cql::put_partition_key(out, parts);
  return out;
}

bool is_primary_key(const cql::table_schema& schema, std::span<const bytes_view> given) {
  return given.size() == static_cast<std::size_t>(schema.partition_columns) + schema.clustering_columns;
}

std::int64_t wall_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string_view to_string(operation kind) noexcept {
  switch (kind) {
    case operation::control:
      return "control";
    case operation::prepare:
      return "prepare";
    case operation::select:
      return "select";
    case operation::insert:
      return "insert";
    case operation::update:
      return "update";
    case operation::remove:
      return "remove";
    case operation::batch:
      return "batch";
    case operation::schema:
      return "schema";
    case operation::system:
      return "system";
  }
  return "unknown";
}

struct emulated_row::state {
  const cql::table_schema& schema;
  const cql::partition& in;
  const cql::row& of;
  std::string_view key;
  std::int64_t now_s;
};

std::optional<emulated_cell> emulated_row::cell(std::string_view column) const {
  const cql::column* at = state_.schema.find(column);
  if (at == nullptr) return std::nullopt;
  std::vector<std::string_view> parts;
  switch (at->is) {
    case cql::column::role::partition_key:
      cql::split_partition_key(parts, state_.key, state_.schema.partition_columns);
      return emulated_cell{as_bytes(parts[at->position]), 0};
    case cql::column::role::clustering:
      cql::split_clustering(parts, state_.of.clustering, state_.schema.clustering_columns);
      return emulated_cell{as_bytes(parts[at->position]), 0};
    case cql::column::role::regular:
      break;
  }
  const cql::cell* stored = cql::live_cell(state_.in, state_.of, at->slot, state_.now_s);
  if (stored == nullptr) return std::nullopt;
  return emulated_cell{as_bytes(stored->bytes), stored->written_at};
}

std::uint64_t emulated_row::writes() const noexcept { return state_.of.writes; }

std::vector<emulated_column> emulated_table::columns() const {
  std::vector<emulated_column> out;
  for (const cql::column& each : table_->schema()->columns) {
    out.push_back({each.name, cql::to_string(each.of), each.is != cql::column::role::regular});
  }
  return out;
}

emulated_table_counts emulated_table::counts() const {
  const cql::table_counts now = table_->counts();
  return {now.writes, now.superseded_writes, now.deletes, now.keys_written, now.keys_rewritten};
}

bool emulated_table::visit(std::span<const bytes_view> primary_key, const visitor& see) const {
  const auto schema = table_->schema();
  if (!is_primary_key(*schema, primary_key)) return false;
  const std::string key = partition_of(*schema, primary_key);
  const std::string clustering = clustering_of(*schema, primary_key);
  const std::int64_t now_s = wall_s();
  bool seen = false;
  table_->visit(key, [&](const cql::partition& in) {
    const cql::row* of = cql::stored_table::find(*schema, in, clustering);
    if (of == nullptr || !cql::live_row(in, *of, now_s)) return;
    seen = true;
    see(emulated_row(emulated_row::state{*schema, in, *of, key, now_s}));
  });
  return seen;
}

void emulated_table::visit_all(const visitor& see) const {
  const auto schema = table_->schema();
  const std::int64_t now_s = wall_s();
  table_->scan({}, true, [&](std::int64_t, std::string_view key, const cql::partition& in) {
    for (const auto& of : in.rows) {
      if (cql::live_row(in, *of, now_s)) see(emulated_row(emulated_row::state{*schema, in, *of, key, now_s}));
    }
    return true;
  });
}

std::uint64_t emulated_table::writes_of(std::span<const bytes_view> primary_key) const {
  const auto schema = table_->schema();
  if (!is_primary_key(*schema, primary_key)) return 0;
  const std::string clustering = clustering_of(*schema, primary_key);
  std::uint64_t writes = 0;
  table_->visit(partition_of(*schema, primary_key), [&](const cql::partition& in) {
    if (const cql::row* of = cql::stored_table::find(*schema, in, clustering)) writes = of->writes;
  });
  return writes;
}

bool emulated_table::forget(std::span<const bytes_view> primary_key) {
  const auto schema = table_->schema();
  if (!is_primary_key(*schema, primary_key)) return false;
  return table_->forget(partition_of(*schema, primary_key), clustering_of(*schema, primary_key));
}

struct cql_emulator::state {
  state(const cql_emulator_options& options, std::uint16_t bound_port, std::vector<file_descriptor> sockets,
        std::unique_ptr<cql::transport_factory> with)
      : listeners(std::move(sockets)),
        port(bound_port),
        transports(std::move(with)),
        node(options, topology_of(options, bound_port)) {}

  std::vector<file_descriptor> listeners;
  std::uint16_t port;
  std::unique_ptr<cql::transport_factory> transports;
  cql::emulated_node node;
  cql::refusals refusing;
  std::vector<std::unique_ptr<cql::server_thread>> threads;
};

result<std::unique_ptr<cql_emulator>> cql_emulator::start(const cql_emulator_options& options) {
  if (options.threads < 1 || options.threads > threads_max) {
    return error(errc::config_invalid, fmt::format("threads must be between 1 and {}", threads_max));
  }
  if (options.other_nodes.size() >= nodes_max || options.shards > cql::shards_max) {
    return error(errc::config_invalid,
                 fmt::format("at most {} nodes and {} shards", nodes_max, cql::shards_max));
  }
  auto transports = cql::transport_factory::make(options.tls_certificate_file, options.tls_key_file,
                                                 options.tls_client_ca_file);
  if (!transports) return transports.error();
  std::uint16_t port = 0;
  auto listeners = listen_everywhere(options, port);
  if (!listeners) return listeners.error();
  auto made = std::make_unique<state>(options, port, std::move(*listeners), std::move(*transports));
  std::vector<int> sockets;
  for (const file_descriptor& each : made->listeners) sockets.push_back(each.get());
  std::vector<cql::server_thread*> peers;
  for (unsigned i = 0; i < options.threads; ++i) {
    made->threads.push_back(
        std::make_unique<cql::server_thread>(made->node, *made->transports, options.seed + i));
    peers.push_back(made->threads.back().get());
  }
  made->node.publish = [peers](const std::string& event) {
    for (cql::server_thread* each : peers) each->publish(event);
  };
  for (std::size_t i = 0; i < peers.size(); ++i)
    peers[i]->start(i == 0 ? sockets : std::vector<int>(), peers, &made->refusing);
  return std::unique_ptr<cql_emulator>(new cql_emulator(std::move(made)));
}

cql_emulator::cql_emulator(std::unique_ptr<state> state) : state_(std::move(state)) {}

cql_emulator::~cql_emulator() {
  for (const auto& each : state_->threads) each->stop();
}

std::uint16_t cql_emulator::port() const noexcept { return state_->port; }
std::string cql_emulator::contact_point(unsigned node) const {
  return fmt::format("{}:{}", address_of(node), state_->port);
}

result<void> cql_emulator::execute(std::string_view statement) {
  const auto refused = [](const cql::failure& why) { return error(errc::db_invalid, why.message); };
  auto compiled = cql::compile(state_->node.tables, statement, {});
  if (!compiled) return refused(compiled.why());
  const cql::plan& what = **compiled;
  if (!what.markers.empty())
    return error(errc::db_invalid, "a statement executed directly has no bind markers");
  std::string ignored;
  std::string no_session;
  cql::executor runs;
  cql::verdict bad = std::holds_alternative<cql::statement>(what.does)
                         ? state_->node.run_schema_statement(ignored, what, no_session)
                         : runs.run(ignored, what, {}, {});
  if (bad) return refused(*bad);
  return {};
}

result<emulated_table> cql_emulator::table(std::string_view keyspace, std::string_view name) const {
  auto found = state_->node.tables.find({std::string(keyspace), std::string(name)}, {});
  if (!found) return error(errc::db_invalid, found.why().message);
  return emulated_table(std::move(*found));
}

void cql_emulator::set_latency(operation kind, latency to) {
  state_->node.scripted.change(
      [&](cql::script& next) { next.everywhere[static_cast<std::size_t>(kind)] = to; });
}
void cql_emulator::set_latency(std::string_view table, operation kind, latency to) {
  state_->node.scripted.change(
      [&](cql::script& next) { next.by_table[std::string(table)][static_cast<std::size_t>(kind)] = to; });
}
void cql_emulator::set_latency_factor(double factor) {
  state_->node.scripted.change(
      [&](cql::script& next) { next.factor = std::isfinite(factor) ? std::max(0.0, factor) : 1; });
}

void cql_emulator::set_node_latency_factor(unsigned node, double factor) {
  state_->node.scripted.change([&](cql::script& next) {
    next.node_factors.at(node) = std::isfinite(factor) ? std::max(0.0, factor) : 1;
  });
}

cql_emulator::fault_id cql_emulator::inject(fault what) {
  return state_->node.scripted.inject(std::move(what));
}
void cql_emulator::clear(fault_id id) {
  state_->node.scripted.change([id](cql::script& next) {
    std::erase_if(next.faults, [id](const auto& each) { return each->id == id; });
  });
}
void cql_emulator::clear_faults() {
  state_->node.scripted.change([](cql::script& next) { next.faults.clear(); });
}
std::uint64_t cql_emulator::hits(fault_id id) const {
  for (const auto& each : state_->node.scripted.current()->faults) {
    if (each->id == id) return each->hits.load(std::memory_order_relaxed);
  }
  return 0;
}

void cql_emulator::forget_prepared() { state_->node.prepared.forget_all(); }

void cql_emulator::renumber_prepared() { state_->node.prepared.renumber(); }

void cql_emulator::set_password(std::string password) {
  state_->node.scripted.change([&](cql::script& next) { next.password = std::move(password); });
}
void cql_emulator::drop_connections() {
  for (const auto& each : state_->threads) each->drop_connections();
}
void cql_emulator::refuse_connections(bool refuse) {
  for (std::atomic<bool>& each : state_->refusing) each.store(refuse, std::memory_order_release);
}
void cql_emulator::stop_node(unsigned node) {
  state_->refusing.at(node).store(true, std::memory_order_release);
  for (const auto& each : state_->threads) each->drop_connections(node);
}
void cql_emulator::start_node(unsigned node) {
  state_->refusing.at(node).store(false, std::memory_order_release);
}

cql_emulator_counters cql_emulator::counters() const {
  cql_emulator_counters out;
  for (const auto& each : state_->threads) {
    const cql::thread_counters& now = each->counters();
    const auto add = [](std::uint64_t& to, const std::atomic<std::uint64_t>& from) {
      to += from.load(std::memory_order_relaxed);
    };
    for (std::size_t i = 0; i < operation_count; ++i) add(out.requests[i], now.requests[i]);
    for (std::size_t i = 0; i < nodes_max; ++i) add(out.requests_of_node[i], now.by_node[i]);
    add(out.errors, now.errors);
    add(out.unprepared, now.unprepared);
    add(out.faults, now.faults);
    add(out.batched_rows, now.batched_rows);
    add(out.connections_accepted, now.connections_accepted);
    add(out.connections_open, now.connections_open);
    add(out.protocol_errors, now.protocol_errors);
    add(out.answers_delayed, now.answers_delayed);
    add(out.bytes_in, now.bytes_in);
    add(out.bytes_out, now.bytes_out);
    out.cpu += each->cpu();
  }
  return out;
}

}  // namespace millrace::emulators

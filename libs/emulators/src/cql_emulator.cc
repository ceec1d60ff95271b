#include "millrace/emulators/cql_emulator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "cql_server.h"

namespace millrace::emulators {
namespace {

constexpr unsigned threads_max = 16;
// Taking a port that is free on every node's address.
constexpr int port_attempts_max = 20;

std::string address_of(std::size_t node) { return fmt::format("127.0.0.{}", node + 1); }

cql::cluster_view cluster_of(const cql_emulator_options& options, std::uint16_t port) {
  cql::cluster_view out{options.cluster_name, port, {}};
  std::vector<emulated_place> places{{options.datacenter, options.rack}};
  places.insert(places.end(), options.other_nodes.begin(), options.other_nodes.end());
  // One token per node: the ring from its lowest token in equal parts.
  const std::uint64_t part = UINT64_MAX / places.size();
  for (std::size_t at = 0; at < places.size(); ++at) {
    cql::cluster_node next{places[at].datacenter, places[at].rack, address_of(at)};
    next.host_id = cql::random_looking(fmt::format("host {}:{}", next.address, port));
    next.shards = options.shards;
    if (!options.tokens.empty()) {
      next.tokens = options.tokens[at];
      std::sort(next.tokens.begin(), next.tokens.end());
    } else if (options.tokens_per_node == 1) {
      next.tokens = {static_cast<std::int64_t>((std::uint64_t{1} << 63U) + part * at)};
    } else {
      next.tokens = cql::make_tokens(fmt::format("node {}", at), options.tokens_per_node);
    }
    out.nodes.push_back(std::move(next));
  }
  return out;
}

// One port on every node's address.
result<std::vector<file_descriptor>> listen_everywhere(std::size_t nodes, bool listens, std::uint16_t wanted,
                                                       std::uint16_t& port) {
  for (int attempt = 1;; ++attempt) {
    std::vector<file_descriptor> all;
    port = wanted;
    std::optional<error> failed;
    while (all.size() < nodes && !failed) {
      auto one = cql::listen_on(address_of(all.size()), port, listens);
      if (one)
        all.push_back(std::move(*one));
      else
        failed = one.error();
    }
    if (!failed) return all;
    if (wanted != 0 || attempt == port_attempts_max) return *failed;
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
    case cql::column::role::static_:
    case cql::column::role::regular:
      break;
  }
  const cql::cell* stored = cql::live_cell(state_.in, &state_.of, *at, state_.now_s);
  if (stored == nullptr) return std::nullopt;
  return emulated_cell{as_bytes(stored->bytes), stored->written_at};
}

std::uint64_t emulated_row::writes() const noexcept { return state_.of.writes; }

std::vector<emulated_column> emulated_table::columns() const {
  std::vector<emulated_column> out;
  for (const cql::column& each : table_->schema()->columns) {
    out.push_back({each.name, cql::to_string(each.of), each.primary_key()});
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
  state(const cql_emulator_options& options, std::uint16_t port, std::uint16_t shard_port,
        std::unique_ptr<cql::transport_factory> with)
      : transports(std::move(with)), node(options, cluster_of(options, port), shard_port) {}

  [[nodiscard]] bool listens_by_shard() const {
    return node.shard_aware_port != 0 && node.options.shard_aware_port != shard_aware_port_mode::unreachable;
  }
  // Both ports at an address.
  [[nodiscard]] result<std::vector<cql::listener>> listen_at(unsigned number,
                                                             const std::string& address) const {
    std::vector<cql::listener> out;
    for (const bool shard_aware : {false, true}) {
      if (shard_aware && !listens_by_shard()) continue;
      std::uint16_t port = shard_aware ? node.shard_aware_port : node.port;
      auto socket = cql::listen_on(address, port);
      if (!socket) return socket.error();
      out.push_back({{number, shard_aware}, std::move(*socket)});
    }
    return out;
  }
  void listen(std::vector<cql::listener> on) {
    for (cql::listener& each : on) threads.front()->replace_listener(each.at, std::move(each.socket));
  }
  void drop_connections(unsigned of_node) {
    for (const auto& each : threads) each->drop_connections(of_node);
  }
  void announce(cql::event_kind kind, std::string_view change, const std::string& address) {
    node.publish(kind, cql::node_event(kind, change, address, node.port));
  }
  // A restart of the node, as other members tell of it.
  void announce_restart(const std::string& address) {
    announce(cql::event_kind::status, "DOWN", address);
    announce(cql::event_kind::status, "UP", address);
  }
  [[nodiscard]] result<cql::cluster_node> member(unsigned number) const {
    const auto view = node.members.view();
    if (number < view->nodes.size() && view->nodes[number].present) return view->nodes[number];
    return error(errc::db_invalid, fmt::format("the cluster has no node {}", number));
  }

  std::vector<file_descriptor> kept_ports;  // that refuse connections
  std::unique_ptr<cql::transport_factory> transports;
  cql::emulated_node node;
  cql::conducts nodes;
  std::vector<std::unique_ptr<cql::server_thread>> threads;
  std::mutex changing;  // one change of the cluster at a time
};

namespace {

result<void> check_options(const cql_emulator_options& options) {
  if (options.threads < 1 || options.threads > threads_max)
    return error(errc::config_invalid, fmt::format("threads must be between 1 and {}", threads_max));
  if (options.other_nodes.size() >= nodes_max || options.shards > cql::shards_max) {
    return error(errc::config_invalid,
                 fmt::format("at most {} nodes and {} shards", nodes_max, cql::shards_max));
  }
  if (options.tokens_per_node < 1 || options.tokens_per_node > cql::tokens_per_node_max) {
    return error(errc::config_invalid,
                 fmt::format("tokens_per_node must be between 1 and {}", cql::tokens_per_node_max));
  }
  if (!options.tokens.empty() && options.tokens.size() != options.other_nodes.size() + 1) {
    return error(errc::config_invalid, fmt::format("tokens of {} nodes are given, and there are {}",
                                                   options.tokens.size(), options.other_nodes.size() + 1));
  }
  if (options.tablets && options.shards == 0) return error(errc::config_invalid, "tablets need shards");
  return {};
}

}  // namespace

result<std::unique_ptr<cql_emulator>> cql_emulator::start(const cql_emulator_options& options) {
  if (auto valid = check_options(options); !valid) return valid.error();
  auto transports = cql::transport_factory::make(options.tls_certificate_file, options.tls_key_file,
                                                 options.tls_client_ca_file);
  if (!transports) return transports.error();
  const std::size_t count = options.other_nodes.size() + 1;
  std::uint16_t port = 0;
  auto ordinary = listen_everywhere(count, true, options.port, port);
  if (!ordinary) return ordinary.error();
  std::uint16_t shard_port = 0;
  const bool reachable = options.shard_aware_port != shard_aware_port_mode::unreachable;
  auto by_shard = listen_everywhere(options.shards > 0 ? count : 0, reachable, 0, shard_port);
  if (!by_shard) return by_shard.error();
  auto made = std::make_unique<state>(options, port, shard_port, std::move(*transports));
  std::vector<cql::listener> listeners;
  listeners.reserve(count * 2);
  for (unsigned at = 0; at < count; ++at) listeners.push_back({{at, false}, std::move((*ordinary)[at])});
  if (made->listens_by_shard()) {
    for (unsigned at = 0; at < count; ++at) listeners.push_back({{at, true}, std::move((*by_shard)[at])});
  } else {
    made->kept_ports = std::move(*by_shard);
  }
  std::vector<cql::server_thread*> peers;
  for (unsigned i = 0; i < options.threads; ++i) {
    made->threads.push_back(
        std::make_unique<cql::server_thread>(made->node, *made->transports, options.seed + i));
    peers.push_back(made->threads.back().get());
  }
  made->node.publish = [peers](cql::event_kind kind, const std::string& event) {
    for (cql::server_thread* each : peers) each->publish(kind, event);
  };
  peers.front()->start(std::move(listeners), peers, &made->nodes);
  for (std::size_t i = 1; i < peers.size(); ++i) peers[i]->start({}, peers, &made->nodes);
  return std::unique_ptr<cql_emulator>(new cql_emulator(std::move(made)));
}

cql_emulator::cql_emulator(std::unique_ptr<state> state) : state_(std::move(state)) {}

cql_emulator::~cql_emulator() {
  for (const auto& each : state_->threads) each->stop();
}

std::uint16_t cql_emulator::port() const noexcept { return state_->node.port; }
std::uint16_t cql_emulator::shard_aware_port() const noexcept { return state_->node.shard_aware_port; }
std::string cql_emulator::contact_point(unsigned node) const {
  return fmt::format("{}:{}", state_->node.members.view()->nodes.at(node).address, state_->node.port);
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
  for (cql::node_conduct& each : state_->nodes) each.refuses.store(refuse, std::memory_order_release);
}
void cql_emulator::stop_node(unsigned node) {
  state_->nodes.at(node).refuses.store(true, std::memory_order_release);
  state_->node.members.change([node](cql::cluster_view& in) { in.nodes.at(node).live = false; });
  state_->drop_connections(node);
}
void cql_emulator::start_node(unsigned node) {
  state_->node.members.change([node](cql::cluster_view& in) { in.nodes.at(node).live = true; });
  state_->nodes.at(node).refuses.store(false, std::memory_order_release);
}

void cql_emulator::pause_reading(unsigned node, bool pause) {
  state_->nodes.at(node).pauses.store(pause, std::memory_order_release);
  for (const auto& each : state_->threads) each->reconsider();
}
void cql_emulator::trickle(unsigned node, std::size_t bytes, microseconds every) {
  cql::node_conduct& of = state_->nodes.at(node);
  of.trickle_every_ns.store(std::max<std::int64_t>(1, nanoseconds(every).count()), std::memory_order_release);
  of.trickle_bytes.store(bytes, std::memory_order_release);
  for (const auto& each : state_->threads) each->reconsider();
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
    add(out.options_frames, now.options_frames);
    add(out.compressed_in, now.compressed_in);
    add(out.compressed_out, now.compressed_out);
    add(out.tablet_payloads, now.tablet_payloads);
    add(out.unqualified_without_keyspace, now.unqualified_without_keyspace);
    for (std::size_t i = 0; i < routed_kind_count; ++i) {
      add(out.routing[i].routed, now.routing[i].routed);
      add(out.routing[i].misrouted_node, now.routing[i].misrouted_node);
      add(out.routing[i].misrouted_shard, now.routing[i].misrouted_shard);
    }
    out.cpu += each->cpu();
  }
  return out;
}

// --- changes of the cluster
result<unsigned> cql_emulator::add_node(const emulated_place& place) {
  const std::lock_guard guard(state_->changing);
  const std::size_t members = state_->node.members.view()->nodes.size();
  if (members >= nodes_max) return error(errc::limit_exceeded, fmt::format("at most {} nodes", nodes_max));
  const auto number = static_cast<unsigned>(members);
  cql::cluster_node next{place.datacenter, place.rack, address_of(number)};
  auto sockets = state_->listen_at(number, next.address);
  if (!sockets) return sockets.error();
  const std::string address = next.address;
  const std::string seed = fmt::format("node {} of port {}", number, state_->node.port);
  next.host_id = cql::random_looking(seed);
  next.shards = state_->node.options.shards;
  next.tokens = cql::make_tokens(seed, state_->node.options.tokens_per_node);
  state_->node.members.change([&](cql::cluster_view& in) { in.nodes.push_back(next); });
  state_->listen(std::move(*sockets));
  state_->announce(cql::event_kind::topology, "NEW_NODE", address);
  state_->announce(cql::event_kind::status, "UP", address);
  return number;
}

result<void> cql_emulator::remove_node(unsigned node) {
  const std::lock_guard guard(state_->changing);
  auto leaving = state_->member(node);
  if (!leaving) return leaving.error();
  const auto view = state_->node.members.view();
  const auto present = std::count_if(view->nodes.begin(), view->nodes.end(),
                                     [](const cql::cluster_node& each) { return each.present; });
  if (present == 1) return error(errc::db_invalid, "the last node stays");
  state_->node.members.change([node](cql::cluster_view& in) { in.nodes[node].present = false; });
  std::vector<cql::listener> none;
  for (const bool shard_aware : {false, true}) none.push_back({{node, shard_aware}, file_descriptor()});
  state_->listen(std::move(none));
  state_->drop_connections(node);
  state_->announce(cql::event_kind::status, "DOWN", leaving->address);
  state_->announce(cql::event_kind::topology, "REMOVED_NODE", leaving->address);
  return {};
}

result<void> cql_emulator::replace_node(unsigned node, bool new_tokens) {
  const std::lock_guard guard(state_->changing);
  auto leaving = state_->member(node);
  if (!leaving) return leaving.error();
  const std::string seed = "after " + leaving->host_id.to_string();
  state_->node.members.change([&](cql::cluster_view& in) {
    in.nodes[node].host_id = cql::random_looking(seed);
    if (new_tokens) in.nodes[node].tokens = cql::make_tokens(seed, state_->node.options.tokens_per_node);
  });
  state_->drop_connections(node);
  state_->announce(cql::event_kind::status, "DOWN", leaving->address);
  state_->announce(cql::event_kind::topology, "REMOVED_NODE", leaving->address);
  state_->announce(cql::event_kind::topology, "NEW_NODE", leaving->address);
  state_->announce(cql::event_kind::status, "UP", leaving->address);
  return {};
}

result<void> cql_emulator::move_node_address(unsigned node, const std::string& address) {
  const std::lock_guard guard(state_->changing);
  auto moving = state_->member(node);
  if (!moving) return moving.error();
  if (!address.starts_with("127.")) return error(errc::config_invalid, "a node listens on 127.x.y.z only");
  auto sockets = state_->listen_at(node, address);
  if (!sockets) return sockets.error();
  state_->node.members.change([&](cql::cluster_view& in) { in.nodes[node].address = address; });
  state_->listen(std::move(*sockets));
  state_->drop_connections(node);
  state_->announce(cql::event_kind::status, "DOWN", moving->address);
  state_->announce(cql::event_kind::topology, "REMOVED_NODE", moving->address);
  state_->announce(cql::event_kind::topology, "NEW_NODE", address);
  state_->announce(cql::event_kind::status, "UP", address);
  return {};
}

result<void> cql_emulator::set_shards(unsigned node, unsigned shards) {
  const std::lock_guard guard(state_->changing);
  auto restarted = state_->member(node);
  if (!restarted) return restarted.error();
  if (state_->node.options.shards == 0 || shards == 0 || shards > cql::shards_max)
    return error(errc::config_invalid,
                 fmt::format("1 to {} shards, of a cluster that has shards", cql::shards_max));
  state_->node.members.change([&](cql::cluster_view& in) { in.nodes[node].shards = shards; });
  state_->drop_connections(node);
  state_->announce_restart(restarted->address);
  return {};
}

// --- tablets
std::vector<emulated_tablet> cql_emulator::tablets(std::string_view keyspace, std::string_view name) const {
  std::vector<emulated_tablet> out;
  auto found = state_->node.tables.find({std::string(keyspace), std::string(name)}, {});
  const cql::placement by = state_->node.tables.placement_of(keyspace);
  if (!found || !by.tablets) return out;
  const auto now = state_->node.members.routing((*found)->schema()->id, by);
  for (const cql::token_range& each : now->ranges) {
    emulated_tablet& next = out.emplace_back(emulated_tablet{each.first, each.last, {}});
    for (const cql::token_replica& at : each.replicas) next.replicas.push_back({at.node, at.shard});
  }
  return out;
}

result<void> cql_emulator::split_tablets(std::string_view keyspace, std::string_view name) {
  auto found = state_->node.tables.find({std::string(keyspace), std::string(name)}, {});
  if (!found) return error(errc::db_invalid, found.why().message);
  const cql::placement by = state_->node.tables.placement_of(keyspace);
  if (auto bad = state_->node.members.split((*found)->schema()->id, by))
    return error(errc::db_invalid, bad->message);
  return {};
}

result<void> cql_emulator::move_tablet(std::string_view keyspace, std::string_view name, std::int64_t token,
                                       unsigned from, unsigned to, std::optional<unsigned> shard) {
  auto found = state_->node.tables.find({std::string(keyspace), std::string(name)}, {});
  if (!found) return error(errc::db_invalid, found.why().message);
  const cql::placement by = state_->node.tables.placement_of(keyspace);
  auto bad =
      state_->node.members.move((*found)->schema()->id, by, token, {to, shard.value_or(0)}, from, !shard);
  if (bad) return error(errc::db_invalid, bad->message);
  return {};
}

std::vector<std::uint64_t> cql_emulator::connections_of(unsigned node) const {
  const auto view = state_->node.members.view();
  std::vector<std::uint64_t> out(std::max(1U, view->nodes.at(node).shards));
  for (std::size_t shard = 0; shard < out.size(); ++shard)
    out[shard] = state_->nodes[node].connections[shard].load(std::memory_order_relaxed);
  return out;
}

std::vector<std::string> cql_emulator::server_names() const { return state_->transports->server_names(); }

}  // namespace millrace::emulators

#include "cluster.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include <arpa/inet.h>
#include <fmt/format.h>

#include <millrace/base/text.h>
#include <millrace/cql/composite.h>
#include <millrace/cql/statement.h>

namespace millrace::app::certify {
namespace {

constexpr seconds connections_time{10};
// A node answers with its own row, so that it takes several questions to hear all of them.
constexpr std::size_t rounds_max = 64;
constexpr std::uint32_t shards_asked = 32;  // of a node, by the shard-aware port

struct local_row {
  std::optional<uuid> host_id;
  std::optional<std::string> data_center;
  std::optional<std::string> rack;
  std::optional<std::string> release_version;
  std::optional<std::string> partitioner;
  std::optional<std::string> native_protocol_version;
  std::optional<cql::inet_address> rpc_address;
  std::optional<cql::inet_address> broadcast_address;
  std::set<std::string> tokens;
};

struct peer_row {
  std::optional<uuid> host_id;
  std::optional<std::string> data_center;
  std::optional<std::string> rack;
  std::optional<std::string> release_version;
  std::optional<cql::inet_address> rpc_address;
  std::optional<cql::inet_address> peer;
  std::set<std::string> tokens;
};

struct system_statements {
  cql::statement<local_row()> local{
      "SELECT host_id, data_center, rack, release_version, partitioner, native_protocol_version, "
      "rpc_address, "
      "broadcast_address, tokens FROM system.local WHERE key = 'local'",
      of_one_node()};
  cql::statement<std::vector<peer_row>()> peers{
      "SELECT host_id, data_center, rack, release_version, rpc_address, peer, tokens FROM system.peers",
      of_one_node()};
};

struct version_statement {
  cql::statement<std::string()> version{"SELECT version FROM system.versions WHERE key = 'local'",
                                        of_one_node()};
};

void add_address(node_facts& to, const std::optional<cql::inet_address>& from) {
  if (!from) return;
  std::string text = to_text(*from);
  if (text == "0.0.0.0" || text == "::") return;
  if (to.address.empty()) to.address = text;
  to.addresses.insert(std::move(text));
}

template <typename Row>
node_facts facts_of(const Row& from) {
  node_facts out;
  out.host_id = *from.host_id;
  out.datacenter = from.data_center.value_or("");
  out.rack = from.rack.value_or("");
  out.release = from.release_version.value_or("");
  add_address(out, from.rpc_address);
  for (const std::string& each : from.tokens) {
    std::int64_t token = 0;
    const auto [end, failed] = std::from_chars(each.data(), each.data() + each.size(), token);
    if (failed == std::errc()) out.tokens.push_back(token);
  }
  return out;
}

result<void> ask_local(worker& by, system_statements& ask, cluster_facts& into,
                       std::map<uuid, node_facts>& nodes) {
  const auto local = by.finish(ask.local(by.context()));
  if (!local) return local.error();
  if (*local && (**local)->host_id) {
    const local_row& row = ***local;
    node_facts facts = facts_of(row);
    add_address(facts, row.broadcast_address);
    into.partitioner = row.partitioner.value_or("");
    into.protocol = row.native_protocol_version.value_or("");
    nodes.insert_or_assign(facts.host_id, std::move(facts));
  }
  return {};
}

// What a node knows of the others.
result<void> ask_peers(worker& by, system_statements& ask, std::map<uuid, node_facts>& nodes) {
  const auto peers = by.finish(ask.peers(by.context()));
  if (!peers) return peers.error();
  for (const peer_row& row : *peers) {
    if (!row.host_id || nodes.contains(*row.host_id)) continue;
    node_facts facts = facts_of(row);
    add_address(facts, row.peer);
    nodes.emplace(facts.host_id, std::move(facts));
  }
  return {};
}

void probe_shard_port(const cql::session_options& options, node_facts& of) {
  const cql::node_offer& offer = *of.offer;
  if (offer.shards < 2) return;
  if (offer.shard_port == 0) {
    of.shard_port_trouble = "the node names none";
    return;
  }
  // Forth and back, so that shards that are dealt out in turn do not pass.
  const std::uint32_t asked = std::min(offer.shards, shards_asked);
  for (std::uint32_t step = 0; step < 2 * asked; ++step) {
    const std::uint32_t shard = step < asked ? step : 2 * asked - 1 - step;
    const auto at = cql::probe(options, {.host = of.address,
                                         .port = offer.shard_port,
                                         .by_shard = cql::probe_target::shard_choice{shard, offer.shards}});
    if (at && at->shard == shard) continue;
    of.shard_port_trouble = at ? fmt::format("port {}: shard {} was asked for, and shard {} answers",
                                             offer.shard_port, shard, at->shard)
                               : fmt::format("port {}: {}", offer.shard_port, at.error().to_string());
    return;
  }
}

void probe_node(const cql::session_options& options, std::uint16_t port, node_facts& of) {
  auto offer = cql::probe(options, {.host = of.address, .port = port, .by_shard = {}});
  if (!offer) {
    of.trouble = offer.error().to_string();
    return;
  }
  of.offer = std::move(*offer);
  probe_shard_port(options, of);
}

// "5.0.6: 3 nodes, ..."
std::string counted(const std::map<std::string, std::size_t>& nodes) {
  std::vector<std::string> out;
  out.reserve(nodes.size());
  for (const auto& [name, count] : nodes) {
    out.push_back(fmt::format("{}: {} node{}", name, count, count == 1 ? "" : "s"));
  }
  return joined(out, ", ");
}

std::string values_of(const cql::node_offer& offer, const std::string& name) {
  for (const auto& [each, values] : offer.supported) {
    if (each == name) return joined(values, ", ");
  }
  return "none";
}

void report_extensions(const cql::node_offer& offer, report& to) {
  std::vector<std::string> names;
  for (const auto& [name, values] : offer.supported) {
    if (name == "COMPRESSION" || name == "CQL_VERSION" || name == "PROTOCOL_VERSIONS") continue;
    names.push_back(values.empty() || values == std::vector<std::string>{""}
                        ? name
                        : fmt::format("{}={}", name, joined(values, "/")));
  }
  to.add(verdict::note, "extensions offered", names.empty() ? "none" : joined(names, ", "));
  to.add(verdict::note, "extensions negotiated",
         offer.accepted.empty() ? "none" : joined(offer.accepted, ", "));
  to.add(verdict::note, "compression offered", values_of(offer, "COMPRESSION"));
  to.add(verdict::note, "CQL version", values_of(offer, "CQL_VERSION"));
}

void report_shard_ports(const std::vector<const node_facts*>& nodes, report& to) {
  std::vector<std::string> shards;
  std::vector<std::string> troubles;
  std::size_t sharded = 0;
  for (const node_facts* each : nodes) {
    if (!each->offer || each->offer->shards == 0) continue;
    ++sharded;
    shards.push_back(fmt::format("{}: {}", each->address, each->offer->shards));
    if (!each->shard_port_trouble.empty()) {
      troubles.push_back(fmt::format("{}: {}", each->address, each->shard_port_trouble));
    }
  }
  if (sharded == 0) {
    to.add(verdict::note, "shards", "the nodes have none");
    return;
  }
  to.add(verdict::note, "shards", joined(shards, ", "));
  if (troubles.empty()) {
    to.add(verdict::pass, "shard-aware port", fmt::format("leads to every shard, on {} nodes", sharded));
    return;
  }
  to.add(
      verdict::note, "shard-aware port",
      fmt::format("cannot be used on {} of {} nodes; connections are made to the ordinary port until every "
                  "shard has one ({})",
                  troubles.size(), sharded, joined(troubles, "; ")));
}

}  // namespace

statements::statement_options of_one_node() {
  statements::statement_options options;
  options.consistency = "ONE";
  return options;
}

bool cluster_facts::is_scylla() const noexcept {
  return !scylla_version.empty() || std::any_of(nodes.begin(), nodes.end(), [](const node_facts& each) {
    return each.offer && each.offer->shards > 0;
  });
}

std::set<std::string> cluster_facts::datacenters() const {
  std::set<std::string> out;
  for (const node_facts& each : nodes) out.insert(each.datacenter);
  return out;
}

std::vector<const node_facts*> cluster_facts::nodes_in(const std::string& datacenter) const {
  std::vector<const node_facts*> out;
  for (const node_facts& each : nodes) {
    if (datacenter.empty() || each.datacenter == datacenter) out.push_back(&each);
  }
  return out;
}

std::optional<std::size_t> cluster_facts::find(const std::string& address) const {
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    if (nodes[at].addresses.contains(address)) return at;
  }
  return std::nullopt;
}

std::string to_text(const cql::inet_address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.size == 4 ? AF_INET : AF_INET6;
  const char* written =
      ::inet_ntop(family, address.bytes.data(), text.data(), static_cast<socklen_t>(text.size()));
  return written == nullptr ? "" : written;
}

result<cluster_facts> read_cluster(worker& by, const cql::session& in, const cql::session_options& options,
                                   std::uint16_t port) {
  const auto ask = by.declare<system_statements>();
  if (!ask) return ask.error();
  cluster_facts out;
  std::map<uuid, node_facts> nodes;
  std::size_t round = 0;
  while (round < 2 || (round < rounds_max && nodes.size() < in.stats().nodes)) {
    // Questions go to the nodes in turn: the same number of them in each round could meet the same ones for ever.
    for (std::size_t each = 0; each <= round % 2; ++each) {
      if (auto done = ask_local(by, **ask, out, nodes); !done) return done.error();
    }
    if (auto done = ask_peers(by, **ask, nodes); !done) return done.error();
    ++round;
  }
  out.known = in.stats().nodes;
  out.nodes.reserve(nodes.size());
  for (auto& [id, facts] : nodes) out.nodes.push_back(std::move(facts));
  for (node_facts& each : out.nodes) {
    if (options.datacenter.empty() || each.datacenter == options.datacenter) probe_node(options, port, each);
  }
  // Only ScyllaDB has the table.
  if (const auto asks = by.declare<version_statement>(); asks) {
    const auto version = by.finish((*asks)->version(by.context()));
    if (version && *version) out.scylla_version = ***version;
  }
  return out;
}

void report_cluster(const cluster_facts& found, const cql::session_options& options, report& to) {
  std::map<std::string, std::size_t> releases;
  std::map<std::string, std::size_t> places;
  for (const node_facts& each : found.nodes) {
    ++releases[each.release];
    ++places[each.datacenter + "/" + each.rack];
  }
  to.add(verdict::note, "release_version", counted(releases));
  const char* no_version =
      found.is_scylla() ? "system.versions cannot be read" : "the server is not ScyllaDB";
  to.add(verdict::note, "ScyllaDB version", found.scylla_version.empty() ? no_version : found.scylla_version);
  to.add(verdict::note, "protocol", fmt::format("4 is used; the server's highest is {}", found.protocol));
  to.check(found.partitioner.ends_with("Murmur3Partitioner"), "partitioner", found.partitioner);
  to.check(found.nodes.size() == found.known, "nodes by datacentre/rack",
           fmt::format("{}; the session knows {}", counted(places), found.known),
           {{"nodes", static_cast<double>(found.nodes.size())}});
  const auto asked = found.nodes_in(options.datacenter);
  std::vector<std::string> troubles;
  const cql::node_offer* offer = nullptr;
  for (const node_facts* each : asked) {
    if (each->offer && offer == nullptr) offer = &*each->offer;
    if (!each->offer) troubles.push_back(fmt::format("{}: {}", each->address, each->trouble));
  }
  to.check(troubles.empty(), "nodes reachable",
           troubles.empty() ? fmt::format("{} of {}", asked.size(), asked.size())
                            : fmt::format("{} of {} ({})", asked.size() - troubles.size(), asked.size(),
                                          joined(troubles, "; ")));
  if (offer == nullptr) return;
  report_extensions(*offer, to);
  report_shard_ports(asked, to);
}

void report_connections(const cluster_facts& found, worker& by, const cql::session& in,
                        const cql::session_options& options, report& to) {
  std::size_t shards = 0;
  for (const node_facts* each : found.nodes_in(options.datacenter)) {
    if (each->offer) shards += std::max<std::size_t>(each->offer->shards, 1);
  }
  const instant until = by.now() + connections_time;
  by.turn_until([&] { return in.stats().connections >= shards || by.now() >= until; });
  const std::uint64_t open = in.stats().connections;
  to.check(open >= shards, "connections",
           fmt::format("{} of one worker, to {} nodes with {} shards in all", open,
                       found.nodes_in(options.datacenter).size(), shards),
           {{"connections", static_cast<double>(open)}, {"shards", static_cast<double>(shards)}});
}

}  // namespace millrace::app::certify

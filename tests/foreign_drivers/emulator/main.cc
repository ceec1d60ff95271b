// An emulated CQL cluster that obeys lines of standard input; drivers of others connect to it. Each line is
// answered by one of JSON, the first one without being asked.
//
// usage: cql_cluster NODES SHARDS TOKENS_PER_NODE
//
//   execute CQL            {"ok": true} or {"error": "..."}; so are split and migrate
//   split KEYSPACE TABLE   every tablet in two
//   migrate KEYSPACE TABLE the first replica of every tablet to a node that has none of it
//   tablets KEYSPACE TABLE {"tablets": 16}
//   counters               requests by token: {"routed": 1, "misrouted_node": 0, "misrouted_shard": 0, ...}
//   connections            {"connections": [[2, 1, 1, 1], ...]}, by node and shard
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include <nlohmann/json.hpp>

#include <millrace/emulators/cql_emulator.h>

namespace millrace::emulators {
namespace {

using json = nlohmann::json;

json outcome(const result<void>& of) {
  return of ? json{{"ok", true}} : json{{"error", of.error().message()}};
}

json counters(const cql_emulator& of) {
  const cql_emulator_counters now = of.counters();
  emulated_routing all;
  for (const emulated_routing& each : now.routing) {
    all.routed += each.routed;
    all.misrouted_node += each.misrouted_node;
    all.misrouted_shard += each.misrouted_shard;
  }
  return {{"routed", all.routed},
          {"misrouted_node", all.misrouted_node},
          {"misrouted_shard", all.misrouted_shard},
          {"tablet_payloads", now.tablet_payloads},
          {"compressed_in", now.compressed_in},
          {"compressed_out", now.compressed_out},
          {"protocol_errors", now.protocol_errors},
          {"errors", now.errors}};
}

result<void> migrate(cql_emulator& of, unsigned nodes, const std::string& keyspace,
                     const std::string& table) {
  for (const emulated_tablet& each : of.tablets(keyspace, table)) {
    unsigned to = 0;
    const auto has = [&each](unsigned node) {
      return std::any_of(each.replicas.begin(), each.replicas.end(),
                         [node](const auto& at) { return at.node == node; });
    };
    while (to < nodes && has(to)) ++to;
    const unsigned from = each.replicas.front().node;
    if (auto moved = of.move_tablet(keyspace, table, each.last_token, from, to); !moved) return moved.error();
  }
  return {};
}

json obey(cql_emulator& of, unsigned nodes, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string keyspace;
  std::string table;
  words >> verb;
  if (verb == "execute") return outcome(of.execute(line.substr(verb.size() + 1)));
  if (verb == "counters") return counters(of);
  if (verb == "connections") {
    json all = json::array();
    for (unsigned node = 0; node < nodes; ++node) all.push_back(of.connections_of(node));
    return {{"connections", all}};
  }
  words >> keyspace >> table;
  if (verb == "split") return outcome(of.split_tablets(keyspace, table));
  if (verb == "migrate") return outcome(migrate(of, nodes, keyspace, table));
  if (verb == "tablets") return {{"tablets", of.tablets(keyspace, table).size()}};
  return {{"error", "no such command: " + verb}};
}

int serve(unsigned nodes, unsigned shards, unsigned tokens) {
  cql_emulator_options options;
  options.shards = shards;
  options.tokens_per_node = tokens;
  for (unsigned node = 1; node < nodes; ++node) options.other_nodes.push_back({"dc1", "rack1"});
  auto started = cql_emulator::start(options);
  if (!started) {
    std::cerr << started.error().to_string() << '\n';
    return EXIT_FAILURE;
  }
  std::cout << json{{"address", (*started)->contact_point()}} << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << obey(**started, nodes, line) << std::endl;
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace millrace::emulators

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: cql_cluster NODES SHARDS TOKENS_PER_NODE\n";
    return EXIT_FAILURE;
  }
  const auto number = [arguments](int at) {
    return static_cast<unsigned>(std::strtoul(arguments[at], nullptr, 10));
  };
  return millrace::emulators::serve(number(1), number(2), number(3));
}

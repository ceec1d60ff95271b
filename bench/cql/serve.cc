#include "serve.h"

#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <millrace/emulators/cql_emulator.h>

namespace millrace::bench {
namespace {

using emulators::cql_emulator;
using emulators::fault_kind;

result<void> make_tables(cql_emulator& server, const std::string& keyspace, const serve_options& with,
                         std::string_view more) {
  const std::string ks =
      fmt::format("CREATE KEYSPACE {} WITH replication = {{'class': 'NetworkTopologyStrategy', 'dc1': {}}}{}",
                  keyspace, with.replication, more);
  const std::string visits =
      fmt::format("CREATE TABLE {}.visit (id bigint PRIMARY KEY, place int, note text)", keyspace);
  const std::string steps = fmt::format(
      "CREATE TABLE {}.step (id bigint, place int, note text, PRIMARY KEY (id, place))", keyspace);
  for (const std::string& cql : {ks, visits, steps}) {
    if (auto done = server.execute(cql); !done) return done;
  }
  for (std::int64_t id = 0; id < ids; ++id) {
    auto done = server.execute(fmt::format("INSERT INTO {}.visit (id, place, note) VALUES ({}, {}, '{}')",
                                           keyspace, id, id, with.note));
    if (!done) return done;
  }
  return {};
}

result<std::unique_ptr<cql_emulator>> started(const serve_options& with) {
  emulators::cql_emulator_options options;
  options.other_nodes.resize(with.nodes - 1);
  options.shards = with.shards;
  options.tokens_per_node = with.tokens_per_node;
  options.tls_certificate_file = with.tls_certificate;
  options.tls_key_file = with.tls_key;
  auto server = cql_emulator::start(options);
  if (!server) return server;
  const std::string_view without = with.shards > 0 ? " AND tablets = {'enabled': false}" : "";
  if (auto made = make_tables(**server, "bench", with, without); !made) return made.error();
  if (with.shards > 0) {
    constexpr std::string_view tablets = " AND tablets = {'enabled': true, 'initial': 64}";
    if (auto made = make_tables(**server, "bench_tablets", with, tablets); !made) return made.error();
  }
  (*server)->set_latency(emulators::operation::insert, {.p50 = with.insert_latency});
  return server;
}

std::optional<fault_kind> kind_of(std::string_view name) {
  if (name == "server_error") return fault_kind::server_error;
  if (name == "overloaded") return fault_kind::overloaded;
  if (name == "bootstrapping") return fault_kind::bootstrapping;
  return std::nullopt;
}

std::string counted(const cql_emulator& server, unsigned nodes) {
  const emulators::cql_emulator_counters now = server.counters();
  emulators::emulated_routing all;
  for (const emulators::emulated_routing& each : now.routing) {
    all.routed += each.routed;
    all.misrouted_node += each.misrouted_node;
    all.misrouted_shard += each.misrouted_shard;
  }
  nlohmann::json by_node = nlohmann::json::array();
  for (unsigned node = 0; node < nodes; ++node) by_node.push_back(now.requests_of_node[node]);
  const nlohmann::json out{{"routed", all.routed},
                           {"misrouted_node", all.misrouted_node},
                           {"misrouted_shard", all.misrouted_shard},
                           {"tablet_payloads", now.tablet_payloads},
                           {"compressed_in", now.compressed_in},
                           {"compressed_out", now.compressed_out},
                           {"batched_rows", now.batched_rows},
                           {"faults", now.faults},
                           {"requests_of_node", by_node}};
  return out.dump();
}

std::string obeyed(cql_emulator& server, unsigned nodes, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  words >> verb;
  if (verb == "fault") {
    std::string name;
    unsigned node = 0;
    words >> name >> node;
    const std::optional<fault_kind> kind = kind_of(name);
    if (!words || !kind || node >= nodes) return "not a fault: " + line;
    server.inject({.kind = *kind, .node = node});
    return "ok";
  }
  if (verb == "clear") {
    server.clear_faults();
    return "ok";
  }
  if (verb == "pause" || verb == "resume") {
    for (unsigned node = 0; node < nodes; ++node) server.pause_reading(node, verb == "pause");
    return "ok";
  }
  if (verb == "counters") return counted(server, nodes);
  return "not a command: " + line;
}

}  // namespace

int serve(const serve_options& options) {
  auto server = started(options);
  if (!server) return fail(server.error());
  fmt::print("{}\n", (*server)->contact_point());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    fmt::print("{}\n", obeyed(**server, options.nodes, line));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace millrace::bench

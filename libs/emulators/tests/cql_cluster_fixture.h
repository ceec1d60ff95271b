// What the tests of clusters share: an emulator of several nodes, and a client of each of them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cql_fixture.h"

namespace millrace::emulators::test {

using startup_options = std::vector<std::pair<std::string, std::string>>;
inline const startup_options asks_for_tablets{{"TABLETS_ROUTING_V1", ""}};
inline constexpr std::uint16_t first_source_port = 20'000;  // below those that the kernel hands out

inline std::map<std::string, std::vector<std::string>> supported(cql_client& by) {
  by.send(0x05, "");
  const frame answer = by.receive();
  EXPECT_EQ(answer.op, 0x06);
  reader in(answer.body);
  std::map<std::string, std::vector<std::string>> out;
  for (std::uint64_t left = in.number(2); left > 0; --left) {
    std::vector<std::string>& values = out[in.text()];
    for (std::uint64_t count = in.number(2); count > 0; --count) values.push_back(in.text());
  }
  return out;
}

class cluster_test : public testing::Test {
 protected:
  void begin(const cql_emulator_options& options, const std::string& replication,
             const std::string& more = "") {
    emulator = start(options);
    run("CREATE KEYSPACE ks WITH replication = " + replication + more);
    run("CREATE TABLE ks.t (id text PRIMARY KEY, v int)");
  }
  void run(std::string_view statement) {
    const result<void> done = emulator->execute(statement);
    ASSERT_TRUE(done) << statement << ": " << done.error().message();
  }
  std::string address_of(unsigned node) {
    const std::string whole = emulator->contact_point(node);
    return whole.substr(0, whole.find(':'));
  }
  std::unique_ptr<cql_client> connect(unsigned node, const startup_options& with = {}) {
    auto out = std::make_unique<cql_client>(emulator->port(), address_of(node));
    EXPECT_EQ(out->start(with).op, 0x02) << "node " << node;
    return out;
  }
  // Served by that shard.
  std::unique_ptr<cql_client> connect(unsigned node, unsigned shard, const startup_options& with = {}) {
    const auto shards = static_cast<std::uint16_t>(emulator->connections_of(node).size());
    const auto source = static_cast<std::uint16_t>(first_source_port - first_source_port % shards + shard);
    auto out = std::make_unique<cql_client>(emulator->shard_aware_port(), address_of(node), source, shards);
    EXPECT_EQ(out->start(with).op, 0x02) << "node " << node << " shard " << shard;
    return out;
  }
  std::int64_t token_of(const std::string& id) {
    run("INSERT INTO ks.t (id, v) VALUES ('" + id + "', 1)");
    const reply answer = connect(0)->query("SELECT token(id) FROM ks.t WHERE id = '" + id + "'");
    EXPECT_EQ(answer.rows.size(), 1);
    return static_cast<std::int64_t>(reader(answer.rows.at(0).at(0).value_or("")).number(8));
  }
  // Reads a row by EXECUTE; the frame of the answer.
  static frame read(cql_client& by, const std::string& id) {
    const prepared what = by.prepare("SELECT v FROM ks.t WHERE id = ?").statement;
    by.send(0x0A, by.execute_body(what, {id}));
    return by.receive();
  }
  emulated_routing selects() { return emulator->counters().of(routed_kind::select); }
  // The nodes at which a read of the row is not misrouted.
  std::vector<unsigned> replicas_of(const std::string& id, unsigned nodes) {
    std::vector<unsigned> out;
    for (unsigned node = 0; node < nodes; ++node) {
      const std::uint64_t before = selects().misrouted_node;
      EXPECT_EQ(read(*connect(node), id).op, 0x08);
      if (selects().misrouted_node == before) out.push_back(node);
    }
    return out;
  }

  std::unique_ptr<cql_emulator> emulator;
};

}  // namespace millrace::emulators::test

// Where tokens belong, and what the emulator counts of requests that came elsewhere.
#include <set>

#include "cql_cluster_fixture.h"

namespace millrace::emulators::test {
namespace {

const std::string one_copy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";

class cql_routing : public cluster_test {};

TEST_F(cql_routing, a_token_belongs_to_the_next_node_of_the_ring) {
  begin({.other_nodes = {{}}}, one_copy);
  // Two nodes with the lowest token and -1.
  for (const std::string id : {"a", "b", "c", "d", "e", "f"}) {
    const unsigned owner = token_of(id) <= -1 ? 1 : 0;
    EXPECT_EQ(replicas_of(id, 2), std::vector{owner}) << id;
  }
}

TEST_F(cql_routing, tokens_that_are_given_are_those_of_the_ring) {
  begin({.other_nodes = {{}, {}}, .tokens = {{1000}, {INT64_MIN, 3000}, {2000}}}, one_copy);
  for (const std::string id : {"a", "b", "c", "d", "e", "f"}) {
    const std::int64_t token = token_of(id);  // far from the small ones
    EXPECT_EQ(replicas_of(id, 3), std::vector{token > 0 ? 1U : 0U}) << id;
  }
  const auto refused = cql_emulator::start({.other_nodes = {{}, {}}, .tokens = {{1}, {2}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::config_invalid);
}

TEST_F(cql_routing, copies_of_a_datacentre_are_on_distinct_racks) {
  begin({.other_nodes = {{"dc1", "rack1"}, {"dc1", "rack2"}, {"dc1", "rack2"}}, .tokens_per_node = 8},
        "{'class': 'NetworkTopologyStrategy', 'dc1': 2}");
  for (int k = 0; k < 20; ++k) {
    const std::vector<unsigned> at = replicas_of("key " + std::to_string(k), 4);
    ASSERT_EQ(at.size(), 2);
    EXPECT_LT(at[0], 2) << "rack1";
    EXPECT_GE(at[1], 2) << "rack2";
  }
}

TEST_F(cql_routing, more_copies_than_racks_take_a_rack_twice) {
  begin({.other_nodes = {{"dc1", "rack1"}, {"dc1", "rack2"}, {"dc1", "rack1"}}, .tokens_per_node = 4},
        "{'class': 'NetworkTopologyStrategy', 'dc1': 3}");
  for (int k = 0; k < 10; ++k) {
    const std::vector<unsigned> at = replicas_of("key " + std::to_string(k), 4);
    ASSERT_EQ(at.size(), 3);
    EXPECT_TRUE(std::find(at.begin(), at.end(), 2U) != at.end()) << "the only node of rack2";
  }
}

TEST_F(cql_routing, a_datacentre_without_copies_has_no_replica) {
  begin({.other_nodes = {{"dc2", "rack1"}, {"dc1", "rack1"}, {"dc3", "rack1"}}},
        "{'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 0}");
  EXPECT_EQ(replicas_of("a", 4), (std::vector<unsigned>{0, 2}));
}

TEST_F(cql_routing, one_replication_factor_is_that_of_every_datacentre) {
  begin({.other_nodes = {{"dc2", "rack1"}}}, "{'class': 'NetworkTopologyStrategy', 'replication_factor': 1}");
  EXPECT_EQ(replicas_of("a", 2), (std::vector<unsigned>{0, 1}));
}

TEST_F(cql_routing, the_shard_of_a_token_is_that_of_the_formula) {
  begin({.shards = 5}, one_copy);
  for (const std::string id : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    const std::uint64_t biased = (static_cast<std::uint64_t>(token_of(id)) + (std::uint64_t{1} << 63U))
                                 << 12U;
    const auto wanted = static_cast<unsigned>((static_cast<unsigned __int128>(biased) * 5) >> 64U);
    for (unsigned shard = 0; shard < 5; ++shard) {
      const emulated_routing before = selects();
      read(*connect(0, shard), id);
      EXPECT_EQ(selects().routed - before.routed, shard == wanted ? 1 : 0) << id << " at " << shard;
      EXPECT_EQ(selects().misrouted_shard - before.misrouted_shard, shard == wanted ? 0 : 1);
    }
  }
}

TEST_F(cql_routing, requests_are_counted_by_kind) {
  begin({}, one_copy);
  const auto by = connect(0);
  const auto prepare = [&by](std::string_view text) { return by->prepare(text).statement; };
  const prepared insert = prepare("INSERT INTO ks.t (id, v) VALUES (?, ?)");
  EXPECT_TRUE(by->execute(insert, {"a", int_cell(1)}).ok());
  EXPECT_TRUE(by->execute(prepare("UPDATE ks.t SET v = ? WHERE id = ?"), {int_cell(1), "a"}).ok());
  EXPECT_TRUE(by->execute(prepare("DELETE FROM ks.t WHERE id = ?"), {"a"}).ok());
  EXPECT_TRUE(
      by->execute(prepare("INSERT INTO ks.t (id, v) VALUES (?, ?) IF NOT EXISTS"), {"a", int_cell(1)}).ok());
  EXPECT_TRUE(by->batch({{insert, {"a", int_cell(1)}}, {insert, {"b", int_cell(1)}}}).ok());
  read(*by, "a");
  const cql_emulator_counters now = emulator->counters();
  EXPECT_EQ(now.of(routed_kind::write).routed, 3);
  EXPECT_EQ(now.of(routed_kind::conditional).routed, 1);
  EXPECT_EQ(now.of(routed_kind::batch).routed, 1) << "by its first statement";
  EXPECT_EQ(now.of(routed_kind::select).routed, 1);
  for (const emulated_routing& each : now.routing) EXPECT_EQ(each.total(), each.routed);
}

TEST_F(cql_routing, requests_that_no_driver_can_route_are_not_counted) {
  begin({}, one_copy);
  const auto by = connect(0);
  EXPECT_TRUE(by->query("SELECT v FROM ks.t WHERE id = 'a'").ok());
  const auto execute = [&by](std::string_view text, const std::vector<cell>& values) {
    return by->execute(by->prepare(text).statement, values).ok();
  };
  EXPECT_TRUE(execute("SELECT v FROM ks.t WHERE id = 'a'", {}));
  EXPECT_TRUE(execute("SELECT v FROM ks.t LIMIT ?", {int_cell(1)}));
  EXPECT_TRUE(execute("SELECT v FROM ks.t WHERE id IN (?, ?)", {"a", "b"}));
  EXPECT_TRUE(execute("SELECT key FROM system.local WHERE key = ?", {"local"}));
  for (const emulated_routing& each : emulator->counters().routing) EXPECT_EQ(each.total(), 0);
}

TEST_F(cql_routing, every_node_has_its_number_of_tokens) {
  begin({.other_nodes = {{}}, .tokens_per_node = 16}, one_copy);
  std::set<std::string> all;
  for (unsigned node = 0; node < 2; ++node) {
    const reply answer = connect(node)->query("SELECT tokens FROM system.local WHERE key = 'local'");
    const std::string tokens = answer.rows.at(0).at(0).value_or("");
    reader in(tokens);
    const std::int32_t count = in.i32();
    EXPECT_EQ(count, 16);
    for (std::int32_t left = count; left > 0; --left) all.insert(in.value().value_or(""));
  }
  EXPECT_EQ(all.size(), 32);
}

// --- consistency levels
class cql_consistency : public cluster_test {
 protected:
  static constexpr std::uint16_t two = 2, quorum = 4, local_quorum = 6, each_quorum = 7, serial = 8, one = 1;

  void begin_with(bool enforces) {
    begin({.other_nodes = {{"dc1", "rack2"}, {"dc2", "rack1"}}, .enforce_consistency = enforces},
          "{'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 1}");
  }
  static reply read_at(cql_client& by, std::uint16_t level) {
    std::string body = long_text("SELECT v FROM ks.t WHERE id = 'a'");
    put(body, level, 2);
    put(body, 0, 1);
    by.send(0x07, body);
    return by.receive_reply();
  }
};

TEST_F(cql_consistency, a_level_that_too_few_live_replicas_meet_is_unavailable) {
  begin_with(true);
  const auto by = connect(0);
  for (const std::uint16_t each : {one, two, quorum, local_quorum, each_quorum, serial})
    EXPECT_TRUE(read_at(*by, each).ok()) << each;
  emulator->stop_node(1);
  EXPECT_TRUE(read_at(*by, one).ok());
  EXPECT_TRUE(read_at(*by, two).ok());
  EXPECT_TRUE(read_at(*by, quorum).ok()) << "two of three, in any datacentre";
  EXPECT_TRUE(read_at(*by, serial).ok());
  const reply refused = read_at(*by, local_quorum);
  EXPECT_EQ(refused.error, 0x1000);
  EXPECT_EQ(refused.message, "Cannot achieve consistency level LOCAL_QUORUM");
  EXPECT_EQ(refused.extra, std::string("\0\6\0\0\0\2\0\0\0\1", 10)) << "level, required, alive";
  EXPECT_EQ(read_at(*by, each_quorum).message, "Cannot achieve consistency level EACH_QUORUM in DC dc1");
  EXPECT_TRUE(read_at(*connect(2), local_quorum).ok()) << "the coordinator's datacentre is another";
  emulator->stop_node(2);
  EXPECT_EQ(read_at(*by, quorum).error, 0x1000);
  emulator->start_node(1);
  EXPECT_TRUE(read_at(*by, local_quorum).ok());
}

TEST_F(cql_consistency, a_conditional_write_needs_its_serial_level_too) {
  begin_with(true);
  emulator->stop_node(1);
  const auto by = connect(0);
  const auto insert_if = [&by](std::uint16_t serial_level) {
    std::string body = long_text("INSERT INTO ks.t (id, v) VALUES ('a', 1) IF NOT EXISTS");
    put(body, one, 2);
    put(body, 0x10, 1);
    put(body, serial_level, 2);
    by->send(0x07, body);
    return by->receive_reply();
  };
  EXPECT_EQ(insert_if(9).message, "Cannot achieve consistency level LOCAL_SERIAL");
  EXPECT_TRUE(insert_if(serial).ok());
}

TEST_F(cql_consistency, levels_have_no_effect_unless_asked_for) {
  begin_with(false);
  emulator->stop_node(1);
  emulator->stop_node(2);
  EXPECT_TRUE(read_at(*connect(0), each_quorum).ok());
}

}  // namespace
}  // namespace millrace::emulators::test

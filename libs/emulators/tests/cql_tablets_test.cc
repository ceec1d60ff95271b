// ScyllaDB's tablets: who has them, and the answers that tell drivers.
#include <cstring>
#include <limits>
#include <set>

#include "cql_cluster_fixture.h"

namespace millrace::emulators::test {
namespace {

const std::string two_copies = "{'class': 'NetworkTopologyStrategy', 'dc1': 2}";

struct told_tablet {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::vector<std::pair<std::string, std::int32_t>> replicas;  // host_id, shard
};

// The tablet of an answer, decoded as protocol-extensions.md writes it.
std::optional<told_tablet> told(const frame& answer) {
  EXPECT_EQ(answer.op, 0x08);
  if ((answer.flags & 0x04) == 0) return std::nullopt;
  reader in(answer.body);
  EXPECT_EQ(in.number(2), 1);
  EXPECT_EQ(in.text(), "tablets-routing-v1");
  const std::string payload = in.value().value_or("");
  EXPECT_EQ(in.i32(), 2) << "then RESULT Rows";
  reader tuple(payload);
  told_tablet out;
  const auto bigint = [&tuple] { return static_cast<std::int64_t>(reader(*tuple.value()).number(8)); };
  out.first = bigint();
  out.last = bigint();
  const std::string all = tuple.value().value_or("");
  reader list(all);
  for (std::int32_t left = list.i32(); left > 0; --left) {
    const std::string one = list.value().value_or("");
    reader pair(one);
    const std::string host = pair.value().value_or("");
    const std::string shard = pair.value().value_or("");
    out.replicas.emplace_back(host, reader(shard).i32());
  }
  return out;
}

class cql_tablets : public cluster_test {
 protected:
  void SetUp() override {
    begin({.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}}, .shards = 2, .tablets = true}, two_copies,
          " AND tablets = {'enabled': true, 'initial': 6}");
  }
  emulated_tablet tablet_of(std::int64_t token) {
    for (const emulated_tablet& each : emulator->tablets("ks", "t")) {
      if (token > each.first_token && token <= each.last_token) return each;
    }
    ADD_FAILURE() << "no tablet has " << token;
    return {};
  }
  std::string host_id_of(unsigned node) {
    return connect(node)->query("SELECT host_id FROM system.local WHERE key = 'local'").rows[0][0].value();
  }
  unsigned without(const emulated_tablet& of) {
    unsigned out = 0;
    while (out == of.replicas[0].node || out == of.replicas[1].node) ++out;
    return out;
  }
};

TEST_F(cql_tablets, a_table_is_cut_into_a_power_of_two_of_parts_on_distinct_nodes) {
  const std::vector<emulated_tablet> all = emulator->tablets("ks", "t");
  ASSERT_EQ(all.size(), 8) << "6, rounded up";
  std::set<std::pair<unsigned, unsigned>> used;
  std::int64_t end = std::numeric_limits<std::int64_t>::min();
  for (const emulated_tablet& each : all) {
    EXPECT_EQ(each.first_token, end);
    end = each.last_token;
    ASSERT_EQ(each.replicas.size(), 2);
    EXPECT_NE(each.replicas[0].node, each.replicas[1].node);
    for (const auto& at : each.replicas) used.insert({at.node, at.shard});
  }
  EXPECT_EQ(end, std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(used.size(), 6) << "every shard of every node";
}

TEST_F(cql_tablets, drivers_read_which_keyspaces_have_tablets) {
  run("CREATE KEYSPACE vnodes WITH replication = " + two_copies + " AND tablets = {'enabled': false}");
  run("CREATE KEYSPACE chosen WITH replication = " + two_copies);
  const reply answer =
      connect(0)->query("SELECT keyspace_name, initial_tablets FROM system_schema.scylla_keyspaces");
  std::set<std::pair<cell, cell>> rows;
  for (const auto& row : answer.rows) rows.emplace(row[0], row[1]);
  EXPECT_EQ(rows, (std::set<std::pair<cell, cell>>{{"ks", int_cell(6)}, {"chosen", int_cell(0)}}));
  run("DROP KEYSPACE ks");
  EXPECT_EQ(connect(0)->query("SELECT keyspace_name FROM system_schema.scylla_keyspaces").rows.size(), 1);
}

TEST_F(cql_tablets, only_an_answer_to_a_misrouted_request_tells_the_tablet) {
  const emulated_tablet tablet = tablet_of(token_of("a"));
  const auto [node, shard] = tablet.replicas[0];
  EXPECT_FALSE(told(read(*connect(node, shard, asks_for_tablets), "a")));
  for (const auto& by :
       {connect(node, 1 - shard, asks_for_tablets), connect(without(tablet), asks_for_tablets)}) {
    const std::optional<told_tablet> got = told(read(*by, "a"));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->first, tablet.first_token);
    EXPECT_EQ(got->last, tablet.last_token);
    ASSERT_EQ(got->replicas.size(), 2);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(got->replicas[i].first, host_id_of(tablet.replicas[i].node));
      EXPECT_EQ(got->replicas[i].second, tablet.replicas[i].shard);
    }
  }
  EXPECT_EQ(selects().routed, 1);
  EXPECT_EQ(selects().misrouted_shard, 1);
  EXPECT_EQ(selects().misrouted_node, 1);
  EXPECT_EQ(emulator->counters().tablet_payloads, 2);
}

TEST_F(cql_tablets, clients_that_did_not_ask_and_batches_are_told_nothing) {
  const unsigned wrong = without(tablet_of(token_of("a")));
  EXPECT_FALSE(told(read(*connect(wrong), "a")));
  const auto by = connect(wrong, asks_for_tablets);
  const prepared insert = by->prepare("INSERT INTO ks.t (id, v) VALUES (?, ?)").statement;
  EXPECT_TRUE(by->batch({{insert, {"a", int_cell(1)}}}).ok()) << "a body that begins with its kind";
  EXPECT_EQ(emulator->counters().of(routed_kind::batch).misrouted_node, 1);
  EXPECT_EQ(emulator->counters().tablet_payloads, 0);
}

TEST_F(cql_tablets, a_traced_answer_has_its_trace_before_the_tablet) {
  const auto by = connect(without(tablet_of(token_of("a"))), asks_for_tablets);
  const prepared what = by->prepare("SELECT v FROM ks.t WHERE id = ?").statement;
  by->send_raw(by->request(0x0A, by->execute_body(what, {"a"}), 0, 0x02));
  frame answer = by->receive();
  EXPECT_EQ(answer.flags, 0x06);
  answer.body.erase(0, 16);
  EXPECT_TRUE(told(answer));
}

TEST_F(cql_tablets, a_trace_says_which_node_and_which_shard_took_the_request) {
  for (const auto& [node, shard] : {std::pair(1U, 1U), std::pair(2U, 0U)}) {
    const auto by = connect(node, shard, {});
    const prepared what = by->prepare("SELECT v FROM ks.t WHERE id = ?").statement;
    by->send_raw(by->request(0x0A, by->execute_body(what, {"a"}), 0, 0x02));
    const frame answer = by->receive();
    ASSERT_EQ(answer.flags & 0x02, 0x02);
    uuid id;
    std::memcpy(id.bytes.data(), answer.body.data(), id.bytes.size());
    const std::string where = " WHERE session_id = " + id.to_string();
    const reply sessions = connect(0)->query("SELECT coordinator FROM system_traces.sessions" + where);
    ASSERT_EQ(sessions.rows.size(), 1U);
    EXPECT_EQ(sessions.rows[0][0], cell(std::string{127, 0, 0, static_cast<char>(node + 1)}));
    const reply events = connect(0)->query("SELECT source, thread FROM system_traces.events" + where);
    ASSERT_EQ(events.rows.size(), 1U);
    EXPECT_EQ(events.rows[0][0], sessions.rows[0][0]);
    EXPECT_EQ(events.rows[0][1], cell("shard " + std::to_string(shard)));
  }
}

TEST_F(cql_tablets, a_split_halves_every_tablet_and_a_move_changes_one_replica) {
  const std::int64_t token = token_of("a");
  const emulated_tablet whole = tablet_of(token);
  ASSERT_TRUE(emulator->split_tablets("ks", "t"));
  EXPECT_EQ(emulator->tablets("ks", "t").size(), 16);
  const emulated_tablet half = tablet_of(token);
  // The first token of the ring is no row's.
  const bool first = half.first_token == std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(static_cast<std::uint64_t>(half.last_token) - static_cast<std::uint64_t>(half.first_token),
            (std::uint64_t{1} << 60U) - (first ? 1 : 0));
  EXPECT_EQ(half.replicas[0].node, whole.replicas[0].node);
  const unsigned to = without(half);
  const unsigned from = half.replicas[0].node;
  EXPECT_FALSE(emulator->move_tablet("ks", "t", token, to, from)) << "no replica there";
  ASSERT_TRUE(emulator->move_tablet("ks", "t", token, from, to, 1));
  EXPECT_FALSE(told(read(*connect(to, 1, asks_for_tablets), "a")));
  const std::optional<told_tablet> got = told(read(*connect(from, asks_for_tablets), "a"));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->replicas[0], std::pair(host_id_of(to), 1));
}

TEST_F(cql_tablets, a_table_made_again_has_new_tablets) {
  ASSERT_TRUE(emulator->split_tablets("ks", "t"));
  run("DROP TABLE ks.t");
  EXPECT_TRUE(emulator->tablets("ks", "t").empty());
  run("CREATE TABLE ks.t (id text PRIMARY KEY, v int)");
  EXPECT_EQ(emulator->tablets("ks", "t").size(), 8);
}

TEST_F(cql_tablets, tablets_leave_with_their_node) {
  ASSERT_TRUE(emulator->remove_node(2));
  for (const emulated_tablet& each : emulator->tablets("ks", "t")) {
    ASSERT_EQ(each.replicas.size(), 2);
    EXPECT_NE(each.replicas[0].node, each.replicas[1].node);
    for (const auto& at : each.replicas) EXPECT_LT(at.node, 2);
  }
}

TEST_F(cql_tablets, tablets_follow_the_number_of_shards) {
  ASSERT_TRUE(emulator->set_shards(0, 1));
  for (const emulated_tablet& each : emulator->tablets("ks", "t")) {
    for (const auto& at : each.replicas) EXPECT_TRUE(at.node != 0 || at.shard == 0);
  }
}

TEST(cql_tablets_option, is_refused_where_the_server_has_none) {
  const auto cassandra = start();
  EXPECT_FALSE(cassandra->execute("CREATE KEYSPACE k WITH replication = " + two_copies +
                                  " AND tablets = {'enabled': true}"));
  const auto scylla = start({.shards = 1});
  EXPECT_FALSE(
      scylla->execute("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', "
                      "'replication_factor': 1} AND tablets = {'enabled': true}"));
  EXPECT_FALSE(
      scylla->execute("CREATE KEYSPACE k WITH replication = " + two_copies + " AND tablets = {'x': 1}"));
  EXPECT_TRUE(scylla->execute("CREATE KEYSPACE k WITH replication = " + two_copies +
                              " AND tablets = {'enabled': true}"));
}

}  // namespace
}  // namespace millrace::emulators::test

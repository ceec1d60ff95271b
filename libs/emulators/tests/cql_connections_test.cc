// Connections: what SUPPORTED offers, compressed frames, ports and shards, keyspaces, events of the cluster.
#include <lz4.h>
#include <snappy-c.h>

#include "cql_cluster_fixture.h"

namespace millrace::emulators::test {
namespace {

const std::string one_copy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
constexpr std::uint8_t compressed = 0x01;

// --- compression
class cql_compression : public cluster_test {
 protected:
  void SetUp() override { begin({}, one_copy); }

  static std::string lz4_body(const frame& of) {
    reader in(of.body);
    const auto length = static_cast<std::size_t>(in.number(4));
    const std::string block = in.take(SIZE_MAX);
    std::string out(length, '\0');
    EXPECT_EQ(LZ4_decompress_safe(block.data(), out.data(), static_cast<int>(block.size()),
                                  static_cast<int>(out.size())),
              static_cast<int>(length));
    return out;
  }
  static std::string snappy_body(const frame& of) {
    std::size_t length = 0;
    EXPECT_EQ(snappy_uncompressed_length(of.body.data(), of.body.size(), &length), SNAPPY_OK);
    std::string out(length, '\0');
    EXPECT_EQ(snappy_uncompress(of.body.data(), of.body.size(), out.data(), &length), SNAPPY_OK);
    return out;
  }
  // An LZ4 block of one run of literals, written by hand from the block format's description.
  static std::string lz4_literals(const std::string& body) {
    std::string out = big_endian(static_cast<std::int64_t>(body.size()), 4);
    out.push_back('\xF0');
    std::size_t more = body.size() - 15;
    for (; more >= 255; more -= 255) out.push_back('\xFF');
    out.push_back(static_cast<char>(more));
    return out + body;
  }
};

TEST_F(cql_compression, lz4_and_snappy_are_offered_unless_switched_off) {
  cql_client by(emulator->port());
  EXPECT_EQ(supported(by)["COMPRESSION"], (std::vector<std::string>{"lz4", "snappy"}));
  const auto without = start({.compression = false});
  cql_client other(without->port());
  EXPECT_TRUE(supported(other)["COMPRESSION"].empty());
  EXPECT_EQ(other.start({{"COMPRESSION", "lz4"}}).error, 0x000A);
}

TEST_F(cql_compression, an_unknown_algorithm_is_refused) {
  cql_client by(emulator->port());
  const reply refused = by.start({{"COMPRESSION", "zstd"}});
  EXPECT_EQ(refused.error, 0x000A);
  EXPECT_NE(refused.message.find("zstd"), std::string::npos);
}

TEST_F(cql_compression, lz4_frames_pass_in_both_directions) {
  const auto by = connect(0, startup_options{{"COMPRESSION", "lz4"}});
  const std::string query = long_text("SELECT key FROM system.local") + by->options({}, {});
  by->send_raw(by->request(0x07, lz4_literals(query), 3, compressed));
  frame answer = by->receive();
  EXPECT_EQ(answer.stream, 3);
  EXPECT_EQ(answer.flags, compressed);
  answer.body = lz4_body(answer);
  EXPECT_EQ(by->take_apart(answer).rows.at(0).at(0), "local");
  EXPECT_EQ(emulator->counters().compressed_in, 1);
  EXPECT_GE(emulator->counters().compressed_out, 1);
}

TEST_F(cql_compression, snappy_answers_a_request_that_is_not_compressed) {
  const auto by = connect(0, startup_options{{"COMPRESSION", "snappy"}});
  by->send(0x07, long_text("SELECT key FROM system.local") + by->options({}, {}));
  frame answer = by->receive();
  EXPECT_EQ(answer.flags, compressed);
  answer.body = snappy_body(answer);
  EXPECT_EQ(by->take_apart(answer).rows.at(0).at(0), "local");
}

TEST_F(cql_compression, a_body_that_does_not_decompress_is_a_protocol_error) {
  const auto by = connect(0, startup_options{{"COMPRESSION", "lz4"}});
  for (const std::string& body : {std::string(), std::string("\0\0\0\x64\xFF", 5),
                                  std::string("\x7f\xff\xff\xff\0", 5), std::string("\0\0\0\5\x20zz", 7)}) {
    by->send_raw(by->request(0x07, body, 0, compressed));
    frame answer = by->receive();
    ASSERT_TRUE(answer.arrived);
    answer.body = lz4_body(answer);
    EXPECT_EQ(by->take_apart(answer).error, 0x000A);
  }
  cql_client never(emulator->port());
  never.start();
  never.send_raw(never.request(0x07, lz4_literals(std::string(20, 'x')), 0, compressed));
  EXPECT_EQ(never.receive_reply().error, 0x000A) << "no compression was negotiated";
}

TEST_F(cql_compression, events_are_compressed_too) {
  const auto by = connect(0, startup_options{{"COMPRESSION", "lz4"}});
  by->send(0x0B, std::string("\0\1", 2) + short_text("SCHEMA_CHANGE"));
  EXPECT_EQ(by->receive().op, 0x02);
  run("CREATE TABLE ks.other (id text PRIMARY KEY)");
  const frame event = by->receive();
  EXPECT_EQ(event.op, 0x0C);
  EXPECT_EQ(event.flags, compressed);
  EXPECT_NE(lz4_body(event).find("CREATED"), std::string::npos);
}

// --- shards and ports
class cql_shards : public cluster_test {
 protected:
  std::vector<std::string> shards_of(std::vector<std::unique_ptr<cql_client>>& clients) {
    std::vector<std::string> out;
    out.reserve(clients.size());
    for (const auto& each : clients) out.push_back(supported(*each)["SCYLLA_SHARD"].at(0));
    return out;
  }
};

TEST_F(cql_shards, the_ordinary_port_deals_shards_out_in_turn) {
  begin({.shards = 3}, one_copy);
  std::vector<std::unique_ptr<cql_client>> clients;
  clients.reserve(4);
  for (int i = 0; i < 4; ++i) clients.push_back(connect(0));
  EXPECT_EQ(shards_of(clients), (std::vector<std::string>{"0", "1", "2", "0"}));
  EXPECT_EQ(emulator->connections_of(0), (std::vector<std::uint64_t>{2, 1, 1}));
  EXPECT_EQ(emulator->counters().options_frames, 4);
}

TEST_F(cql_shards, the_shard_aware_port_takes_the_shard_of_the_source_port) {
  begin({.shards = 3}, one_copy);
  std::vector<std::unique_ptr<cql_client>> clients;
  for (const unsigned shard : {2U, 2U, 0U, 1U}) clients.push_back(connect(0, shard));
  EXPECT_EQ(shards_of(clients), (std::vector<std::string>{"2", "2", "0", "1"}));
  const auto offered = supported(*clients[0]);
  EXPECT_EQ(offered.at("SCYLLA_SHARD_AWARE_PORT").at(0), std::to_string(emulator->shard_aware_port()));
  EXPECT_NE(emulator->shard_aware_port(), emulator->port());
  EXPECT_EQ(offered.at("SCYLLA_NR_SHARDS").at(0), "3");
  EXPECT_TRUE(offered.contains("TABLETS_ROUTING_V1"));
}

TEST_F(cql_shards, a_hidden_port_is_not_announced) {
  begin({.shards = 2, .shard_aware_port = shard_aware_port_mode::hidden}, one_copy);
  EXPECT_FALSE(supported(*connect(0)).contains("SCYLLA_SHARD_AWARE_PORT"));
  EXPECT_EQ(supported(*connect(0, 1)).at("SCYLLA_SHARD").at(0), "1") << "but it listens";
}

TEST_F(cql_shards, an_unreachable_port_refuses_connections) {
  begin({.shards = 2, .shard_aware_port = shard_aware_port_mode::unreachable}, one_copy);
  const std::string announced = supported(*connect(0)).at("SCYLLA_SHARD_AWARE_PORT").at(0);
  EXPECT_EQ(announced, std::to_string(emulator->shard_aware_port()));
  EXPECT_FALSE(cql_client(emulator->shard_aware_port()).connected());
}

TEST_F(cql_shards, behind_an_address_translation_the_source_port_says_nothing) {
  begin({.shards = 3, .shard_aware_port = shard_aware_port_mode::ignores_source_port}, one_copy);
  std::vector<std::unique_ptr<cql_client>> clients;
  clients.reserve(3);
  for (int i = 0; i < 3; ++i) clients.push_back(connect(0, 1));
  EXPECT_EQ(shards_of(clients), (std::vector<std::string>{"0", "1", "2"}));
}

TEST_F(cql_shards, a_server_without_shards_describes_none) {
  begin({}, one_copy);
  const auto offered = supported(*connect(0));
  EXPECT_EQ(offered.size(), 3);
  EXPECT_EQ(emulator->shard_aware_port(), 0);
}

// --- keyspaces
TEST_F(cql_shards, the_keyspace_of_use_is_the_connections_own) {
  begin({}, one_copy);
  const auto with = connect(0);
  const auto without = connect(0);
  EXPECT_TRUE(with->query("USE ks").ok());
  const prepared unqualified = with->prepare("SELECT v FROM t WHERE id = ?").statement;
  EXPECT_TRUE(with->execute(unqualified, {"a"}).ok());
  EXPECT_TRUE(with->query("SELECT v FROM t").ok());
  EXPECT_EQ(emulator->counters().unqualified_without_keyspace, 0);
  EXPECT_EQ(without->query("SELECT v FROM t").error, 0x2200);
  EXPECT_EQ(emulator->counters().unqualified_without_keyspace, 1);
  EXPECT_TRUE(without->execute(unqualified, {"a"}).ok()) << "prepared for the keyspace";
  EXPECT_EQ(emulator->counters().unqualified_without_keyspace, 2);
  EXPECT_TRUE(without->query("SELECT v FROM ks.t").ok());
  EXPECT_EQ(emulator->counters().unqualified_without_keyspace, 2);
}

// --- changes of the cluster
class cql_topology : public cluster_test {
 protected:
  void SetUp() override {
    begin({.other_nodes = {{}, {}}, .shards = 2}, one_copy);
    watcher = connect(0);
    watcher->send(0x0B, std::string("\0\2", 2) + short_text("TOPOLOGY_CHANGE") + short_text("STATUS_CHANGE"));
    ASSERT_EQ(watcher->receive().op, 0x02);
  }
  // "TOPOLOGY_CHANGE NEW_NODE 127.0.0.4"
  std::string next_event() {
    const frame event = watcher->receive();
    EXPECT_EQ(event.op, 0x0C);
    EXPECT_EQ(event.stream, -1);
    reader in(event.body);
    std::string out = in.text();
    out += " " + in.text();
    EXPECT_EQ(in.number(1), 4);
    for (int i = 0; i < 4; ++i) out += (i == 0 ? " " : ".") + std::to_string(in.number(1));
    EXPECT_EQ(in.i32(), emulator->port());
    return out;
  }
  std::vector<std::string> events(std::size_t count) {
    std::vector<std::string> out;
    while (out.size() < count) out.push_back(next_event());
    return out;
  }
  std::vector<std::string> peers() {
    std::vector<std::string> out;
    for (const auto& row : watcher->query("SELECT peer FROM system.peers").rows) {
      std::string text;
      for (const char each : row[0].value_or("")) {
        text += (text.empty() ? "" : ".") + std::to_string(static_cast<unsigned char>(each));
      }
      out.push_back(text);
    }
    std::sort(out.begin(), out.end());
    return out;
  }
  std::string host_id_of(unsigned node) {
    return connect(node)->query("SELECT host_id FROM system.local WHERE key = 'local'").rows[0][0].value();
  }

  std::unique_ptr<cql_client> watcher;
};

TEST_F(cql_topology, a_node_joins_and_leaves) {
  const auto added = emulator->add_node({"dc1", "rack9"});
  ASSERT_TRUE(added);
  EXPECT_EQ(*added, 3);
  EXPECT_EQ(events(2),
            (std::vector<std::string>{"TOPOLOGY_CHANGE NEW_NODE 127.0.0.4", "STATUS_CHANGE UP 127.0.0.4"}));
  EXPECT_EQ(peers(), (std::vector<std::string>{"127.0.0.2", "127.0.0.3", "127.0.0.4"}));
  EXPECT_EQ(connect(3)->query("SELECT rack FROM system.local WHERE key = 'local'").rows[0][0], "rack9");
  EXPECT_EQ(supported(*connect(3, 1)).at("SCYLLA_SHARD").at(0), "1");
  ASSERT_TRUE(emulator->remove_node(1));
  EXPECT_EQ(events(2), (std::vector<std::string>{"STATUS_CHANGE DOWN 127.0.0.2",
                                                 "TOPOLOGY_CHANGE REMOVED_NODE 127.0.0.2"}));
  EXPECT_EQ(peers(), (std::vector<std::string>{"127.0.0.3", "127.0.0.4"}));
  EXPECT_FALSE(emulator->remove_node(1)) << "no member";
}

TEST_F(cql_topology, a_replaced_node_has_another_identity_at_its_address) {
  const std::string before = host_id_of(1);
  const auto connected = connect(1);
  ASSERT_TRUE(emulator->replace_node(1));
  EXPECT_FALSE(connected->receive().arrived) << "its connections end";
  EXPECT_EQ(events(4), (std::vector<std::string>{
                           "STATUS_CHANGE DOWN 127.0.0.2", "TOPOLOGY_CHANGE REMOVED_NODE 127.0.0.2",
                           "TOPOLOGY_CHANGE NEW_NODE 127.0.0.2", "STATUS_CHANGE UP 127.0.0.2"}));
  EXPECT_NE(host_id_of(1), before);
  const auto tokens = [this] {
    return connect(1)->query("SELECT tokens FROM system.local WHERE key = 'local'").rows[0][0].value();
  };
  const std::string own = tokens();
  ASSERT_TRUE(emulator->replace_node(1, true));
  EXPECT_NE(tokens(), own);
}

TEST_F(cql_topology, a_moved_node_has_its_identity_at_another_address) {
  const std::string before = host_id_of(2);
  ASSERT_TRUE(emulator->move_node_address(2, "127.0.0.77"));
  EXPECT_EQ(events(4), (std::vector<std::string>{
                           "STATUS_CHANGE DOWN 127.0.0.3", "TOPOLOGY_CHANGE REMOVED_NODE 127.0.0.3",
                           "TOPOLOGY_CHANGE NEW_NODE 127.0.0.77", "STATUS_CHANGE UP 127.0.0.77"}));
  EXPECT_EQ(address_of(2), "127.0.0.77");
  EXPECT_EQ(host_id_of(2), before);
  EXPECT_EQ(peers(), (std::vector<std::string>{"127.0.0.2", "127.0.0.77"}));
  EXPECT_FALSE(emulator->move_node_address(2, "10.0.0.1"));
}

TEST_F(cql_topology, a_node_restarts_with_another_number_of_shards) {
  const auto connected = connect(1, 1);
  ASSERT_TRUE(emulator->set_shards(1, 5));
  EXPECT_FALSE(connected->receive().arrived);
  EXPECT_EQ(events(2),
            (std::vector<std::string>{"STATUS_CHANGE DOWN 127.0.0.2", "STATUS_CHANGE UP 127.0.0.2"}));
  const auto offered = supported(*connect(1, 4));
  EXPECT_EQ(offered.at("SCYLLA_NR_SHARDS").at(0), "5");
  EXPECT_EQ(offered.at("SCYLLA_SHARD").at(0), "4");
  EXPECT_EQ(supported(*connect(0)).at("SCYLLA_NR_SHARDS").at(0), "2");
  EXPECT_FALSE(emulator->set_shards(1, 0));
  EXPECT_FALSE(emulator->set_shards(9, 2));
}

}  // namespace
}  // namespace millrace::emulators::test

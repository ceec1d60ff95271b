// The protocol: handshake, authentication, framing, and what a hostile client gets.
#include <random>
#include <thread>

#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr std::int32_t protocol_error = 0x000A;

class cql_protocol : public emulator_test {};

TEST_F(cql_protocol, offers_version_4_only) {
  cql_client fresh(emulator->port());
  fresh.send(0x05, "");
  const frame offered = fresh.receive();
  EXPECT_EQ(offered.op, 0x06);
  EXPECT_EQ(offered.version, 0x84);
  EXPECT_NE(offered.body.find("4/v4"), std::string::npos);
}

TEST_F(cql_protocol, a_newer_version_is_refused_with_the_supported_one) {
  cql_client fresh(emulator->port());
  fresh.send_raw(std::string("\x05\x00\x00\x00\x01\x00\x00\x00\x00", 9));
  const reply refused = fresh.receive_reply();
  EXPECT_EQ(refused.error, protocol_error);
  EXPECT_NE(refused.message.find("unsupported protocol version (5)"), std::string::npos) << refused.message;
  EXPECT_FALSE(fresh.receive().arrived) << "the connection ends";
}

TEST_F(cql_protocol, nothing_is_served_before_startup) {
  cql_client fresh(emulator->port());
  EXPECT_EQ(fresh.query("SELECT key FROM system.local").error, protocol_error);
  EXPECT_EQ(fresh.start().op, 0x02);
  EXPECT_TRUE(fresh.query("SELECT key FROM system.local").ok());
}

TEST_F(cql_protocol, answers_carry_the_stream_of_their_request) {
  client.send_raw(client.request(0x05, "", 7) + client.request(0x05, "", 32'767) +
                  client.request(0x05, "", 1));
  EXPECT_EQ(client.receive().stream, 7);
  EXPECT_EQ(client.receive().stream, 32'767);
  EXPECT_EQ(client.receive().stream, 1);
}

TEST_F(cql_protocol, a_frame_may_arrive_byte_by_byte) {
  const std::string whole =
      client.request(0x07, long_text("SELECT key FROM system.local") + client.options({}, {}), 3);
  for (const char each : whole) ASSERT_TRUE(client.send_raw({&each, 1}));
  const frame answer = client.receive();
  EXPECT_EQ(answer.stream, 3);
  EXPECT_EQ(answer.op, 0x08);
}

TEST_F(cql_protocol, malformed_messages_are_protocol_errors_and_keep_the_connection) {
  for (const int op : {0x07, 0x09, 0x0A, 0x0B, 0x0D}) {
    client.send(static_cast<std::uint8_t>(op), "\x7f\xff");
    EXPECT_EQ(client.receive_reply().error, protocol_error) << op;
  }
  client.send(0x42, "");
  EXPECT_EQ(client.receive_reply().error, protocol_error);
  EXPECT_EQ(one("SELECT key FROM system.local"), "local");
  EXPECT_EQ(emulator->counters().protocol_errors, 6);
}

TEST_F(cql_protocol, a_frame_over_the_limit_ends_its_connection_only) {
  const auto small = start({.frame_bytes_max = 1000});
  cql_client neighbour(small->port());
  neighbour.start();
  cql_client greedy(small->port());
  greedy.start();
  greedy.send_raw(std::string("\x04\x00\x00\x05\x07\x7f\xff\xff\xff", 9));
  const reply refused = greedy.receive_reply();
  EXPECT_EQ(refused.error, protocol_error);
  EXPECT_NE(refused.message.find("too big"), std::string::npos);
  EXPECT_FALSE(greedy.receive().arrived);
  EXPECT_TRUE(neighbour.query("SELECT key FROM system.local").ok());
}

TEST_F(cql_protocol, random_bytes_never_crash_it) {
  std::mt19937 random(20'240'501);
  for (int round = 0; round < 200; ++round) {
    cql_client noisy(emulator->port());
    if (round % 2 == 0) noisy.start();
    std::string body(random() % 200, '\0');
    for (char& each : body) each = static_cast<char>(random());
    if (round % 4 == 0)
      noisy.send_raw(body);
    else
      noisy.send_raw(noisy.request(static_cast<std::uint8_t>(random() % 17), body));
  }
  // Statements cut short anywhere are errors, not crashes.
  const std::string_view statement =
      "SELECT name, age FROM ks.person WHERE id IN ('a', 'b') LIMIT 5 ALLOW FILTERING";
  for (std::size_t length = 0; length < statement.size(); ++length) {
    EXPECT_TRUE(client.query(statement.substr(0, length)).arrived);
  }
  EXPECT_EQ(one("SELECT key FROM system.local"), "local");
}

TEST_F(cql_protocol, a_client_that_does_not_read_is_not_read_from) {
  run("INSERT INTO ks.person (id, name) VALUES ('big', '" + std::string(500'000, 'x') + "')");
  cql_client lazy(emulator->port());
  lazy.start();
  const std::string ask =
      lazy.request(0x07, long_text("SELECT name FROM ks.person WHERE id = 'big'") + lazy.options({}, {}));
  constexpr int asked = 200;  // a hundred megabytes of answers
  for (int i = 0; i < asked; ++i) ASSERT_TRUE(lazy.send_raw(ask));
  EXPECT_EQ(one("SELECT key FROM system.local"), "local") << "others are served meanwhile";
  for (int i = 0; i < asked; ++i) ASSERT_TRUE(lazy.receive().arrived) << i;
}

TEST_F(cql_protocol, credentials_are_checked) {
  const auto guarded = start({.user = "app", .password = "secret"});
  cql_client wrong(guarded->port());
  EXPECT_EQ(wrong.start().op, 0x03);
  const reply refused = wrong.authenticate("app", "guess");
  EXPECT_EQ(refused.error, 0x0100);
  EXPECT_EQ(refused.message, "Provided username app and/or password are incorrect");
  EXPECT_EQ(wrong.query("SELECT key FROM system.local").error, protocol_error);

  cql_client right(guarded->port());
  right.start();
  EXPECT_EQ(right.authenticate("app", "secret").op, 0x10);
  EXPECT_TRUE(right.query("SELECT key FROM system.local").ok());
}

TEST_F(cql_protocol, registered_connections_receive_schema_changes) {
  cql_client listener(emulator->port());
  listener.start();
  listener.send(0x0B, std::string("\0\1", 2) + short_text("SCHEMA_CHANGE"));
  ASSERT_EQ(listener.receive().op, 0x02);
  run("CREATE TABLE ks.fresh (id int PRIMARY KEY)");
  const frame event = listener.receive();
  EXPECT_EQ(event.op, 0x0C);
  EXPECT_EQ(event.stream, -1);
  reader in(event.body);
  EXPECT_EQ(in.text(), "SCHEMA_CHANGE");
  EXPECT_EQ(in.text(), "CREATED");
  EXPECT_EQ(in.text(), "TABLE");
  EXPECT_EQ(in.text(), "ks");
  EXPECT_EQ(in.text(), "fresh");
}

TEST_F(cql_protocol, a_busy_port_is_an_error) {
  const auto second = cql_emulator::start({.port = emulator->port()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::address_in_use);
}

TEST_F(cql_protocol, several_threads_serve_while_a_verifier_reads) {
  const auto wide = start({.threads = 2});
  ASSERT_TRUE(wide->execute(
      "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"));
  ASSERT_TRUE(wide->execute("CREATE TABLE ks.t (id int PRIMARY KEY, v int)"));
  constexpr int clients = 3;
  constexpr int writes = 300;
  std::vector<std::thread> load;
  for (int c = 0; c < clients; ++c) {
    load.emplace_back([port = wide->port()] {
      cql_client writer(port);
      writer.start();
      const prepared insert = writer.prepare("INSERT INTO ks.t (id, v) VALUES (?, ?)").statement;
      for (int i = 0; i < writes; ++i) EXPECT_TRUE(writer.execute(insert, {int_cell(i), int_cell(i)}).ok());
    });
  }
  const emulated_table table = *wide->table("ks", "t");
  std::uint64_t seen = 0;
  while (table.counts().writes < clients * writes) {
    wide->set_latency_factor(2);
    table.visit_all([&](const emulated_row& row) { seen += row.writes(); });
    wide->execute("CREATE TABLE IF NOT EXISTS ks.other (id int PRIMARY KEY)").value();
  }
  for (std::thread& each : load) each.join();
  EXPECT_EQ(table.counts().keys_written, writes);
  EXPECT_EQ(table.counts().keys_rewritten, writes);
  EXPECT_EQ(wide->counters().of(operation::insert), clients * writes);
  EXPECT_GT(seen, 0);
}

}  // namespace
}  // namespace millrace::emulators::test

// The script: latencies seen through counters and the order of answers, faults through their codes and
// effects.
#include <ios>
#include <tuple>

#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr microseconds an_hour{3'600'000'000};

class cql_script : public emulator_test {
 protected:
  void SetUp() override {
    emulator_test::SetUp();
    insert = prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)");
    select = prepare("SELECT age FROM ks.person WHERE id = ?");
  }
  reply write(std::string id = "a") { return client.execute(insert, {std::move(id), int_cell(1)}); }
  reply read() { return client.execute(select, {"a"}); }

  prepared insert;
  prepared select;
};

TEST_F(cql_script, a_slow_operation_delays_its_own_answer_only) {
  emulator->set_latency(operation::select, {an_hour, 0});
  client.send(0x0A, client.execute_body(select, {"a"}), 1);
  client.send(0x0A, client.execute_body(insert, {"a", int_cell(1)}), 2);
  EXPECT_EQ(client.receive().stream, 2) << "the insert overtakes";
  EXPECT_EQ(emulator->counters().answers_delayed, 1);
  EXPECT_EQ(emulator->counters().of(operation::select), 1);
}

TEST_F(cql_script, a_write_takes_effect_before_its_delayed_answer) {
  emulator->set_latency(operation::insert, {an_hour, 0});
  client.send(0x0A, client.execute_body(insert, {"a", int_cell(1)}), 1);
  EXPECT_EQ(read().rows.size(), 1);
}

TEST_F(cql_script, a_delayed_answer_comes_in_the_order_of_its_time) {
  emulator->set_latency("ks.person", operation::select, {seconds(1), 0});
  emulator->set_latency("ks.visit", operation::select, {microseconds(1'000), 0});
  client.send(0x07, long_text("SELECT age FROM ks.person WHERE id = 'a'") + client.options({}, {}), 1);
  client.send(0x07, long_text("SELECT page FROM ks.visit WHERE visitor = 'a'") + client.options({}, {}), 2);
  EXPECT_EQ(client.receive().stream, 2);
  EXPECT_EQ(client.receive().stream, 1);
}

TEST_F(cql_script, a_tables_latency_overrides_the_general_one_and_the_factor_scales_both) {
  emulator->set_latency(operation::insert, {an_hour, 0});
  emulator->set_latency("ks.person", operation::insert, {microseconds(0), 0});
  EXPECT_TRUE(write().ok()) << "not delayed";
  emulator->set_latency(operation::select, {an_hour, 0.5});
  emulator->set_latency_factor(0);
  EXPECT_TRUE(read().ok()) << "the factor ends it";
}

TEST_F(cql_script, every_kind_of_fault_has_its_code_and_fields) {
  const std::vector<std::tuple<fault_kind, std::int32_t, std::size_t>> kinds{
      {fault_kind::overloaded, 0x1001, 0},     {fault_kind::unavailable, 0x1000, 10},
      {fault_kind::write_timeout, 0x1100, 18}, {fault_kind::read_timeout, 0x1200, 11},
      {fault_kind::write_failure, 0x1500, 22}, {fault_kind::read_failure, 0x1300, 15},
      {fault_kind::server_error, 0x0000, 0},   {fault_kind::bootstrapping, 0x1002, 0},
      {fault_kind::truncate_error, 0x1003, 0}, {fault_kind::invalid, 0x2200, 0},
      {fault_kind::unauthorized, 0x2100, 0},   {fault_kind::unprepared, 0x2500, 18},
      {fault_kind::custom, 0x4242, 0},
  };
  for (const auto& [kind, code, extra_bytes] : kinds) {
    emulator->inject({.kind = kind, .times = 1, .code = 0x4242});
    const reply hit = write();
    EXPECT_EQ(hit.error, code);
    EXPECT_EQ(hit.extra.size(), extra_bytes) << "fields of " << std::hex << code;
    EXPECT_TRUE(write().ok()) << "spent after one";
  }
  EXPECT_EQ(emulator->counters().faults, kinds.size());
  EXPECT_EQ(emulator->counters().errors, kinds.size());
}

TEST_F(cql_script, a_fault_affects_its_target_only) {
  emulator->inject({.on = operation::insert, .table = "ks.visit"});
  EXPECT_TRUE(write().ok());
  EXPECT_TRUE(read().ok());
  EXPECT_EQ(client.query("INSERT INTO ks.visit (visitor, at) VALUES ('a', 1)").error, 0x1001);
  EXPECT_EQ(one("SELECT count(*) FROM ks.visit"), bigint_cell(0));
  emulator->clear_faults();
  EXPECT_TRUE(client.query("INSERT INTO ks.visit (visitor, at) VALUES ('a', 1)").ok());
}

TEST_F(cql_script, a_fault_affects_the_drivers_own_queries_on_request_only) {
  emulator->inject({.kind = fault_kind::overloaded});
  EXPECT_EQ(one("SELECT key FROM system.local"), "local");
  EXPECT_TRUE(client.prepare("SELECT name FROM ks.person WHERE id = ?").ok());
  emulator->inject({.kind = fault_kind::server_error, .on = operation::prepare});
  EXPECT_EQ(client.prepare("SELECT name FROM ks.person WHERE id = ?").error, 0x0000);
}

TEST_F(cql_script, a_lost_acknowledgement_is_a_write_that_happened) {
  emulator->inject({.kind = fault_kind::write_timeout, .times = 1, .takes_effect = true});
  EXPECT_EQ(write().error, 0x1100);
  EXPECT_EQ(read().rows.size(), 1);
  emulator->inject({.kind = fault_kind::write_timeout, .times = 1});
  EXPECT_EQ(write("b").error, 0x1100);
  EXPECT_EQ(one("SELECT count(*) FROM ks.person"), bigint_cell(1));
}

TEST_F(cql_script, faults_occur_with_their_probability_and_are_counted) {
  const auto id = emulator->inject({.probability = 0.25});
  int failed = 0;
  for (int i = 0; i < 2000; ++i) failed += write().error == 0x1001 ? 1 : 0;
  EXPECT_GT(failed, 400);
  EXPECT_LT(failed, 600);
  EXPECT_EQ(emulator->hits(id), static_cast<std::uint64_t>(failed));
  emulator->clear(id);
  EXPECT_EQ(emulator->hits(id), 0);
  EXPECT_TRUE(write().ok());
}

TEST_F(cql_script, a_dropped_connection_answers_nothing_and_others_continue) {
  cql_client neighbour(emulator->port());
  neighbour.start();
  emulator->inject({.kind = fault_kind::drop_connection, .times = 1});
  EXPECT_FALSE(write().arrived);
  EXPECT_TRUE(neighbour.query("SELECT key FROM system.local").ok());
}

TEST_F(cql_script, silence_leaves_the_connection_usable) {
  emulator->inject({.kind = fault_kind::no_reply, .times = 1});
  client.send(0x0A, client.execute_body(insert, {"a", int_cell(1)}), 1);
  client.send(0x0A, client.execute_body(insert, {"a", int_cell(1)}), 2);
  EXPECT_EQ(client.receive().stream, 2);
}

TEST_F(cql_script, forgotten_statements_are_unprepared_until_prepared_again) {
  EXPECT_TRUE(write().ok());
  emulator->forget_prepared();
  const reply refused = write();
  EXPECT_EQ(refused.error, 0x2500);
  EXPECT_EQ(refused.extra, short_text(insert.id));
  EXPECT_EQ(client.batch({{insert, {"a", int_cell(1)}}}).error, 0x2500);
  EXPECT_EQ(prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)").id, insert.id);
  EXPECT_TRUE(write().ok());
  EXPECT_EQ(emulator->counters().unprepared, 2);
}

TEST_F(cql_script, a_node_stops_and_returns) {
  emulator->refuse_connections(true);
  emulator->drop_connections();
  EXPECT_FALSE(client.receive().arrived);
  cql_client refused(emulator->port());
  EXPECT_FALSE(refused.start().arrived);
  emulator->refuse_connections(false);
  cql_client back(emulator->port());
  EXPECT_TRUE(back.start().arrived);
}

TEST_F(cql_script, a_batch_over_the_limit_is_refused) {
  const auto small = start({.batch_bytes_max = 500});
  small->execute("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
      .value();
  small->execute("CREATE TABLE ks.t (id text PRIMARY KEY)").value();
  cql_client other(small->port());
  other.start();
  const prepared statement = other.prepare("INSERT INTO ks.t (id) VALUES (?)").statement;
  EXPECT_TRUE(other.batch({{statement, {"short"}}}).ok());
  EXPECT_EQ(other.batch({{statement, {std::string(600, 'x')}}}).message, "Batch too large");
}

}  // namespace
}  // namespace millrace::emulators::test

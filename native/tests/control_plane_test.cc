// The control plane on an emulated cluster.
#include "control_plane.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

namespace millrace::native {
namespace {

using emulators::cql_emulator;
using emulators::cql_emulator_options;
using emulators::fault_kind;
using emulators::operation;
using testing::Test;

constexpr const char* simple_keyspace =
    "CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}";
constexpr const char* profile_table = "CREATE TABLE app.profile (id text PRIMARY KEY, segment text)";

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

settings for_server(const cql_emulator& server) { return {.contact_points = server.contact_point()}; }

// Waits for what the control plane learns on its own; a test that waits for ever has failed.
template <typename Condition>
[[nodiscard]] bool eventually(Condition holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(40);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

// Three nodes in two datacentres: 127.0.0.1 and .2 in dc1 (r1, r2), .3 in dc2 (r1).
cql_emulator_options two_datacentres() {
  return {.other_nodes = {{.datacenter = "dc1", .rack = "r2"}, {.datacenter = "dc2", .rack = "r1"}},
          .datacenter = "dc1",
          .rack = "r1"};
}

TEST(control_plane, knows_the_nodes_when_it_is_open) {
  const auto server = emulated(two_datacentres());
  const opened session(for_server(*server));
  ASSERT_EQ(session.failure().status, MILLRACE_CQL_OK) << session.failure().message;
  EXPECT_GE(session.version(), 1U);
  const auto seen = session.topology();
  EXPECT_EQ(seen.of.version, session.version());
  ASSERT_EQ(seen.of.node_count, 3U);
  const auto* second = seen.node("127.0.0.2");
  ASSERT_NE(second, nullptr);
  EXPECT_STREQ(second->datacenter, "dc1");
  EXPECT_STREQ(second->rack, "r2");
  EXPECT_STREQ(second->connect_address, "127.0.0.2");
  EXPECT_EQ(second->port, server->port());
  EXPECT_EQ(second->connect_port, server->port());
  std::set<std::string> hosts;
  for (std::size_t k = 0; k < seen.of.node_count; ++k) {
    hosts.emplace(reinterpret_cast<const char*>(seen.of.nodes[k].host_id), 16);
  }
  EXPECT_EQ(hosts.size(), 3U);
  EXPECT_EQ(seen.of.keyspace_count, 0U);
}

TEST(control_plane, wrong_credentials_are_unauthorized) {
  const auto server = emulated({.user = "app", .password = "right"});
  settings with = for_server(*server);
  EXPECT_EQ(opened(with).failure().status, MILLRACE_CQL_UNAUTHORIZED);
  with.user = "app";
  with.password = "wrong-secret";
  const opened refused(with);
  EXPECT_EQ(refused.failure().status, MILLRACE_CQL_UNAUTHORIZED);
  EXPECT_FALSE(contains(refused.failure().message, "wrong-secret")) << refused.failure().message;
  with.password = "right";
  EXPECT_EQ(opened(with).failure().status, MILLRACE_CQL_OK);
}

TEST(control_plane, an_unknown_datacentre_is_refused_with_the_known_ones) {
  const auto server = emulated(two_datacentres());
  settings with = for_server(*server);
  with.datacenter = "dc9";
  const opened refused(with);
  EXPECT_EQ(refused.failure().status, MILLRACE_CQL_CONFIG);
  EXPECT_EQ(refused.failure().message, "unknown datacentre 'dc9', expected one of: dc1, dc2");
  // Also when there is a keyspace, which no connection could use.
  run(*server, simple_keyspace);
  with.keyspace = "app";
  EXPECT_EQ(opened(with).failure().message, refused.failure().message);
}

TEST(control_plane, an_unknown_rack_is_refused_with_the_known_ones_of_its_datacentre) {
  const auto server = emulated(two_datacentres());
  settings with = for_server(*server);
  with.datacenter = "dc1";
  with.rack = "r9";
  const opened refused(with);
  EXPECT_EQ(refused.failure().status, MILLRACE_CQL_CONFIG);
  EXPECT_EQ(refused.failure().message, "unknown rack 'r9' in datacentre 'dc1', expected one of: r1, r2");
  with.datacenter = "dc2";
  with.rack = "r2";
  EXPECT_EQ(opened(with).failure().message, "unknown rack 'r2' in datacentre 'dc2', expected one of: r1");
  with.rack = "r1";
  EXPECT_EQ(opened(with).failure().status, MILLRACE_CQL_OK);
  with.datacenter = "";
  EXPECT_EQ(opened(with).failure().status, MILLRACE_CQL_CONFIG);
}

TEST(control_plane, an_unknown_keyspace_is_refused) {
  const auto server = emulated();
  settings with = for_server(*server);
  with.keyspace = "nowhere";
  const opened refused(with);
  EXPECT_EQ(refused.failure().status, MILLRACE_CQL_INVALID) << refused.failure().message;
  EXPECT_TRUE(contains(refused.failure().message, "nowhere")) << refused.failure().message;
}

TEST(control_plane, other_datacentres_are_known_and_only_connected_to_for_failover) {
  const auto server = emulated(two_datacentres());
  settings with = for_server(*server);
  with.datacenter = "dc1";
  {
    const opened session(with);
    ASSERT_EQ(session.failure().status, MILLRACE_CQL_OK) << session.failure().message;
    ASSERT_TRUE(eventually([&] { return session.counters().nodes_connected == 2; }));
    const auto seen = session.topology();
    EXPECT_EQ(seen.of.node_count, 3U);
    ASSERT_NE(seen.node("127.0.0.3"), nullptr);
    EXPECT_STREQ(seen.node("127.0.0.3")->datacenter, "dc2");
    EXPECT_EQ(seen.node("127.0.0.3")->up, 0U);
    EXPECT_EQ(seen.node("127.0.0.2")->up, 1U);
  }
  with.failover = true;
  const opened session(with);
  EXPECT_TRUE(eventually([&] { return session.counters().nodes_connected == 3; }));
}

TEST(control_plane, a_prepared_statement_says_what_executions_need) {
  const auto server = emulated();
  run(*server, simple_keyspace);
  run(*server,
      "CREATE TABLE app.event (day int, place text, n bigint, tags map<text, frozen<list<int>>>, "
      "PRIMARY KEY ((day, place), n))");
  const opened session(for_server(*server));
  const auto insert = session.prepare("INSERT INTO app.event (place, tags, n, day) VALUES (?, ?, ?, ?)");
  ASSERT_EQ(insert.failure.status, MILLRACE_CQL_OK) << insert.failure.message;
  EXPECT_FALSE(insert.id().empty());
  const std::vector<std::pair<std::string, std::string>> parameters = {
      {"place", "text"}, {"tags", "map<text, list<int>>"}, {"n", "bigint"}, {"day", "int"}};
  EXPECT_EQ(insert.parameters(), parameters);
  EXPECT_EQ(insert.of.column_count, 0U);
  EXPECT_EQ(insert.partition_key(), (std::vector<unsigned>{3, 0}));
  EXPECT_STREQ(insert.of.keyspace, "app");
  EXPECT_STREQ(insert.of.table, "event");
  EXPECT_EQ(insert.of.murmur3, 1U);
  EXPECT_EQ(insert.of.conditional, 0U);

  const auto select = session.prepare("SELECT n, tags FROM app.event WHERE day = 1 AND place = 'x'");
  ASSERT_EQ(select.failure.status, MILLRACE_CQL_OK) << select.failure.message;
  EXPECT_NE(select.id(), insert.id());
  EXPECT_EQ(select.of.parameter_count, 0U);
  EXPECT_EQ(select.of.partition_key_count, 0U);
  const std::vector<std::pair<std::string, std::string>> columns = {{"n", "bigint"},
                                                                    {"tags", "map<text, list<int>>"}};
  EXPECT_EQ(select.columns(), columns);
  EXPECT_STREQ(select.of.table, "event");
  EXPECT_EQ(session.counters().prepared, 2U);
}

TEST(control_plane, a_statement_that_the_server_refuses_is_invalid_with_its_code_and_words) {
  const auto server = emulated();
  const opened session(for_server(*server));
  const auto syntax = session.prepare("SELEKT 1");
  EXPECT_EQ(syntax.failure.status, MILLRACE_CQL_INVALID);
  EXPECT_EQ(syntax.failure.code, 0x2000);
  const auto unknown = session.prepare("SELECT id FROM app.profile");
  EXPECT_EQ(unknown.failure.status, MILLRACE_CQL_INVALID);
  EXPECT_EQ(unknown.failure.code, 0x2200);
  EXPECT_FALSE(unknown.failure.message.empty());
  EXPECT_EQ(unknown.of.id, nullptr);
}

TEST(control_plane, the_configured_keyspace_applies_to_preparations) {
  const auto server = emulated();
  run(*server, simple_keyspace);
  run(*server, profile_table);
  settings with = for_server(*server);
  with.keyspace = "app";
  const opened session(with);
  EXPECT_NE(session.topology().keyspace("app"), nullptr);
  const auto select = session.prepare("SELECT segment FROM profile WHERE id = ?");
  ASSERT_EQ(select.failure.status, MILLRACE_CQL_OK) << select.failure.message;
  EXPECT_STREQ(select.of.keyspace, "app");
}

TEST(control_plane, schema_changes_show_in_the_topology) {
  const auto server = emulated(two_datacentres());
  const opened session(for_server(*server));
  ASSERT_EQ(session.execute(simple_keyspace).status, MILLRACE_CQL_OK);
  ASSERT_EQ(session.execute(profile_table).status, MILLRACE_CQL_OK);
  EXPECT_EQ(session.execute("CREATE TABLE app.profile (id int PRIMARY KEY)").status, MILLRACE_CQL_INVALID);
  EXPECT_EQ(session.topology().keyspace("app"), nullptr);
  const auto select = session.prepare("SELECT segment FROM app.profile WHERE id = ?");
  ASSERT_EQ(select.failure.status, MILLRACE_CQL_OK) << select.failure.message;
  const auto seen = session.topology();
  ASSERT_NE(seen.keyspace("app"), nullptr);
  EXPECT_EQ(seen.keyspace("app")->tablets, 0U);
  EXPECT_EQ(seen.keyspace("app")->ring, 0);
  EXPECT_EQ(session.version(), seen.of.version);
}

TEST(control_plane, a_keyspace_that_another_client_made_a_moment_ago_is_there_once_it_is_prepared_for) {
  const auto server = emulated();
  const opened session(for_server(*server));
  run(*server, simple_keyspace);
  run(*server, profile_table);
  ASSERT_EQ(session.prepare("SELECT segment FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  const auto seen = session.topology();
  ASSERT_NE(seen.keyspace("app"), nullptr);
  EXPECT_EQ(seen.keyspace("app")->ring, 0);
}

// The expected replicas of a token come from its ring alone: the nodes met from the token on.
TEST(control_plane, replicas_are_in_ring_order_over_all_datacentres) {
  const auto server = emulated(two_datacentres());
  run(*server,
      "CREATE KEYSPACE app WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 1}");
  run(*server,
      "CREATE KEYSPACE owner WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
  run(*server, profile_table);
  run(*server, "CREATE TABLE owner.one (id text PRIMARY KEY)");
  settings with = for_server(*server);
  with.datacenter = "dc1";
  const opened session(with);
  ASSERT_EQ(session.prepare("SELECT id FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  ASSERT_EQ(session.prepare("SELECT id FROM owner.one WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  const auto seen = session.topology();
  ASSERT_EQ(seen.of.ring_count, 2U);
  const auto& ring = seen.of.rings[seen.keyspace("app")->ring];
  const auto& owners = seen.of.rings[seen.keyspace("owner")->ring];
  ASSERT_EQ(ring.token_count, 3U);
  ASSERT_EQ(owners.token_count, 3U);
  EXPECT_TRUE(std::is_sorted(ring.tokens, ring.tokens + ring.token_count));
  EXPECT_EQ(ring.replicas_max, 3U);
  for (std::size_t row = 0; row < 3; ++row) {
    std::vector<std::string> expected(3);
    for (std::size_t k = 0; k < 3; ++k) expected[k] = seen.replicas(owners, (row + k) % 3).at(0);
    EXPECT_EQ(seen.replicas(ring, row), expected) << row;
  }
}

TEST(control_plane, a_datacentre_without_replicas_has_none_in_the_ring) {
  const auto server = emulated(two_datacentres());
  run(*server,
      "CREATE KEYSPACE app WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 0}");
  run(*server, profile_table);
  const opened session(for_server(*server));
  ASSERT_EQ(session.prepare("SELECT id FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  const auto seen = session.topology();
  ASSERT_EQ(seen.of.ring_count, 1U);
  for (std::size_t row = 0; row < seen.of.rings[0].token_count; ++row) {
    const auto replicas = seen.replicas(seen.of.rings[0], row);
    ASSERT_EQ(replicas.size(), 1U);
    EXPECT_NE(replicas[0], "127.0.0.3") << row;
  }
}

TEST(control_plane, keyspaces_with_the_same_replication_share_a_ring_and_known_ones_change_nothing) {
  const auto server = emulated(two_datacentres());
  run(*server, simple_keyspace);
  run(*server, profile_table);
  run(*server,
      "CREATE KEYSPACE twin WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 2}");
  run(*server, "CREATE TABLE twin.t (id text PRIMARY KEY)");
  const opened session(for_server(*server));
  // All connections are there: they count as changes, too.
  ASSERT_TRUE(eventually([&] { return session.counters().nodes_connected == 3; }));
  ASSERT_EQ(session.prepare("SELECT id FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  const auto first = session.version();
  ASSERT_EQ(session.prepare("SELECT segment FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  EXPECT_EQ(session.version(), first);
  ASSERT_EQ(session.prepare("SELECT id FROM twin.t WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  EXPECT_EQ(session.version(), first + 1);
  EXPECT_EQ(session.counters().topology_changes, first);
  const auto seen = session.topology();
  EXPECT_EQ(seen.of.keyspace_count, 2U);
  EXPECT_EQ(seen.of.ring_count, 1U);
  EXPECT_STREQ(seen.of.keyspaces[0].name, "app");
  EXPECT_STREQ(seen.of.keyspaces[1].name, "twin");
}

TEST(control_plane, a_node_that_stops_is_not_up_and_comes_back) {
  const auto server = emulated(two_datacentres());
  const opened session(for_server(*server));
  ASSERT_TRUE(eventually([&] { return session.counters().nodes_connected == 3; }));
  const auto before = session.version();
  server->stop_node(1);
  ASSERT_TRUE(eventually([&] { return session.version() > before; }));
  const auto seen = session.topology();
  EXPECT_EQ(seen.node("127.0.0.2")->up, 0U);
  EXPECT_EQ(session.counters().nodes, 3U);
  server->start_node(1);
  EXPECT_TRUE(eventually([&] { return session.topology().node("127.0.0.2")->up == 1; }));
}

TEST(control_plane, one_node_that_does_not_answer_does_not_stop_a_preparation) {
  const auto server = emulated(two_datacentres());
  run(*server, simple_keyspace);
  run(*server, profile_table);
  const opened session(for_server(*server));
  ASSERT_TRUE(eventually([&] { return session.counters().nodes_connected == 3; }));
  const auto stuck = server->inject({.kind = fault_kind::no_reply, .on = operation::prepare, .node = 1});
  // Shorter than the keepalive, which would close the connection of the stuck node.
  const auto select = session.prepare("SELECT segment FROM app.profile WHERE id = ?", 8'000);
  EXPECT_EQ(select.failure.status, MILLRACE_CQL_OK) << select.failure.message;
  EXPECT_GE(server->hits(stuck), 1U);
}

// The second node is in truth a node of another cluster, which has other ids.
TEST(control_plane, nodes_that_give_a_statement_different_ids_do_not_stop_a_preparation) {
  const auto server = emulated({.other_nodes = {{}}});
  const auto other = emulated();
  for (const auto* each : {&server, &other}) {
    run(**each, simple_keyspace);
    run(**each, profile_table);
  }
  other->renumber_prepared();
  const char* const select = "SELECT segment FROM app.profile WHERE id = ?";
  const auto expected = opened(for_server(*server)).prepare(select).id();
  const auto foreign = opened(for_server(*other)).prepare(select).id();
  ASSERT_NE(expected, foreign);
  settings with = for_server(*server);
  with.address_map = "127.0.0.2=" + other->contact_point();
  const opened session(with);
  ASSERT_TRUE(eventually([&] { return session.counters().nodes_connected == 2; }));
  const auto mixed = session.prepare(select);
  ASSERT_EQ(mixed.failure.status, MILLRACE_CQL_OK) << mixed.failure.message;
  EXPECT_EQ(mixed.id(), expected);
  EXPECT_EQ(mixed.partition_key(), std::vector<unsigned>{0});
}

TEST(control_plane, a_preparation_ends_with_its_timeout) {
  const auto server = emulated();
  run(*server, simple_keyspace);
  run(*server, profile_table);
  const opened session(for_server(*server));
  server->inject({.kind = fault_kind::no_reply, .on = operation::prepare});
  const auto select = session.prepare("SELECT segment FROM app.profile WHERE id = ?", 100);
  EXPECT_EQ(select.failure.status, MILLRACE_CQL_CLIENT_TIMEOUT);
  EXPECT_TRUE(contains(select.failure.message, "100 ms")) << select.failure.message;
}

TEST(control_plane, a_renewal_takes_new_credentials_and_keeps_the_old_session_when_they_are_wrong) {
  const auto server = emulated({.user = "app", .password = "old"});
  run(*server, simple_keyspace);
  run(*server, profile_table);
  settings with = for_server(*server);
  with.user = "app";
  with.password = "old";
  const opened session(with);
  ASSERT_EQ(session.prepare("SELECT segment FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);
  const auto before = session.version();
  server->set_password("new");

  EXPECT_EQ(session.renew(with).status, MILLRACE_CQL_UNAUTHORIZED);
  EXPECT_EQ(session.prepare("SELECT id FROM app.profile WHERE id = ?").failure.status, MILLRACE_CQL_OK);

  with.password = "new";
  const auto renewed = session.renew(with);
  ASSERT_EQ(renewed.status, MILLRACE_CQL_OK) << renewed.message;
  server->drop_connections();  // the new ones come again, which the old password could not
  EXPECT_TRUE(eventually([&] {
    return session.prepare("SELECT id FROM app.profile WHERE id = ?", 1'000).failure.status ==
           MILLRACE_CQL_OK;
  }));
  EXPECT_GE(session.version(), before);
  EXPECT_NE(session.topology().keyspace("app"), nullptr);
}

TEST(control_plane, nodes_are_found_after_every_node_gave_its_statements_other_ids) {
  const auto server = emulated(two_datacentres());
  const opened session(for_server(*server));
  ASSERT_TRUE(eventually([&] { return session.counters().nodes_connected == 3; }));
  server->renumber_prepared();
  for (unsigned node = 0; node < 3; ++node) {
    server->stop_node(node);
    EXPECT_TRUE(eventually([&] { return session.counters().nodes_connected == 2; }));
    server->start_node(node);
    EXPECT_TRUE(eventually([&] { return session.counters().nodes_connected == 3; }));
  }
  ASSERT_TRUE(server->add_node({.datacenter = "dc1", .rack = "r3"}));
  EXPECT_TRUE(eventually([&] { return session.counters().nodes_connected == 4; }));
}

TEST(control_plane, a_renewal_checks_the_datacentre) {
  const auto server = emulated(two_datacentres());
  const opened session(for_server(*server));
  settings with = for_server(*server);
  with.datacenter = "dc9";
  EXPECT_EQ(session.renew(with).status, MILLRACE_CQL_CONFIG);
  EXPECT_EQ(session.topology().of.node_count, 3U);
}

TEST(control_plane, connects_where_the_address_map_says) {
  const auto server = emulated({.other_nodes = {{}}});
  settings with = for_server(*server);
  const std::string port = std::to_string(server->port());
  // Nobody listens at 127.0.0.77.
  with.address_map = "127.0.0.2:9042=127.0.0.77:" + port;
  const opened session(with);
  ASSERT_EQ(session.failure().status, MILLRACE_CQL_OK) << session.failure().message;
  const auto seen = session.topology();
  const auto* away = seen.node("127.0.0.2");
  ASSERT_NE(away, nullptr);
  EXPECT_STREQ(away->connect_address, "127.0.0.77");
  EXPECT_EQ(away->port, 9042U);
  EXPECT_EQ(away->connect_port, server->port());
  EXPECT_EQ(away->up, 0U);
  EXPECT_EQ(seen.node("127.0.0.1")->up, 1U);

  with.address_map = "127.0.0.2=localhost:" + port;
  ASSERT_EQ(session.renew(with).status, MILLRACE_CQL_OK);
  EXPECT_TRUE(eventually([&] { return session.topology().node("127.0.0.2")->up == 1; }));
  EXPECT_STREQ(session.topology().node("127.0.0.2")->connect_address, "127.0.0.1");
}

TEST(control_plane, a_topology_outlives_its_session) {
  const auto server = emulated();
  opened session(for_server(*server));
  const auto seen = session.topology();
  session.close();
  ASSERT_EQ(seen.of.node_count, 1U);
  EXPECT_STREQ(seen.of.nodes[0].address, "127.0.0.1");
}

TEST(control_plane, a_session_that_could_not_be_opened_leaves_nothing_behind) {
  const auto server = emulated({.user = "app", .password = "right"});
  settings with = for_server(*server);
  const opened refused(with);
  ASSERT_EQ(refused.get(), nullptr);
  EXPECT_TRUE(eventually([&] { return server->counters().connections_open == 0; }));
}

TEST(control_plane, nothing_panics) {
  const auto server = emulated();
  const opened session(for_server(*server));
  static_cast<void>(session.prepare(""));
  static_cast<void>(session.execute(""));
  EXPECT_EQ(session.counters().panics, 0U);
}

}  // namespace
}  // namespace millrace::native

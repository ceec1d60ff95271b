// Where requests go: the emulator computes replicas and shards by itself and counts what came elsewhere. Official
// drivers are counted the same way (tests/foreign_drivers).
#include <map>
#include <set>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

using emulators::routed_kind;
using emulators::shard_aware_port_mode;

constexpr int keys = 400;

struct cluster_kind {
  const char* name;
  unsigned shards;
  bool tablets;
};

emulators::cql_emulator_options sharded(unsigned shards) {
  emulators::cql_emulator_options out;
  out.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}};
  out.tokens_per_node = 16;
  out.shards = shards;
  return out;
}

std::unique_ptr<cql_emulator> started_with(emulators::cql_emulator_options options, bool tablets) {
  auto server = started(options);
  const std::string with = tablets ? " AND tablets = {'enabled': true, 'initial': 16}" : std::string();
  for (const std::string& cql :
       {"CREATE KEYSPACE routed WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}" + with,
        std::string("CREATE TABLE routed.profile (id text PRIMARY KEY, segment text, score double)"),
        std::string("CREATE TABLE routed.event (day int, n int, note text, PRIMARY KEY (day, n))")}) {
    const auto done = server->execute(cql);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  return server;
}

struct running final : session_test {
  explicit running(std::unique_ptr<cql_emulator> server, session_options options = {})
      : session_test(std::move(server), std::move(options)) {
    EXPECT_TRUE(store_->prepare(read_));
    EXPECT_TRUE(store_->prepare(write_));
    EXPECT_TRUE(store_->prepare(claim_));
    EXPECT_TRUE(store_->prepare(note_));
  }
  void TestBody() override {}
  using session_test::context;
  using session_test::finish;
  using session_test::loop_;
  using session_test::registry_;
  using session_test::server_;
  using session_test::session_;
  using session_test::turn_until;
  using session_test::why;

  // Every kind of statement for every key.
  void use_all_keys() {
    for (int k = 0; k < keys; ++k) {
      const std::string key = "key-" + std::to_string(k);
      ASSERT_EQ(why(finish(write_(context(), key, "x"))), "ok");
      ASSERT_EQ(why(finish(read_(context(), key))), "ok");
      ASSERT_EQ(why(finish(claim_(context(), key, "y"))), "ok");
      batch both(context());
      ASSERT_TRUE(both.add(note_, k, 1, "one"));
      ASSERT_TRUE(both.add(note_, k, 2, "two"));
      ASSERT_EQ(why(finish(both.run())), "ok");
      ASSERT_EQ(why(finish(note_(context(), k, 3, "three"))), "ok");
    }
  }
  // Requests of a kind since `before`, in thousandths that came to no replica, or to another shard.
  double misrouted(const emulators::cql_emulator_counters& before, routed_kind kind) {
    const auto now = server_->counters();
    const auto& is = now.of(kind);
    const auto& was = before.of(kind);
    const auto total = static_cast<double>(is.total() - was.total());
    EXPECT_GE(total, keys);
    return 1000.0 *
           static_cast<double>(is.misrouted_node + is.misrouted_shard - was.misrouted_node -
                               was.misrouted_shard) /
           total;
  }
  void expect_routed(const char* when) {
    const auto before = server_->counters();
    use_all_keys();
    for (const auto kind :
         {routed_kind::select, routed_kind::write, routed_kind::conditional, routed_kind::batch}) {
      EXPECT_LE(misrouted(before, kind), 1.0) << when << ": kind " << static_cast<int>(kind);
    }
  }

  statement<profile(std::string_view)> read_{"SELECT segment, score FROM routed.profile WHERE id = ?"};
  statement<void(std::string_view, std::string_view)> write_{
      "INSERT INTO routed.profile (id, segment) VALUES (?, ?)"};
  statement<applied<>(std::string_view, std::string_view)> claim_{
      "INSERT INTO routed.profile (id, segment) VALUES (?, ?) IF NOT EXISTS"};
  statement<void(std::int32_t, std::int32_t, std::string_view)> note_{
      "INSERT INTO routed.event (day, n, note) VALUES (?, ?, ?)"};
};

class routing : public ::testing::TestWithParam<cluster_kind> {};

TEST_P(routing, requests_reach_a_replica_and_its_shard) {
  running all(started_with(sharded(GetParam().shards), GetParam().tablets));
  const unsigned connections = 3 * std::max(GetParam().shards, 1U);
  all.turn_until([&] { return all.session_->stats().connections == connections; });
  all.use_all_keys();  // tablets are learnt
  all.expect_routed("at first");
  if (!GetParam().tablets) return;
  for (const char* table : {"profile", "event"}) {
    ASSERT_TRUE(all.server_->split_tablets("routed", table));
    const auto tablets = all.server_->tablets("routed", table);
    for (std::size_t k = 0; k < tablets.size(); k += 3) {
      std::set<unsigned> has;
      for (const auto& each : tablets[k].replicas) has.insert(each.node);
      for (unsigned node = 0; node < 3; ++node) {
        if (has.contains(node)) continue;
        ASSERT_TRUE(all.server_->move_tablet("routed", table, tablets[k].last_token, *has.begin(), node));
        break;
      }
    }
  }
  const std::uint64_t reports = all.session_->stats().tablet_reports;
  all.use_all_keys();
  EXPECT_GT(all.session_->stats().tablet_reports, reports);
  all.expect_routed("after splits and migrations");
}

INSTANTIATE_TEST_SUITE_P(clusters, routing,
                         ::testing::Values(cluster_kind{"cassandra", 0, false},
                                           cluster_kind{"vnodes", 4, false},
                                           cluster_kind{"tablets", 4, true}),
                         [](const auto& of) { return std::string(of.param.name); });

class shard_ports : public ::testing::TestWithParam<shard_aware_port_mode> {};

TEST_P(shard_ports, every_shard_gets_its_connection_whatever_the_port_does) {
  auto options = sharded(3);
  options.shard_aware_port = GetParam();
  running all(started_with(options, false));
  all.turn_until([&] {
    for (unsigned node = 0; node < 3; ++node) {
      for (const std::uint64_t each : all.server_->connections_of(node)) {
        if (each == 0) return false;
      }
    }
    return all.session_->stats().connections == 9;
  });
  all.expect_routed("once connected");
}

INSTANTIATE_TEST_SUITE_P(modes, shard_ports,
                         ::testing::Values(shard_aware_port_mode::announced, shard_aware_port_mode::hidden,
                                           shard_aware_port_mode::unreachable,
                                           shard_aware_port_mode::ignores_source_port));

TEST(cluster_changes, a_node_that_restarts_with_other_shards_is_used_by_its_new_ones) {
  running all(started_with(sharded(4), false));
  all.use_all_keys();
  ASSERT_TRUE(all.server_->set_shards(1, 2));
  all.turn_until([&] {
    const auto open = all.server_->connections_of(1);
    return open.size() == 2 && open[0] > 0 && open[1] > 0 && all.session_->stats().connections == 10;
  });
  all.expect_routed("after the restart");
}

TEST(cluster_changes, a_node_with_a_new_address_is_found) {
  running all(started_with(sharded(2), false));
  all.use_all_keys();
  ASSERT_TRUE(all.server_->move_node_address(2, "127.0.0.9"));
  all.turn_until([&] {
    for (const std::uint64_t each : all.server_->connections_of(2)) {
      if (each == 0) return false;
    }
    return all.session_->stats().connections == 6;
  });
  all.use_all_keys();
  all.expect_routed("at the new address");
}

TEST(cluster_changes, a_node_that_another_replaces_at_its_address_loses_no_request) {
  running all(started_with(sharded(2), true));
  all.use_all_keys();
  ASSERT_TRUE(all.server_->replace_node(1));
  all.turn_until([&] {
    for (const std::uint64_t each : all.server_->connections_of(1)) {
      if (each == 0) return false;
    }
    return all.session_->stats().connections == 6;
  });
  all.use_all_keys();
  all.use_all_keys();
  all.expect_routed("after the replacement");
  // The one that left takes none of the numbers of the one that has its name off the page.
  for (int k = 0; k < 10; ++k) all.loop_.run_turn(milliseconds(20));
  const auto shown = all.registry_.take_snapshot().value("millrace_node_connections",
                                                         {{"node", all.server_->contact_point(1)}});
  EXPECT_EQ(shown.value_or(0), 2);
}

TEST(cluster_changes, nodes_that_join_and_leave_are_followed) {
  running all(started_with(sharded(2), false));
  all.use_all_keys();
  const auto joined = all.server_->add_node({"dc1", "rack1"});
  ASSERT_TRUE(joined);
  all.turn_until([&] { return all.session_->stats().connections == 8; });
  all.expect_routed("with four nodes");
  ASSERT_TRUE(all.server_->remove_node(0));
  all.turn_until([&] { return all.session_->stats().connections == 6; });
  all.use_all_keys();
  all.expect_routed("without the first one");
}

// Three nodes in dc1, two in dc2.
emulators::cql_emulator_options two_datacentres() {
  emulators::cql_emulator_options out;
  out.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}, {"dc2", "rack1"}, {"dc2", "rack2"}};
  out.enforce_consistency = true;
  return out;
}

std::unique_ptr<cql_emulator> spread(const char* replication) {
  auto server = started(two_datacentres());
  for (const std::string& cql :
       {std::string("CREATE KEYSPACE spread WITH replication = ") + replication,
        std::string("CREATE TABLE spread.profile (id text PRIMARY KEY, segment text, score double)")}) {
    const auto done = server->execute(cql);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  return server;
}

session_options in_dc1(bool failover) {
  session_options options;
  options.datacenter = "dc1";
  options.rack = "rack2";
  options.datacenter_failover = failover;
  return options;
}

statements::statement_options at(std::string consistency, std::string serial = {}) {
  statements::statement_options options;
  options.consistency = std::move(consistency);
  options.serial_consistency = std::move(serial);
  return options;
}

// All of its data has two replicas in dc2 and one in dc1.
constexpr const char* mostly_elsewhere = "{'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 2}";

class datacentres : public session_test {
 protected:
  explicit datacentres(const char* replication = "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 2}",
                       bool failover = true)
      : session_test(spread(replication), in_dc1(failover)) {
    for (statements::statement_declaration* each :
         {static_cast<statements::statement_declaration*>(&quorum_),
          static_cast<statements::statement_declaration*>(&local_),
          static_cast<statements::statement_declaration*>(&local_serial_),
          static_cast<statements::statement_declaration*>(&serial_)}) {
      const auto prepared = store_->prepare(*each);
      EXPECT_TRUE(prepared) << prepared.error().to_string();
    }
  }
  std::uint64_t open_in_dc2() {
    return server_->connections_of(3).front() + server_->connections_of(4).front();
  }
  void stop_dc1() {
    for (unsigned node = 0; node < 3; ++node) server_->stop_node(node);
    turn_until([&] { return server_->connections_of(0).front() == 0; });
  }
  template <typename S>
  std::string outcome(S& of) {
    const auto written = finish(of(context(), "ada", "gold"));
    return written ? "ok" : written.error().to_string();
  }

  statement<void(std::string_view, std::string_view)> quorum_{
      "INSERT INTO spread.profile (id, segment) VALUES (?, ?)", at("ONE")};
  statement<void(std::string_view, std::string_view)> local_{
      "INSERT INTO spread.profile (segment, id) VALUES (?, ?)", at("LOCAL_QUORUM")};
  statement<applied<>(std::string_view, std::string_view)> local_serial_{
      "INSERT INTO spread.profile (id, segment) VALUES (?, ?) IF NOT EXISTS", at("ONE", "LOCAL_SERIAL")};
  statement<applied<>(std::string_view, std::string_view)> serial_{
      "INSERT INTO spread.profile (id, segment) VALUES (?,  ?) IF NOT EXISTS", at("ONE", "SERIAL")};
};

TEST_F(datacentres, requests_stay_in_the_preferred_one_and_its_rack) {
  for (int k = 0; k < 100; ++k) EXPECT_EQ(outcome(quorum_), "ok");
  const auto counters = server_->counters();
  EXPECT_EQ(counters.of(operation::insert), 100U);
  EXPECT_GE(counters.requests_of_node[1], 100U) << "every node of dc1 has all rows, and rack2 is preferred";
}

class failing_over : public datacentres {
 protected:
  failing_over() : datacentres(mostly_elsewhere) {}
};

TEST_F(failing_over, another_datacentre_takes_over_what_may_leave_when_no_node_of_it_can_be_reached) {
  EXPECT_EQ(outcome(quorum_), "ok");
  stop_dc1();
  turn_until([&] { return outcome(quorum_) == "ok"; });
  turn_until([&] { return outcome(serial_) == "ok"; });
  const std::string local = outcome(local_);
  EXPECT_TRUE(local.starts_with("db_unavailable: ")) << local;
  EXPECT_NE(local.find("stays in the local one"), std::string::npos) << local;
  EXPECT_TRUE(outcome(local_serial_).starts_with("db_unavailable: "));
  server_->start_node(0);
  server_->start_node(1);
  server_->start_node(2);
  turn_until([&] { return outcome(local_) == "ok"; });
  turn_until([&] { return session_->stats().connections == 3; });
}

class without_failover : public datacentres {
 protected:
  without_failover() : datacentres("{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 2}", false) {}
};

TEST_F(without_failover, no_request_and_no_connection_goes_to_another_one) {
  EXPECT_EQ(outcome(quorum_), "ok");
  EXPECT_EQ(open_in_dc2(), 0U);
  stop_dc1();
  for (int k = 0; k < 10; ++k) EXPECT_TRUE(outcome(quorum_).starts_with("db_unavailable: "));
  EXPECT_EQ(open_in_dc2(), 0U);
}

class without_local_replicas : public datacentres {
 protected:
  without_local_replicas() : datacentres("{'class': 'NetworkTopologyStrategy', 'dc2': 2}", false) {}
};

TEST_F(without_local_replicas, local_nodes_coordinate) {
  EXPECT_EQ(outcome(quorum_), "ok");
  const std::string local = outcome(local_);
  EXPECT_TRUE(local.starts_with("db_unavailable: ")) << local << ": the server says that none is alive";
}

}  // namespace
}  // namespace millrace::cql

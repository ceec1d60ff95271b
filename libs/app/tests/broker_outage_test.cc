// Brokers, coordinators and leaders that stop, move and return, with a whole engine.
#include <array>

#include "broker_fixture.h"

namespace millrace::app {
namespace {

class broker_outage_test : public broker_test, public ::testing::WithParamInterface<kafka::group_protocol> {
 protected:
  [[nodiscard]] worker_settings of_protocol() const {
    worker_settings s = settings();
    s.source.protocol = GetParam();
    if (GetParam() == kafka::group_protocol::consumer)
      s.source.client.properties.erase("heartbeat.interval.ms");
    return s;
  }
  void start_brokers(int brokers) {
    start(brokers);
    cluster().set_session_timeout(milliseconds(45'000));
  }
};

// Scenario 13.
TEST_P(broker_outage_test, without_a_coordinator_no_more_is_read_than_a_crash_may_repeat) {
  start_brokers(2);
  topic("parcels", 1);
  cluster().move_leader("parcels", 0, 1);
  cluster().move_coordinator("g", 2);
  send_parcels(20);
  worker_settings s = of_protocol();
  s.engine.partition_window_max = 40;
  s.engine.take_records_max = 10;
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(20));

  cluster().set_down(2);
  send_parcels(180, 20);
  ASSERT_TRUE(worker.until([&] { return worker.paused(); }));
  const std::uint64_t taken = worker.counts().received;
  EXPECT_GE(taken, 20U + 40U);
  EXPECT_LE(taken, 20U + 40U + 2 * 10U);
  worker.idle();
  EXPECT_EQ(worker.counts().received, taken);
  EXPECT_EQ(worker.engine().status_now().partitions.front().window, taken - 20);
  EXPECT_EQ(worker.engine().state(), engine::engine_state::running);

  cluster().set_up(2);
  ASSERT_TRUE(worker.until_committed(200));
  expect_each_once(worker.written(), 200);
  EXPECT_EQ(worker.source().counters().rebalances_lost, 0U);
  EXPECT_TRUE(worker.stop());
}

// Scenario 16.
TEST_P(broker_outage_test, a_rolling_restart_costs_no_record_and_no_rebalance) {
  start_brokers(3);
  topic("parcels", 3);
  topic("sent", 1);
  broker_worker worker(of_protocol());
  int sent = 0;
  for (const int restarted : {1, 2, 3}) {
    const int other = restarted % 3 + 1;
    for (int p = 0; p < 3; ++p) cluster().move_leader("parcels", p, other);
    cluster().move_leader("sent", 0, other);
    cluster().move_coordinator("g", other);
    cluster().set_down(restarted);
    send_parcels(60, sent, "emit");
    sent += 60;
    ASSERT_TRUE(worker.until_committed(static_cast<std::uint64_t>(sent)));
    cluster().set_up(restarted);
  }
  expect_each_once(worker.written(), 180);
  EXPECT_EQ(worker.source().counters().rebalances_lost, 0U);
  EXPECT_EQ(worker.source().counters().rebalances_revoked, 0U);
  EXPECT_TRUE(worker.stop());
  EXPECT_EQ(contents("sent", 180).size(), 180U) << "each emit once";
}

// Scenario 16.
TEST_P(broker_outage_test, an_outage_of_all_brokers_loses_and_repeats_nothing) {
  start_brokers(2);
  topic("parcels", 2);
  topic("sent", 1);
  send_parcels(100, 0, "emit");
  broker_worker worker(of_protocol());
  worker.database_overloaded = true;
  ASSERT_TRUE(worker.until([&] { return worker.counts().received == 100; }));
  for (const int broker : {1, 2}) cluster().set_down(broker);
  worker.database_overloaded = false;
  ASSERT_TRUE(worker.until([&] { return worker.sink().in_flight() == 100; })) << "each record is written";
  worker.idle();
  EXPECT_EQ(worker.counts().done, 0U) << "nothing is done before its emit is acknowledged";
  EXPECT_EQ(worker.engine().state(), engine::engine_state::running);

  for (const int broker : {1, 2}) cluster().set_up(broker);
  ASSERT_TRUE(worker.until_committed(100));
  EXPECT_EQ(worker.counts().done, 100U);
  EXPECT_EQ(worker.source().counters().rebalances_lost, 0U);
  EXPECT_TRUE(worker.stop());
  EXPECT_EQ(contents("sent", 100).size(), 100U) << "each emit once";
}

// Scenario 18.
TEST_P(broker_outage_test, commits_follow_a_coordinator_that_moves_and_is_still_loading) {
  start_brokers(2);
  topic("parcels", 2);
  cluster().move_coordinator("g", 1);
  broker_worker worker(of_protocol());
  const std::array<kafka_error, 2> loading = {kafka_error::coordinator_load_in_progress,
                                              kafka_error::not_coordinator};
  const std::array<kafka_error, 2> lookups = {kafka_error::coordinator_not_available,
                                              kafka_error::disconnect};
  // Joined before anything moves: the mock cluster does not survive it in the middle of a join.
  int sent = 50;
  send_parcels(sent);
  ASSERT_TRUE(worker.until_committed(static_cast<std::uint64_t>(sent)));
  for (const int coordinator : {2, 1}) {
    cluster().move_coordinator("g", coordinator);
    cluster().push_errors(kafka_api::offset_commit, loading);
    cluster().push_errors(kafka_api::find_coordinator, lookups);
    send_parcels(50, sent);
    sent += 50;
    ASSERT_TRUE(worker.until_committed(static_cast<std::uint64_t>(sent)));
  }
  expect_each_once(worker.written(), sent);
  EXPECT_EQ(worker.source().counters().rebalances_lost, 0U);
  EXPECT_TRUE(worker.stop());
}

INSTANTIATE_TEST_SUITE_P(protocols, broker_outage_test,
                         ::testing::Values(kafka::group_protocol::classic, kafka::group_protocol::consumer),
                         [](const auto& info) {
                           return info.param == kafka::group_protocol::classic ? "classic" : "kip848";
                         });

// Scenario 13: the classic protocol's members give up when their session ends.
TEST_F(broker_test, a_session_that_ends_without_a_coordinator_repeats_only_what_was_uncommitted) {
  start(2);
  topic("parcels", 1);
  cluster().move_leader("parcels", 0, 1);
  cluster().move_coordinator("g", 2);
  send_parcels(50);
  worker_settings s = settings();
  s.source.client.properties["session.timeout.ms"] = "2000";
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(50));
  cluster().set_down(2);
  send_parcels(50, 50);
  ASSERT_TRUE(worker.until([&] { return worker.source().counters().rebalances_lost > 0; }));
  cluster().set_up(2);
  ASSERT_TRUE(worker.until_committed(100));
  for (const auto& [number, times] : worker.written()) {
    if (number < 50) {
      EXPECT_EQ(times, 1) << "parcel " << number << " was committed";
    }
  }
  EXPECT_EQ(worker.written().size(), 100U);
  EXPECT_TRUE(worker.stop());
}

// Scenario 17.
TEST_F(broker_test, a_leader_that_moves_under_load_loses_and_repeats_nothing) {
  start(3);
  topic("parcels", 1);
  cluster().move_leader("parcels", 0, 1);
  broker_worker worker(settings());
  const std::array<kafka_error, 3> stale = {kafka_error::not_leader, kafka_error::not_leader,
                                            kafka_error::not_leader};
  int sent = 0;
  for (const int leader : {2, 3, 1}) {
    send_parcels(100, sent);
    sent += 100;
    ASSERT_TRUE(worker.until([&] { return worker.counts().received > 0; }));
    cluster().push_errors(kafka_api::fetch, stale);
    cluster().move_leader("parcels", 0, leader);
  }
  // The mock cluster, unlike a broker, refuses a commit with the epoch of an earlier leader.
  send_parcels(10, sent);
  ASSERT_TRUE(worker.until_committed(310));
  expect_each_once(worker.written(), 310);
  EXPECT_EQ(worker.engine().state(), engine::engine_state::running);
  EXPECT_TRUE(worker.stop());
}

}  // namespace
}  // namespace millrace::app

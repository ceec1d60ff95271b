// Failed commits, and committed offsets changed by others, with a whole engine.
#include <array>

#include <millrace/emulators/kafka_relay.h>

#include "broker_fixture.h"

namespace millrace::app {
namespace {

struct commit_case {
  const char* name;
  kafka_error failure;
  bool joins_anew = false;  // and what was not committed is read again
};

class broker_commit_test : public broker_test, public ::testing::WithParamInterface<commit_case> {};

// Scenario 19.
TEST_P(broker_commit_test, a_failed_commit_is_repeated_until_the_broker_accepts_it) {
  topic("parcels", 3);
  send_parcels(60);
  broker_worker worker(GetParam().joins_anew ? rejoining() : settings());
  ASSERT_TRUE(worker.until_committed(60));
  const std::vector<kafka_error> failures(GetParam().joins_anew ? 1 : 2, GetParam().failure);
  cluster().push_errors(kafka_api::offset_commit, failures);
  send_parcels(60, 60);
  ASSERT_TRUE(worker.until_committed(120));
  const auto written = worker.written();
  EXPECT_EQ(written.size(), 120U);
  for (const auto& [number, times] : written) {
    if (number < 60 || !GetParam().joins_anew) {
      EXPECT_EQ(times, 1) << "parcel " << number;
    }
  }
  EXPECT_EQ(worker.engine().state(), engine::engine_state::running);
  EXPECT_TRUE(worker.stop());
  EXPECT_EQ(worker.engine().state(), engine::engine_state::stopped);
}

INSTANTIATE_TEST_SUITE_P(
    failures, broker_commit_test,
    ::testing::Values(commit_case{"timed_out", kafka_error::request_timed_out},
                      commit_case{"connection_broke", kafka_error::disconnect},
                      commit_case{"not_coordinator", kafka_error::not_coordinator},
                      commit_case{"unknown_topic", kafka_error::unknown_topic_or_partition},
                      commit_case{"unknown_member", kafka_error::unknown_member_id, true},
                      commit_case{"generation", kafka_error::illegal_generation, true},
                      commit_case{"rebalance", kafka_error::rebalance_in_progress},
                      commit_case{"member_epoch", kafka_error::stale_member_epoch}),
    [](const auto& info) { return info.param.name; });

// Scenario 19.
TEST_F(broker_test, a_commit_that_was_applied_and_never_answered_is_repeated) {
  start(2);
  topic("parcels", 1);
  cluster().move_leader("parcels", 0, 1);
  cluster().move_coordinator("g", 2);
  send_parcels(10);
  broker_worker worker(settings());
  ASSERT_TRUE(worker.until_committed(10));
  cluster().count_requests();
  cluster().push_slow_error(2, kafka_api::offset_commit, kafka_error::none, milliseconds(60'000));
  send_parcels(10, 10);
  ASSERT_TRUE(worker.until([&] { return cluster().requests(kafka_api::offset_commit) == 1; }));
  EXPECT_EQ(worker.committed_total(), 10U);
  cluster().set_down(2);
  worker.idle(20);
  cluster().set_up(2);
  ASSERT_TRUE(worker.until_committed(20));
  EXPECT_GE(cluster().requests(kafka_api::offset_commit), 2U);
  expect_each_once(worker.written(), 20);
  EXPECT_EQ(worker.source().counters().rebalances_lost, 0U);
  EXPECT_TRUE(worker.stop());
}

// Scenario 19: the coordinator goes on with everything else.
TEST_F(broker_test, one_unanswered_commit_does_not_impair_a_stop) {
  topic("parcels", 1);
  send_parcels(10);
  kafka_relay relay(cluster());
  worker_settings s = rejoining();
  s.source.client.bootstrap_servers = relay.bootstrap_servers();
  s.engine.leave_timeout = milliseconds(300);
  auto worker = std::make_unique<broker_worker>(s);
  ASSERT_TRUE(worker->until_committed(10));
  relay.withhold(kafka_api::offset_commit, 1);
  send_parcels(10, 10);
  ASSERT_TRUE(worker->until([&] { return relay.withheld() == 1; }));
  EXPECT_TRUE(worker->stop());
  EXPECT_EQ(worker->counts().done, 20U);
  EXPECT_EQ(worker->engine().uncommitted_by_stop(), 0U);
  EXPECT_FALSE(worker->engine().left_group()) << "the client waits for the answer first";
  worker.reset();
  relay.deliver_withheld();
  member next(reading({"parcels"}));
  ASSERT_TRUE(next.until([&] { return !next.positions.empty(); }));
  EXPECT_EQ(next.positions[0].offset, 20);
  EXPECT_TRUE(next.leave());
}

TEST_F(broker_test, a_stop_with_a_silent_coordinator_ends_and_logs_what_is_repeated) {
  topic("parcels", 1);
  send_parcels(10);
  kafka_relay relay(cluster());
  worker_settings s = settings();
  s.source.client.bootstrap_servers = relay.bootstrap_servers();
  s.engine.commit_timeout = milliseconds(500);
  s.engine.leave_timeout = milliseconds(300);
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(10));
  worker.database_delay = milliseconds(300);
  send_parcels(10, 10);
  ASSERT_TRUE(worker.until([&] { return worker.counts().in_flight == 10; }));
  relay.fall_silent();
  EXPECT_TRUE(worker.stop());
  EXPECT_EQ(worker.engine().abandoned_by_stop(), 0U);
  EXPECT_EQ(worker.engine().uncommitted_by_stop(), 10U);
  EXPECT_FALSE(worker.engine().left_group());
}

// Scenario 19: a commit that can never succeed stops the engine.
TEST_F(broker_test, an_unauthorised_commit_stops_the_engine) {
  topic("parcels", 1);
  send_parcels(10);
  worker_settings s = settings();
  s.engine.commit_timeout = milliseconds(500);
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(10));
  const std::vector<kafka_error> refused(1'000, kafka_error::group_authorization_failed);
  cluster().push_errors(kafka_api::offset_commit, refused);
  send_parcels(10, 10);
  ASSERT_TRUE(worker.until([&] { return worker.engine().finished(); }));
  EXPECT_EQ(worker.engine().state(), engine::engine_state::failed);
  ASSERT_TRUE(worker.engine().failure());
  EXPECT_EQ(worker.engine().failure()->code(), errc::broker_unauthorized);
}

// Scenario 21: brokers deny a partition for a moment after a leader moved; one that was deleted they deny for
// good.
TEST_F(broker_test, a_topic_denied_for_long_stops_the_engine_with_the_reason) {
  topic("parcels", 1);
  send_parcels(10);
  worker_settings s = settings();
  s.source.unknown_topic_grace = milliseconds(300);
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(10));
  const std::vector<kafka_error> denied(1'000, kafka_error::unknown_topic_or_partition);
  cluster().push_errors(kafka_api::offset_commit, denied);
  send_parcels(10, 10);
  ASSERT_TRUE(worker.until([&] { return worker.engine().failure().has_value(); }));
  EXPECT_EQ(worker.engine().failure()->code(), errc::topic_not_found);
  EXPECT_NE(worker.engine().failure()->message().find("the topic was deleted"), std::string::npos)
      << worker.engine().failure()->message();
  EXPECT_GE(worker.source().counters().commits_failed, 2U) << "it was tried again first";
}

// Scenario 14: the classic protocol fences the member that was there first.
TEST_F(broker_test, an_engine_fenced_by_a_duplicate_member_stops_with_the_reason) {
  topic("parcels", 1);
  send_parcels(10);
  worker_settings s = settings();
  s.source.instance_id = "pod-w0";
  broker_worker worker(s);
  ASSERT_TRUE(worker.until_committed(10));
  const kafka_error fenced = kafka_error::fenced_instance_id;
  cluster().push_errors(kafka_api::heartbeat, {&fenced, 1});
  ASSERT_TRUE(worker.until([&] { return worker.engine().finished(); }));
  EXPECT_EQ(worker.engine().state(), engine::engine_state::failed);
  ASSERT_TRUE(worker.engine().failure());
  EXPECT_EQ(worker.engine().failure()->code(), errc::broker_fenced);
  EXPECT_NE(worker.engine().failure()->message().find("same instance id"), std::string::npos);
}

// Scenario 20.
TEST_F(broker_test, an_offset_outside_the_log_stops_the_engine) {
  topic("parcels", 1);
  send_parcels(10);
  move_offset(1'000);
  broker_worker worker(settings());
  ASSERT_TRUE(worker.until([&] { return worker.engine().finished(); }));
  EXPECT_EQ(worker.engine().state(), engine::engine_state::failed);
  ASSERT_TRUE(worker.engine().failure());
  EXPECT_EQ(worker.engine().failure()->code(), errc::offset_out_of_range);
  EXPECT_EQ(worker.counts().received, 0U);
}

// Scenario 22.
TEST_F(broker_test, an_operator_moves_the_committed_offset_lower_and_higher) {
  topic("parcels", 1);
  send_parcels(100);
  {
    broker_worker first(rejoining());
    ASSERT_TRUE(first.until_committed(100));
    ASSERT_TRUE(first.stop());
  }
  move_offset(30);
  {
    broker_worker lower(rejoining());
    ASSERT_TRUE(lower.until_committed(100));
    expect_each_once(lower.written(), 70, 30);
    ASSERT_TRUE(lower.stop());
  }
  send_parcels(20, 100);
  move_offset(110);
  broker_worker higher(rejoining());
  ASSERT_TRUE(higher.until_committed(120));
  expect_each_once(higher.written(), 10, 110);
  EXPECT_TRUE(higher.stop());
}

// Scenario 22: to a broker, a group whose offset was deleted is one that has none.
TEST_F(broker_test, without_a_committed_offset_start_from_decides_and_not_the_client) {
  topic("parcels", 1);
  send_parcels(10);
  worker_settings s = settings();
  s.source.start_from = kafka::start_position::fail;
  broker_worker worker(s);
  ASSERT_TRUE(worker.until([&] { return worker.engine().finished(); }));
  EXPECT_EQ(worker.engine().state(), engine::engine_state::failed);
  ASSERT_TRUE(worker.engine().failure());
  EXPECT_EQ(worker.engine().failure()->code(), errc::offset_out_of_range);
  EXPECT_EQ(worker.counts().received, 0U);
}

}  // namespace
}  // namespace millrace::app

#include <array>

#include "cluster_fixture.h"

namespace millrace::kafka {
namespace {

using faults_test = cluster_test;

TEST_F(faults_test, a_refused_commit_is_answered_with_its_reason_and_may_be_repeated) {
  topic("t", 1);
  fill("t", 10);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(10));
  struct {
    kafka_error injected;
    errc expected;
  } const cases[] = {{kafka_error::topic_authorization_failed, errc::broker_unauthorized},
                     {kafka_error::rebalance_in_progress, errc::broker_unavailable},
                     {kafka_error::stale_member_epoch, errc::broker_unavailable}};
  for (const auto& [injected, expected] : cases) {
    cluster().push_errors(kafka_api::offset_commit, {&injected, 1});
    reader.commits.clear();
    reader.commit({0, 0}, 10);
    ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
    ASSERT_TRUE(reader.commits[0].failure);
    EXPECT_EQ(reader.commits[0].failure->code(), expected) << reader.commits[0].failure->to_string();
    EXPECT_EQ(reader.commits[0].offset, 10);
  }
  EXPECT_EQ(reader.source().counters().commits_failed, 3U);
  reader.commits.clear();
  reader.commit({0, 0}, 10);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  EXPECT_FALSE(reader.commits[0].failure);
}

TEST_F(faults_test, a_commit_of_the_generation_before_is_refused_for_now_only) {
  topic("t", 4);
  fill("t", 40);
  member first(reading({"t"}));
  ASSERT_TRUE(first.until_records(40));
  // The commit of the partitions that the first gives up to the second: they are the first's until then.
  const kafka_error injected = kafka_error::illegal_generation;
  cluster().push_errors(kafka_api::offset_commit, {&injected, 1});
  member second(reading({"t"}));
  ASSERT_TRUE(first.until([&] {
    second.turn();
    return !first.commits.empty();
  }));
  ASSERT_TRUE(first.commits[0].failure);
  EXPECT_EQ(first.commits[0].failure->code(), errc::broker_unavailable)
      << first.commits[0].failure->to_string();
  EXPECT_EQ(first.losses, 0);
}

TEST_F(faults_test, a_commit_survives_a_coordinator_that_moves) {
  start(2);
  topic("t", 1);
  fill("t", 10);
  cluster().move_coordinator("g", 1);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(10));
  cluster().move_coordinator("g", 2);
  reader.commit({0, 0}, 10);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  EXPECT_FALSE(reader.commits[0].failure) << reader.commits[0].failure->to_string();
}

TEST_F(faults_test, while_one_commit_is_on_its_way_the_newest_of_the_waiting_ones_follows) {
  topic("t", 1);
  fill("t", 10);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(10));
  for (const std::int64_t offset : {2, 4, 6, 8}) reader.commit({0, 0}, offset);
  ASSERT_TRUE(reader.until([&] { return reader.commits.size() >= 2; }));
  ASSERT_EQ(reader.commits.size(), 2U);
  EXPECT_EQ(reader.commits[0].offset, 2);
  EXPECT_EQ(reader.commits[1].offset, 8);
}

TEST_F(faults_test, an_unanswered_question_for_the_committed_offset_never_becomes_a_reset) {
  topic("t", 1);
  fill("t", 10);
  {
    member first(reading({"t"}));
    ASSERT_TRUE(first.until_records(10));
    first.commit({0, 0}, 4);
    ASSERT_TRUE(first.until([&] { return !first.commits.empty(); }));
    ASSERT_TRUE(first.leave());
  }
  const std::array<kafka_error, 6> failures = {kafka_error::coordinator_load_in_progress,
                                               kafka_error::not_coordinator,
                                               kafka_error::request_timed_out,
                                               kafka_error::unknown_topic_or_partition,
                                               kafka_error::coordinator_not_available,
                                               kafka_error::illegal_generation};
  for (const start_position policy : {start_position::earliest, start_position::latest}) {
    cluster().push_errors(kafka_api::offset_fetch, failures);
    consumer_config config = reading({"t"});
    config.start_from = policy;
    member second(config);
    ASSERT_TRUE(second.until_records(6));
    EXPECT_EQ(second.records[0].offset, 4);
    EXPECT_FALSE(second.fatal_error);
    ASSERT_TRUE(second.leave());
  }
}

TEST_F(faults_test, without_a_committed_offset_the_policy_decides) {
  topic("t", 1);
  fill("t", 10);
  consumer_config config = reading({"t"});
  config.start_from = start_position::latest;
  config.group_id = "latest";
  member latest(config);
  ASSERT_TRUE(latest.until([&] { return latest.source().high_watermark({0, 0}).has_value(); }));
  fill("t", 1, 10);
  ASSERT_TRUE(latest.until_records(1));
  EXPECT_EQ(*latest.records[0].value, "v10");

  config.start_from = start_position::fail;
  config.group_id = "fail";
  member failing(config);
  ASSERT_TRUE(failing.until([&] { return failing.fatal_error.has_value(); }));
  EXPECT_EQ(failing.fatal_error->code(), errc::offset_out_of_range);
  EXPECT_NE(failing.fatal_error->message().find("'t' partition 0"), std::string::npos)
      << failing.fatal_error->message();
  EXPECT_TRUE(failing.records.empty());
  EXPECT_TRUE(failing.close());
}

TEST_F(faults_test, an_offset_that_the_log_no_longer_has_stops_the_source_unless_told_otherwise) {
  topic("t", 1);
  fill("t", 10);
  {
    member first(reading({"t"}));
    ASSERT_TRUE(first.until_records(10));
    first.commit({0, 0}, 1'000);
    ASSERT_TRUE(first.until([&] { return !first.commits.empty(); }));
    ASSERT_TRUE(first.leave());
  }
  member careful(reading({"t"}));
  ASSERT_TRUE(careful.until([&] { return careful.fatal_error.has_value(); }));
  EXPECT_EQ(careful.fatal_error->code(), errc::offset_out_of_range);
  EXPECT_NE(careful.fatal_error->message().find("1000"), std::string::npos) << careful.fatal_error->message();
  EXPECT_TRUE(careful.records.empty());
  ASSERT_TRUE(careful.leave());

  consumer_config config = reading({"t"});
  config.on_offset_out_of_range = out_of_range::earliest;
  member relaxed(config);
  ASSERT_TRUE(relaxed.until_records(10));
  EXPECT_EQ(relaxed.records[0].offset, 0);
  EXPECT_FALSE(relaxed.fatal_error);
}

TEST_F(faults_test, lost_partitions_are_told_as_lost_and_come_back_at_the_commit) {
  topic("t", 2);
  fill("t", 20);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(20));
  const kafka_error unknown = kafka_error::unknown_member_id;
  cluster().push_errors(kafka_api::heartbeat, {&unknown, 1});
  ASSERT_TRUE(reader.until([&] { return reader.losses > 0; }));
  EXPECT_EQ(reader.revocations, 0);
  EXPECT_EQ(reader.source().counters().rebalances_lost, 1U);
  ASSERT_TRUE(reader.until_records(40)) << "nothing was committed: everything is read again";
  EXPECT_FALSE(reader.fatal_error);
}

TEST_F(faults_test, a_twin_with_the_same_instance_id_is_fatal) {
  topic("t", 1);
  fill("t", 1);
  consumer_config config = reading({"t"});
  config.instance_id = "pod-w0";
  member reader(config);
  ASSERT_TRUE(reader.until_records(1));
  const kafka_error fenced = kafka_error::fenced_instance_id;
  cluster().push_errors(kafka_api::heartbeat, {&fenced, 1});
  ASSERT_TRUE(reader.until([&] { return reader.fatal_error.has_value(); }));
  EXPECT_EQ(reader.fatal_error->code(), errc::broker_fenced);
  EXPECT_NE(reader.fatal_error->message().find("same instance id"), std::string::npos)
      << reader.fatal_error->message();
  EXPECT_TRUE(reader.close());
}

TEST_F(faults_test, a_group_that_may_not_be_joined_is_fatal) {
  topic("t", 1);
  const kafka_error refused = kafka_error::group_authorization_failed;
  const std::array<kafka_error, 4> errors = {refused, refused, refused, refused};
  cluster().push_errors(kafka_api::join_group, errors);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until([&] { return reader.fatal_error.has_value(); }));
  EXPECT_EQ(reader.fatal_error->code(), errc::broker_unauthorized);
  EXPECT_TRUE(reader.close());
}

TEST_F(faults_test, an_unknown_topic_is_fatal_or_awaited_by_policy) {
  member reader(reading({"missing"}));
  ASSERT_TRUE(reader.until([&] { return reader.fatal_error.has_value(); }));
  EXPECT_EQ(reader.fatal_error->code(), errc::topic_not_found);
  EXPECT_NE(reader.fatal_error->message().find("missing"), std::string::npos)
      << reader.fatal_error->message();
  ASSERT_TRUE(reader.leave());

  consumer_config config = reading({"later"});
  config.on_missing_topic = missing_topic::wait;
  config.group_id = "patient";
  member patient(config);
  ASSERT_TRUE(patient.until([&] { return !patient.errors.empty(); }));
  topic("later", 1);
  fill("later", 5);
  ASSERT_TRUE(patient.until_records(5));
  EXPECT_FALSE(patient.fatal_error);
}

TEST_F(faults_test, a_broker_that_goes_away_and_comes_back_costs_nothing) {
  topic("t", 2);
  fill("t", 20);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(20));
  cluster().set_down(1);
  ASSERT_TRUE(reader.until([&] { return !reader.errors.empty(); }));
  EXPECT_EQ(reader.errors[0].code(), errc::broker_unavailable);
  cluster().set_up(1);
  fill("t", 20, 20);
  ASSERT_TRUE(reader.until_records(40));
  EXPECT_EQ(reader.records.size(), 40U);
  EXPECT_EQ(reader.losses, 0);
  EXPECT_FALSE(reader.fatal_error);
}

TEST_F(faults_test, a_leader_that_moves_loses_and_repeats_nothing) {
  start(3);
  topic("t", 1);
  cluster().move_leader("t", 0, 1);
  fill("t", 100);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(100));
  for (const int broker : {2, 3, 1}) {
    cluster().move_leader("t", 0, broker);
    const std::size_t before = reader.records.size();
    fill("t", 100, static_cast<int>(before));
    ASSERT_TRUE(reader.until_records(before + 100));
  }
  EXPECT_EQ(reader.records.size(), 400U);
  for (std::size_t i = 0; i < reader.records.size(); ++i) {
    EXPECT_EQ(reader.records[i].offset, static_cast<std::int64_t>(i));
  }
}

}  // namespace
}  // namespace millrace::kafka

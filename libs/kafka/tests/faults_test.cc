#include <array>

#include <fixtures/cluster_fixture.h>

namespace millrace::kafka {
namespace {

using faults_test = cluster_test;

TEST_F(faults_test, a_refused_commit_has_its_reason_and_may_be_repeated) {
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

TEST_F(faults_test, a_commit_of_the_previous_generation_is_refused_temporarily) {
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

TEST_F(faults_test, after_a_commit_in_flight_the_newest_waiting_one_is_sent) {
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

TEST_F(faults_test, an_unanswered_offset_fetch_never_becomes_a_reset) {
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
  config.group = "latest";
  member latest(config);
  ASSERT_TRUE(latest.until([&] { return latest.source().high_watermark({0, 0}).has_value(); }));
  fill("t", 1, 10);
  ASSERT_TRUE(latest.until_records(1));
  EXPECT_EQ(*latest.records[0].value, "v10");

  config.start_from = start_position::fail;
  config.group = "fail";
  member failing(config);
  ASSERT_TRUE(failing.until([&] { return failing.fatal_error.has_value(); }));
  EXPECT_EQ(failing.fatal_error->code(), errc::offset_out_of_range);
  EXPECT_NE(failing.fatal_error->message().find("'t' partition 0"), std::string::npos)
      << failing.fatal_error->message();
  EXPECT_TRUE(failing.records.empty());
  EXPECT_TRUE(failing.close());
}

// `latest` is resolved to an offset, so that the group can commit it: what arrives between two owners is
// read.
TEST_F(faults_test, latest_is_resolved_to_an_offset_that_can_be_committed) {
  topic("t", 2);
  fill("t", 20);
  consumer_config config = reading({"t"});
  config.start_from = start_position::latest;
  std::map<std::int32_t, std::int64_t> began;
  {
    member first(config);
    ASSERT_TRUE(first.until([&] { return first.positions.size() == 2; }));
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(first.origins[i], stream::position_origin::end);
      began[first.positions[i].partition.partition] = first.positions[i].offset;
      first.commit(first.positions[i].partition, first.positions[i].offset, "mine");
    }
    EXPECT_EQ(began[0] + began[1], 20);
    ASSERT_TRUE(first.until([&] { return first.commits.size() == 2; }));
    ASSERT_TRUE(first.leave());
    EXPECT_TRUE(first.records.empty());
  }
  fill("t", 10, 20);
  member second(config);
  ASSERT_TRUE(second.until_records(10));
  ASSERT_EQ(second.positions.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(second.origins[i], stream::position_origin::committed);
    EXPECT_EQ(second.positions[i].offset, began[second.positions[i].partition.partition]);
    EXPECT_EQ(second.positions[i].metadata, "mine") << "what the source adds is not the owner's";
  }
}

// Its index is not below the number of partitions that the commits of its siblings name.
TEST_F(faults_test, a_partition_that_was_added_after_the_group_began_starts_at_its_beginning) {
  topic("t", 4);
  fill("t", 40);
  for (const start_position policy : {start_position::latest, start_position::fail}) {
    consumer_config config = reading({"t"});
    config.group = policy == start_position::latest ? "latest" : "fail";
    {
      member first(config);
      ASSERT_TRUE(first.until([&] { return first.positions.size() == 4; }));
      // Under `earliest` the source adds nothing: these commits say that the topic had two partitions.
      for (std::int32_t p = 0; p < 2; ++p) first.commit({0, p}, 3, "mg1.2 x");
      ASSERT_TRUE(first.until([&] { return first.commits.size() == 2; }));
      ASSERT_TRUE(first.leave());
    }
    config.start_from = policy;
    member second(config);
    ASSERT_TRUE(second.until([&] { return second.positions.size() == 4; }));
    EXPECT_FALSE(second.fatal_error);
    for (std::size_t i = 0; i < 4; ++i) {
      const bool added = second.positions[i].partition.partition >= 2;
      EXPECT_EQ(second.origins[i],
                added ? stream::position_origin::beginning : stream::position_origin::committed);
      EXPECT_EQ(second.positions[i].offset, added ? 0 : 3);
    }
  }
}

TEST_F(faults_test, a_partition_as_old_as_the_group_starts_at_the_end_although_others_have_commits) {
  topic("t", 4);
  fill("t", 40);
  consumer_config config = reading({"t"});
  config.start_from = start_position::latest;
  {
    member first(config);
    ASSERT_TRUE(first.until([&] { return first.positions.size() == 4; }));
    first.commit({0, 0}, 3);
    ASSERT_TRUE(first.until([&] { return first.commits.size() == 1; }));
    ASSERT_TRUE(first.leave());
  }
  member second(config);
  ASSERT_TRUE(second.until([&] { return second.positions.size() == 4; }));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(second.origins[i], second.positions[i].partition.partition == 0
                                     ? stream::position_origin::committed
                                     : stream::position_origin::end);
  }
}

// One damaged error code in one answer: the log still has the offset.
TEST_F(faults_test, one_refusal_of_an_existing_offset_never_moves_the_position) {
  for (const out_of_range policy : {out_of_range::latest, out_of_range::earliest, out_of_range::fail}) {
    start(1);
    topic("t", 1);
    fill("t", 200);
    const kafka_error refused = kafka_error::offset_out_of_range;
    const std::array<kafka_error, 3> refusals = {kafka_error::none, refused, refused};
    consumer_config config = reading({"t"});
    config.on_offset_out_of_range = policy;
    cluster().push_errors(kafka_api::fetch, refusals);
    member reader(config);
    ASSERT_TRUE(reader.until([&] { return reader.source().counters().rereads > 0; }));
    fill("t", 50, 200);
    ASSERT_TRUE(reader.until_records(250)) << (reader.fatal_error ? reader.fatal_error->to_string() : "");
    for (std::size_t i = 0; i < reader.records.size(); ++i) {
      ASSERT_EQ(reader.records[i].offset, static_cast<std::int64_t>(i));
    }
    EXPECT_FALSE(reader.fatal_error);
    EXPECT_EQ(reader.gap, 0U);
    EXPECT_TRUE(std::any_of(reader.errors.begin(), reader.errors.end(), [](const error& seen) {
      return seen.message().find("refused an offset that exists") != std::string::npos;
    }));
  }
}

TEST_F(faults_test, repeated_refusals_of_an_existing_offset_end_the_source_without_a_skip) {
  topic("t", 1);
  fill("t", 10);
  const std::vector<kafka_error> refusals(1'000, kafka_error::offset_out_of_range);
  cluster().push_errors(kafka_api::fetch, refusals);
  consumer_config config = reading({"t"});
  config.on_offset_out_of_range = out_of_range::latest;
  config.reread_backoff_max = milliseconds(20);
  member reader(config);
  ASSERT_TRUE(reader.until([&] { return reader.fatal_error.has_value(); }));
  EXPECT_NE(reader.fatal_error->message().find("Nothing was skipped"), std::string::npos)
      << reader.fatal_error->message();
  EXPECT_EQ(reader.gap, 0U);
}

TEST_F(faults_test, an_offset_outside_the_log_stops_the_source_unless_configured_otherwise) {
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
  EXPECT_EQ(relaxed.rewinds, (std::vector<std::pair<std::int64_t, std::int64_t>>{{1'000, 0}}));
  EXPECT_EQ(relaxed.losses, 1) << "the assignment that began beyond the log has ended";
  EXPECT_EQ(relaxed.positions.back().offset, 0);
  relaxed.commit({0, 0}, 10);
  ASSERT_TRUE(relaxed.until([&] { return !relaxed.commits.empty(); }));
  EXPECT_FALSE(relaxed.commits[0].failure);
  EXPECT_TRUE(relaxed.close());
}

TEST_F(faults_test, lost_partitions_are_reported_as_lost_and_continue_at_the_commit) {
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

// librdkafka hands over the error with the offset of the record that it could not fetch, and passes it.
TEST_F(faults_test, the_read_position_does_not_pass_a_record_that_could_not_be_fetched) {
  topic("t", 1);
  fill("t", 5);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(5));
  const kafka_error refused = kafka_error::message_too_large;
  cluster().push_errors(kafka_api::fetch, {&refused, 1});
  ASSERT_TRUE(reader.until([&] { return !reader.errors.empty(); }));
  EXPECT_EQ(reader.source().read_position({0, 0}), 5) << reader.errors[0].to_string();
  fill("t", 1, 5);
  ASSERT_TRUE(reader.until_records(6));
  EXPECT_EQ(reader.source().read_position({0, 0}), 6);
}

// The heartbeats of the member are answered, and none of its commits is taken.
TEST_F(faults_test, a_member_whose_commits_alone_are_refused_joins_again) {
  topic("t", 2);
  fill("t", 20);
  consumer_config config = reading({"t"});
  config.fenced_max = milliseconds(100);
  member reader(config);
  ASSERT_TRUE(reader.until_records(20));
  const std::vector<kafka_error> refusals(10'000, kafka_error::fenced_member_epoch);
  cluster().push_errors(kafka_api::offset_commit, refusals);
  std::size_t sent = 0;
  ASSERT_TRUE(reader.until([&] {
    if (reader.commits.size() == sent) {
      reader.commit({0, 0}, 5);
      ++sent;
    }
    return reader.losses > 0;
  }));
  EXPECT_TRUE(reader.assigned.empty());
  EXPECT_EQ(reader.commits[0].failure->code(), errc::broker_unavailable) << "it may be repeated until then";
  cluster().clear_errors(kafka_api::offset_commit);
  // The client repeats its last commit by itself: the brokers may have taken it in the meantime.
  ASSERT_TRUE(reader.until_records(35)) << "what was not committed is read again";
  EXPECT_EQ(reader.source().counters().rejoined, 1U);
  EXPECT_FALSE(reader.fatal_error);
  reader.commits.clear();
  reader.commit({0, 0}, 5);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  EXPECT_FALSE(reader.commits[0].failure);
  EXPECT_TRUE(reader.close());
}

// librdkafka 2.12.1 may send an invalid heartbeat after it was not polled for max.poll.interval.ms, and then
// calls the client fatally failed.
TEST_F(faults_test, a_client_that_fails_fatally_with_its_membership_is_replaced) {
  cluster().set_session_timeout(milliseconds(1'000));
  topic("t", 2);
  fill("t", 20);
  consumer_config config = reading({"t"});
  config.protocol = group_protocol::consumer;
  config.client.properties.erase("session.timeout.ms");
  config.client.properties.erase("heartbeat.interval.ms");
  member reader(config);
  ASSERT_TRUE(reader.until_records(20));
  const kafka_error invalid = kafka_error::invalid_request;
  cluster().push_errors(kafka_api::consumer_group_heartbeat, {&invalid, 1});
  ASSERT_TRUE(reader.until([&] { return reader.losses > 0; }));
  EXPECT_TRUE(reader.assigned.empty());
  ASSERT_TRUE(reader.until_records(40)) << "nothing was committed: everything is read again";
  EXPECT_FALSE(reader.fatal_error);
  EXPECT_EQ(reader.source().counters().rejoined, 1U);
  EXPECT_TRUE(reader.close());
}

TEST_F(faults_test, a_member_that_is_joining_again_can_be_closed) {
  topic("t", 1);
  fill("t", 1);
  consumer_config config = reading({"t"});
  config.fenced_max = milliseconds(0);
  member reader(config);
  ASSERT_TRUE(reader.until_records(1));
  const kafka_error refused = kafka_error::fenced_member_epoch;
  cluster().push_errors(kafka_api::offset_commit, {&refused, 1});
  reader.commit({0, 0}, 1);
  ASSERT_TRUE(reader.until([&] { return reader.losses > 0; }));
  EXPECT_TRUE(reader.close());
}

TEST_F(faults_test, a_second_member_with_the_same_instance_id_is_fatal) {
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

TEST_F(faults_test, an_unauthorised_group_is_fatal) {
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
  config.group = "patient";
  member patient(config);
  ASSERT_TRUE(patient.until([&] { return !patient.errors.empty(); }));
  topic("later", 1);
  fill("later", 5);
  ASSERT_TRUE(patient.until_records(5));
  EXPECT_FALSE(patient.fatal_error);
}

TEST_F(faults_test, a_topic_that_is_denied_for_a_while_is_read_on) {
  topic("t", 1);
  fill("t", 5);
  consumer_config config = reading({"t"});
  config.client.properties["topic.metadata.refresh.interval.ms"] = "50";
  member reader(config);
  ASSERT_TRUE(reader.until_records(5));
  reader.commit({0, 0}, 5);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  cluster().deny_topic("t", true);
  ASSERT_TRUE(reader.until([&] { return !reader.errors.empty(); }));
  EXPECT_EQ(reader.errors[0].code(), errc::broker_unavailable) << reader.errors[0].to_string();
  cluster().deny_topic("t", false);
  fill("t", 5, 5);
  ASSERT_TRUE(reader.until_records(10));
  EXPECT_EQ(reader.records.back().offset, 9);
  EXPECT_FALSE(reader.fatal_error);
}

TEST_F(faults_test, a_topic_that_stays_denied_is_fatal_after_the_grace) {
  topic("t", 1);
  fill("t", 5);
  consumer_config config = reading({"t"});
  config.client.properties["topic.metadata.refresh.interval.ms"] = "50";
  config.unknown_topic_grace = milliseconds(100);
  member reader(config);
  ASSERT_TRUE(reader.until_records(5));
  cluster().deny_topic("t", true);
  ASSERT_TRUE(reader.until([&] { return reader.fatal_error.has_value(); }));
  EXPECT_EQ(reader.fatal_error->code(), errc::topic_not_found);
  EXPECT_NE(reader.fatal_error->message().find("'t' does not exist any more"), std::string::npos)
      << reader.fatal_error->message();
  EXPECT_TRUE(reader.close());
}

TEST_F(faults_test, a_broker_that_restarts_loses_and_repeats_nothing) {
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

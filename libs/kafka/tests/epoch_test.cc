// Leader epochs, log truncation and retention, and static members of the consumer protocol.
#include <array>

#include <fixtures/cluster_fixture.h>

namespace millrace::kafka {
namespace {

class epoch_test : public cluster_test {
 protected:
  // Leaves a commit behind, with the epoch of the last record before it.
  void commit_and_leave(std::size_t records, std::int64_t offset) {
    member first(reading({"t"}));
    ASSERT_TRUE(first.until_records(records));
    first.commit({0, 0}, offset);
    ASSERT_TRUE(first.until([&] { return !first.commits.empty(); }));
    ASSERT_FALSE(first.commits[0].failure) << first.commits[0].failure->to_string();
    ASSERT_TRUE(first.leave());
  }
};

TEST_F(epoch_test, a_commit_of_an_earlier_leader_is_continued_after_the_leader_moved) {
  start(2);
  topic("t", 1);
  cluster().move_leader("t", 0, 1);
  fill("t", 10);
  commit_and_leave(10, 4);
  cluster().move_leader("t", 0, 2);
  fill("t", 10, 10);
  member second(reading({"t"}));
  ASSERT_TRUE(second.until_records(16));
  EXPECT_EQ(second.records[0].offset, 4);
  EXPECT_FALSE(second.fatal_error);
}

TEST_F(epoch_test, outdated_leader_metadata_neither_resets_nor_repeats) {
  start(2);
  topic("t", 1);
  cluster().move_leader("t", 0, 1);
  fill("t", 10);
  member reader(reading({"t"}));
  ASSERT_TRUE(reader.until_records(10));
  cluster().move_leader("t", 0, 2);
  fill("t", 10, 10);
  ASSERT_TRUE(reader.until_records(20));
  for (int i = 0; i < 5; ++i) cluster().announce_leader("t", 0, 1, 0);
  const kafka_error not_leader = kafka_error::not_leader;
  cluster().push_errors(kafka_api::fetch, {&not_leader, 1});
  fill("t", 10, 20);
  ASSERT_TRUE(reader.until_records(30));
  for (std::size_t i = 0; i < reader.records.size(); ++i) {
    EXPECT_EQ(reader.records[i].offset, static_cast<std::int64_t>(i));
  }
  EXPECT_FALSE(reader.fatal_error);
}

// The request for the end of an epoch fails a few times: this causes no reset.
TEST_F(epoch_test, an_unanswered_epoch_request_never_becomes_a_reset) {
  start(2);
  topic("t", 1);
  cluster().move_leader("t", 0, 1);
  fill("t", 10);
  commit_and_leave(10, 4);
  cluster().move_leader("t", 0, 2);
  const std::array<kafka_error, 3> failures = {kafka_error::not_leader, kafka_error::request_timed_out,
                                               kafka_error::disconnect};
  cluster().push_errors(kafka_api::offset_for_leader_epoch, failures);
  member second(reading({"t"}));
  ASSERT_TRUE(second.until_records(6));
  EXPECT_EQ(second.records[0].offset, 4);
  EXPECT_FALSE(second.fatal_error);
}

// The mock cluster keeps the newest 5 MiB of a partition.
TEST_F(epoch_test, records_removed_by_retention_stop_the_source_or_are_counted) {
  topic("t", 1);
  fill("t", 10);
  commit_and_leave(10, 3);
  {
    const std::string large(200'000, 'x');
    writer out(writing());
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(out.write("t", "k", large).ok());
      ASSERT_TRUE(out.settle());
    }
  }
  {
    member careful(reading({"t"}));
    ASSERT_TRUE(careful.until([&] { return careful.fatal_error.has_value(); }));
    EXPECT_EQ(careful.fatal_error->code(), errc::offset_out_of_range);
    EXPECT_TRUE(careful.records.empty());
    ASSERT_TRUE(careful.leave());
  }
  consumer_config config = reading({"t"});
  config.on_offset_out_of_range = out_of_range::earliest;
  member relaxed(config);
  ASSERT_TRUE(relaxed.until_records(10));
  const std::int64_t oldest = relaxed.records[0].offset;
  EXPECT_GT(oldest, 3);
  EXPECT_EQ(relaxed.source().counters().offset_gap_records, static_cast<std::uint64_t>(oldest - 3));
  EXPECT_TRUE(std::any_of(relaxed.errors.begin(), relaxed.errors.end(),
                          [](const error& told) { return told.code() == errc::offset_out_of_range; }));
}

// The consumer protocol refuses the newcomer. Injected: the mock cluster takes it for a member that it
// forgot.
TEST_F(epoch_test, a_duplicate_instance_id_is_refused_by_the_consumer_protocol) {
  topic("t", 1);
  consumer_config config = reading({"t"});
  config.protocol = group_protocol::consumer;
  config.client.properties.erase("session.timeout.ms");
  config.client.properties.erase("heartbeat.interval.ms");
  config.instance_id = "pod-w0";
  const kafka_error refused = kafka_error::unreleased_instance_id;
  cluster().push_errors(kafka_api::consumer_group_heartbeat, {&refused, 1});
  member twin(config);
  ASSERT_TRUE(twin.until([&] { return twin.fatal_error.has_value(); }));
  EXPECT_EQ(twin.fatal_error->code(), errc::broker_fenced) << twin.fatal_error->to_string();
  EXPECT_NE(twin.fatal_error->message().find("same instance id"), std::string::npos)
      << twin.fatal_error->message();
  EXPECT_TRUE(twin.records.empty());
  EXPECT_TRUE(twin.close());
}

}  // namespace
}  // namespace millrace::kafka

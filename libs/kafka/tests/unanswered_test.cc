// Requests of the group that the coordinator takes and never answers, on connections that stay.
#include <fixtures/cluster_fixture.h>

#include <millrace/emulators/kafka_relay.h>

namespace millrace::kafka {
namespace {

class unanswered_test : public cluster_test {
 protected:
  void SetUp() override {
    cluster_test::SetUp();
    topic("t", 1);
    fill("t", 10);
    relay_ = std::make_unique<emulators::kafka_relay>(cluster());
  }
  [[nodiscard]] consumer_config through_the_relay() const {
    consumer_config config = reading({"t"});
    config.client.bootstrap_servers = relay_->bootstrap_servers();
    return config;
  }
  // The committed offset, as the next member reads it.
  [[nodiscard]] std::int64_t committed() const {
    member next(reading({"t"}));
    EXPECT_TRUE(next.until([&] { return !next.positions.empty(); }));
    const std::int64_t offset = next.positions.empty() ? -1 : next.positions[0].offset;
    EXPECT_TRUE(next.leave());
    return offset;
  }
  [[nodiscard]] emulators::kafka_relay& relay() const { return *relay_; }

 private:
  std::unique_ptr<emulators::kafka_relay> relay_;
};

TEST_F(unanswered_test, an_unanswered_commit_delays_the_next_one_until_it_times_out) {
  member reader(through_the_relay());
  ASSERT_TRUE(reader.until_records(10));
  relay().withhold(kafka_api::offset_commit, 1);
  reader.commit({0, 0}, 4);
  ASSERT_TRUE(reader.until([&] { return relay().withheld() == 1; }));
  reader.commit({0, 0}, 6);
  for (int i = 0; i < 20; ++i) reader.turn();
  EXPECT_TRUE(reader.commits.empty());
  reader.commit_again({0, 0}, 8);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  EXPECT_EQ(reader.commits[0].offset, 8);
  EXPECT_FALSE(reader.commits[0].failure);
  EXPECT_EQ(reader.losses, 0);
}

TEST_F(unanswered_test, a_late_answer_to_a_commit_does_not_count_for_a_newer_one) {
  member reader(through_the_relay());
  ASSERT_TRUE(reader.until_records(10));
  relay().withhold(kafka_api::offset_commit, 2);
  reader.commit({0, 0}, 4);
  ASSERT_TRUE(reader.until([&] { return relay().withheld() == 1; }));
  reader.commit_again({0, 0}, 8);
  ASSERT_TRUE(reader.until([&] { return relay().withheld() == 2; }));
  EXPECT_TRUE(reader.commits.empty());
  relay().deliver_withheld();
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  for (int i = 0; i < 20; ++i) reader.turn();
  ASSERT_EQ(reader.commits.size(), 1U);
  EXPECT_EQ(reader.commits[0].offset, 8);
}

TEST_F(unanswered_test, a_late_answer_to_the_same_commit_counts) {
  member reader(through_the_relay());
  ASSERT_TRUE(reader.until_records(10));
  relay().withhold(kafka_api::offset_commit, 1);
  reader.commit({0, 0}, 4, "said");
  ASSERT_TRUE(reader.until([&] { return relay().withheld() == 1; }));
  // What follows is not answered for so long that only the first can be.
  cluster().push_slow_error(1, kafka_api::offset_commit, kafka_error::none, milliseconds(2'000));
  reader.commit_again({0, 0}, 4, "said");
  relay().deliver_withheld();
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  EXPECT_EQ(reader.commits[0].offset, 4);
  reader.commit({0, 0}, 5);  // sent once the second was answered, which is not reported
  ASSERT_TRUE(reader.until([&] { return reader.commits.size() >= 2; }));
  EXPECT_EQ(reader.commits[1].offset, 5);
}

TEST_F(unanswered_test, an_old_commit_applied_after_a_newer_one_is_corrected) {
  member reader(through_the_relay());
  ASSERT_TRUE(reader.until_records(10));
  cluster().count_requests();
  relay().withhold(kafka_api::offset_commit, 1);
  reader.commit({0, 0}, 4);
  ASSERT_TRUE(reader.until([&] { return relay().withheld() == 1; }));
  reader.commit_again({0, 0}, 8);
  ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
  ASSERT_EQ(cluster().requests(kafka_api::offset_commit), 2U);
  relay().deliver_withheld();
  ASSERT_TRUE(reader.until([&] { return cluster().requests(kafka_api::offset_commit) == 3; }));
  for (int i = 0; i < 20; ++i) reader.turn();
  EXPECT_EQ(reader.commits.size(), 1U) << "the third commit was not requested";
  ASSERT_TRUE(reader.leave());
  EXPECT_EQ(committed(), 8);
}

TEST_F(unanswered_test, a_source_may_be_destroyed_while_leaving_the_group_is_unanswered) {
  member reader(through_the_relay());
  ASSERT_TRUE(reader.until_records(10));
  reader.commits_on_revoke = false;
  relay().fall_silent();
  reader.source().close();
  for (int i = 0; i < 50; ++i) reader.turn();
  EXPECT_FALSE(reader.source().closed());
  reader.destroy();
}

}  // namespace
}  // namespace millrace::kafka

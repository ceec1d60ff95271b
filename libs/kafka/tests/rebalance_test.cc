#include <fixtures/cluster_fixture.h>

namespace millrace::kafka {
namespace {

struct protocol_case {
  const char* name;
  group_protocol protocol;
  assignor assignment;
};

class rebalance_test : public cluster_test, public ::testing::WithParamInterface<protocol_case> {
 protected:
  [[nodiscard]] consumer_config member_of_group() const {
    consumer_config config = reading({"t"});
    config.protocol = GetParam().protocol;
    if (config.protocol == group_protocol::classic) config.assignment = GetParam().assignment;
    if (config.protocol == group_protocol::consumer) {
      config.client.properties.erase("session.timeout.ms");
      config.client.properties.erase("heartbeat.interval.ms");
    }
    return config;
  }
};

TEST_P(rebalance_test, a_second_member_takes_over_its_share_without_loss_or_repetition) {
  topic("t", 6);
  fill("t", 600);
  member first(member_of_group());
  ASSERT_TRUE(first.until_records(300));
  member second(member_of_group());
  std::set<std::string> values;
  std::size_t first_counted = 0;
  std::size_t second_counted = 0;
  const auto distinct = [&] {
    for (; first_counted < first.records.size(); ++first_counted)
      values.insert(*first.records[first_counted].value);
    for (; second_counted < second.records.size(); ++second_counted) {
      values.insert(*second.records[second_counted].value);
    }
    return values.size();
  };
  const auto both = [&](const std::function<bool()>& done) {
    return first.until([&] {
      second.turn();
      return done();
    });
  };
  ASSERT_TRUE(both([&] { return first.assigned.size() == 3 && second.assigned.size() == 3; }));
  fill("t", 600, 600);
  ASSERT_TRUE(both([&] { return distinct() == 1'200; }));
  EXPECT_GE(first.revocations, 1);

  // The first leaves: the second takes over everything, from where the first committed.
  first.source().close();
  ASSERT_TRUE(both([&] { return first.source().closed() && second.assigned.size() == 6; }));
  fill("t", 120, 1'200);
  ASSERT_TRUE(second.until([&] { return distinct() == 1'320; }));

  // The mock cluster, unlike a broker, may refuse commits while a group joins; what was not committed is read
  // again, what was committed is not.
  bool all_committed = true;
  std::map<stream::partition_id, std::int64_t> committed_by_first;
  for (const auto* one : {&first, &second}) {
    EXPECT_EQ(one->losses, 0);
    EXPECT_FALSE(one->fatal_error) << one->fatal_error->to_string();
    for (const auto& commit : one->commits) {
      all_committed = all_committed && !commit.failure;
      if (one != &first || commit.failure) continue;
      auto& highest = committed_by_first[commit.partition];
      highest = std::max(highest, commit.offset);
    }
  }
  EXPECT_TRUE(!committed_by_first.empty() || GetParam().assignment != assignor::cooperative_sticky);
  for (const auto& record : second.records) {
    const auto committed = committed_by_first.find(record.from);
    if (committed != committed_by_first.end()) {
      EXPECT_GE(record.offset, committed->second);
    }
  }
  if (all_committed) {
    EXPECT_EQ(first.records.size() + second.records.size(), 1'320U);
  }
}

TEST_P(rebalance_test, a_revocation_that_is_not_yet_released_holds_the_partitions) {
  topic("t", 4);
  fill("t", 40);
  member first(member_of_group());
  ASSERT_TRUE(first.until_records(40));
  member second(member_of_group());
  // The first does not turn: the second must get nothing of what the first still has.
  const instant until = system_clock().now() + milliseconds(500);
  while (system_clock().now() < until) second.turn();
  EXPECT_TRUE(second.assigned.empty());
  ASSERT_TRUE(first.until([&] {
    second.turn();
    return first.assigned.size() == 2 && second.assigned.size() == 2;
  }));
  const bool committed = std::none_of(first.commits.begin(), first.commits.end(),
                                      [](const auto& commit) { return commit.failure.has_value(); });
  EXPECT_TRUE(!committed || second.records.empty()) << "everything had been committed";
}

INSTANTIATE_TEST_SUITE_P(
    protocols, rebalance_test,
    ::testing::Values(protocol_case{"cooperative", group_protocol::classic, assignor::cooperative_sticky},
                      protocol_case{"eager", group_protocol::classic, assignor::range},
                      protocol_case{"round_robin", group_protocol::classic, assignor::round_robin},
                      protocol_case{"kip848", group_protocol::consumer, assignor::cooperative_sticky}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace millrace::kafka

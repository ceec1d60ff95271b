#include <fixtures/cluster_fixture.h>

#include <millrace/kafka/group_lag.h>

namespace millrace::kafka {
namespace {

using namespace std::chrono_literals;

class group_lag_test : public cluster_test {
 protected:
  result<std::vector<partition_lag>> lag(const std::string& group) {
    client_config config;
    config.bootstrap_servers = cluster().bootstrap_servers();
    const std::vector<std::string> topics{"visits"};
    return read_group_lag(config, group, topics, 20s);
  }
};

TEST_F(group_lag_test, a_group_without_commits_lags_by_the_whole_log) {
  topic("visits", 2);
  fill("visits", 10);
  const auto all = lag("nobody");
  ASSERT_TRUE(all) << all.error().to_string();
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].records + (*all)[1].records, 10);
  for (const partition_lag& p : *all) {
    EXPECT_EQ(p.committed, std::nullopt);
    EXPECT_EQ(p.oldest.has_value(), p.records > 0);
  }
}

TEST_F(group_lag_test, counts_from_the_committed_offset_and_dates_the_first_record_after_it) {
  topic("visits", 1);
  fill("visits", 4);
  {
    member reader(reading({"visits"}));
    ASSERT_TRUE(reader.until_records(4));
    reader.commit({0, 0}, 3);
    ASSERT_TRUE(reader.until([&] { return !reader.commits.empty(); }));
    ASSERT_TRUE(reader.leave());
  }
  fill("visits", 2, 4);
  const auto all = lag("g");
  ASSERT_TRUE(all) << all.error().to_string();
  EXPECT_EQ(all->front().committed, 3);
  EXPECT_EQ(all->front().high, 6);
  EXPECT_EQ(all->front().records, 3);
  ASSERT_TRUE(all->front().oldest);
  EXPECT_GT(all->front().oldest->time_since_epoch().count(), 1'600'000'000'000);
}

TEST_F(group_lag_test, a_topic_that_does_not_exist_is_an_error) {
  const auto all = lag("g");
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code(), errc::topic_not_found);
}

}  // namespace
}  // namespace millrace::kafka

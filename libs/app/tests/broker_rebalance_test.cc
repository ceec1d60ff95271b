// Rebalances of each kind with a whole engine and work in flight: revoke, drain, commit, assign.
#include "broker_fixture.h"

namespace millrace::app {
namespace {

struct group_case {
  const char* name;
  kafka::group_protocol protocol;
  kafka::assignor assignment;
  [[nodiscard]] bool eager() const {
    return protocol == kafka::group_protocol::classic && assignment != kafka::assignor::cooperative_sticky;
  }
};

class broker_rebalance_test : public broker_test, public ::testing::WithParamInterface<group_case> {
 protected:
  [[nodiscard]] worker_settings member_of_group() const {
    worker_settings s = rejoining();
    // Members wait for each other: the mock cluster drops one that is a second late.
    s.source.client.properties["session.timeout.ms"] = "6000";
    s.source.protocol = GetParam().protocol;
    if (s.source.protocol == kafka::group_protocol::classic) s.source.assignment = GetParam().assignment;
    if (s.source.protocol == kafka::group_protocol::consumer) {
      s.source.client.properties.erase("session.timeout.ms");
      s.source.client.properties.erase("heartbeat.interval.ms");
    }
    return s;
  }
  static std::size_t partitions_of(const broker_worker& worker) {
    return const_cast<broker_worker&>(worker).engine().status_now().partitions.size();
  }
};

// Scenarios 5, 6 and 8.
TEST_P(broker_rebalance_test, a_second_member_joins_and_the_first_leaves_with_work_in_flight) {
  topic("parcels", 6);
  send_parcels(120);
  broker_worker first(member_of_group());
  first.database_delay = milliseconds(30);
  ASSERT_TRUE(first.until([&] { return partitions_of(first) == 6 && first.counts().in_flight > 0; }));
  broker_worker second(member_of_group());
  second.database_delay = milliseconds(30);
  bool gave_up_everything = false;
  std::uint64_t in_flight_of_both_max = 0;
  const auto both = [&](const std::function<bool()>& done) {
    return first.until([&] {
      second.turn();
      gave_up_everything = gave_up_everything || partitions_of(first) == 0;
      in_flight_of_both_max =
          std::max(in_flight_of_both_max, first.counts().in_flight + second.counts().in_flight);
      return done();
    });
  };
  int sent = 120;
  ASSERT_TRUE(both([&] {
    if (sent < 600 && first.counts().in_flight < 20) {  // there is always work in flight
      send_parcels(20, sent);
      sent += 20;
    }
    return partitions_of(first) == 3 && partitions_of(second) == 3;
  }));
  EXPECT_EQ(gave_up_everything, GetParam().eager());
  EXPECT_GT(in_flight_of_both_max, 0U);
  send_parcels(60, sent);
  sent += 60;
  first.engine().request_stop();
  ASSERT_TRUE(both([&] { return first.engine().finished() && partitions_of(second) == 6; }));
  const auto written_by_both = [&] {
    std::map<std::int64_t, int> written = first.written();
    for (const auto& [number, times] : second.written()) written[number] += times;
    return written;
  };
  // Not counted by what is done: that counts what was read again, too.
  ASSERT_TRUE(both([&] {
    return second.counts().in_flight == 0 && written_by_both().size() == static_cast<std::size_t>(sent);
  })) << "a parcel is lost";
  for (broker_worker* one : {&first, &second}) {
    EXPECT_EQ(one->source().counters().rebalances_lost, 0U);
    EXPECT_EQ(one->counts().abandoned, 0U) << "the drain was long enough";
    EXPECT_FALSE(one->engine().failure());
  }
  EXPECT_EQ(first.engine().abandoned_by_stop(), 0U);
  // The mock cluster, unlike a broker, may refuse commits while a group joins; what was not committed is read
  // again.
  if (first.source().counters().commits_failed + second.source().counters().commits_failed == 0) {
    expect_each_once(written_by_both(), sent);
  }
  EXPECT_TRUE(second.stop());
}

INSTANTIATE_TEST_SUITE_P(
    protocols, broker_rebalance_test,
    ::testing::Values(
        group_case{"cooperative", kafka::group_protocol::classic, kafka::assignor::cooperative_sticky},
        group_case{"range", kafka::group_protocol::classic, kafka::assignor::range},
        group_case{"round_robin", kafka::group_protocol::classic, kafka::assignor::round_robin},
        group_case{"kip848", kafka::group_protocol::consumer, kafka::assignor::cooperative_sticky}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace millrace::app

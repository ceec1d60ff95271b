#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/stream/offset_tracker.h>

namespace millrace::stream {
namespace {

TEST(OffsetTracker, PositionIsTheLowestUnfinishedDeliveredOffset) {
  offset_tracker tracker;
  EXPECT_FALSE(tracker.position());
  const auto a = tracker.delivered(10);
  const auto b = tracker.delivered(15);  // 11 to 14 were compacted away
  const auto c = tracker.delivered(16);
  EXPECT_EQ(tracker.position(), 10);
  tracker.finished(b);
  EXPECT_EQ(tracker.position(), 10) << "never across a hole in the work";
  tracker.finished(a);
  EXPECT_EQ(tracker.position(), 16);
  tracker.finished(c);
  EXPECT_EQ(tracker.position(), 17);
  EXPECT_EQ(tracker.window(), 0U);
}

TEST(OffsetTracker, AgreesWithANaiveModel) {
  std::mt19937_64 random(11);
  offset_tracker tracker;
  std::map<std::int64_t, offset_tracker::ticket> open;  // the model: every unfinished offset
  std::int64_t next = 0;
  std::int64_t last = -1;
  std::int64_t committed = -1;
  for (int i = 0; i < 1'000'000; ++i) {
    if (open.size() < 64 && (open.empty() || random() % 2 == 0)) {
      next += 1 + static_cast<std::int64_t>(random() % 3);
      open.emplace(next, tracker.delivered(next));
      last = next;
    } else {
      auto victim = open.begin();
      std::advance(victim, static_cast<long>(random() % open.size()));
      tracker.finished(victim->second);
      open.erase(victim);
    }
    const std::int64_t expected = open.empty() ? last + 1 : open.begin()->first;
    ASSERT_EQ(tracker.position(), expected);
    ASSERT_EQ(tracker.unfinished(), open.size());
    ASSERT_GE(*tracker.position(), committed);
    committed = *tracker.position();
  }
}

TEST(OffsetTrackerDeathTest, ARecordIsFinishedOnce) {
  offset_tracker tracker;
  const auto a = tracker.delivered(1);
  const auto b = tracker.delivered(2);
  tracker.finished(b);
  EXPECT_DEATH(tracker.finished(b), "finished once");
  tracker.finished(a);
  EXPECT_DEATH(tracker.finished(a), "delivered and not finished");
  EXPECT_DEATH(tracker.delivered(2), "increasing order");
}

}  // namespace
}  // namespace millrace::stream

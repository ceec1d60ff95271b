#include <map>
#include <random>
#include <set>
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

using open_records = std::map<std::int64_t, offset_tracker::ticket>;

// The delivered offsets within `ranges`.
std::vector<std::int64_t> delivered_of(const std::vector<offset_range>& ranges,
                                       const std::set<std::int64_t>& delivered) {
  std::vector<std::int64_t> offsets;
  for (const offset_range& r : ranges) {
    for (auto at = delivered.lower_bound(r.first); at != delivered.end() && *at <= r.last; ++at) {
      offsets.push_back(*at);
    }
  }
  return offsets;
}

std::vector<std::int64_t> beyond(const std::set<std::int64_t>& delivered, const open_records& open) {
  std::vector<std::int64_t> offsets;
  for (const std::int64_t offset : delivered) {
    if (!open.empty() && offset > open.begin()->first && !open.contains(offset)) offsets.push_back(offset);
  }
  return offsets;
}

TEST(OffsetTracker, AgreesWithANaiveModel) {
  std::mt19937_64 random(11);
  offset_tracker tracker;
  open_records open;                 // the model: every unfinished offset
  std::set<std::int64_t> delivered;  // from the position on
  std::uint64_t finished = 0;
  std::int64_t next = 0;
  std::int64_t last = -1;
  std::int64_t committed = -1;
  for (int i = 0; i < 1'000'000; ++i) {
    if (open.size() < 64 && (open.empty() || random() % 2 == 0)) {
      next += 1 + static_cast<std::int64_t>(random() % 3);
      open.emplace(next, tracker.delivered(next));
      delivered.insert(next);
      last = next;
    } else {
      auto victim = open.begin();
      std::advance(victim, static_cast<long>(random() % open.size()));
      tracker.finished(victim->second);
      open.erase(victim);
      ++finished;
    }
    const std::int64_t expected = open.empty() ? last + 1 : open.begin()->first;
    ASSERT_EQ(tracker.position(), expected);
    ASSERT_EQ(tracker.unfinished(), open.size());
    ASSERT_GE(*tracker.position(), committed);
    ASSERT_EQ(tracker.finished_count(), finished);
    if (i % 64 == 0) {
      ASSERT_EQ(delivered_of(tracker.finished_beyond(), delivered), beyond(delivered, open));
    }
    std::erase_if(delivered, [expected](std::int64_t offset) { return offset < expected; });
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

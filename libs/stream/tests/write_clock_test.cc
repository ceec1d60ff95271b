#include <random>

#include <gtest/gtest.h>

#include <millrace/stream/write_clock.h>

namespace millrace::stream {
namespace {

constexpr std::int64_t now_ms = 1'700'000'000'000;
constexpr std::int64_t now_us = now_ms * 1'000;
constexpr std::int64_t day_ms = 86'400'000;

timestamp at(std::int64_t millis) { return timestamp(milliseconds(millis)); }

TEST(WriteClock, FollowsTheRecordsTimestamps) {
  write_clock clock;
  EXPECT_EQ(clock.next(at(now_ms), now_us), now_us);
  EXPECT_EQ(clock.next(at(now_ms + 5), now_us), now_us + 5'000);
}

TEST(WriteClock, ALaterRecordWinsWhateverItsTimestamp) {
  write_clock clock;
  std::int64_t last = clock.next(at(now_ms), now_us);
  // The same millisecond, over and over; earlier ones; none; 1969; another century.
  std::vector<std::int64_t> millis(5'000, now_ms);
  for (const std::int64_t m :
       {now_ms - day_ms, std::int64_t{0}, std::int64_t{-1}, now_ms * 40, INT64_MAX, INT64_MIN})
    millis.push_back(m);
  for (const std::int64_t m : millis) {
    const std::int64_t next = clock.next(at(m), now_us);
    ASSERT_GE(next, last + write_clock::step_us) << m;
    last = next;
  }
  EXPECT_LT(last, now_us + 12'000) << "what cannot be believed moves nothing";
  EXPECT_EQ(clock.next(at(now_ms + 60'000), now_us), (now_ms + 60'000) * 1'000);
}

TEST(WriteClock, TheDeletionAndWriteTimesOfARecordLieBetweenThoseOfItsNeighbours) {
  write_clock clock;
  const std::int64_t a = clock.next(at(now_ms), now_us);
  const std::int64_t b = clock.next(at(now_ms), now_us);
  EXPECT_LT(a + 1, b) << "what a wrote is older than what b deletes";
}

TEST(WriteClock, AnyOwnerComputesTheSameTimesFromTheCommittedOffsetOn) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::int64_t> millis;
    for (int i = 0; i < 50; ++i) millis.push_back(now_ms + static_cast<std::int64_t>(random() % 40) - 20);
    write_clock first;
    std::vector<std::int64_t> times;
    std::vector<std::int64_t> floors;
    for (const std::int64_t m : millis) {
      floors.push_back(first.last_us());
      times.push_back(first.next(at(m), now_us));
    }
    const std::size_t from = random() % millis.size();
    std::string text = encode_write_floor(floors[from]);
    std::string_view metadata = text;
    write_clock second;
    second.resume_after(take_write_floor(metadata).value_or(-1));
    // Another host, whose clock is a day off.
    for (std::size_t i = from; i < millis.size(); ++i)
      ASSERT_EQ(second.next(at(millis[i]), now_us + day_ms * 1'000), times[i]);
  }
}

TEST(WriteFloor, PrecedesTheFinishedMapAndLeavesItUnchanged) {
  const std::string both = encode_write_floor(now_us) + " mr1.AAAA";
  std::string_view metadata = both;
  EXPECT_EQ(take_write_floor(metadata), now_us);
  EXPECT_EQ(metadata, "mr1.AAAA");
  for (const char* other :
       {"", "mr1.AAAA", "wt1.", "wt1.xyz", "wt1.-5", "wt1.ffffffffffffffffff mr1.", "wt1 5"}) {
    metadata = other;
    EXPECT_FALSE(take_write_floor(metadata)) << other;
    EXPECT_EQ(metadata, other);
  }
}

}  // namespace
}  // namespace millrace::stream

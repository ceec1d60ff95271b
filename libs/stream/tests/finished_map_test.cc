#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/stream/finished_map.h>

namespace millrace::stream {
namespace {

using ranges = std::vector<offset_range>;

TEST(FinishedMap, ReadsBackTheWrittenRanges) {
  const ranges done{{11, 11}, {13, 20}, {1'000'000'000'000, 1'000'000'000'001}};
  const std::string text = encode_finished("topic", 10, done);
  EXPECT_EQ(decode_finished(text, "topic", 10), done);
}

TEST(FinishedMap, AnEmptyMapIdentifiesItsCommit) {
  const std::string text = encode_finished("topic", 10, {});
  EXPECT_EQ(text.size(), 15U);
  EXPECT_EQ(decode_finished(text, "topic", 10), ranges{});
  EXPECT_FALSE(decode_finished(text, "topic", 11));
  EXPECT_FALSE(decode_finished(text, "another", 10));
  EXPECT_FALSE(decode_finished("", "topic", 10));
}

TEST(FinishedMap, IsIgnoredUnderAnotherTopicOrOffset) {
  const std::string text = encode_finished("topic", 10, ranges{{12, 14}});
  EXPECT_FALSE(decode_finished(text, "the topic that was created anew", 10));
  EXPECT_FALSE(decode_finished(text, "", 10));
  EXPECT_FALSE(decode_finished(text, "topic", 9));
  EXPECT_FALSE(decode_finished(text, "topic", 11));
}

TEST(FinishedMap, IgnoresMetadataOfAnotherClient) {
  for (const char* text :
       {"", "mr1.", "mr1.AAAA", "{\"owner\":\"flink\"}", "mr2.AAAAAAAAAAAAAAAAAAAA", "mr1.?"}) {
    EXPECT_FALSE(decode_finished(text, "topic", 0)) << text;
  }
  EXPECT_FALSE(decode_finished(std::string(1U << 20U, 'A'), "topic", 0));
}

TEST(FinishedMap, EveryCorruptionIsDetected) {
  const ranges done{{11, 11}, {13, 20}, {300, 70'000}};
  const std::string text = encode_finished("topic", 10, done);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char c : {'A', 'B', 'z', '_', '!', '\0'}) {
      std::string damaged = text;
      damaged[at] = c;
      const auto read = decode_finished(damaged, "topic", 10);
      // The last character has bits that are not used.
      EXPECT_TRUE(!read || *read == done) << at << " " << c;
    }
    EXPECT_FALSE(decode_finished(text.substr(0, at), "topic", 10)) << at;
  }
}

TEST(FinishedMap, RangesThatDoNotFitAreDroppedFromTheFarEnd) {
  ranges done;
  for (std::int64_t at = 1; done.size() < 10'000; at += 1'000) done.push_back({at, at + 200});
  const std::string text = encode_finished("topic", 0, done);
  EXPECT_LE(text.size(), commit_metadata_bytes_max);
  EXPECT_GT(text.size(), commit_metadata_bytes_max - 16);
  const auto read = decode_finished(text, "topic", 0);
  ASSERT_TRUE(read);
  ASSERT_GT(read->size(), 500U);
  EXPECT_TRUE(std::equal(read->begin(), read->end(), done.begin())) << "the nearest are kept";
  EXPECT_EQ(encode_finished("topic", 0, done, 10), "") << "not even the check";
}

TEST(FinishedMap, NoMoreRangesFitThanTheLimitSays) {
  ranges densest;
  for (std::int64_t at = 1; densest.size() < 2 * finished_ranges_max; at += 2) densest.push_back({at, at});
  const auto read = decode_finished(encode_finished("t", 0, densest), "t", 0);
  ASSERT_TRUE(read);
  EXPECT_LE(read->size(), finished_ranges_max);
  EXPECT_GT(read->size(), finished_ranges_max - 10);
}

TEST(FinishedMap, RandomRangesReadBackAsFarAsTheyFit) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 5'000; ++round) {
    const auto committed = static_cast<std::int64_t>(random() >> (random() % 63 + 1));
    ranges done;
    std::int64_t at = committed;
    const std::size_t count = random() % 50;
    while (done.size() < count && at < (std::int64_t{1} << 62)) {
      const auto gap = static_cast<std::int64_t>(random() >> (random() % 40 + 24)) + 1;
      const auto more = static_cast<std::int64_t>(random() >> (random() % 40 + 24));
      done.push_back({at + gap, at + gap + more});
      at = done.back().last + 1;
    }
    const std::size_t most = round % 3 == 0 ? random() % 300 : commit_metadata_bytes_max;
    const std::string text = encode_finished("some-topic", committed, done, most);
    ASSERT_LE(text.size(), most);
    if (text.empty()) continue;
    const auto read = decode_finished(text, "some-topic", committed);
    ASSERT_TRUE(read);
    ASSERT_LE(read->size(), done.size());
    ASSERT_TRUE(std::equal(read->begin(), read->end(), done.begin()));
  }
}

TEST(FinishedMap, MayBeginAtTheCommittedOffset) {
  const ranges done{{10, 12}, {14, 14}};
  EXPECT_EQ(decode_finished(encode_finished("topic", 10, done), "topic", 10), done);
  EXPECT_EQ(decode_finished(encode_finished("topic", 0, ranges{{0, 0}}), "topic", 0), (ranges{{0, 0}}));
}

TEST(FinishedBefore, RecordsNotDeliveredYetStayKnown) {
  const finished_before before(ranges{{3, 3}, {5, 8}, {20, 21}});
  ranges all{{4, 6}};
  before.append_beyond(6, all);
  EXPECT_EQ(all, (ranges{{4, 8}, {20, 21}}));
  ranges none;
  before.append_beyond(21, none);
  EXPECT_TRUE(none.empty());
}

TEST(FinishedBefore, AnswersForAscendingOffsets) {
  finished_before before(ranges{{3, 3}, {5, 8}, {20, 21}});
  std::vector<std::int64_t> found;
  for (std::int64_t offset = 0; offset < 30; ++offset) {
    if (before.contains(offset)) found.push_back(offset);
  }
  EXPECT_EQ(found, (std::vector<std::int64_t>{3, 5, 6, 7, 8, 20, 21}));
  EXPECT_FALSE(finished_before().contains(1));
}

}  // namespace
}  // namespace millrace::stream

#include <gtest/gtest.h>

#include <millrace/config/units.h>

namespace millrace::config {
namespace {

using namespace std::chrono_literals;

TEST(Duration, ReadsNumbersWithUnits) {
  EXPECT_EQ(*parse_duration("0"), 0ns);
  EXPECT_EQ(*parse_duration("0s"), 0ns);
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("15s"), 15s);
  EXPECT_EQ(*parse_duration("5m"), 5min);
  EXPECT_EQ(*parse_duration("2h"), 2h);
  EXPECT_EQ(*parse_duration("1d"), 24h);
  EXPECT_EQ(*parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(*parse_duration("0.1us"), 100ns);
  EXPECT_EQ(*parse_duration("7µs"), 7us);
  EXPECT_EQ(*parse_duration("1m30s"), 90s);
}

TEST(Duration, RefusesEverythingElse) {
  for (const std::string_view text : {"", "5", "s", "-5s", "5 s", "5sec", "1.s", ".5s", "1e3s", "1..5s",
                                      "5s ", "0.5ns", "300000d", "99999999999999999999s", "9223372036s10s"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code(), errc::config_invalid);
  }
}

TEST(ByteSize, ReadsBytesAndBothKindsOfUnits) {
  EXPECT_EQ(parse_byte_size("0")->bytes, 0U);
  EXPECT_EQ(parse_byte_size("4096")->bytes, 4096U);
  EXPECT_EQ(parse_byte_size("10B")->bytes, 10U);
  EXPECT_EQ(*parse_byte_size("64MiB"), mib(64));
  EXPECT_EQ(*parse_byte_size("1.5 GiB"), mib(1536));
  EXPECT_EQ(parse_byte_size("10kB")->bytes, 10'000U);
  EXPECT_EQ(parse_byte_size("2TB")->bytes, 2'000'000'000'000U);
}

TEST(ByteSize, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", "MiB", "-1", "64 Mi", "64mib", "1.5", "0.3B", "1KiB2", "99999999TiB"}) {
    EXPECT_FALSE(parse_byte_size(text)) << text;
  }
}

TEST(Units, AreWrittenInTheShortestFormThatReadsBack) {
  EXPECT_EQ(to_text(nanoseconds(0)), "0s");
  EXPECT_EQ(to_text(250ms), "250ms");
  EXPECT_EQ(to_text(90s), "90s");
  EXPECT_EQ(to_text(30min), "30m");
  EXPECT_EQ(to_text(1500us), "1500us");
  EXPECT_EQ(to_text(byte_size{0}), "0B");
  EXPECT_EQ(to_text(mib(64)), "64MiB");
  EXPECT_EQ(to_text(byte_size{1000}), "1000B");
  for (const nanoseconds one : {nanoseconds(1), nanoseconds(1001), nanoseconds(3h), nanoseconds(86'401s)}) {
    EXPECT_EQ(*parse_duration(to_text(one)), one);
  }
  for (const byte_size one : {byte_size{1}, kib(1), kib(1025), gib(7)})
    EXPECT_EQ(*parse_byte_size(to_text(one)), one);
}

}  // namespace
}  // namespace millrace::config

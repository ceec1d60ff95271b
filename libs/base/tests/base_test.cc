#include <set>

#include <gtest/gtest.h>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/base/result.h>
#include <millrace/base/text.h>
#include <millrace/base/values.h>

namespace millrace {
namespace {

TEST(Errors, EveryCodeHasAUniqueNameAndADescription) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < errc_count; ++i) {
    const auto code = static_cast<errc>(i);
    EXPECT_TRUE(names.insert(to_string(code)).second) << to_string(code);
    EXPECT_GT(describe(code).size(), 10U);
  }
}

TEST(Errors, InAddsThePlaceInFront) {
  const error inner(errc::db_invalid, "no such table");
  EXPECT_EQ(inner.in("statement 's'").message(), "statement 's': no such table");
  EXPECT_EQ(inner.to_string(), "db_invalid: no such table");
}

TEST(Text, BytesThatAreNotUtf8BecomeQuestionMarks) {
  const std::string fine = "a \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(valid_utf8(fine), fine);
  EXPECT_EQ(valid_utf8(""), "");
  EXPECT_EQ(valid_utf8("\x80-\xC3"), "?-?") << "a part of a character";
  EXPECT_EQ(valid_utf8("\xC0\x80 \xE0\x80\x80 \xF0\x80\x80\x80"), "?? ??? ????") << "too long a form";
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), "???") << "a surrogate";
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80 \xF8"), "???? ?") << "beyond the last character";
}

TEST(Result, HoldsAValueOrAnError) {
  const result<int> good = 7;
  const result<int> bad = error(errc::truncated);
  EXPECT_EQ(*good, 7);
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), errc::truncated);
  EXPECT_EQ(bad.value_or(3), 3);
  const result<void> nothing;
  EXPECT_TRUE(nothing.ok());
}

TEST(ResultDeathTest, ReadingTheValueOfAFailureAborts) {
  const result<int> bad = error(errc::truncated);
  EXPECT_DEATH(static_cast<void>(bad.value()), "failed result");
}

TEST(Bytes, HexRoundTrips) {
  const auto bytes = from_hex("00 ff 7A");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(to_hex(*bytes), "00ff7a");
  EXPECT_EQ(to_hex(*bytes, 1), "00…");
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Uuid, ParsesAndPrintsTheCanonicalForm) {
  const std::string text = "00112233-4455-6677-8899-aabbccddeeff";
  const auto parsed = uuid::parse(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->to_string(), text);
  EXPECT_FALSE(uuid::parse("{0112233-4455-6677-8899-aabbccddeeff}"));
  EXPECT_FALSE(uuid::parse("00112233445566778899aabbccddeeff"));
  EXPECT_FALSE(uuid::parse("00112233-4455-6677-8899-aabbccddeefg"));
}

std::string decimal_text(std::string_view hex, std::int32_t scale) {
  const auto bytes = from_hex(hex);
  return *decimal_view{*bytes, scale}.to_string();
}

TEST(Decimal, PrintsExactly) {
  EXPECT_EQ(decimal_text("", 2), "0.00");
  EXPECT_EQ(decimal_text("3039", 2), "123.45");
  EXPECT_EQ(decimal_text("ff", 2), "-0.01");
  EXPECT_EQ(decimal_text("80", 0), "-128");
  EXPECT_EQ(decimal_text("05", -3), "5000");
  EXPECT_EQ(decimal_text("0de0b6b3a7640000", 0), "1000000000000000000");
  EXPECT_EQ(decimal_text("010000000000000000", 0), "18446744073709551616");
  EXPECT_EQ(decimal_text("ff0000000000000000", 0), "-18446744073709551616");
}

result<std::int64_t> narrowed(std::string_view hex) {
  const auto bytes = from_hex(hex);
  return decimal_view{*bytes, 0}.unscaled_int64();
}

TEST(Decimal, NarrowsToInt64OnlyWhenItFits) {
  EXPECT_EQ(*narrowed("000000000000000000007f"), 127);
  EXPECT_EQ(*narrowed("ffffffffffffffffff80"), -128);
  EXPECT_FALSE(narrowed("00ffffffffffffffff"));
}

TEST(Clock, ManualTimeMovesForwardOnly) {
  manual_clock time;
  const auto start = time.now();
  const auto wall = time.wall();
  time.advance(milliseconds(5));
  time.advance(milliseconds(-5));
  EXPECT_EQ(time.now() - start, milliseconds(5));
  EXPECT_EQ(time.wall() - wall, milliseconds(5));
  time.jump_wall(seconds(-3600));
  EXPECT_EQ(time.now() - start, milliseconds(5));
}

}  // namespace
}  // namespace millrace

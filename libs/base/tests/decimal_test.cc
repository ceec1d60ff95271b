#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <millrace/base/decimal.h>

namespace millrace {
namespace {

std::string parsed(std::string_view text) {
  const result<decimal> value = decimal::parse(text);
  return value ? value->to_string() : std::string(to_string(value.error().code()));
}
std::string text_of(const result<decimal>& value) {
  return value ? value->to_string() : std::string(to_string(value.error().code()));
}
std::string hex_of(const decimal& value) { return to_hex(value.view().unscaled); }

TEST(decimal, IsUnscaledTimesAPowerOfTen) {
  EXPECT_EQ(decimal(1'250, 2).to_string(), "12.50");
  EXPECT_EQ(decimal(-5, 1).to_string(), "-0.5");
  EXPECT_EQ(decimal(3, -2).to_string(), "300");
  EXPECT_EQ(decimal().to_string(), "0");
  EXPECT_EQ(decimal(std::numeric_limits<std::int64_t>::min(), 0).to_string(), "-9223372036854775808");
}

TEST(decimal, ItsViewHasTheShortestBytes) {
  EXPECT_EQ(hex_of(decimal(0, 2)), "00");
  EXPECT_EQ(hex_of(decimal(127, 2)), "7f");
  EXPECT_EQ(hex_of(decimal(128, 2)), "0080");
  EXPECT_EQ(hex_of(decimal(-1, 2)), "ff");
  EXPECT_EQ(hex_of(decimal(-128, 2)), "80");
  EXPECT_EQ(hex_of(decimal(-129, 2)), "ff7f");
  const decimal_view view = decimal(1'250, 2);
  EXPECT_EQ(view.scale, 2);
}

TEST(decimal, IsParsedWithItsScale) {
  EXPECT_EQ(parsed("12.50"), "12.50");
  EXPECT_EQ(parsed("-12.50"), "-12.50");
  EXPECT_EQ(parsed("+3"), "3");
  EXPECT_EQ(parsed(".5"), "0.5");
  EXPECT_EQ(parsed("5."), "5");
  EXPECT_EQ(parsed("1e3"), "1000");
  EXPECT_EQ(parsed("1.5E-7"), "0.00000015");
  EXPECT_EQ(parsed("1.5e+1"), "15");
  EXPECT_EQ(parsed("99999999999999999999999999999999999999"), "99999999999999999999999999999999999999");
  EXPECT_EQ(decimal::parse("1e3")->scale(), -3);
}

TEST(decimal, OtherTextIsRefused) {
  for (const char* text :
       {"", "-", ".", "1.2.3", "1,5", "0x10", "1e", "1e+", "1e+-3", "1e3 ", " 1", "NaN", "--1", "e5"})
    EXPECT_EQ(parsed(text), "malformed") << text;
  EXPECT_EQ(parsed("100000000000000000000000000000000000000"), "limit_exceeded") << "39 digits";
  EXPECT_EQ(parsed("1e5000"), "limit_exceeded");
  EXPECT_EQ(parsed("1e99999999999"), "malformed");
}

TEST(decimal, ValuesAreComparedAcrossScales) {
  EXPECT_EQ(decimal(125, 1), decimal(1'250, 2));
  EXPECT_EQ(decimal(0, 5), decimal(0, -5));
  EXPECT_LT(decimal(-5, 1), decimal(1, 4'000));
  EXPECT_LT(decimal(1, 4'000), decimal(1, 0));
  EXPECT_GT(decimal(1, -4'000), decimal(std::numeric_limits<std::int64_t>::max(), 0));
  EXPECT_LT(decimal(-1, -4'000), decimal(std::numeric_limits<std::int64_t>::min(), 0));
  EXPECT_GT(decimal(-1, 4'000), decimal(-1, 0));
  EXPECT_NE(decimal(125, 1), decimal(126, 1));
}

TEST(decimal, RescalingIsExactOrAnError) {
  EXPECT_EQ(text_of(decimal(125, 1).rescaled(3)), "12.500");
  EXPECT_EQ(text_of(decimal(1'250, 2).rescaled(1)), "12.5");
  EXPECT_EQ(text_of(decimal(1'250, 2).rescaled(0)), "unresolvable");
  EXPECT_EQ(text_of(decimal(0, 2).rescaled(-3)), "0");
  EXPECT_EQ(text_of(decimal(1, 0).rescaled(38)), "limit_exceeded");
  EXPECT_EQ(text_of(decimal(1, 0).rescaled(37)), "1." + std::string(37, '0'));
  EXPECT_EQ(text_of(decimal(1, 100).rescaled(0)), "unresolvable");
}

TEST(decimal, RoundingIsHalfAwayFromZero) {
  EXPECT_EQ(text_of(decimal(1'250, 2).rounded(0)), "13");
  EXPECT_EQ(text_of(decimal(1'249, 2).rounded(0)), "12");
  EXPECT_EQ(text_of(decimal(-1'250, 2).rounded(0)), "-13");
  EXPECT_EQ(text_of(decimal(-1'249, 2).rounded(0)), "-12");
  EXPECT_EQ(text_of(decimal(12, 0).rounded(2)), "12.00");
  EXPECT_EQ(text_of(decimal(9, 100).rounded(2)), "0.00");
}

TEST(decimal, SumsAreExact) {
  EXPECT_EQ(text_of(decimal(1'250, 2).plus(decimal(5, 1))), "13.00");
  EXPECT_EQ(text_of(decimal(1, 1).minus(decimal(3, 1))), "-0.2");
  const decimal largest = *decimal::parse(std::string(38, '9'));
  EXPECT_EQ(text_of(largest.plus(decimal(1, 0))), "limit_exceeded");
  EXPECT_EQ(text_of(largest.plus(largest)), "limit_exceeded") << "more than 127 bits";
  EXPECT_EQ(text_of(largest.minus(largest)), "0");
}

TEST(decimal, IsCopiedFromAView) {
  const byte_buffer padded = *from_hex("0000000000000000000000000000000000 04e2");
  EXPECT_EQ(text_of(decimal::of({padded, 2})), "12.50");
  const byte_buffer negative = *from_hex("ffffffffffffffffffffffffffffffffff fb1e");
  EXPECT_EQ(text_of(decimal::of({negative, 2})), "-12.50");
  EXPECT_EQ(text_of(decimal::of({{}, 2})), "0.00") << "empty is 0";
  const byte_buffer large(17, std::byte{0x7F});
  EXPECT_EQ(text_of(decimal::of({large, 0})), "limit_exceeded");
  const byte_buffer beyond = *from_hex("00ffffffffffffffffffffffffffffffff");
  EXPECT_EQ(text_of(decimal::of({beyond, 0})), "limit_exceeded") << "128 bits that are not a sign";
}

TEST(decimal, HasTheNearestDouble) {
  EXPECT_EQ(decimal(1'250, 2).to_double(), 12.5);
  EXPECT_EQ(decimal(-1, 1).to_double(), -0.1);
  EXPECT_EQ(decimal(1, 4'000).to_double(), 0);
  EXPECT_TRUE(std::isinf(decimal(1, -4'000).to_double()));
}

}  // namespace
}  // namespace millrace

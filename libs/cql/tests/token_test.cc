// Tokens as the Murmur3Partitioner computes them. The expected values are those of ScyllaDB's Rust driver
// (partitioner.rs) and of Cassandra 5.0: SELECT token(...).
#include "token.h"

#include <gtest/gtest.h>

#include <millrace/cql/cell.h>

namespace millrace::cql {
namespace {

TEST(token, of_one_text_is_that_of_the_server) {
  EXPECT_EQ(murmur3_token(as_bytes("test")), -6017608668500074083);
  EXPECT_EQ(murmur3_token(as_bytes("xd")), 4507812186440344727);
  EXPECT_EQ(murmur3_token(as_bytes("primary_key")), -1632642444691073360);
  EXPECT_EQ(murmur3_token(as_bytes("kremówki")), 4354931215268080151);
}

byte_buffer cells(std::initializer_list<std::string_view> texts) {
  byte_buffer out;
  for (const std::string_view text : texts) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
      out.push_back(static_cast<std::byte>(text.size() >> shift & 0xFFU));
    }
    const bytes_view bytes = as_bytes(text);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return out;
}

TEST(token, of_a_compound_key_covers_its_cells_in_key_order) {
  byte_buffer scratch;
  EXPECT_EQ(token_of({1}, cells({"other", "test"}), scratch), -6017608668500074083);
  // Each part with its length before it and a zero behind it.
  const std::string joined("\0\2xd\0\0\4test\0", 12);
  EXPECT_EQ(token_of({2, 0}, cells({"test", "other", "xd"}), scratch), murmur3_token(as_bytes(joined)));
  EXPECT_NE(token_of({0, 2}, cells({"test", "other", "xd"}), scratch), murmur3_token(as_bytes(joined)));
}

TEST(token, of_an_incomplete_key_is_absent) {
  byte_buffer scratch;
  EXPECT_EQ(token_of({}, cells({"test"}), scratch), std::nullopt);
  EXPECT_EQ(token_of({1}, cells({"test"}), scratch), std::nullopt);
  const byte_buffer null(4, std::byte{0xFF});
  EXPECT_EQ(token_of({0}, null, scratch), std::nullopt);
  EXPECT_EQ(token_of({0, 0}, null, scratch), std::nullopt);
  EXPECT_EQ(token_of({0, 0}, cells({std::string(70'000, 'x')}), scratch), std::nullopt);
}

byte_buffer joined(std::initializer_list<byte_buffer> parts) {
  byte_buffer out;
  for (const byte_buffer& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
const byte_buffer null_value(4, std::byte{0xFF});
const byte_buffer unset_value = {std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFE}};

// UPDATE ... SET a = ?, b = ? WHERE id = ?
TEST(token, of_a_key_behind_values_that_are_unset_or_null_is_found) {
  byte_buffer scratch;
  const byte_buffer values = joined({unset_value, null_value, cells({"test"}), unset_value, cells({"xd"})});
  EXPECT_EQ(token_of({2}, values, scratch), -6017608668500074083);
  EXPECT_EQ(token_of({4}, values, scratch), 4507812186440344727);
  const std::string both("\0\2xd\0\0\4test\0", 12);
  EXPECT_EQ(token_of({4, 2}, values, scratch), murmur3_token(as_bytes(both)));
}

TEST(token, of_a_key_with_a_part_that_is_unset_or_null_is_absent) {
  byte_buffer scratch;
  const byte_buffer values = joined({unset_value, null_value, cells({"test"})});
  EXPECT_EQ(token_of({0}, values, scratch), std::nullopt);
  EXPECT_EQ(token_of({1}, values, scratch), std::nullopt);
  EXPECT_EQ(token_of({2, 0}, values, scratch), std::nullopt);
  EXPECT_EQ(token_of({2, 1}, values, scratch), std::nullopt);
  EXPECT_EQ(token_of({3}, values, scratch), std::nullopt);
  // No length but those of null and unset is negative.
  const byte_buffer unknown = {std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFD}};
  EXPECT_EQ(token_of({1}, joined({unknown, cells({"test"})}), scratch), std::nullopt);
}

TEST(token, keys_are_equal_when_their_values_are) {
  byte_buffer one;
  byte_buffer other;
  ASSERT_TRUE(key_of({1}, joined({unset_value, cells({"test"})}), one));
  ASSERT_TRUE(key_of({0}, cells({"test", "more"}), other));
  EXPECT_EQ(one, other);
  ASSERT_TRUE(key_of({0, 1}, cells({"a", "bc"}), one));
  ASSERT_TRUE(key_of({0, 1}, cells({"ab", "c"}), other));
  EXPECT_NE(one, other);
  ASSERT_TRUE(key_of({1, 0}, cells({"bc", "a"}), other));
  EXPECT_EQ(one, other);
  EXPECT_FALSE(key_of({}, cells({"a"}), one));
  EXPECT_FALSE(key_of({0}, joined({unset_value}), one));
  ASSERT_TRUE(key_of({0}, cells({""}), one));  // an empty text is a value
  EXPECT_TRUE(one.empty());
}

TEST(token, of_every_length_differs) {
  std::vector<std::int64_t> seen;
  for (std::size_t length = 0; length < 70; ++length) {
    const std::int64_t token = murmur3_token(as_bytes(std::string(length, '\xe9')));
    EXPECT_EQ(std::count(seen.begin(), seen.end(), token), 0) << length;
    seen.push_back(token);
  }
}

}  // namespace
}  // namespace millrace::cql

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

// Compressed bodies of frames.
#include <gtest/gtest.h>

#include <millrace/base/assert.h>

#include "frames.h"

namespace millrace::cql::frames {
namespace {

byte_buffer bytes(std::string_view hexadecimal) { return *from_hex(hexadecimal); }

std::string repeated(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "visitor " + std::to_string(text.size() % 97) + " of the page ";
  text.resize(size);
  return text;
}

// Bytes that nothing makes smaller.
std::string random_text(std::size_t size) {
  std::string text;
  std::uint64_t state = 88'172'645'463'325'252U;
  while (text.size() < size) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    text += static_cast<char>(state & 0xFFU);
  }
  return text;
}

class compressed : public testing::TestWithParam<compression> {};

TEST_P(compressed, a_frame_is_made_smaller_and_read_back) {
  compressor both(GetParam());
  for (const std::size_t size : {505U, 512U, 4'000U, 200'000U}) {
    byte_buffer frames = bytes("0102");  // what is before the frame stays
    append_query(frames, 7, repeated(size));
    const byte_buffer whole = frames;
    both.compress(frames, 2);
    ASSERT_LT(frames.size(), whole.size());
    EXPECT_EQ(to_hex(bytes_view(frames).first(2)), "0102");
    const header of = read_header(bytes_view(frames).subspan(2));
    EXPECT_EQ(of.flags, flag_compressed);
    EXPECT_EQ(of.stream, 7);
    ASSERT_EQ(static_cast<std::size_t>(of.body_bytes), frames.size() - 2 - header_bytes);
    const auto body = both.decompress(bytes_view(frames).subspan(2 + header_bytes));
    ASSERT_TRUE(body);
    EXPECT_EQ(as_text(*body), as_text(bytes_view(whole).subspan(2 + header_bytes)));
  }
}

TEST_P(compressed, what_does_not_get_smaller_stays_as_it_is) {
  compressor by(GetParam());
  for (const std::string& text : {repeated(400), random_text(5'000)}) {
    byte_buffer frames;
    append_query(frames, 7, text);
    const byte_buffer whole = frames;
    by.compress(frames, 0);
    EXPECT_EQ(frames, whole);
  }
}

TEST_P(compressed, a_truncated_or_changed_body_is_never_read_beyond_its_end) {
  compressor by(GetParam());
  byte_buffer frames;
  append_query(frames, 7, repeated(900));
  const std::size_t size = frames.size() - header_bytes;
  by.compress(frames, 0);
  const byte_buffer whole(frames.begin() + header_bytes, frames.end());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const byte_buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    const auto got = by.decompress(cut);
    ASSERT_FALSE(got) << length;
    EXPECT_EQ(got.error().code(), errc::db_protocol);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    byte_buffer changed = whole;
    changed[at] ^= std::byte{0x55};
    const auto got = by.decompress(changed);
    EXPECT_TRUE(!got || got->size() <= size * 256) << at;
  }
}

TEST_P(compressed, room_for_a_large_body_is_given_back) {
  compressor by(GetParam());
  byte_buffer large;
  append_query(large, 7, repeated(std::size_t{3} << 20));
  by.compress(large, 0);
  ASSERT_TRUE(by.decompress(bytes_view(large).subspan(header_bytes)));
  EXPECT_GT(by.held_bytes(), std::size_t{1} << 20);
  byte_buffer small;
  append_query(small, 7, repeated(4'000));
  by.compress(small, 0);
  EXPECT_GT(by.held_bytes(), std::size_t{1} << 20);  // another large one may follow
  for (int k = 0; k < 100; ++k) ASSERT_TRUE(by.decompress(bytes_view(small).subspan(header_bytes)));
  EXPECT_LE(by.held_bytes(), std::size_t{1} << 20);
}

INSTANTIATE_TEST_SUITE_P(each, compressed, testing::Values(compression::lz4, compression::snappy),
                         [](const auto& one) { return std::string(to_string(one.param)); });

TEST(compression, has_the_form_of_the_specification) {
  compressor lz4(compression::lz4);
  const auto from_lz4 = lz4.decompress(bytes("00000005 50 68656c6c6f"));
  ASSERT_TRUE(from_lz4);
  EXPECT_EQ(as_text(*from_lz4), "hello");
  EXPECT_TRUE(lz4.decompress(bytes("00000000 00")).value().empty());
  compressor snappy(compression::snappy);
  const auto from_snappy = snappy.decompress(bytes("05 10 68656c6c6f"));
  ASSERT_TRUE(from_snappy);
  EXPECT_EQ(as_text(*from_snappy), "hello");
}

TEST(compression, an_announced_length_is_judged_before_memory_is_taken) {
  for (const auto& [by, body] : std::initializer_list<std::pair<compression, std::string_view>>{
           {compression::lz4, "10000001 50 68656c6c6f"},        // longer than a frame
           {compression::lz4, "0fffffff 50 68656c6c6f"},        // not of 10 bytes
           {compression::lz4, "ffffffff 50 68656c6c6f"},        // negative
           {compression::lz4, "00000006 50 68656c6c6f"},        // one more than there is
           {compression::lz4, "00000004 50 68656c6c6f"},        // one less
           {compression::lz4, "000000"},                        //
           {compression::snappy, "81808080 01 10 68656c6c6f"},  // longer than a frame
           {compression::snappy, "ffffff7f 10 68656c6c6f"},     // not of 10 bytes
           {compression::snappy, "06 10 68656c6c6f"},           //
           {compression::snappy, ""},
       }) {
    compressor of(by);
    const auto got = of.decompress(bytes(body));
    ASSERT_FALSE(got) << body;
    EXPECT_EQ(got.error().code(), errc::db_protocol);
    EXPECT_LT(of.held_bytes(), 1'000U) << body;
  }
}

TEST(compression, without_an_algorithm_does_nothing) {
  compressor none(compression::none);
  byte_buffer frames;
  append_query(frames, 7, repeated(4'000));
  const byte_buffer whole = frames;
  none.compress(frames, 0);
  EXPECT_EQ(frames, whole);
  EXPECT_FALSE(none.decompress(frames));
}

}  // namespace
}  // namespace millrace::cql::frames

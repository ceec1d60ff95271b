// file_descriptor, text, random numbers, backoff and the two hashes.
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/base/backoff.h>
#include <millrace/base/file_descriptor.h>
#include <millrace/base/fnv1a.h>
#include <millrace/base/key_hash.h>
#include <millrace/base/text.h>

namespace millrace {
namespace {

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

TEST(FileDescriptor, ClosesWithItsOwner) {
  int number = -1;
  {
    const file_descriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = file.get();
    ASSERT_TRUE(file);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(FileDescriptor, MovesItsDescriptor) {
  file_descriptor first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  file_descriptor second(std::move(first));
  EXPECT_EQ(second.get(), number);
  file_descriptor third;
  third = std::move(second);
  EXPECT_EQ(third.get(), number);
  EXPECT_EQ(third.release(), number);
  EXPECT_FALSE(third);
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(FileDescriptor, CloseReportsWhatTheSystemReports) {
  file_descriptor none(-1);
  EXPECT_FALSE(none);
  EXPECT_TRUE(none.close());
  const int number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  file_descriptor file(number);
  ::close(number);
  EXPECT_FALSE(file.close());
}

TEST(Text, HexadecimalDigits) {
  std::string text;
  for (const int byte : {0x00, 0x0f, 0xa0, 0xff}) append_hex(text, static_cast<std::uint8_t>(byte));
  EXPECT_EQ(text, "000fa0ff");
  EXPECT_EQ(hex_number(0xCAFE), "000000000000cafe");
  EXPECT_EQ(hex_number(0x12345, 4), "2345");
}

TEST(Text, JoinedHasTheSeparatorBetweenEachTwo) {
  EXPECT_EQ(joined({}, ", "), "");
  EXPECT_EQ(joined({"a"}, ", "), "a");
  EXPECT_EQ(joined({"", "b", ""}, ", "), ", b, ");
}

// The first numbers of the published generator for the seed 1234567.
TEST(Random, IsSplitmix64) {
  random_source numbers(1234567);
  EXPECT_EQ(numbers.next(), 6457827717110365317ULL);
  EXPECT_EQ(numbers.next(), 3203168211198807973ULL);
  EXPECT_EQ(numbers.next(), 9817491932198370423ULL);
}

TEST(Backoff, DoublesUpToItsLimitLessTheJitter) {
  random_source numbers(1);
  EXPECT_EQ(backoff_wait(1, milliseconds(100), milliseconds(1'000), 0, numbers), milliseconds(100));
  EXPECT_EQ(backoff_wait(3, milliseconds(100), milliseconds(1'000), 0, numbers), milliseconds(400));
  EXPECT_EQ(backoff_wait(99, milliseconds(100), milliseconds(1'000), 0, numbers), milliseconds(1'000));
  for (int i = 0; i < 100; ++i) {
    const nanoseconds wait = backoff_wait(3, milliseconds(100), milliseconds(1'000), 0.25, numbers);
    EXPECT_GE(wait, milliseconds(300));
    EXPECT_LE(wait, milliseconds(400));
  }
  EXPECT_EQ(backoff_wait(1, milliseconds(0), milliseconds(0), 1, numbers), milliseconds(1));
}

TEST(Backoff, BeginsAnewAfterASuccess) {
  backoff waits(milliseconds(100), milliseconds(10'000), 7);
  const instant now{};
  for (int i = 0; i < 5; ++i) static_cast<void>(waits.failed(now));
  EXPECT_EQ(waits.failures(), 5U);
  EXPECT_GE(waits.failed(now) - now, milliseconds(1'600));
  waits.succeeded();
  EXPECT_LE(waits.failed(now) - now, milliseconds(100));
}

// Test vectors of the reference implementation (draft-eastlake-fnv).
TEST(Fnv1a, IsTheReference) {
  EXPECT_EQ(fnv1a().value(), 0xCBF29CE484222325ULL);
  fnv1a hash;
  hash.add("a");
  EXPECT_EQ(hash.value(), 0xAF63DC4C8601EC8CULL);
  hash = fnv1a();
  hash.add("foobar");
  EXPECT_EQ(hash.value(), 0x85944171F73967E8ULL);
}

TEST(Fnv1a, ANumberIsItsBytesLowestFirst) {
  fnv1a number;
  number.add(std::uint64_t{0x61});
  fnv1a bytes;
  bytes.add(std::string_view("a\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(number.value(), bytes.value());
}

TEST(KeyHash, DependsOnEveryByteOnTheLengthAndOnTheSeed) {
  std::set<std::uint64_t> seen;
  std::size_t hashed = 0;
  for (std::size_t size = 0; size <= 40; ++size) {
    std::string key(size, '\0');
    seen.insert(key_hash(as_bytes(key), 1));
    seen.insert(key_hash(as_bytes(key), 2));
    hashed += 2;
    for (std::size_t at = 0; at < size; ++at, ++hashed) {
      key[at] = '\1';
      seen.insert(key_hash(as_bytes(key), 1));
      key[at] = '\0';
    }
  }
  EXPECT_EQ(seen.size(), hashed);
}

}  // namespace
}  // namespace millrace

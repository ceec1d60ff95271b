#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/stream/record.h>

namespace millrace::stream {
namespace {

record_view example(std::span<const header_view> headers, std::optional<bytes_view> value) {
  record_view view;
  view.from = {1, 7};
  view.offset = 42;
  view.created = timestamp(std::chrono::milliseconds(5));
  view.key = as_bytes("key");
  view.value = value;
  view.headers = headers;
  return view;
}

TEST(Record, IsAFaithfulCopy) {
  block_pool pool;
  std::string value(1000, 'x');
  const std::vector<header_view> headers = {{"a", as_bytes("1")}, {"b", std::nullopt}, {"a", as_bytes("2")}};
  const record_ref record = pool.copy(example(headers, as_bytes(value)));
  value.assign(1000, '-');
  EXPECT_EQ(record->from(), (partition_id{1, 7}));
  EXPECT_EQ(record->offset(), 42);
  EXPECT_EQ(as_text(*record->key()), "key");
  EXPECT_EQ(as_text(*record->value()), std::string(1000, 'x'));
  EXPECT_EQ(as_text(*record->header("a")), "2") << "the last header of a name counts";
  EXPECT_FALSE(record->header("b"));
  EXPECT_FALSE(record->header("c"));
  ASSERT_EQ(record->header_count(), 3U);
  EXPECT_EQ(record->header_at(1).name, "b");
  EXPECT_EQ(as_text(*record->header_at(2).value), "2");
}

TEST(Record, TombstoneAndEmptyValueAreDistinguished) {
  block_pool pool;
  EXPECT_FALSE(pool.copy(example({}, std::nullopt))->value());
  EXPECT_TRUE(pool.copy(example({}, bytes_view{}))->value()->empty());
}

TEST(Record, BlocksAreReturnedWithTheLastReference) {
  block_pool pool;
  const std::string large(200'000, 'x');
  {
    record_ref first = pool.copy(example({}, as_bytes("v")));
    const record_ref second = first;
    const record_ref big = pool.copy(example({}, as_bytes(large)));
    first = record_ref();
    EXPECT_EQ(pool.blocks_in_use(), 2U);
    EXPECT_GT(pool.bytes_in_use(), large.size());
  }
  EXPECT_EQ(pool.blocks_in_use(), 0U);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

}  // namespace
}  // namespace millrace::stream

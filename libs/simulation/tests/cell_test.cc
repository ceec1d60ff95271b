#include <gtest/gtest.h>

#include <millrace/simulation/cell.h>

namespace millrace::simulation {
namespace {

using namespace std::chrono_literals;

TEST(cell, IsReadAsItWasWritten) {
  const uuid id = *uuid::parse("123e4567-e89b-12d3-a456-426614174000");
  EXPECT_EQ(cell(id).uuid(), id);
  EXPECT_EQ(cell(timestamp(milliseconds(-1))).timestamp(), timestamp(milliseconds(-1)));
  const std::chrono::sys_days before = std::chrono::year(1969) / 12 / 31;
  EXPECT_EQ(cell(before).date(), before);
  EXPECT_EQ(cell(*decimal::parse("-0.05")).decimal().to_string(), "-0.05");
  EXPECT_EQ(cell::time_of_day(90min).time_of_day(), 90min);
  EXPECT_EQ(cell::varint(-129).varint(), -129);
  EXPECT_EQ(cell::inet("10.0.0.1").inet(), "10.0.0.1");
  EXPECT_EQ(cell::inet("2001:db8::1").inet(), "2001:db8::1");
  EXPECT_EQ(cell(std::int16_t{-5}).int16(), -5);
  EXPECT_EQ(cell(std::int8_t{-5}).int8(), -5);
  EXPECT_EQ(cell(1.5F).float32(), 1.5F);
  EXPECT_TRUE(cell(true).boolean());
  EXPECT_EQ(cell::list({"a", "b"}).elements(), (std::vector<cell>{"a", "b"}));
  EXPECT_TRUE(cell::list({}).elements().empty());
  const auto entries = cell::map({{"a", 1}}).entries();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].second.int32(), 1);
  EXPECT_EQ(cell::tuple({"a", std::nullopt}).fields(), (std::vector<cell>{"a", std::nullopt}));
}

}  // namespace
}  // namespace millrace::simulation

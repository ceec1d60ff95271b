#include "tablet_map.h"

#include <limits>

#include <gtest/gtest.h>

namespace millrace::cql {
namespace {

constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

std::uint32_t node_of(const tablet_map& in, std::int64_t token) {
  const auto found = in.find(token);
  return found.empty() ? UINT32_MAX : found.front().node;
}

TEST(tablet_map, knows_the_tokens_behind_the_first_up_to_the_last) {
  tablet_map all;
  all.learn(100, 200, {{7, 1}});
  EXPECT_TRUE(all.find(100).empty());
  EXPECT_EQ(node_of(all, 101), 7U);
  EXPECT_EQ(node_of(all, 200), 7U);
  EXPECT_EQ(all.find(200).front().shard, 1U);
  EXPECT_TRUE(all.find(201).empty());
}

TEST(tablet_map, covers_the_whole_ring) {
  tablet_map all;
  all.learn(least, 0, {{1, 0}});
  all.learn(0, most, {{2, 0}});
  EXPECT_EQ(node_of(all, least + 1), 1U);
  EXPECT_EQ(node_of(all, 0), 1U);
  EXPECT_EQ(node_of(all, 1), 2U);
  EXPECT_EQ(node_of(all, most), 2U);
  EXPECT_EQ(all.size(), 2U);
}

TEST(tablet_map, a_report_replaces_what_it_overlaps) {
  tablet_map all;
  all.learn(0, 100, {{1, 0}});
  all.learn(100, 200, {{2, 0}});
  all.learn(200, 300, {{3, 0}});
  all.learn(50, 150, {{9, 0}});  // a merge, or tablets that were split otherwise
  EXPECT_EQ(all.size(), 2U);
  EXPECT_TRUE(all.find(10).empty());
  EXPECT_EQ(node_of(all, 100), 9U);
  EXPECT_TRUE(all.find(180).empty());
  EXPECT_EQ(node_of(all, 250), 3U);
  all.learn(0, 300, {{4, 0}});
  EXPECT_EQ(all.size(), 1U);
}

TEST(tablet_map, a_split_keeps_the_half_that_was_not_reported_unknown) {
  tablet_map all;
  all.learn(0, 100, {{1, 0}});
  all.learn(0, 50, {{2, 0}});
  EXPECT_EQ(node_of(all, 50), 2U);
  EXPECT_TRUE(all.find(51).empty()) << "it is learnt with the next request";
}

TEST(tablet_map, forgets_the_tablets_of_a_node) {
  tablet_map all;
  all.learn(0, 100, {{1, 0}, {2, 0}});
  all.learn(100, 200, {{3, 0}});
  all.forget_node(2);
  EXPECT_TRUE(all.find(50).empty());
  EXPECT_EQ(node_of(all, 150), 3U);
  all.clear();
  EXPECT_EQ(all.size(), 0U);
}

TEST(tablet_map, ignores_a_tablet_without_tokens) {
  tablet_map all;
  all.learn(100, 100, {{1, 0}});
  all.learn(100, 50, {{1, 0}});
  EXPECT_EQ(all.size(), 0U);
}

}  // namespace
}  // namespace millrace::cql

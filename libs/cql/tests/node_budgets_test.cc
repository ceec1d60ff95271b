#include "node_budgets.h"

#include <gtest/gtest.h>

namespace millrace::cql {
namespace {

using effect = node_budgets::effect;

struct budgets_of {
  explicit budgets_of(std::size_t window, std::size_t nodes) : all(window) {
    for (std::size_t k = 0; k < nodes; ++k) (void)all.add();
  }
  node_budgets all;
};

TEST(node_budgets, a_single_node_may_fill_the_window_and_one_of_several_may_not) {
  for (const auto& [nodes, share] :
       {std::pair<std::size_t, double>{1, 1000}, {2, 750}, {4, 500}, {10, 200}}) {
    node_budgets all = budgets_of(1000, nodes).all;
    EXPECT_EQ(all.share(), share);
    for (int k = 0; k < static_cast<int>(share); ++k) {
      ASSERT_TRUE(all.has_room(0));
      (void)all.take(0);
    }
    EXPECT_FALSE(all.has_room(0));
    EXPECT_FALSE(all.wait(0, 7));
    EXPECT_EQ(all.refused(), 1U);
    EXPECT_TRUE(nodes == 1 || all.has_room(1)) << "the others continue";
  }
}

TEST(node_budgets, overload_shrinks_once_a_round_and_successes_grow_back) {
  node_budgets all = budgets_of(100, 1).all;
  std::vector<std::uint64_t> taken;
  taken.reserve(100);
  for (int k = 0; k < 100; ++k) taken.push_back(all.take(0));
  for (std::size_t k = 0; k < 50; ++k) all.give_back(0, taken[k], effect::overload);
  EXPECT_EQ(all.limit(0), 70.0) << "one round of refusals is one shrinking";
  for (std::size_t k = 50; k < 100; ++k) all.give_back(0, taken[k], effect::success);
  EXPECT_GT(all.limit(0), 70.0);
  EXPECT_LT(all.limit(0), 75.0);
  for (int k = 0; k < 10'000; ++k) all.give_back(0, all.take(0), effect::success);
  EXPECT_EQ(all.limit(0), 100.0);
  EXPECT_EQ(all.shrunk(), 1U);
}

TEST(node_budgets, other_failures_change_nothing_and_the_limit_has_a_floor) {
  node_budgets all = budgets_of(100, 1).all;
  for (int k = 0; k < 100; ++k) all.give_back(0, all.take(0), effect::neutral);
  EXPECT_EQ(all.limit(0), 100.0);
  for (int k = 0; k < 100; ++k) all.give_back(0, all.take(0), effect::overload);
  EXPECT_EQ(all.limit(0), 8.0);
  EXPECT_EQ(all.limit_min(), 8.0);
}

TEST(node_budgets, waiters_are_served_in_order) {
  node_budgets all = budgets_of(100, 1).all;
  for (int k = 0; k < 100; ++k) all.give_back(0, all.take(0), effect::overload);
  std::vector<std::uint64_t> taken;
  taken.reserve(100);
  for (int k = 0; k < 8; ++k) taken.push_back(all.take(0));
  for (const std::uint32_t place : {8U, 9U, 10U}) {
    EXPECT_FALSE(all.has_room(0));
    EXPECT_TRUE(all.wait(0, place));
  }
  all.stop_waiting(0, 9);
  EXPECT_EQ(all.next_called(0), std::nullopt);
  all.give_back(0, taken[0], effect::neutral);
  EXPECT_FALSE(all.has_room(0)) << "others wait longer";
  EXPECT_EQ(all.next_called(0), 8U);
  taken.push_back(all.take(0));
  EXPECT_EQ(all.next_called(0), std::nullopt);
  all.give_back(0, taken[1], effect::neutral);
  EXPECT_EQ(all.next_called(0), 10U);
  EXPECT_EQ(all.waiting(), 0U);
}

TEST(node_budgets, a_node_that_leaves_raises_the_shares_of_the_others) {
  node_budgets all = budgets_of(1000, 2).all;
  EXPECT_EQ(all.limit(0), 750.0);
  all.set_member(1, false);
  all.set_member(1, false);
  EXPECT_EQ(all.limit(0), 1000.0);
  all.set_member(1, true);
  EXPECT_EQ(all.limit(0), 750.0);
}

TEST(node_budgets, late_answers_shrink_by_their_part_of_all_answers) {
  node_budgets all = budgets_of(1000, 1).all;
  for (int k = 0; k < 5'000; ++k) {
    all.give_back(0, all.take(0), k % 100 == 0 ? effect::late : effect::success);
  }
  EXPECT_EQ(all.limit(0), 1000.0) << "one huge partition says nothing of the node";
  for (int k = 0; k < 100; ++k) all.give_back(0, all.take(0), k % 5 == 0 ? effect::late : effect::success);
  EXPECT_LT(all.limit(0), 100.0);
  EXPECT_GT(all.shrunk(), 0U);
}

TEST(node_budgets, the_number_of_a_node_that_left_serves_another_one) {
  node_budgets all = budgets_of(1000, 2).all;
  for (int k = 0; k < 100; ++k) all.give_back(1, all.take(1), effect::overload);
  all.set_member(1, false);
  EXPECT_EQ(all.limit(0), 1000.0);
  all.renew(1);
  EXPECT_EQ(all.limit(0), 750.0);
  EXPECT_EQ(all.limit(1), 750.0);
}

TEST(node_budgets, waiters_of_an_unreachable_node_are_taken_back) {
  node_budgets all = budgets_of(10, 1).all;
  for (int k = 0; k < 9; ++k) (void)all.take(0);
  EXPECT_TRUE(all.wait(0, 3));
  EXPECT_TRUE(all.anyone_waits(0));
  EXPECT_EQ(all.load(0), 10U);
  EXPECT_EQ(all.take_waiting(0), std::vector<std::uint32_t>{3});
  EXPECT_EQ(all.waiting(), 0U);
}

}  // namespace
}  // namespace millrace::cql

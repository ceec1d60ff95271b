#include <gtest/gtest.h>

#include <millrace/base/suggest.h>

namespace millrace {
namespace {

TEST(suggest, the_nearest_name_is_at_most_a_third_of_its_length_away) {
  EXPECT_EQ(nearest("visitr", {"visit", "visitor", "rating"}), "visit");
  EXPECT_FALSE(nearest("abc", {"xyz", "rating"}));
  EXPECT_FALSE(nearest("anything", {}));
}

TEST(suggest, the_closest_text_is_named_however_far_it_is) {
  EXPECT_EQ(
      closest("SELECT a FROM t WHERE k = ?", {"INSERT INTO t (k) VALUES (?)", "SELECT b FROM t WHERE k = ?"}),
      "SELECT b FROM t WHERE k = ?");
  EXPECT_FALSE(closest("SELECT a FROM t", {}));
}

TEST(suggest, a_message_ends_with_the_name_that_was_meant) {
  EXPECT_EQ(did_you_mean("rattings", {"ratings", "books"}), "; did you mean 'ratings'?");
  EXPECT_EQ(did_you_mean("rattings", {"books"}), "");
}

}  // namespace
}  // namespace millrace

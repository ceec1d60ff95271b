// Changes of columns that a running program can and cannot go on with.
#include "column_changes.h"

#include <gtest/gtest.h>

namespace millrace::cql {
namespace {

using columns = std::vector<statements::column>;

TEST(column_changes, the_same_columns_and_appended_fields_change_nothing) {
  const columns before = {{"a", "int"}, {"b", "list<udt<ks.u, x int>>"}};
  EXPECT_EQ(changed(before, before), std::nullopt);
  EXPECT_EQ(changed(before, {{"a", "int"}, {"b", "list<udt<ks.u, x int, y text>>"}}), std::nullopt);
  EXPECT_EQ(changed({}, {}), std::nullopt);
  // A text that cannot be parsed is compared as it is.
  EXPECT_EQ(changed({{"a", "<"}}, {{"a", "<"}}), std::nullopt);
}

TEST(column_changes, a_change_says_what_was_and_what_is) {
  const columns before = {{"a", "int"}, {"b", "udt<ks.u, t time>"}};
  EXPECT_EQ(changed(before, {{"a", "int"}}), "2 columns became 1");
  EXPECT_EQ(changed(before, {{"a", "bigint"}, before[1]}), "'a' was int and 'a' is bigint");
  EXPECT_EQ(changed(before, {{"c", "int"}, before[1]}), "'a' was int and 'c' is int");
  EXPECT_EQ(changed(before, {before[0], {"b", "udt<ks.u, t timestamp>"}}),
            "'b' was udt<ks.u, t time> and 'b' is udt<ks.u, t timestamp>");
  EXPECT_EQ(changed({{"a", "<"}}, {{"a", ">"}}), "'a' was < and 'a' is >");
}

}  // namespace
}  // namespace millrace::cql

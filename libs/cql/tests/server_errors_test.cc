// The table of the protocol's errors.
#include <algorithm>

#include <gtest/gtest.h>

#include <millrace/cql/server_errors.h>

namespace millrace::cql {
namespace {

TEST(server_error_table, codes_ascend_and_every_row_says_what_to_do_and_what_proves_it) {
  std::int32_t before = -1;
  for (const server_error& each : server_errors) {
    if (each.code >= 0) {
      EXPECT_LT(before, each.code);
      before = each.code;
    }
    EXPECT_FALSE(each.name.empty());
    EXPECT_FALSE(each.remedy.empty()) << each.name;
    EXPECT_NE(each.proof.find('.'), std::string_view::npos) << each.name;
  }
}

TEST(server_error_table, a_code_finds_its_row_and_an_unknown_one_the_last) {
  for (const server_error& each : server_errors) {
    const bool numbered = each.code >= 0;
    EXPECT_EQ(&server_error_of(each.code), numbered ? &each : &server_errors.back()) << each.name;
  }
  for (const std::int32_t code : {0x0001, 0x2600, 0x7FFFFFFF, -1, -2, -3}) {
    EXPECT_EQ(&server_error_of(code), &server_errors.back()) << code;
  }
  EXPECT_EQ(rate_limit_error().code, server_error::negotiated);
}

// The engine must go on after an answer that nobody has foreseen.
TEST(server_error_table, an_unknown_code_is_never_the_end) {
  EXPECT_EQ(server_errors.back().kind, errc::db_unavailable);
  EXPECT_TRUE(server_errors.back().of_node);
}

TEST(server_error_table, only_what_was_not_executed_is_sent_to_another_node_with_any_statement) {
  for (const server_error& each : server_errors) {
    const bool expected = each.code == 0x1000 || each.code == 0x1001 || each.code == 0x1002;
    EXPECT_EQ(each.not_executed, expected) << each.name;
  }
}

TEST(server_error_table, errors_about_one_partition_say_nothing_of_the_node) {
  EXPECT_FALSE(rate_limit_error().of_node);
  EXPECT_FALSE(rate_limit_error().overloaded);
  EXPECT_FALSE(server_error_of(0x1600).overloaded);
}

}  // namespace
}  // namespace millrace::cql

#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/config/diagnostic.h>

namespace millrace::config {
namespace {

diagnostic one_error() {
  return {.level = severity::error,
          .code = problem::unknown_key,
          .path = "kafka.x",
          .message = "unknown key `x`",
          .help = "did you mean `y`?",
          .origin = "c.yaml",
          .line = 3,
          .column = 2,
          .width = 1,
          .excerpt = " x: ***"};
}

TEST(Diagnostic, EveryProblemHasAUniqueNameAndADescription) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < problem_count; ++i) {
    const auto code = static_cast<problem>(i);
    EXPECT_TRUE(names.insert(to_string(code)).second);
    EXPECT_GT(describe(code).size(), 20U);
  }
}

TEST(Diagnostic, ColourIsUsedOnRequestOnly) {
  EXPECT_EQ(to_text(one_error(), false).find('\033'), std::string::npos);
  EXPECT_EQ(to_text(one_error(), true),
            "\033[1mc.yaml:3:2: \033[0m\033[1;31merror[unknown_key]\033[0m: unknown key `x`\n"
            "\033[1;34m   3\033[0m\033[1;34m | \033[0m x: ***\n"
            "    \033[1;34m | \033[0m \033[1;31m^\033[0m\n"
            "    \033[1;34m = \033[0mhelp: did you mean `y`?\n");
}

TEST(Diagnostic, SeveralEndWithACount) {
  diagnostic warning = one_error();
  warning.level = severity::warning;
  const std::vector<diagnostic> all{one_error(), one_error(), warning};
  EXPECT_TRUE(to_text(all, false).ends_with("\n2 errors, 1 warning\n"));
  EXPECT_EQ(to_text(std::vector<diagnostic>{}, false), "");
  EXPECT_TRUE(has_errors(all));
  EXPECT_FALSE(has_errors(std::vector<diagnostic>{warning}));
  EXPECT_EQ(to_error(all).code(), errc::config_invalid);
}

TEST(Diagnostic, JsonHasTheSameMembers) {
  diagnostic bare;
  bare.level = severity::warning;
  bare.code = problem::error_hint;
  bare.message = "not UTF-8: \xff";
  EXPECT_EQ(to_json(std::vector<diagnostic>{one_error(), bare}), R"([
  {
    "severity": "error",
    "code": "unknown_key",
    "path": "kafka.x",
    "message": "unknown key `x`",
    "help": "did you mean `y`?",
    "origin": "c.yaml",
    "line": 3,
    "column": 2,
    "width": 1,
    "excerpt": " x: ***"
  },
  {
    "severity": "warning",
    "code": "error_hint",
    "path": "",
    "message": "not UTF-8: �"
  }
])");
}

}  // namespace
}  // namespace millrace::config

// `millrace check`: how it finds the tools and the build, and how it reads what the tools print. tests/check runs it on
// files that have every trap.
#include "check/check.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/app/exit_code.h>

#include "check/compile_commands.h"
#include "check/findings.h"
#include "check/rules.h"
#include "check/tools.h"

namespace millrace::check {
namespace {

namespace fs = std::filesystem;

class Check : public ::testing::Test {
 protected:
  Check() : folder_(fs::temp_directory_path() / ("millrace-check-" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Check() override { fs::remove_all(folder_); }

  [[nodiscard]] fs::path at(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string file(const std::string& name, const std::string& text) const {
    fs::create_directories(at(name).parent_path());
    std::ofstream(at(name)) << text;
    return at(name).string();
  }
  // A program that prints `text`.
  [[nodiscard]] std::string program(const std::string& name, const std::string& text) const {
    std::string made = file(name, "#!/bin/sh\ncat <<'END'\n" + text + "\nEND\n");
    fs::permissions(made, fs::perms::owner_all);
    return made;
  }
  [[nodiscard]] std::string path() const { return folder_.string(); }

 private:
  fs::path folder_;
};

TEST_F(Check, ReadsThePlaceTheMessageAndTheRuleOfATidyWarning) {
  const auto found = read_tidy(
      "/src/a.cc:12:3: warning: the message [why] [misc-coroutine-hostile-raii]\n"
      "   12 |   code\n"
      "/src/a.cc:13:4: note: declared here\n"
      "/src/b.cc:1:1: error: unknown type name 'x' [clang-diagnostic-error]\n");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], (finding{"/src/a.cc", 12, 3, "misc-coroutine-hostile-raii", "the message [why]"}));
  EXPECT_EQ(found[1].rule, "clang-diagnostic-error");
}

TEST_F(Check, ReadsAMatchAsTheRuleThatItBinds) {
  const auto found = read_query(
      "Match #1:\n\n/src/a.cc:12:3: note: \"millrace-blocking-call\" binds here\n   12 |   code\n\n1 "
      "match.\n");
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().rule, "millrace-blocking-call");
  EXPECT_EQ(found->front().what, find_rule("millrace-blocking-call")->what);
  EXPECT_EQ(found->front().line, 12);
}

TEST_F(Check, CountsAUseOnlyAfterAWaitThatFollowsThePlace) {
  const auto match = [](int place, int wait, int use) {
    const auto node = [](int line, std::string_view name) {
      return "/src/a.cc:" + std::to_string(line) + ":3: note: \"" + std::string(name) + "\" binds here\n";
    };
    return "Match #1:\n" + node(use, "millrace-place-across-co-await") + node(place, "place") +
           node(wait, "wait");
  };
  EXPECT_EQ(read_query(match(10, 11, 12))->size(), 1U);
  EXPECT_EQ(read_query(match(10, 13, 12))->size(), 0U) << "the wait is after the use";
  EXPECT_EQ(read_query(match(10, 9, 12))->size(), 0U) << "the wait is before the place";
}

TEST_F(Check, ReportsARuleThatClangQueryRefuses) {
  const auto found = read_query("1:7: Error building matcher callExpr.\n");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), errc::internal);
}

TEST_F(Check, AcceptsWhatANolintCommentNames) {
  EXPECT_TRUE(is_silenced("f();  // NOLINT", "", "millrace-blocking-call"));
  EXPECT_TRUE(
      is_silenced("f();  // NOLINT(a, millrace-blocking-call): at start-up", "", "millrace-blocking-call"));
  EXPECT_TRUE(is_silenced("f();  // NOLINT(millrace-*)", "", "millrace-blocking-call"));
  EXPECT_TRUE(is_silenced("f();", "// NOLINTNEXTLINE(millrace-blocking-call)", "millrace-blocking-call"));
  EXPECT_FALSE(is_silenced("f();", "", "millrace-blocking-call"));
  EXPECT_FALSE(is_silenced("f();  // NOLINT(other)", "", "millrace-blocking-call"));
  EXPECT_FALSE(is_silenced("// NOLINTNEXTLINE", "", "millrace-blocking-call"))
      << "it speaks of the next line";
  EXPECT_FALSE(is_silenced("f();", "g();  // NOLINT", "millrace-blocking-call"))
      << "it speaks of its own line";
}

TEST_F(Check, SortsFindingsAndRemovesRepetitionsAndTheProductsHeaders) {
  const std::string source = file("a.cc", "one\ntwo  // NOLINT\nthree\n");
  const auto found = accepted({{source, 3, 1, "r", "w"},
                               {source, 1, 1, "r", "w"},
                               {source, 3, 1, "r", "w"},
                               {source, 2, 1, "r", "w"},
                               {"/usr/include/millrace/stream/must.h", 1, 1, "r", "w"}});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].line, 1);
  EXPECT_EQ(found[1].line, 3);
}

TEST_F(Check, EveryMatcherBelongsToARuleAndEveryOwnRuleHasAMatcher) {
  std::set<std::string> bound;
  for (const std::string& command : query_commands()) {
    EXPECT_FALSE(command.empty());
    if (!command.starts_with("match ")) continue;
    const std::size_t at = command.find("bind(\"millrace-");
    ASSERT_NE(at, std::string::npos) << command;
    const std::string name = command.substr(at + 6, command.find('"', at + 6) - at - 6);
    EXPECT_NE(find_rule(name), nullptr) << name;
    bound.insert(name);
  }
  for (const rule& each : rules()) {
    EXPECT_FALSE(each.remedy.empty()) << each.name;
    const std::string name(each.name);
    if (each.name.starts_with("millrace-")) {
      EXPECT_TRUE(bound.contains(name)) << name;
      EXPECT_FALSE(each.what.empty()) << name;
    } else {
      EXPECT_NE(tidy_configuration().find(name), std::string_view::npos) << name;
    }
  }
}

TEST_F(Check, PrefersTheTestedVersionAndThenTheNewest) {
  const std::string old = program("clang-tidy-18", "LLVM version 18.1.8");
  const std::string old_query = program("clang-query-18", "");
  EXPECT_EQ(find_tools(path(), "")->tidy, old);
  const std::string newer = program("clang-tidy-21", "LLVM version 21.1.0");
  const std::string newer_query = program("clang-query-21", "");
  EXPECT_EQ(find_tools(path(), "")->tidy, newer);
  const std::string tested = program("clang-tidy-19", "Debian LLVM version 19.1.7");
  const std::string tested_query = program("clang-query-19", "");
  const auto found = find_tools(path(), "");
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->tidy, tested);
  EXPECT_EQ(found->query, tested_query);
  EXPECT_EQ(found->version, 19);
}

TEST_F(Check, NamesThePackagesWhenAToolIsMissingOrTooOld) {
  const auto none = find_tools(path(), "");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), errc::config_invalid);
  EXPECT_NE(none.error().message().find("clang-tidy-19 and clang-tools-19"), std::string::npos);

  const std::string old = program("clang-tidy", "LLVM version 14.0.6");
  const auto too_old = find_tools(path(), "");
  ASSERT_FALSE(too_old);
  EXPECT_NE(too_old.error().message().find(old + " is version 14"), std::string::npos)
      << too_old.error().message();

  const std::string alone = program("clang-tidy-19", "LLVM version 19.1.7");
  const auto no_query = find_tools(path(), "");
  ASSERT_FALSE(no_query);
  EXPECT_NE(no_query.error().message().find("clang-query was not found"), std::string::npos);
  EXPECT_FALSE(find_tools(path(), at("absent").string()));
}

TEST_F(Check, RunsAProgramAndReturnsWhatItPrints) {
  const auto done = run_tool({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->out, "out\n");
  EXPECT_EQ(done->err, "err\n");
  EXPECT_EQ(done->status, 3);
  const auto absent = run_tool({at("absent").string()});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code(), errc::io_error);
}

TEST_F(Check, FindsTheBuildAboveTheFileAndInFoldersNamedBuild) {
  fs::create_directories(at("app/src"));
  EXPECT_FALSE(find_build(at("app/src")));
  const std::string preset = file("app/build/dev/compile_commands.json", "[]");
  EXPECT_EQ(*find_build(at("app/src")), fs::canonical(at("app/build/dev")));
  const std::string other = file("app/build/release/compile_commands.json", "[]");
  const auto ambiguous = find_build(at("app/src"));
  ASSERT_FALSE(ambiguous);
  EXPECT_NE(ambiguous.error().message().find("build/dev, "), std::string::npos)
      << ambiguous.error().message();
  const std::string plain = file("app/build/compile_commands.json", "[]");
  EXPECT_EQ(*find_build(at("app/src")), fs::canonical(at("app/build")));
}

TEST_F(Check, ListsTheSourcesOfABuildWithoutThoseThatItGenerates) {
  const std::string folder = at("app/build").string();
  const auto entry = [&](const std::string& name) {
    return R"({"directory": ")" + folder + R"(", "command": "c++", "file": ")" + name + R"("})";
  };
  const std::string commands =
      file("app/build/compile_commands.json", "[" + entry("../main.cc") + "," + entry("generated.cc") + "," +
                                                  entry("../main.cc") + "," + entry("../plain.c") + "]");
  const auto files = files_of_build(at("app/build"));
  ASSERT_TRUE(files) << files.error().message();
  ASSERT_EQ(files->size(), 1U);
  EXPECT_EQ(files->front(), (fs::canonical(at("app")) / "main.cc").string());

  const std::string torn = file("app/build/compile_commands.json", "[{");
  EXPECT_FALSE(files_of_build(at("app/build")));
  EXPECT_FALSE(files_of_build(at("absent")));
}

TEST_F(Check, RefusesABuildAndAFileThatAreNotThere) {
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_check({.files = {}, .build = at("absent").string(), .tidy = {}}, out, err), app::exit_config);
  EXPECT_NE(err.str().find("CMAKE_EXPORT_COMPILE_COMMANDS"), std::string::npos) << err.str();
  const std::string commands = file("compile_commands.json", "[]");
  EXPECT_EQ(run_check({.files = {"/absent.cc"}, .build = path(), .tidy = {}}, out, err), app::exit_config);
  EXPECT_EQ(run_check({.files = {}, .build = path(), .tidy = {}}, out, err), app::exit_config)
      << "nothing to check";
  EXPECT_TRUE(out.str().empty());
}

TEST_F(Check, PrintsFindingsWithPlaceAndRemedy) {
  const std::string source = file("main.cc", "int x;\n");
  const std::string commands =
      file("build/compile_commands.json",
           R"([{"directory": ")" + path() + R"(", "command": "c++", "file": "main.cc"}])");
  const std::string tidy =
      program("tools/clang-tidy-19",
              "LLVM version 19.1.7\n" + source + ":1:5: warning: it suspends [misc-coroutine-hostile-raii]");
  const std::string query = program(
      "tools/clang-query-19", "Match #1:\n\n" + source + ":1:1: note: \"millrace-blocking-call\" binds here");
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_check({.files = {}, .build = at("build").string(), .tidy = tidy, .jobs = 2}, out, err),
            app::exit_failure)
      << err.str();
  EXPECT_NE(out.str().find("main.cc:1:1: a coroutine calls a function that blocks"), std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("main.cc:1:5: it suspends [misc-coroutine-hostile-raii]\n    end the lock"),
            std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("2 findings in 1 file (clang-tidy 19)"), std::string::npos) << out.str();
}

TEST_F(Check, ExitsWithSuccessWithoutAFinding) {
  const std::string source = file("main.cc", "int x;\n");
  const std::string commands = file("compile_commands.json", "[]");
  const std::string tidy = program("tools/clang-tidy-19", "LLVM version 19.1.7");
  const std::string query = program("tools/clang-query-19", "0 matches.");
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(run_check({.files = {source}, .build = path(), .tidy = tidy}, out, err), app::exit_ok)
      << err.str();
  EXPECT_EQ(out.str(), "0 findings in 1 file (clang-tidy 19)\n");
}

TEST_F(Check, PrintsEveryRuleWithItsRemedy) {
  std::ostringstream out;
  print_rules(out);
  for (const rule& each : rules())
    EXPECT_NE(out.str().find(std::string(each.name) + "\n    "), std::string::npos);
}

}  // namespace
}  // namespace millrace::check

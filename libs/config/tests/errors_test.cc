// Each mistake is one clear message at its place. The texts are the product: they are compared whole.
#include <gtest/gtest.h>

#include "sample.h"

namespace millrace::config {
namespace {

constexpr std::string_view rest = "pipeline: {dead_letter_topic: dead}\n";

std::string with_rest(std::string_view text) { return std::string(text) + std::string(rest); }

TEST_F(SampleConfig, AnUnknownKeyNamesTheNearestOne) {
  EXPECT_EQ(complaints(with_rest("kafka:\n  bootstrap_servers: b:1\n  sesion_timeout: 15s\n")),
            "config.yaml:3:3: error[unknown_key]: unknown key `sesion_timeout` in `kafka`\n"
            "   3 |   sesion_timeout: ***\n"
            "     |   ^^^^^^^^^^^^^^\n"
            "     = help: did you mean `session_timeout`?\n");
}

TEST_F(SampleConfig, AKeyInTheWrongSectionIsReportedWithTheRightOne) {
  EXPECT_EQ(complaints(with_rest("kafka:\n  bootstrap_servers: b:1\n  in_flight: 4\n")),
            "config.yaml:3:3: error[unknown_key]: unknown key `in_flight` in `kafka`\n"
            "   3 |   in_flight: 4\n"
            "     |   ^^^^^^^^^\n"
            "     = help: did you mean `pipeline.in_flight`?\n");
}

TEST_F(SampleConfig, AnUnknownKeyWithoutANearOneListsTheKnownOnes) {
  EXPECT_EQ(complaints(std::string(minimal) + "telemetry: x\n"),
            "config.yaml:5:1: error[unknown_key]: unknown key `telemetry`\n"
            "   5 | telemetry: ***\n"
            "     | ^^^^^^^^^\n"
            "     = help: known keys: kafka, pipeline, sources\n");
}

TEST_F(SampleConfig, AMissingRequiredSettingIsShownAtItsSection) {
  EXPECT_EQ(complaints(with_rest("kafka:\n  group: g\n")),
            "config.yaml:1:1: error[missing_required]: `kafka.bootstrap_servers` is required\n"
            "   1 | kafka:\n"
            "     | ^^^^^\n"
            "     = help: for example `bootstrap_servers: broker-1:9092,broker-2:9092`\n");
  EXPECT_EQ(complaints(with_rest("")),
            "config.yaml: error[missing_required]: `kafka.bootstrap_servers` is required\n"
            "     = help: for example `bootstrap_servers: broker-1:9092,broker-2:9092`\n");
  EXPECT_EQ(complaints(std::string(minimal) + "sources:\n  - processors: 2\n"),
            "config.yaml:6:5: error[missing_required]: `sources[0].topic` is required\n"
            "   6 |   - processors: 2\n"
            "     |     ^\n");
}

TEST_F(SampleConfig, ARequiredSettingIsNotEmpty) {
  EXPECT_EQ(complaints(with_rest("kafka:\n  bootstrap_servers: \"\"\n")),
            "config.yaml:2:3: error[missing_required]: `kafka.bootstrap_servers` is required and must not be "
            "empty\n"
            "   2 |   bootstrap_servers: \"\"\n"
            "     |   ^^^^^^^^^^^^^^^^^\n"
            "     = help: for example `bootstrap_servers: broker-1:9092,broker-2:9092`\n");
}

TEST_F(SampleConfig, AValueOfTheWrongShapeIsReportedWithTheExpectedOne) {
  EXPECT_EQ(complaints("kafka: [1, 2]\n" + std::string(rest)),
            "config.yaml:1:8: error[wrong_type]: `kafka` must be a section; found a list\n"
            "   1 | kafka: [1, 2]\n"
            "     |        ^\n"
            "     = help: write its settings below it, one `key: value` per line\n");
  EXPECT_EQ(complaints("just text\n"),
            "config.yaml:1:1: error[wrong_type]: the configuration must be a section; found a single value\n"
            "   1 | just text\n"
            "     | ^^^^^^^^^\n"
            "     = help: write its settings below it, one `key: value` per line\n");
  EXPECT_EQ(complaints(with_rest("kafka:\n  bootstrap_servers: b:1\n  group: {a: b}\n")),
            "config.yaml:3:10: error[wrong_type]: `kafka.group` must be text; found a section\n"
            "   3 |   group: {a: ***\n"
            "     |          ^\n");
  EXPECT_EQ(
      complaints(
          "kafka: {bootstrap_servers: b:1}\npipeline: {dead_letter_topic: d, ignored_errors: rejected}\n"),
      "config.yaml:2:50: error[wrong_type]: `pipeline.ignored_errors` must be a list; found a single value\n"
      "   2 | pipeline: {dead_letter_topic: d, ignored_errors: rejected}\n"
      "     |                                                  ^^^^^^^^\n"
      "     = help: write [a, b], or one item per line, each behind `- `\n");
  EXPECT_EQ(complaints("kafka: {bootstrap_servers: b:1, group: }\n" + std::string(rest)),
            "config.yaml:1:40: error[wrong_type]: `kafka.group` has no value\n"
            "   1 | kafka: {bootstrap_servers: b:1, group: }\n"
            "     |                                        ^\n"
            "     = help: remove the key to use the default, or write \"\" for an empty text\n");
}

// One bad value of `pipeline` and the lines that it earns, the first line's prefix and the caret left out.
struct bad_value {
  std::string_view written;
  std::string_view code;
  std::string_view message;
  std::string_view help;
};
class BadValues : public SampleConfig, public testing::WithParamInterface<bad_value> {};

TEST_P(BadValues, NameTheExpectedAndTheActualValue) {
  const bad_value& one = GetParam();
  const auto config = read("kafka: {bootstrap_servers: b:1}\npipeline:\n  dead_letter_topic: d\n  " +
                           std::string(one.written) + "\n");
  ASSERT_EQ(config.diagnostics.size(), 1U) << to_text(config.diagnostics, false);
  const diagnostic& said = config.diagnostics.front();
  EXPECT_EQ(to_string(said.code), one.code);
  EXPECT_EQ(said.message, one.message);
  EXPECT_EQ(said.help, one.help);
  EXPECT_EQ(said.line, 4U);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadValues,
    testing::Values(
        bad_value{"order: keys", "bad_value",
                  "`pipeline.order` must be one of unordered, key, partition; found `keys`",
                  "did you mean `key`?"},
        bad_value{"order: fifo", "bad_value",
                  "`pipeline.order` must be one of unordered, key, partition; found `fifo`", ""},
        bad_value{"in_flight: many", "bad_value",
                  "`pipeline.in_flight` must be an integer from 1 to 16384; found `many`", ""},
        bad_value{"in_flight: 1.5", "bad_value",
                  "`pipeline.in_flight` must be an integer from 1 to 16384; found `1.5`", ""},
        bad_value{"in_flight: 0", "out_of_range",
                  "`pipeline.in_flight` must be an integer from 1 to 16384; found `0`", ""},
        bad_value{"in_flight: 99999999999999999999", "out_of_range",
                  "`pipeline.in_flight` must be an integer from 1 to 16384; found `99999999999999999999`",
                  ""},
        bad_value{"dead_letter_ratio_max: 2", "out_of_range",
                  "`pipeline.dead_letter_ratio_max` must be a number from 0 to 1; found `2`", ""},
        bad_value{"dead_letter_ratio_max: nan", "bad_value",
                  "`pipeline.dead_letter_ratio_max` must be a number from 0 to 1; found `nan`", ""},
        bad_value{"commit: yes", "bad_value", "`pipeline.commit` must be true or false; found `yes`",
                  "write true"},
        bad_value{"drain_timeout: 15", "bad_value",
                  "`pipeline.drain_timeout` must be a duration, such as 250ms, 15s or 5m; found `15`",
                  "add a unit: 15ms or 15s"},
        bad_value{
            "drain_timeout: \"\"", "bad_value",
            "`pipeline.drain_timeout` must be a duration, such as 250ms, 15s or 5m; found an empty text", ""},
        bad_value{"bytes_in_flight: 64Mb", "bad_value",
                  "`pipeline.bytes_in_flight` must be a size from 1MiB to 16GiB, such as 64MiB, 512KiB or "
                  "4096; found "
                  "`64Mb`",
                  ""},
        bad_value{"bytes_in_flight: 4096", "out_of_range",
                  "`pipeline.bytes_in_flight` must be a size from 1MiB to 16GiB, such as 64MiB, 512KiB or "
                  "4096; found "
                  "`4096`",
                  ""},
        bad_value{"ignored_errors: [a, [b]]", "wrong_type",
                  "`pipeline.ignored_errors[1]` must be text; found a list", ""}));

TEST_F(SampleConfig, ADurationFinerThanItsMemberIsRefused) {
  const auto config = read(with_rest("kafka: {bootstrap_servers: b:1, session_timeout: 10000100us}\n"));
  ASSERT_EQ(config.diagnostics.size(), 1U);
  EXPECT_EQ(config.diagnostics[0].help, "it is counted in whole units of 1ms");
}

TEST_F(SampleConfig, ADuplicateKeyPointsToBothPlaces) {
  EXPECT_EQ(complaints(with_rest("kafka:\n  bootstrap_servers: b:1\n  group: a\n  group: b\n")),
            "config.yaml:4:3: error[duplicate_key]: `group` is set twice in one section\n"
            "   4 |   group: b\n"
            "     |   ^^^^^\n"
            "     = help: the first is in line 3; keep one of them\n");
}

TEST_F(SampleConfig, BadSyntaxIsReportedWithItsPlace) {
  EXPECT_EQ(complaints("kafka:\n  group: \"a\n"),
            "config.yaml:2:10: error[bad_syntax]: not valid YAML: a quoted text is not closed\n"
            "   2 |   group: \"a\n"
            "     |          ^\n");
  EXPECT_EQ(complaints("kafka:\n  group: a\n bad: b\n"),
            "config.yaml:3:2: error[bad_syntax]: not valid YAML: the indentation of this line fits no "
            "section above it\n"
            "   3 |  bad: ***\n"
            "     |  ^\n");
  EXPECT_EQ(complaints("kafka:\n\tgroup: a\n"),
            "config.yaml:2:7: error[bad_syntax]: not valid YAML: a `:` where no key can be; indent with "
            "spaces, and quote "
            "a text that holds `: `\n"
            "   2 |  group: a\n"
            "     |       ^\n");
  EXPECT_EQ(complaints("kafka:\n  group: 1\n---\npipeline: {}\n"),
            "config.yaml:4:1: error[bad_syntax]: a second YAML document starts here\n"
            "   4 | pipeline: {}\n"
            "     | ^\n"
            "     = help: a configuration is one section of settings\n");
}

struct bad_syntax {
  std::string_view text;
  std::string_view message;
};
class BadSyntax : public SampleConfig, public testing::WithParamInterface<bad_syntax> {};
TEST_P(BadSyntax, IsOneErrorWithAnExplanation) {
  const auto config = read(GetParam().text);
  ASSERT_EQ(config.diagnostics.size(), 1U) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.diagnostics[0].code, problem::bad_syntax);
  EXPECT_EQ(config.diagnostics[0].message, "not valid YAML: " + std::string(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadSyntax,
    testing::Values(
        bad_syntax{"a: [b, c\nd: e\n", "a list that starts with `[` is not closed before this place"},
        bad_syntax{"a: {b: c\n", "a section that starts with `{` is not closed before this place"},
        bad_syntax{"a: 'it''s\n", "a quoted text is not closed"},
        bad_syntax{"'a: b\n", "a quoted text is not closed"},
        bad_syntax{"a: \"b\\\"\n", "a quoted text is not closed"},
        bad_syntax{"a: @b\n", "a text that starts with this character needs quotes"},
        bad_syntax{"a: \"\\q\"\n", "an unknown escape behind `\\`; write `\\\\`, or use single quotes"},
        bad_syntax{"a: *b\n", "the referenced anchor is not defined"}));

TEST_F(SampleConfig, AllErrorsAreReportedInTheOrderOfTheFile) {
  const auto config = read(
      "pipeline:\n  in_flight: 0\n  odrer: key\nsources:\n  - topic: a\n    processors: x\nkafka:\n  group: "
      "[1]\n");
  std::vector<std::string> seen;
  seen.reserve(config.diagnostics.size());
  for (const diagnostic& one : config.diagnostics) {
    seen.push_back(std::to_string(one.line) + " " + std::string(to_string(one.code)) + " " + one.path);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{
                      "2 out_of_range pipeline.in_flight", "3 unknown_key pipeline.odrer",
                      "6 bad_value sources[0].processors", "7 missing_required kafka.bootstrap_servers",
                      "8 wrong_type kafka.group"}));
  EXPECT_FALSE(config.ok());
}

TEST_F(SampleConfig, RulesOverSeveralSettingsPointToTheOneToChange) {
  EXPECT_EQ(
      complaints(
          "kafka: {bootstrap_servers: b:1}\npipeline:\n  dead_letter_topic: d\n  drain_timeout: 50s\n"),
      "config.yaml:4:3: error[inconsistent]: `pipeline.drain_timeout` must be below `kafka.session_timeout`\n"
      "   4 |   drain_timeout: 50s\n"
      "     |   ^^^^^^^^^^^^^\n");
  // A default stands nowhere: the section does.
  EXPECT_EQ(
      complaints(
          "kafka:\n  bootstrap_servers: b:1\n  session_timeout: 10s\npipeline:\n  dead_letter_topic: d\n"),
      "config.yaml:4:1: error[inconsistent]: `pipeline.drain_timeout` must be below `kafka.session_timeout`\n"
      "   4 | pipeline:\n"
      "     | ^^^^^^^^\n");
}

TEST_F(SampleConfig, RulesDoNotRunOverSettingsThatCouldNotBeRead) {
  const auto config =
      read("kafka: {bootstrap_servers: b:1}\npipeline:\n  drain_timeout: 2h\n  in_flight: x\n");
  ASSERT_EQ(config.diagnostics.size(), 1U) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.diagnostics[0].path, "pipeline.in_flight");
}

TEST_F(SampleConfig, AnAdvisoryRuleGivesAWarningOnly) {
  const auto config = read("kafka: {bootstrap_servers: b:1}\n");
  EXPECT_TRUE(config.ok());
  EXPECT_EQ(to_text(config.diagnostics, false),
            "config.yaml: warning[error_hint]: no dead letter topic: poison stops the line\n1 warning\n");
}

TEST_F(SampleConfig, AFormerKeyIsReadWithAWarning) {
  const auto config = read(with_rest("kafka:\n  brokers: b:1\n"));
  EXPECT_TRUE(config.ok());
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "b:1");
  EXPECT_EQ(to_text(config.diagnostics, false),
            "config.yaml:2:3: warning[deprecated_key]: `brokers` is renamed to `bootstrap_servers`\n"
            "   2 |   brokers: b:1\n"
            "     |   ^^^^^^^\n"
            "     = help: rename the key, or run `validate --fix`; the old name is accepted until 0.3\n"
            "1 warning\n");
  EXPECT_EQ(read(with_rest("kafka:\n  brokers: b:1\n  bootstrap_servers: c:1\n")).diagnostics.front().code,
            problem::duplicate_key);
}

TEST_F(SampleConfig, ColumnsAreCountedInCharactersAndWindowsLineEndsAreAccepted) {
  const auto config = read(
      "kafka: {group: 'größe', bootstrap_servers: b:1}\r\npipeline: {dead_letter_topic: 'ü', in_flight: "
      "x}\r\n");
  ASSERT_EQ(config.diagnostics.size(), 1U) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.diagnostics[0].column, 47U);
  EXPECT_EQ(config.diagnostics[0].excerpt, "pipeline: {dead_letter_topic: 'ü', in_flight: x}");
}

TEST_F(SampleConfig, AByteOrderMarkIsNotPartOfTheFirstLine) {
  const auto config =
      read("\xef\xbb\xbf'kafka': {bootstrap_servers: b:1, group: []}\npipeline: {dead_letter_topic: d}\n");
  ASSERT_EQ(config.diagnostics.size(), 1U) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.diagnostics[0].column, 42U);
  EXPECT_EQ(config.diagnostics[0].excerpt, "'kafka': {bootstrap_servers: b:1, group: []}");
}

// --- hostile files

TEST_F(SampleConfig, AnAliasBombIsRefused) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char name = 'b'; name <= 'i'; ++name) {
    const std::string before = "*" + std::string(1, static_cast<char>(name - 1));
    bomb += std::string(1, name) + ": &" + std::string(1, name) + " [" + before;
    for (int i = 0; i < 9; ++i) bomb += "," + before;
    bomb += "]\n";
  }
  const auto config = read(bomb);
  ASSERT_EQ(config.diagnostics.size(), 1U);
  EXPECT_EQ(config.diagnostics[0].code, problem::too_large);
}

TEST_F(SampleConfig, RepeatingALongTextByAliasIsRefused) {
  std::string bomb = "a: &a " + std::string(100'000, 'x') + "\nb: [*a";
  for (int i = 0; i < 100; ++i) bomb += ", *a";
  const auto config = read(bomb + "]\n");
  ASSERT_EQ(config.diagnostics.size(), 1U);
  EXPECT_EQ(config.diagnostics[0].code, problem::too_large);
}

TEST_F(SampleConfig, AnAliasInsideItselfIsRefused) {
  EXPECT_EQ(read("kafka: &a {group: *a}\n").diagnostics.front().code, problem::bad_syntax);
}

TEST_F(SampleConfig, DeepNestingIsRefused) {
  for (const std::size_t depth : {std::size_t{40}, std::size_t{100'000}}) {
    const auto config = read("kafka: " + std::string(depth, '[') + std::string(depth, ']'));
    ASSERT_EQ(config.diagnostics.size(), 1U);
    EXPECT_EQ(config.diagnostics[0].code, problem::too_large) << to_text(config.diagnostics, false);
  }
}

TEST_F(SampleConfig, TheNumberOfReportedErrorsIsBounded) {
  std::string text(minimal);
  for (int i = 0; i < 500; ++i) text += "wrong" + std::to_string(i) + ": 1\n";
  const auto config = read(text);
  ASSERT_EQ(config.diagnostics.size(), diagnostics_max + 1);
  EXPECT_EQ(config.diagnostics.back().message, "and 400 more problems");
}

TEST_F(SampleConfig, TruncatedAndGarbledFilesNeverCrash) {
  const std::string good =
      std::string(minimal) +
      "sources:\n  - &a {topic: \"x\\n\", processors: 2}\n  - *a\n? - |\n  k\n: !!str v\n";
  for (std::size_t i = 0; i <= good.size(); ++i) (void)read(good.substr(0, i));
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char c :
         {'\0', '\t', '\n', '"', '{', '[', ':', '-', '&', '*', '!', '|', '%', '?', '\xff', '\xc3'}) {
      std::string garbled = good;
      garbled[i] = c;
      (void)to_text(read(garbled).diagnostics, true);
    }
  }
}

}  // namespace
}  // namespace millrace::config

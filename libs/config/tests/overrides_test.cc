#include <gtest/gtest.h>

#include "sample.h"

namespace millrace::config {
namespace {

TEST_F(SampleConfig, FlagsWinOverTheEnvironmentWhichWinsOverTheFile) {
  const std::string text = std::string(minimal) + "  in_flight: 1\n  drain_timeout: 1s\n  commit: true\n";
  set_variable("MILLRACE__PIPELINE__DRAIN_TIMEOUT", "2s");
  set_variable("MILLRACE__PIPELINE__COMMIT", "false");
  set_flag("pipeline.drain_timeout=3s");
  const auto config = read(text);
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.pipeline.in_flight, 1);
  EXPECT_FALSE(config.value.pipeline.commit);
  EXPECT_EQ(config.value.pipeline.drain_timeout, 3s);
}

TEST_F(SampleConfig, TheLastFlagOfAKeyWins) {
  set_flag("kafka.group=a");
  set_flag("kafka.group=b=c");
  EXPECT_EQ(read(minimal).value.kafka.group, "b=c");
}

TEST_F(SampleConfig, AListIsReplacedAsAWholeByCommaSeparatedItems) {
  set_variable("MILLRACE__PIPELINE__IGNORED_ERRORS", "truncated, malformed");
  EXPECT_EQ(read(minimal).value.pipeline.ignored_errors,
            (std::vector<std::string>{"truncated", "malformed"}));
  set_flag("pipeline.ignored_errors=");
  EXPECT_TRUE(read(minimal).value.pipeline.ignored_errors.empty());
}

TEST_F(SampleConfig, AFlagSetsEntriesOfAMapWhoseKeysMayHoldDots) {
  set_flag("kafka.properties.fetch.min.bytes=10");
  const auto config = read(minimal);
  EXPECT_EQ(config.value.kafka.properties.at("fetch.min.bytes"), "10");
}

TEST_F(SampleConfig, AnOverrideCreatesAnOptionalSection) {
  set_variable("MILLRACE__KAFKA__SASL__USER", "ann");
  set_variable("MILLRACE__KAFKA__SASL__PASSWORD", "hunter2");
  const auto config = read(minimal);
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.sasl.value_or(sasl_config{}).password.reveal(), "hunter2");
}

TEST_F(SampleConfig, AValueNeverBecomesStructure) {
  set_variable("EVIL", "x\npipeline: {commit: false}");
  set_variable("MILLRACE__KAFKA__GROUP", "{a: [b]}");
  const auto config = read("kafka:\n  bootstrap_servers: ${env:EVIL}\npipeline: {dead_letter_topic: d}\n");
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "x\npipeline: {commit: false}");
  EXPECT_EQ(config.value.kafka.group, "{a: [b]}");
  EXPECT_TRUE(config.value.pipeline.commit);
}

TEST_F(SampleConfig, ABadOverrideIsReportedByName) {
  set_variable("MILLRACE__PIPELINE__IN_FLIGHT", "many");
  set_flag("pipeline.drain_timeout=5");
  EXPECT_EQ(complaints(minimal),
            "MILLRACE__PIPELINE__IN_FLIGHT: error[bad_value]: `pipeline.in_flight` must be an integer from 1 "
            "to 16384; "
            "found `many`\n"
            "--set pipeline.drain_timeout: error[bad_value]: `pipeline.drain_timeout` must be a duration, "
            "such as 250ms, "
            "15s or 5m; found `5`\n"
            "     = help: add a unit: 5ms or 5s\n");
}

TEST_F(SampleConfig, AnOverrideOfAnUnknownSettingIsAnErrorWithASuggestion) {
  set_variable("MILLRACE__KAFKA__GRUOP", "x");
  set_flag("pipelne.commit=false");
  set_flag("kafka");
  EXPECT_EQ(complaints(minimal),
            "MILLRACE__KAFKA__GRUOP: error[unknown_key]: unknown setting `GRUOP` in `kafka`\n"
            "     = help: did you mean `MILLRACE__KAFKA__GROUP`?\n"
            "--set pipelne.commit: error[unknown_key]: unknown setting `pipelne`\n"
            "     = help: did you mean `pipeline.commit`?\n"
            "--set: error[bad_override]: --set needs section.key=value\n");
}

TEST_F(SampleConfig, SectionsAndMapsAreNotSingleValues) {
  set_variable("MILLRACE__KAFKA__PROPERTIES", "a=b");
  set_flag("kafka=x");
  set_flag("kafka.group.name=x");
  set_flag("sources=x");
  EXPECT_EQ(
      complaints(minimal),
      "MILLRACE__KAFKA__PROPERTIES: error[bad_override]: entries of `properties` cannot be set by "
      "environment "
      "variables\n"
      "     = help: their keys may hold dots: use --set kafka.properties.KEY=VALUE or the file\n"
      "--set kafka: error[bad_override]: `kafka` is a section and cannot be set as one value\n"
      "     = help: set one of its settings\n"
      "--set kafka.group.name: error[bad_override]: `kafka.group` is one value and has no settings inside\n"
      "--set sources: error[bad_override]: `sources` is a section and cannot be set as one value\n"
      "     = help: write it in the file\n");
}

// --- references

TEST_F(SampleConfig, ReferencesAreReplacedInsideAValueAndOnlyOnce) {
  set_variable("HOST", "${env:OTHER}");
  const auto config =
      read("kafka:\n  bootstrap_servers: ${env:HOST}:${env:PORT:-9092}\n  group: $${env:HOST}\n" +
           std::string("pipeline: {dead_letter_topic: d}\n"));
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "${env:OTHER}:9092");
  EXPECT_EQ(config.value.kafka.group, "${env:HOST}");
}

TEST_F(SampleConfig, AnUnresolvableReferenceIsAnError) {
  const std::string_view text =
      "kafka:\n"
      "  bootstrap_servers: ${env:BROKERS}\n"
      "  group: ${file:/no/such/file}\n"
      "  session_timeout: ${TIMEOUT}\n"
      "  properties:\n"
      "    a: ${vault:x}\n"
      "    b: ${env:X\n";
  std::string messages;
  for (const diagnostic& one : read(text).diagnostics) {
    EXPECT_EQ(one.code, one.level == severity::error ? problem::unresolved_reference : problem::error_hint);
    if (one.level == severity::error) messages += one.message + "\n";
  }
  EXPECT_EQ(messages,
            "`kafka.bootstrap_servers`: the environment variable BROKERS is not set; a default is written "
            "${env:BROKERS:-default}\n"
            "`kafka.group`: cannot read /no/such/file: No such file or directory\n"
            "`kafka.session_timeout`: `${TIMEOUT}` has no scheme: write ${env:TIMEOUT} or "
            "${file:/path}\n"
            "`kafka.properties.a`: `${vault:...}` is unknown: use ${env:NAME} or ${file:/path}\n"
            "`kafka.properties.b`: `${` without a closing `}`; write $${ for a literal ${\n");
}

TEST_F(SampleConfig, AValueBehindAReferenceIsNotPrinted) {
  set_variable("N", "hunter2");
  EXPECT_EQ(complaints(std::string(minimal) + "  in_flight: ${env:N}\n"),
            "config.yaml:5:14: error[bad_value]: `pipeline.in_flight` must be an integer from 1 to 16384; "
            "found the value "
            "of ${env:N}\n"
            "   5 |   in_flight: ${env:N}\n"
            "     |              ^^^^^^^^\n");
}

}  // namespace
}  // namespace millrace::config

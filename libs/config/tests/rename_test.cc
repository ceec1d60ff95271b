#include <gtest/gtest.h>

#include <millrace/config/rename.h>

#include "sample.h"

namespace millrace::config {
namespace {

struct inner_options {
  std::string name;
};
struct outer_options {
  std::vector<inner_options> items;
  inner_options one;
};

TEST_F(SampleConfig, AFormerNameIsReplacedAndNothingElseOfTheFile) {
  const auto fixed = rename_former_keys(spec_,
                                        "# brokers: of the test\r\n"
                                        "kafka:   # é\n"
                                        "\n"
                                        "    'brokers' : \"brokers:9092\"  # brokers\n"
                                        "    group:  x\n");
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->text,
            "# brokers: of the test\r\n"
            "kafka:   # é\n"
            "\n"
            "    'bootstrap_servers' : \"brokers:9092\"  # brokers\n"
            "    group:  x\n");
  ASSERT_EQ(fixed->keys.size(), 1U);
  EXPECT_EQ(fixed->keys[0].from, "kafka.brokers");
  EXPECT_EQ(fixed->keys[0].to, "kafka.bootstrap_servers");
  EXPECT_EQ(fixed->keys[0].line, 4U);
  EXPECT_TRUE(rename_former_keys(spec_, fixed->text)->keys.empty());
}

TEST_F(SampleConfig, AFormerNameBehindOtherKeysOfALineIsReplaced) {
  const auto fixed = rename_former_keys(spec_, "\xef\xbb\xbfkafka: {group: é, brokers: b:1}\n");
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->text, "\xef\xbb\xbfkafka: {group: é, bootstrap_servers: b:1}\n");
}

TEST_F(SampleConfig, AFormerNameBesideTheCurrentOneIsLeftToThePerson) {
  const std::string both = "kafka:\n  brokers: a:1\n  bootstrap_servers: b:1\n";
  const auto fixed = rename_former_keys(spec_, both);
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->text, both);
}

TEST_F(SampleConfig, AFileThatIsNotYamlIsNotRewritten) {
  const auto fixed = rename_former_keys(spec_, "kafka: [\n");
  ASSERT_FALSE(fixed);
  EXPECT_EQ(fixed.error().code(), errc::config_invalid);
}

TEST(RenameFormerKeys, ReachesSectionsInListsAndRewritesWhatAnAliasRepeatsOnce) {
  const spec<inner_options> inner{field(&inner_options::name, "name").formerly("title")};
  const spec<outer_options> outer{
      sections(&outer_options::items, "items", inner),
      section(&outer_options::one, "one", inner).formerly("single"),
  };
  const auto fixed =
      rename_former_keys(outer, "items:\n- &a {title: x}\n- *a\n- title: y\nsingle:\n  title: z\n");
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->text, "items:\n- &a {name: x}\n- *a\n- name: y\none:\n  name: z\n");
}

TEST_F(SampleConfig, AnOverrideMayUseAFormerNameAndIsWarnedAbout) {
  set_flag("kafka.brokers=flag:1");
  const auto config = read(minimal);
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "flag:1");
  ASSERT_EQ(config.diagnostics.size(), 1U);
  EXPECT_EQ(config.diagnostics[0].code, problem::deprecated_key);
  EXPECT_EQ(config.diagnostics[0].origin, "--set kafka.brokers");
}

TEST_F(SampleConfig, AnOverrideReplacesTheValueThatTheFileGivesByAFormerName) {
  set_variable("MILLRACE__KAFKA__BOOTSTRAP_SERVERS", "variable:1");
  const auto config = read("kafka: {brokers: file:1}\npipeline: {dead_letter_topic: dead}\n");
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "variable:1");
}

}  // namespace
}  // namespace millrace::config

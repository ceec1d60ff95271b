#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <millrace/config/load.h>

#include "sample.h"

namespace millrace::config {
namespace {

TEST_F(SampleConfig, AbsentSettingsKeepTheDefaultOfTheStruct) {
  const auto config = read(minimal);
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_TRUE(config.diagnostics.empty());
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "broker:9092");
  EXPECT_EQ(config.value.kafka.group, "millrace");
  EXPECT_EQ(config.value.kafka.session_timeout, 45s);
  EXPECT_FALSE(config.value.kafka.sasl);
  EXPECT_EQ(config.value.pipeline.ignored_errors, std::vector<std::string>{"rejected"});
  EXPECT_TRUE(config.value.sources.empty());
}

TEST_F(SampleConfig, EveryTypeIsRead) {
  const auto config = read(R"(
kafka:
  bootstrap_servers: "a:1,b:2"
  group: 7
  session_timeout: 1m30s
  properties: {fetch.min.bytes: 1, client.id: 'x: y'}
  sasl:
    user: ann
    password: ${env:PASSWORD:-none}
pipeline:
  order: key
  in_flight: 16384
  bytes_in_flight: 1.5GiB
  dead_letter_ratio_max: 0.25
  commit: false
  drain_timeout: 250ms
  ignored_errors: []
  dead_letter_topic: dead
sources:
  - topic: visits
  - {topic: clicks, processors: 3}
)");
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  const sample_config& c = config.value;
  EXPECT_EQ(c.kafka.group, "7");
  EXPECT_EQ(c.kafka.session_timeout, 90s);
  EXPECT_EQ(c.kafka.properties,
            (std::map<std::string, std::string>{{"fetch.min.bytes", "1"}, {"client.id", "x: y"}}));
  const sasl_config sasl = c.kafka.sasl.value_or(sasl_config{});
  EXPECT_EQ(sasl.user, "ann");
  EXPECT_EQ(sasl.password.reveal(), "none");
  EXPECT_EQ(c.pipeline.order, order::key);
  EXPECT_EQ(c.pipeline.in_flight, 16384);
  EXPECT_EQ(c.pipeline.bytes_in_flight, mib(1536));
  EXPECT_DOUBLE_EQ(c.pipeline.dead_letter_ratio_max, 0.25);
  EXPECT_FALSE(c.pipeline.commit);
  EXPECT_EQ(c.pipeline.drain_timeout, 250ms);
  EXPECT_TRUE(c.pipeline.ignored_errors.empty());
  EXPECT_EQ(c.pipeline.dead_letter_topic, "dead");
  ASSERT_EQ(c.sources.size(), 2U);
  EXPECT_EQ(c.sources[0].processors, 1U);
  EXPECT_EQ(c.sources[1].topic, "clicks");
  EXPECT_EQ(c.sources[1].processors, 3U);
}

TEST_F(SampleConfig, AnchorsAndAliasesAreRead) {
  const auto config = read(std::string(minimal) + "sources:\n  - &one {topic: a, processors: 2}\n  - *one\n");
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  ASSERT_EQ(config.value.sources.size(), 2U);
  EXPECT_EQ(config.value.sources[1].topic, "a");
}

TEST_F(SampleConfig, AnEmptySectionIsASectionOfDefaults) {
  const auto config = read("kafka:\n  bootstrap_servers: b:1\n  properties:\npipeline:\nsources:\n");
  EXPECT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.pipeline.in_flight, 1024);
}

TEST_F(SampleConfig, EveryValueHasItsOrigin) {
  set_variable("MILLRACE__KAFKA__GROUP", "${env:TEAM}");
  set_variable("TEAM", "blue");
  set_flag("pipeline.in_flight=8");
  const auto config = read(minimal);
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.origins, (origins{{"kafka.bootstrap_servers", "config.yaml:2"},
                                     {"kafka.group", "MILLRACE__KAFKA__GROUP via ${env:TEAM}"},
                                     {"pipeline.dead_letter_topic", "config.yaml:4"},
                                     {"pipeline.in_flight", "--set pipeline.in_flight"}}));
}

class OnDisk : public SampleConfig {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("millrace-config-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  // What the loader says about the file, its folder left out.
  std::string complaints_of(const std::string& path) {
    const auto config = load(spec_, {.file = path});
    std::string text = to_text(config.diagnostics, false);
    for (auto at = text.find(folder_.string()); at != std::string::npos; at = text.find(folder_.string())) {
      text.erase(at, folder_.string().size() + 1);
    }
    return text;
  }

  std::filesystem::path folder_;
};

TEST_F(OnDisk, AFileIsRead) {
  const auto config = load(spec_, {.file = write("c.yaml", minimal)});
  EXPECT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "broker:9092");
}

TEST_F(OnDisk, AFileThatCannotBeReadIsOneError) {
  EXPECT_EQ(
      complaints_of((folder_ / "no.yaml").string()),
      "no.yaml: error[unreadable_file]: cannot read the configuration: No such file or directory\n1 error\n");
  std::filesystem::create_directory(folder_ / "d.yaml");
  EXPECT_EQ(complaints_of((folder_ / "d.yaml").string()),
            "d.yaml: error[unreadable_file]: cannot read the configuration: it is a directory\n1 error\n");
  EXPECT_EQ(complaints_of("/dev/null"),
            "/dev/null: error[unreadable_file]: cannot read the configuration: it is not a regular file\n1 "
            "error\n");
}

TEST_F(OnDisk, AHugeFileIsRefusedUnparsed) {
  EXPECT_EQ(complaints_of(write("big.yaml", std::string(file_bytes_max + 1, '#'))),
            "big.yaml: error[too_large]: cannot read the configuration: it is larger than 1MiB\n1 error\n");
}

TEST_F(OnDisk, ReferencesToFilesStartAtTheConfigurationsFolderAndLoseOneNewline) {
  write("password", "hun\nter2\n");
  const std::string absolute = write("user", "ann");
  const auto config = load(
      spec_, {.file = write("c.yaml", std::string(minimal) + "sources: []\n"),
              .set = {"kafka.sasl.password=${file:password}", "kafka.sasl.user=${file:" + absolute + "}"}});
  ASSERT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  const sasl_config sasl = config.value.kafka.sasl.value_or(sasl_config{});
  EXPECT_EQ(sasl.password.reveal(), "hun\nter2");
  EXPECT_EQ(sasl.user, "ann");
}

TEST(Load, WithoutAFileThereAreDefaultsAndOverrides) {
  const auto config =
      load(sample_spec(), {.set = {"kafka.bootstrap_servers=b:1", "pipeline.dead_letter_topic=d"}});
  EXPECT_TRUE(config.ok()) << to_text(config.diagnostics, false);
  EXPECT_EQ(config.value.kafka.bootstrap_servers, "b:1");
}

TEST(Load, TheProcessEnvironmentIsAMap) {
  ASSERT_EQ(::setenv("MILLRACE_CONFIG_TEST", "a=b", 1), 0);
  EXPECT_EQ(process_environment()["MILLRACE_CONFIG_TEST"], "a=b");
}

using SpecDeathTest = testing::Test;
struct pair_config {
  int a = 0;
  std::optional<int> b;
  order c = order::key;
};
TEST_F(SpecDeathTest, AWrongDeclarationAborts) {
  EXPECT_DEATH((spec<pair_config>{field(&pair_config::a, "a"), field(&pair_config::b, "a")}),
               "declared once");
  EXPECT_DEATH((spec<pair_config>{field(&pair_config::b, "b").required()}), "neither optional");
  EXPECT_DEATH((spec<pair_config>{field(&pair_config::c, "c")}), "choices");
  EXPECT_DEATH((spec<pair_config>{field(&pair_config::a, "A")}), "snake case");
  EXPECT_DEATH((spec<pair_config>{field(&pair_config::a, "a__b")}), "snake case");
  EXPECT_DEATH((spec<pair_config>{field(&pair_config::a, "a").range(2, 1)}), "in order");
}

struct dial_options {
  std::string name;
};

TEST(RetiredKeys, AreAcceptedWithAWarningThatSaysWhy) {
  const spec<dial_options> dial = spec<dial_options>{field(&dial_options::name, "name").doc("Name.")}.retired(
      "turns", "the dial turns by itself");
  inputs from;
  from.file = "config.yaml";
  from.text = "name: a\nturns: 3\n";
  const auto read = load(dial, from);
  EXPECT_TRUE(read.ok());
  EXPECT_EQ(read.value.name, "a");
  ASSERT_EQ(read.diagnostics.size(), 1U);
  EXPECT_EQ(to_text(read.diagnostics[0], false),
            "config.yaml:2:1: warning[deprecated_key]: `turns` has no effect: the dial turns by itself\n"
            "   2 | turns: ***\n"
            "     | ^^^^^\n"
            "     = help: remove the key\n");
}

TEST(RetiredKeys, AreAcceptedFromTheEnvironmentAndTheCommandLine) {
  const spec<dial_options> dial = spec<dial_options>{field(&dial_options::name, "name").doc("Name.")}.retired(
      "turns", "the dial turns by itself");
  inputs from;
  from.file = "config.yaml";
  from.text = "name: a\n";
  from.set.push_back("turns=3");
  const auto read = load(dial, from);
  EXPECT_TRUE(read.ok());
  ASSERT_EQ(read.diagnostics.size(), 1U);
  EXPECT_EQ(read.diagnostics[0].level, severity::warning);
  EXPECT_NE(read.diagnostics[0].message.find("`turns` has no effect"), std::string::npos);
}

}  // namespace
}  // namespace millrace::config

#include <string>

#include <gtest/gtest.h>

#include <millrace/config/load.h>
#include <millrace/engine/app_config.h>

namespace millrace::engine {
namespace {

constexpr const char* smallest =
    "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t-dlq\n";

config::loaded<app_config> load(const std::string& text) {
  config::inputs from;
  from.file = "config.yaml";
  from.text = text;
  return config::load(app_spec(), from);
}

std::string problems(const std::string& text) { return config::to_text(load(text).diagnostics, false); }

TEST(AppConfig, TheSmallestFileHasSafeDefaults) {
  const auto loaded = load(smallest);
  ASSERT_TRUE(loaded.ok()) << problems(smallest);
  EXPECT_EQ(loaded.value.kafka.on_offset_out_of_range, offset_policy::fail);
  EXPECT_EQ(loaded.value.admin.address, "127.0.0.1");
  const auto options = line_options_of(loaded.value, 1);
  EXPECT_EQ(options.dead_letter_topic, "t-dlq");
  EXPECT_EQ(options.group, "g");
}

TEST(AppConfig, AMistypedKeyIsNamedWithItsPlaceAndASuggestion) {
  const std::string text = problems(std::string(smallest) + "  drain_timout: 5s\n");
  EXPECT_NE(text.find("config.yaml:7:3"), std::string::npos) << text;
  EXPECT_NE(text.find("drain_timeout"), std::string::npos) << text;
}

TEST(AppConfig, ReadingTheDeadLetterTopicIsRefused) {
  const auto loaded = load(
      "kafka:\n  bootstrap_servers: b:9092\n  group: g\n  topics: [t]\nengine:\n  dead_letter_topic: t\n");
  EXPECT_FALSE(loaded.ok());
}

TEST(AppConfig, TlsFilesWithoutTlsAreRefused) {
  const auto loaded = load(std::string(smallest) + "cql:\n  contact_points: [a]\n  ca_file: ca.pem\n");
  EXPECT_FALSE(loaded.ok());
}

TEST(AppConfig, DeadLettersMayHaveTheHeadersOfKafkaStreams) {
  const auto loaded = load(std::string(smallest) + "  dead_letter_headers: both\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(line_options_of(loaded.value, 1).dead_letter_headers, pipeline::letter_headers::both);
}

TEST(AppConfig, TheAdminTokenIsASecretAndOffByDefault) {
  EXPECT_TRUE(load(smallest).value.admin.token.empty());
  const auto loaded = load(std::string(smallest) + "admin:\n  token: hunter2\n");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded.value.admin.token.reveal(), "hunter2");
  EXPECT_EQ(config::show(app_spec(), loaded.value).find("hunter2"), std::string::npos);
}

TEST(AppConfig, AbsentSectionsStayAbsent) {
  const auto loaded = load(smallest);
  EXPECT_FALSE(loaded.value.cql);
  EXPECT_FALSE(loaded.value.registry);
}

}  // namespace
}  // namespace millrace::engine

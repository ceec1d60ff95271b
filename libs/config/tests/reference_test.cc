#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <millrace/config/reference.h>

#include "sample.h"

namespace millrace::config {
namespace {

TEST(Reference, IsATablePerSectionWithTypesAndDefaults) {
  EXPECT_EQ(to_markdown(sample_spec()), R"(
## `kafka`

How to reach Kafka.

| setting | type | default | range | description |
| --- | --- | --- | --- | --- |
| `bootstrap_servers` | text | **required** |  | Brokers to start from. Example: `broker-1:9092,broker-2:9092`. Formerly `brokers`. |
| `group` | text | `millrace` |  | Consumer group. |
| `session_timeout` | duration | `45s` | 6s to 30m | How long a silent member stays. |
| `properties` | map | `{}` |  | Passed to librdkafka as they are. |

## `kafka.sasl`

Authentication by user and password. Optional section.

| setting | type | default | range | description |
| --- | --- | --- | --- | --- |
| `user` | text | **required** |  | User name. |
| `password` | secret | **required** |  | Password. |

## `pipeline`

| setting | type | default | range | description |
| --- | --- | --- | --- | --- |
| `order` | choice | `unordered` | `unordered`, `key`, `partition` | What may overtake what. |
| `in_flight` | integer | `1024` | 1 to 16384 | Records in flight per worker. |
| `bytes_in_flight` | size | `64MiB` | 1MiB to 16GiB | Bytes in flight. |
| `dead_letter_ratio_max` | number | `0.5` | 0 to 1 | The brake. |
| `commit` | boolean | `true` |  | Whether offsets are committed. |
| `drain_timeout` | duration | `20s` |  | Time to finish at a stop. |
| `ignored_errors` | list of texts | `[rejected]` |  | Errors that are \| not counted. |
| `dead_letter_topic` | text | not set |  | Where poison goes. |

## `sources[]`

What is read.

| setting | type | default | range | description |
| --- | --- | --- | --- | --- |
| `topic` | text | **required** |  | Topic to read. |
| `processors` | integer | `1` | 1 to 64 |  |
)");
}

class Schema : public testing::Test {
 protected:
  const nlohmann::json schema_ = nlohmann::json::parse(to_json_schema(sample_spec(), "Millrace"));
  [[nodiscard]] const nlohmann::json& setting(const std::string& section, const std::string& key) const {
    return schema_["properties"][section]["properties"][key];
  }
};

TEST_F(Schema, DeclaresItsDialectAndAllowsNoOtherKeys) {
  EXPECT_EQ(schema_["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema_["title"], "Millrace");
  EXPECT_EQ(schema_["additionalProperties"], false);
  EXPECT_EQ(schema_["properties"]["kafka"]["additionalProperties"], false);
}

TEST_F(Schema, SettingsCarryTypeLimitsDefaultAndDescription) {
  const auto& in_flight = setting("pipeline", "in_flight");
  EXPECT_EQ(in_flight["anyOf"][0]["type"], "integer");
  EXPECT_EQ(in_flight["anyOf"][0]["minimum"], 1);
  EXPECT_EQ(in_flight["anyOf"][0]["maximum"], 16384);
  EXPECT_EQ(in_flight["default"], 1024);
  EXPECT_EQ(in_flight["description"], "Records in flight per worker.");
  EXPECT_EQ(setting("pipeline", "order")["anyOf"][0]["enum"],
            (nlohmann::json::array({"unordered", "key", "partition"})));
  EXPECT_EQ(setting("pipeline", "drain_timeout")["default"], "20s");
  EXPECT_EQ(schema_["properties"]["kafka"]["description"], "How to reach Kafka.");
  EXPECT_EQ(setting("kafka", "bootstrap_servers")["minLength"], 1);
  EXPECT_EQ(schema_["properties"]["sources"]["items"]["required"], nlohmann::json::array({"topic"}));
  EXPECT_EQ(setting("kafka", "sasl")["required"], (nlohmann::json::array({"user", "password"})));
}

TEST_F(Schema, SecretsHaveNoDefaultAndFormerKeysAreDeprecated) {
  EXPECT_FALSE(setting("kafka", "sasl")["properties"]["password"].contains("default"));
  EXPECT_EQ(setting("kafka", "brokers")["deprecated"], true);
}

}  // namespace
}  // namespace millrace::config

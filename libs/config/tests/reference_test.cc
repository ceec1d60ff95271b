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

| key | type | default | meaning |
| --- | --- | --- | --- |
| `bootstrap_servers` | text | **required** | Brokers to start from. Example: `broker-1:9092,broker-2:9092`. Formerly `brokers`. |
| `group` | text | `millrace` | Consumer group. |
| `session_timeout` | a duration from 6s to 30m, such as 250ms, 15s or 5m | `45s` | How long a silent member stays. |
| `properties` | a section of key: value entries | `{}` | Passed to librdkafka as they are. |

## `kafka.sasl`

Authentication by user and password. Optional.

| key | type | default | meaning |
| --- | --- | --- | --- |
| `user` | text | **required** | User name. |
| `password` | secret | **required** | Password. |

## `pipeline`

| key | type | default | meaning |
| --- | --- | --- | --- |
| `order` | one of unordered, key, partition | `unordered` | What may overtake what. |
| `in_flight` | an integer from 1 to 16384 | `1024` | Records in flight per worker. |
| `bytes_in_flight` | a size from 1MiB to 16GiB, such as 64MiB, 512KiB or 4096 | `64MiB` | Bytes in flight. |
| `dead_letter_ratio_max` | a number from 0 to 1 | `0.5` | The brake. |
| `commit` | true or false | `true` | Whether offsets are committed. |
| `drain_timeout` | a duration, such as 250ms, 15s or 5m | `20s` | Time to finish at a stop. |
| `ignored_errors` | list, each text | `[rejected]` | Errors that are \| not counted. |
| `dead_letter_topic` | text | not set | Where poison goes. |

## `sources[]`

What is read.

| key | type | default | meaning |
| --- | --- | --- | --- |
| `topic` | text | **required** | Topic to read. |
| `processors` | an integer from 1 to 64 | `1` |  |
)");
}

class Schema : public testing::Test {
 protected:
  const nlohmann::json schema_ = nlohmann::json::parse(to_json_schema(sample_spec(), "Millrace"));
  [[nodiscard]] const nlohmann::json& setting(const std::string& section, const std::string& key) const {
    return schema_["properties"][section]["properties"][key];
  }
};

TEST_F(Schema, SaysWhatItIsAndAllowsNoOtherKeys) {
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
  EXPECT_EQ(schema_["properties"]["sources"]["items"]["required"], nlohmann::json::array({"topic"}));
  EXPECT_EQ(setting("kafka", "sasl")["required"], (nlohmann::json::array({"user", "password"})));
}

TEST_F(Schema, SecretsHaveNoDefaultAndFormerKeysAreDeprecated) {
  EXPECT_FALSE(setting("kafka", "sasl")["properties"]["password"].contains("default"));
  EXPECT_EQ(setting("kafka", "brokers")["deprecated"], true);
}

}  // namespace
}  // namespace millrace::config

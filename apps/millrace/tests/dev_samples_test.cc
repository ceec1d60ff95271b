#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/avro/json.h>

#include "dev/samples.h"

namespace millrace::dev {
namespace {

namespace fs = std::filesystem;

constexpr const char* order = R"({"type": "record", "name": "Order", "namespace": "shop", "fields": [
  {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
  {"name": "note", "type": ["null", "string"]},
  {"name": "tags", "type": {"type": "array", "items": "string"}},
  {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
  {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 3}},
  {"name": "next", "type": ["null", "Order"]}]})";

class DevSamples : public testing::Test {
 protected:
  DevSamples() : folder_(testing::TempDir() + "dev_samples_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
  }
  ~DevSamples() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  result<std::vector<topic_samples>> read(std::uint64_t made = 5) const {
    return read_samples(folder_.string(), made, 7);
  }

  const fs::path folder_;
};

TEST_F(DevSamples, ReadsLinesWithKeysHeadersAndTombstones) {
  write("prices.avsc", R"("long")");
  write("prices.jsonl",
        "{\"key\": \"tea\", \"value\": 7, \"headers\": {\"trace\": \"t1\"}}\n\n8\n{\"key\": \"tea\", "
        "\"value\": null}\n");
  const auto found = read();
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->size(), 1U);
  const topic_samples& prices = found->front();
  EXPECT_EQ(prices.topic, "prices");
  ASSERT_EQ(prices.records.size(), 3U);
  EXPECT_EQ(prices.records[0].key, "tea");
  EXPECT_EQ(prices.records[0].value, (byte_buffer{std::byte{14}}));
  EXPECT_EQ(prices.records[0].headers.front().second, "t1");
  EXPECT_FALSE(prices.records[1].key);
  EXPECT_FALSE(prices.records[2].value) << "a tombstone";
}

TEST_F(DevSamples, WithoutASchemaTheBytesAreTheText) {
  write("events.jsonl", "{\"id\": 1}\n");
  const auto found = read();
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found->front().schema.empty());
  EXPECT_EQ(as_text(*found->front().records.front().value), R"({"id":1})");
}

TEST_F(DevSamples, RecordsOfASchemaAreMadeAndAreTheSameForASeed) {
  write("orders.avsc", order);
  const auto first = read(50);
  const auto second = read(50);
  ASSERT_TRUE(first) << first.error().message();
  ASSERT_TRUE(second);
  const auto schema = avro::schema::parse(order);
  ASSERT_TRUE(schema);
  ASSERT_EQ(first->front().records.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(first->front().records[i].value, second->front().records[i].value);
    EXPECT_TRUE(avro::decode_to_json(*schema, *first->front().records[i].value)) << i;
  }
}

TEST_F(DevSamples, AnErrorNamesFileAndLine) {
  write("prices.avsc", R"("long")");
  write("prices.jsonl", "1\n\"tea\"\n");
  const auto found = read();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), errc::config_invalid);
  EXPECT_NE(found.error().message().find("prices.jsonl:2: "), std::string::npos) << found.error().message();
  write("prices.jsonl", "{\n");
  EXPECT_NE(read().error().message().find("prices.jsonl:1: the line is not JSON"), std::string::npos);
}

TEST_F(DevSamples, AFolderWithoutSamplesIsRefused) {
  const auto found = read();
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message().find("TOPIC.jsonl"), std::string::npos);
  EXPECT_FALSE(read_samples((folder_ / "absent").string(), 1, 1));
}

}  // namespace
}  // namespace millrace::dev

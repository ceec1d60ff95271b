#include "tap.h"

#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <millrace/avro/framing.h>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;
using engine::followed_record;
using nlohmann::json;

constexpr const char* schema =
    R"({"type":"record","name":"visit","fields":[{"name":"visitor","type":"string"},
        {"name":"page","type":{"type":"record","name":"page","fields":[{"name":"url","type":"string"}]}}]})";

byte_buffer bytes(std::string_view text) { return {as_bytes(text).begin(), as_bytes(text).end()}; }

followed_record visit() {
  followed_record r;
  r.topic = "navigation";
  r.partition = 3;
  r.offset = 17;
  r.schema_id = 7;
  r.key = bytes("v1");
  byte_buffer value;
  avro::append_frame(7, value);
  for (const char c : std::string_view("\x04v1\x08/a/b", 8)) value.push_back(static_cast<std::byte>(c));
  r.value = value;
  r.outcome = "done";
  r.created_us = 1'000'000;
  r.taken_us = 1'002'000;
  r.taken_at = {0};
  r.ended_at = {5'000'000};
  r.stages.push_back({"process", "visits", 1, {1'000'000}, {4'000'000}, {}});
  r.statements.push_back(
      {"select visitor_profile",
       nullptr,
       {{"select visitor_profile",
         {{"visitor", "text"}, {"since", "int"}},
         {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{2}, std::byte{'v'}, std::byte{'1'},
          std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}}}},
       {1'000'000},
       {2'500'000},
       {}});
  r.emits.push_back({"enriched", bytes("v1"), value});
  return r;
}

json described(const followed_record& r, const tap_settings& settings) {
  const std::string line = describe(r, settings, [](std::int32_t) { return std::string(schema); });
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return json::parse(line);
}

TEST(Tap, ASampleHoldsTheOutcomeAndStagesOfTheRecord) {
  tap_settings settings;
  settings.statement_values = true;
  const json line = described(visit(), settings);
  EXPECT_EQ(line["topic"], "navigation");
  EXPECT_EQ(line["offset"], 17);
  EXPECT_EQ(line["key"], "v1");
  EXPECT_EQ(line["outcome"], "done");
  EXPECT_EQ(line["took_ms"], 5);
  EXPECT_EQ(line["stages"][0]["stage"], "fetch_wait");
  EXPECT_EQ(line["stages"][0]["ms"], 2);
  EXPECT_EQ(line["stages"][1]["processor"], "visits");
  EXPECT_EQ(line["stages"][1]["ms"], 3);
  EXPECT_EQ(line["statements"][0]["values"], (json{{"visitor", "v1"}, {"since", nullptr}}));
  EXPECT_EQ(line["statements"][0]["ms"], 1.5);
  EXPECT_EQ(line["value"]["visitor"], "v1");
  EXPECT_EQ(line["value"]["page"]["url"], "/a/b");
  EXPECT_EQ(line["produced"][0]["topic"], "enriched");
  EXPECT_EQ(line["produced"][0]["value"]["visitor"], "v1");
}

TEST(Tap, ATombstoneAndANullKeyAreProducedAsNull) {
  followed_record record = visit();
  record.emits = {{"enriched", std::nullopt, std::nullopt}};
  const json produced = described(record, {})["produced"][0];
  EXPECT_EQ(produced["topic"], "enriched");
  EXPECT_TRUE(produced["key"].is_null());
  EXPECT_TRUE(produced["value"].is_null());
}

TEST(Tap, FieldsAreRedactedEverywhere) {
  tap_settings settings;
  settings.redact = {"visitor", "page.url", "key"};
  const std::string line = describe(visit(), settings, [](std::int32_t) { return std::string(schema); });
  EXPECT_EQ(line.find("v1"), std::string::npos) << line;
  EXPECT_EQ(line.find("/a/b"), std::string::npos) << line;
  EXPECT_EQ(json::parse(line)["statements"][0].count("values"), 0U)
      << "bound values only when they are wanted";
  settings.statement_values = true;
  const json with_values = described(visit(), settings);
  EXPECT_EQ(with_values["statements"][0]["values"], (json{{"visitor", "***"}, {"since", nullptr}}));
}

TEST(Tap, ABatchShowsTheValuesOfEachOfItsStatements) {
  followed_record record = visit();
  record.statements[0].bound.push_back(record.statements[0].bound[0]);
  record.statements[0].bound[1].statement = "insert visit";
  tap_settings settings;
  settings.statement_values = true;
  const json batch = described(record, settings)["statements"][0]["batch"];
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_EQ(batch[1]["statement"], "insert visit");
  EXPECT_EQ(batch[1]["values"]["visitor"], "v1");
}

TEST(Tap, AnUndecodableRecordIsShownWithItsError) {
  followed_record r = visit();
  r.value = bytes("no framing");
  EXPECT_TRUE(described(r, {})["value"].contains("undecodable"));
  r.value.reset();
  EXPECT_EQ(described(r, {})["value"], nullptr);
  const json line = json::parse(describe(visit(), {}, [](std::int32_t) { return std::string(); }));
  EXPECT_EQ(line["value"]["undecodable"], "the registry did not answer");
}

TEST(Tap, FiltersAreParsedFromThePath) {
  const auto filter =
      tap_filter::parse("/tap/key=a%2Fb/partition=3/outcome=dead_lettered/error=time%20out/limit=5");
  ASSERT_TRUE(filter);
  EXPECT_EQ(filter->key, "a/b");
  EXPECT_EQ(filter->partition, 3);
  EXPECT_EQ(filter->outcome, "dead_lettered");
  EXPECT_EQ(filter->error, "time out");
  EXPECT_EQ(filter->limit, 5U);
  EXPECT_TRUE(tap_filter::parse("/tap"));
  for (const char* path : {"/tapped", "/tap/", "/tap/limit=0", "/tap/limit=9999", "/tap/partition=x",
                           "/tap/outcome=x", "/tap/x=1"})
    EXPECT_FALSE(tap_filter::parse(path)) << path;
}

TEST(Tap, CollectsMatchingRecordsUpToItsLimit) {
  tap samples(system_clock());
  EXPECT_FALSE(samples.armed());
  samples.offer(visit());
  std::thread worker([&] {
    while (!samples.armed()) std::this_thread::yield();
    EXPECT_FALSE(samples.wants(as_bytes(std::string_view("other")), 3));
    EXPECT_TRUE(samples.wants(as_bytes(std::string_view("v1")), 3));
    followed_record failed = visit();
    failed.stages[0].error = "db_timeout: late";
    for (int i = 0; i < 5; ++i) {
      samples.offer(visit());
      samples.offer(failed);
    }
  });
  tap_filter filter;
  filter.key = "v1";
  filter.error = "db_timeout";
  filter.limit = 2;
  const auto taken = samples.collect(filter, 60s);
  worker.join();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].stages[0].error, "db_timeout: late");
  EXPECT_FALSE(samples.armed());
}

class TapPage : public testing::Test {
 protected:
  unsigned status(std::string_view authorization, std::string_view path = "/tap/limit=1") {
    return tap_page({path, authorization}, settings_, samples_, [](std::int32_t) { return std::string(); })
        .status;
  }
  app_config settings_;
  tap samples_{system_clock()};
};

TEST_F(TapPage, IsOffUnlessEnabledAndNeedsTheToken) {
  settings_.admin.token = secret("t0ken");
  EXPECT_EQ(status("Bearer t0ken"), 403U);
  settings_.tap.enabled = true;
  EXPECT_EQ(status(""), 401U);
  EXPECT_EQ(status("Bearer wrong"), 401U);
  EXPECT_EQ(status("Bearer t0ken", "/tap/x=1"), 404U);
  EXPECT_EQ(status("Bearer t0ken"), 200U);
  settings_.admin.token = secret("");
  EXPECT_EQ(status("Bearer "), 403U) << "access without a token is refused";
}

}  // namespace
}  // namespace millrace::app

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "commands/observe/admin_client.h"
#include "commands/observe/lag_command.h"
#include "commands/observe/tap_command.h"
#include "commands/observe/top_command.h"

namespace millrace::app::observe {
namespace {

using nlohmann::json;

TEST(AdminAddress, AcceptsUrlHostAndPortOrPortAlone) {
  for (const char* text : {"http://10.0.0.1:9000/", "10.0.0.1:9000", "http://10.0.0.1:9000"}) {
    const auto at = parse_address(text);
    ASSERT_TRUE(at) << text;
    EXPECT_EQ(at->text(), "10.0.0.1:9000");
  }
  EXPECT_EQ(parse_address("pod-1")->text(), "pod-1:9464");
  EXPECT_EQ(parse_address(":9000")->text(), "127.0.0.1:9000");
  for (const char* text : {"", "a:0", "a:99999", "a:b", "http://a/status", "u@a:1"})
    EXPECT_FALSE(parse_address(text)) << text;
}

look look_at(const char* at, double done, double seconds, bool ready = true) {
  const json partition = {
      {"topic", "navigation"}, {"partition", 3}, {"lag", 70}, {"time_lag_seconds", 2.5}, {"oldest", nullptr}};
  json held = partition;
  held["partition"] = 4;
  held["oldest"] = {{"offset", 17},
                    {"key", "v"},
                    {"stage", "retry"},
                    {"processor", "visits"},
                    {"attempt", 3},
                    {"age_seconds", 42},
                    {"last_error", "db_timeout: no"}};
  const json status = {
      {"alive", true},
      {"ready", ready},
      {"not_ready_because", ready ? json(nullptr) : json("worker 0 is draining")},
      {"lag", 140},
      {"accounting", {{"in_flight", 5}, {"dead_lettered", 2}}},
      {"workers", {{{"partitions", {partition, held}}, {"breakers", {{"database", "open"}}}}}}};
  const std::string metrics =
      "millrace_records_done_total " + std::to_string(done) + "\nprocess_cpu_seconds_total " +
      std::to_string(seconds / 2) +
      "\nprocess_resident_memory_bytes 50000000\n"
      "millrace_statement_seconds_bucket{statement=\"select\",le=\"0.01\"} " +
      std::to_string(done) + "\nmillrace_statement_seconds_bucket{statement=\"select\",le=\"+Inf\"} " +
      std::to_string(done) + "\nmillrace_statement_seconds_count{statement=\"select\"} " +
      std::to_string(done) + "\n";
  look l;
  l.at = *parse_address(at);
  l.status = status.dump();
  l.metrics = metrics;
  l.when = instant{static_cast<std::int64_t>(seconds * 1e9)};
  return l;
}
const screen wide{.columns = 200, .rows = 100, .colours = false};

TEST(Top, ShowsRatesSinceThePreviousPoll) {
  const std::string text = draw({look_at("a:1", 3'000, 2)}, {look_at("a:1", 1'000, 1)}, wide);
  EXPECT_NE(text.find("a:1"), std::string::npos);
  EXPECT_NE(text.find("2,000"), std::string::npos) << text;
  EXPECT_NE(text.find(" 0.50 "), std::string::npos) << text;
  EXPECT_NE(text.find("2.5s"), std::string::npos) << text;
  EXPECT_NE(text.find("select"), std::string::npos) << "one process: its statements too";
}

TEST(Top, SumsSeveralProcesses) {
  const std::string text = draw({look_at("a:1", 3'000, 2), look_at("b:1", 5'000, 2)},
                                {look_at("a:1", 1'000, 1), look_at("b:1", 4'000, 1)}, wide);
  EXPECT_NE(text.find("all  "), std::string::npos);
  EXPECT_NE(text.find("3,000"), std::string::npos) << text;
  EXPECT_NE(text.find("280"), std::string::npos) << text;
}

TEST(Top, ShowsUnhealthyWorkersBreakersAndRecords) {
  look gone;
  gone.at = *parse_address("c:1");
  gone.failure = "c:1: Connection refused";
  const std::string text = draw({look_at("a:1", 3'000, 2, false), gone}, {}, wide);
  for (const char* words : {"not ready", "worker 0 is draining", "breaker of the database is open",
                            "navigation/4 offset 17 in flight for 42.0s: retry visits attempt 3 db_timeout",
                            "Connection refused"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
}

TEST(Top, FitsTheScreen) {
  const std::string text = draw({look_at("a:1", 3'000, 2)}, {}, {.columns = 40, .rows = 4, .colours = false});
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 3);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(end - at, 40U);
    at = end + 1;
  }
}

TEST(Tap, TheFiltersAreEncodedInThePath) {
  tap_arguments arguments;
  arguments.key = "a/b c";
  arguments.partition = 3;
  arguments.outcome = "dead_lettered";
  arguments.error = "db_timeout";
  EXPECT_EQ(tap_path(arguments, 5),
            "/tap/limit=5/key=a%2Fb%20c/partition=3/outcome=dead_lettered/error=db_timeout");
  EXPECT_EQ(tap_path({}, 5'000), "/tap/limit=1000");
}

TEST(Lag, ShowsLaggingPartitionsAndTheirSum) {
  const timestamp now{milliseconds(1'000'000)};
  std::vector<kafka::partition_lag> all(3);
  for (std::int32_t i = 0; i < 3; ++i) all[static_cast<std::size_t>(i)].partition = i;
  all[0].topic = all[1].topic = all[2].topic = "t";
  all[0].committed = 10;
  all[0].high = 15;
  all[0].records = 5;
  all[0].oldest = timestamp{milliseconds(990'000)};
  all[1].committed = 7;
  all[1].high = 7;
  all[2].high = 4;
  all[2].records = 4;
  const std::string text = describe_lag(all, now, {});
  EXPECT_NE(text.find("9 records behind in 2 of 3 partitions, the oldest 10.0 s old"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("t/1"), std::string::npos);
  EXPECT_NE(describe_lag(all, now, {.json = false, .all = true}).find("t/1"), std::string::npos);
  const json read = json::parse(describe_lag(all, now, {.json = true, .all = false}));
  EXPECT_EQ(read["records"], 9);
  EXPECT_EQ(read["seconds"], 10);
  EXPECT_EQ(read["partitions"][1]["seconds"], 0);
  EXPECT_EQ(read["partitions"][2]["seconds"], nullptr);
  EXPECT_EQ(read["partitions"][2]["committed"], nullptr);
}

}  // namespace
}  // namespace millrace::app::observe

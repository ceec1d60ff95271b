#include "status_page.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

process_view running() {
  process_view seen;
  seen.application = "navigation";
  seen.version = "1.2.3";
  seen.started = true;
  seen.uptime = 90s;
  worker_view w;
  w.line.state = engine::engine_state::running;
  w.line.counts = {.received = 10,
                   .done = 6,
                   .skipped = 1,
                   .dead_lettered = 1,
                   .abandoned = 0,
                   .in_flight = 2,
                   .uncommitted = 3};
  engine::partition_status p;
  p.topic = "navigation";
  p.partition = 3;
  p.state = "open";
  p.lag = 5;
  p.oldest = engine::oldest_record{.offset = 17,
                                   .key = "v1",
                                   .stage = "process",
                                   .processor = "visits",
                                   .attempt = 2,
                                   .last_error = "db_timeout",
                                   .age = 1500ms};
  w.line.partitions = {p};
  seen.workers = {w, w};
  return seen;
}

TEST(StatusPage, SumsTheWorkersAndNamesTheOldestRecordOfAPartition) {
  const json page = json::parse(status_json(running()));
  EXPECT_EQ(page["application"], "navigation");
  EXPECT_EQ(page["uptime_seconds"], 90);
  EXPECT_EQ(page["ready"], true);
  EXPECT_EQ(page["alive"], true);
  EXPECT_EQ(page["not_ready_because"], nullptr);
  EXPECT_EQ(page["lag"], 10);
  EXPECT_EQ(page["accounting"]["received"], 20);
  EXPECT_EQ(page["accounting"]["uncommitted"], 6);
  EXPECT_EQ(page["accounting"]["balanced"], true);
  const json& oldest = page["workers"][0]["partitions"][0]["oldest"];
  EXPECT_EQ(oldest["offset"], 17);
  EXPECT_EQ(oldest["processor"], "visits");
  EXPECT_EQ(oldest["age_seconds"], 1.5);
}

TEST(StatusPage, TheRetryBudgetIsThatOfTheProcess) {
  process_view seen = running();
  seen.workers[0].line.retries_left = 40;
  seen.workers[1].line.retries_left = 38;
  for (worker_view& w : seen.workers) w.line.over_budget = 3;
  const json page = json::parse(status_json(seen));
  EXPECT_EQ(page["retry_budget"]["left"], 38);
  EXPECT_EQ(page["retry_budget"]["retries_waiting"], 6);
}

TEST(StatusPage, KeysThatAreNotTextAreEscaped) {
  process_view seen = running();
  seen.workers[0].line.partitions[0].oldest->key = "\xFF\xFE\"";
  EXPECT_TRUE(json::accept(status_json(seen)));
}

TEST(StatusPage, AProcessIsReadyWhenEveryWorkerRuns) {
  process_view seen = running();
  EXPECT_EQ(not_ready_because(seen), "");
  seen.workers[1].line.state = engine::engine_state::draining;
  EXPECT_EQ(not_ready_because(seen), "worker 1 is draining");
  EXPECT_EQ(not_alive_because(seen), "") << "a drain is no reason to be killed";
  seen.started = false;
  EXPECT_EQ(not_ready_because(seen), "starting");
}

TEST(StatusPage, AWorkerWithABlockedEventLoopIsNotAliveAndItsRecordIsNamed) {
  process_view seen = running();
  seen.workers[1].pulse = {12s, "processor 'visits' on partition 3 offset 17"};
  EXPECT_EQ(not_alive_because(seen),
            "worker 1 has a blocked event loop for 12 s; last entered: processor 'visits' on partition 3 "
            "offset 17");
  const json page = json::parse(status_json(seen));
  EXPECT_EQ(page["alive"], false);
  EXPECT_EQ(page["ready"], false);
  EXPECT_EQ(page["workers"][0]["running"], nullptr);
  EXPECT_EQ(page["workers"][1]["turning"], false);
  EXPECT_EQ(page["workers"][1]["running"], "processor 'visits' on partition 3 offset 17");
}

TEST(StatusPage, ShowsLookupsByName) {
  process_view seen = running();
  seen.lookups["profiles"] = {.hits = 5, .misses = 2, .entries = 2, .bytes = 300};
  const json page = json::parse(status_json(seen));
  EXPECT_EQ(page["lookups"]["profiles"]["hits"], 5);
  EXPECT_EQ(page["lookups"]["profiles"]["bytes"], 300);
  EXPECT_EQ(json::parse(status_json(running()))["lookups"], json::object());
}

}  // namespace
}  // namespace millrace::app

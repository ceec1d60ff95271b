// Where the time of a record goes: every stage is counted once, with its own time and no other's.
#include <cmath>

#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class waits_test : public record_engine_test {
 protected:
  waits_test() { options.commit_interval = 1s; }

  struct observed {
    std::uint64_t count;
    double seconds;
    friend bool operator==(const observed&, const observed&) = default;
  };
  observed of(std::string_view family, metrics::label_filter filter) {
    const metrics::distribution all = registry.take_snapshot().histogram(family, filter);
    return {all.count(), std::round(all.sum * 1e3) / 1e3};
  }
  observed waited(std::string_view stage) { return of("millrace_stage_seconds", {{"stage", stage}}); }
  double value(std::string_view name, metrics::label_filter filter) {
    return registry.take_snapshot().value(name, filter).value_or(-1);
  }
};

TEST_F(waits_test, TheTimesOfProcessorsAndOfTheCommitAreObserved) {
  database_delay = 300ms;
  start({"first", "second"});
  assign({0});
  produce(0, 1);
  advance(2s);
  EXPECT_EQ(of("millrace_process_seconds", {{"processor", "first"}}), (observed{1, 0.3}));
  EXPECT_EQ(of("millrace_process_seconds", {{"processor", "second"}}), (observed{1, 0.3}));
  EXPECT_EQ(waited("commit_wait"), (observed{1, 0.7})) << "finished at 0.3 s, committed at 1 s";
  EXPECT_EQ(waited("key_wait").count, 0U) << "nothing waits for its key without an order";
  EXPECT_EQ(waited("produce_ack").count, 0U);
}

TEST_F(waits_test, TheAgeOfARecordBeforeItsFetchIsObserved) {
  start();
  produce(0, 1);
  advance(4s);
  assign({0});
  EXPECT_EQ(waited("fetch_wait"), (observed{1, 4}));
}

TEST_F(waits_test, TheWaitBetweenAttemptsIsObserved) {
  options.retry.backoff_first = 200ms;
  database_errors[1] = {error(errc::db_timeout)};
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  EXPECT_EQ(waited("retry_wait"), (observed{1, 0.2}));
  EXPECT_EQ(of("millrace_process_seconds", {}).count, 1U);
  EXPECT_EQ(of("millrace_process_failed_seconds", {}).count, 1U);
}

TEST_F(waits_test, TheWaitForTheBrokersAcknowledgementIsObserved) {
  simulation::produce_fate slow;
  slow.delay = 400ms;
  produce_fates = {slow, slow};
  start();
  assign({0});
  produce(0, 1, "emit");
  produce(0, 2, "dead");
  advance(3s);
  EXPECT_EQ(waited("produce_ack"), (observed{1, 0.4}));
  EXPECT_EQ(waited("dead_letter_ack"), (observed{1, 0.4}));
}

TEST_F(waits_test, TheWaitForAnEarlierRecordOfTheKeyIsObserved) {
  options.order = order_mode::key;
  database_delay = 500ms;
  start();
  assign({0});
  produce(0, 1, "ok", "a");
  produce(0, 2, "ok", "a");
  advance(3s);
  EXPECT_EQ(waited("key_wait"), (observed{2, 0.5})) << "the first one waited for nothing";
}

TEST_F(waits_test, TheWaitForASchemaIsObserved) {
  schema_errors = {error(errc::registry_unavailable)};
  start();
  assign({0});
  produce(0, 1);
  produce(0, 2);
  advance(3s);
  EXPECT_EQ(waited("schema_wait").count, 2U);
  EXPECT_GT(waited("schema_wait").seconds, 0.05) << "the request to the registry is retried";
  EXPECT_EQ(value("millrace_decoded_total", {{"schema_id", "7"}}), 2);
}

TEST_F(waits_test, TheWaitForTheCommitEndsWithTheFirstUnfinishedRecord) {
  start();
  assign({0});
  hold_database = true;
  produce(0, 1);
  run();
  hold_database = false;
  produce(0, 2);
  advance(90s);
  EXPECT_EQ(waited("commit_wait").count, 0U);
  advance(30s);
  EXPECT_EQ(waited("commit_wait").count, 2U);
  EXPECT_GT(waited("commit_wait").seconds, 99) << "the second waited for the first";
}

TEST_F(waits_test, TheTimeLagIsTheAgeOfTheOldestUnfinishedRecord) {
  start();
  assign({0});
  produce(0, 1);
  advance(5s);
  EXPECT_EQ(value("millrace_time_lag_seconds", {{"partition", "0"}}), 0);
  hold_database = true;
  produce(0, 2);
  advance(10s);
  EXPECT_NEAR(value("millrace_time_lag_seconds", {{"partition", "0"}}), 10, 0.5);
}

}  // namespace
}  // namespace millrace::engine

#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

TEST_F(record_engine_test, RecordsOfAKeyRunOneAfterAnotherAndKeysInParallel) {
  options.order = order_mode::key;
  start();
  assign({0});
  hold_database = true;
  produce(0, 1, "ok", "slow");
  run();
  hold_database = false;
  produce(0, 2, "ok", "slow");
  produce(0, 3, "ok", "quick");
  advance(1s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{3}));
  advance(100s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{3, 1, 2}));
}

// Redpanda Connect #4387.
TEST_F(record_engine_test, AFailureDelaysOnlyItsKeyAndRepeatsNothing) {
  options.order = order_mode::key;
  start();
  assign({0});
  database_errors[1] = std::vector<error>(3, error(errc::db_timeout));
  produce(0, 1, "ok", "a");
  produce(0, 2, "ok", "a");
  produce(0, 3, "ok", "b");
  advance(5s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{3, 1, 2}))
      << "2 waits while 1 retries; nothing runs twice";
}

TEST_F(record_engine_test, AKeyIsBusyUntilTheDeadLetterOfItsRecordIsAcknowledged) {
  options.order = order_mode::key;
  simulation::produce_fate slow;
  slow.delay = 5s;
  produce_fates = {slow};
  start();
  assign({0});
  produce(0, 1, "dead", "a");
  produce(0, 2, "ok", "a");
  advance(4s);
  EXPECT_TRUE(inserted().empty());
  advance(2s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{2}));
}

TEST_F(record_engine_test, RecordsOfAPartitionRunOneAfterAnother) {
  options.order = order_mode::partition;
  start();
  assign({0, 1});
  hold_database = true;
  produce(0, 1, "ok", "a");
  run();
  hold_database = false;
  produce(0, 2, "ok", "b");
  produce(1, 3, "ok", "c");
  advance(1s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{3}));
  advance(100s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{3, 1, 2}));
}

TEST_F(record_engine_test, UnorderedRecordsOfAKeyRunTogether) {
  database_delay = 1s;
  start();
  assign({0});
  for (int i = 0; i < 10; ++i) produce(0, i, "ok", "same");
  run();
  EXPECT_EQ(store.in_flight(), 10U);
}

TEST_F(record_engine_test, AKeyWaitsForAttemptsOfAnEarlierAssignment) {
  options.order = order_mode::key;
  start();
  assign({0});
  hold_database = true;
  produce(0, 1, "ok", "a");
  run();
  hold_database = false;
  lose({0});
  assign({0});
  advance(50s);
  EXPECT_TRUE(inserted().empty());
  advance(60s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AHotKeyOfManyRecordsKeepsItsOrder) {
  options.order = order_mode::key;
  database_delay = 1ms;
  start();
  assign({0});
  std::vector<std::int64_t> expected;
  for (int i = 0; i < 3000; ++i) {
    produce(0, i, "ok", "hot");
    expected.push_back(i);
  }
  advance(10s);
  EXPECT_EQ(inserted(), expected);
  EXPECT_EQ(store.in_flight_max(), 1U);
}

}  // namespace
}  // namespace millrace::engine

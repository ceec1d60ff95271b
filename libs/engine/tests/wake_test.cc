// Nothing waits for a tick: with an hour between ticks, everything that can go on does.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class wake_test : public record_engine_test {
 protected:
  wake_test() { options.status_interval = options.commit_interval = 3'600s; }
};

// rust-rdkafka #840 #535.
TEST_F(wake_test, EachFinishedRecordWakesTheIntakeOfTheNext) {
  options.in_flight_records_max = 1;
  database_delay = 1ms;
  start();
  assign({0, 1});
  for (int i = 0; i < 100; ++i) produce(i % 2, i);
  advance(1s);
  EXPECT_EQ(engine_->counts().done, 100U) << "each record makes room for the next";
}

TEST_F(wake_test, RecordsThatEndAtOnceMakeRoomForTheNext) {
  options.in_flight_records_max = 1;
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i, "skip");
  run();
  EXPECT_EQ(engine_->counts().skipped, 100U);
}

TEST_F(wake_test, APausedPartitionResumesAsSoonAsItsLimitAllows) {
  options.partition_share_max = 4;
  options.partition_pause_after = 0ms;
  database_delay = 1ms;
  start();
  assign({0, 1});
  for (int i = 0; i < 200; ++i) produce(0, i);
  run();
  ASSERT_TRUE(source->paused({0, 0}));
  advance(5s);
  EXPECT_EQ(engine_->counts().done, 200U);
  EXPECT_FALSE(source->paused({0, 0}));
}

TEST_F(wake_test, APartitionAtItsShareContinuesAsSoonAsTheLimitAllows) {
  options.partition_share_max = 4;
  database_delay = 1ms;
  start();
  assign({0, 1});
  for (int i = 0; i < 200; ++i) produce(0, i);
  advance(50ms);
  EXPECT_EQ(engine_->counts().done, 200U);
}

TEST_F(wake_test, RecordsContinueWhenTheirSchemaArrives) {
  options.schema_wait_records_max = 2;
  schema_errors = {error(errc::registry_unavailable), error(errc::registry_unavailable)};
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i);
  advance(5s);
  EXPECT_EQ(engine_->counts().done, 100U);
}

TEST_F(wake_test, ARecordOfABusyKeyContinuesWhenTheKeyIsFree) {
  options.order = order_mode::key;
  database_delay = 1ms;
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i);
  database_errors[50] = {error(errc::db_timeout), error(errc::db_timeout)};
  advance(5s);
  EXPECT_EQ(engine_->counts().done, 100U);
}

TEST_F(wake_test, AStopEndsAsSoonAsItsLastRecordHasEnded) {
  database_delay = 500ms;
  start();
  assign({0});
  produce(0, 1);
  run();
  engine_->request_stop();
  advance(1s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(committed(0), 1);
}

}  // namespace
}  // namespace millrace::engine

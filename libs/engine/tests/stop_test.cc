#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// parallel-consumer #826 #827 #552.
TEST_F(record_engine_test, AStopFinishesAndCommitsWorkInFlight) {
  database_delay = 500ms;
  start();
  assign({0, 1});
  for (int i = 0; i < 20; ++i) produce(i % 2, i);
  run();
  engine_->request_stop();
  advance(2s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(committed(0), 10);
  EXPECT_EQ(committed(1), 10);
  EXPECT_EQ(engine_->counts().abandoned, 0U);
  EXPECT_TRUE(happened(happening::released, 0));
}

TEST_F(record_engine_test, AStopTakesNoMore) {
  database_delay = 500ms;
  start();
  assign({0});
  produce(0, 1);
  run();
  engine_->request_stop();
  produce(0, 2);
  advance(5s);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(engine_->counts().received, 1U);
}

TEST_F(record_engine_test, AStopAbandonsUnfinishedRecordsAtItsDeadlineAndCommitsTheRest) {
  options.drain_timeout = 10s;
  start();
  assign({0});
  produce(0, 1);
  run();
  hold_database = true;
  produce(0, 2);
  run();
  engine_->request_stop();
  advance(9900ms);
  EXPECT_EQ(engine_->state(), engine_state::draining);
  advance(200ms);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(engine_->counts().abandoned, 1U);
  EXPECT_FALSE(engine_->quiescent()) << "the processor still waits for the database";
}

TEST_F(record_engine_test, AStopWhileTheCoordinatorIsDownIsBounded) {
  options.drain_timeout = 2s;
  options.commit_timeout = 3s;
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.failure = error(errc::broker_unavailable);
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  run();
  engine_->request_stop();
  advance(2900ms);
  EXPECT_EQ(engine_->state(), engine_state::leaving) << "it keeps trying";
  advance(300ms);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
}

TEST_F(record_engine_test, AStopWithOneUnansweredLastCommitCommitsEverything) {
  options.commit_timeout = 3s;
  options.status_interval = 1h;  // nothing else wakes the engine
  options.commit_interval = 1h;
  int commits = 0;
  source_options.commit_fate_of = [&commits](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.never_answered = commits++ == 0;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  run();
  engine_->request_stop();
  advance(1400ms);
  EXPECT_EQ(committed(0), std::nullopt);
  advance(200ms);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(committed(0), 1) << "a clean stop repeats nothing";
}

TEST_F(record_engine_test, AnAbortEndsAtOnceAndCommitsNothing) {
  start();
  assign({0});
  produce(0, 1);
  hold_database = true;
  produce(0, 2);
  run();
  engine_->request_stop();
  engine_->abort();
  run();
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_FALSE(happened(happening::commit_requested, 0));
}

TEST_F(record_engine_test, AStopEndsAlthoughTheCoordinatorDoesNotAnswer) {
  std::vector<std::string> said;
  options.on_problem = [&said](std::string_view event, const error&) { said.emplace_back(event); };
  options.status_interval = 1h;  // nothing else wakes the engine
  options.commit_interval = 1h;
  options.leave_timeout = 4s;
  source_options.leaves = false;
  start();
  assign({0});
  produce(0, 1);
  run();
  engine_->request_stop();
  advance(3900ms);
  EXPECT_EQ(engine_->state(), engine_state::leaving);
  EXPECT_EQ(committed(0), 1);
  advance(200ms);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_TRUE(engine_->quiescent());
  EXPECT_EQ(said, std::vector<std::string>{"group_not_left"});
}

TEST_F(record_engine_test, AStopWithoutAnyAnswerFromTheCoordinatorEndsWithinItsThreeTimeouts) {
  options.drain_timeout = 2s;
  options.commit_timeout = 3s;
  options.leave_timeout = 4s;
  source_options.leaves = false;
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.never_answered = true;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  run();
  hold_database = true;
  produce(0, 2);
  run();
  engine_->request_stop();
  advance(8900ms);
  EXPECT_EQ(engine_->state(), engine_state::leaving);
  advance(200ms);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
}

TEST_F(record_engine_test, AnAbortWhileTheGroupIsBeingLeftWaitsNoLongerThanAnAbortAtOnce) {
  options.leave_timeout = 60s;
  source_options.leaves = false;
  start();
  assign({0});
  run();
  engine_->request_stop();
  advance(10s);
  EXPECT_EQ(engine_->state(), engine_state::leaving);
  engine_->abort();
  advance(2100ms);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
}

TEST_F(record_engine_test, AStopBeforeAnythingWasAssignedEndsAtOnce) {
  start();
  run();
  engine_->request_stop();
  run();
  EXPECT_EQ(engine_->state(), engine_state::stopped);
}

TEST_F(record_engine_test, ARetryingRecordHasTheWholeDrainTimeout) {
  options.drain_timeout = 30s;
  start();
  assign({0});
  database_errors[1] = std::vector<error>(4, error(errc::db_timeout));
  produce(0, 1);
  run();
  engine_->request_stop();
  advance(5s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AFailureDrainsOtherRecordsFirst) {
  database_delay = 500ms;
  start();
  assign({0, 1});
  produce(1, 1);
  produce(0, 2, "stop");
  run();
  EXPECT_EQ(engine_->state(), engine_state::draining);
  advance(2s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_EQ(committed(1), 1);
  EXPECT_EQ(committed(0), std::nullopt);
}

TEST_F(record_engine_test, ARecordBehindTheFailedOneDoesNotDelayTheEnd) {
  options.order = order_mode::key;
  start();
  assign({0});
  produce(0, 1, "stop", "a");
  produce(0, 2, "ok", "a");
  produce(0, 3, "ok", "a");
  advance(1s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_EQ(engine_->counts().abandoned, 3U);
}

TEST_F(record_engine_test, AFatalErrorOfTheSourceStopsTheEngine) {
  start();
  assign({0});
  source->fail(error(errc::broker_fenced, "another member has this identity"), true);
  advance(1s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_EQ(engine_->failure()->code(), errc::broker_fenced);
}

TEST_F(record_engine_test, ANonFatalErrorOfTheSourceIsCounted) {
  start();
  assign({0});
  source->fail(error(errc::broker_unavailable, "connection refused"), false);
  advance(1s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(registry.take_snapshot().value("millrace_errors_total",
                                           {{"stage", "source"}, {"error", "broker_unavailable"}}),
            1);
}

TEST_F(record_engine_test, RecordsLostBeforeTheStopDoNotCountAsAbandonedByIt) {
  hold_database = true;
  start();
  assign({0});
  produce(0, 1);
  run();
  lose({0});
  EXPECT_EQ(engine_->counts().abandoned, 1U);
  engine_->request_stop();
  advance(1s);
  ASSERT_TRUE(engine_->finished());
  EXPECT_EQ(engine_->abandoned_by_stop(), 0U);
}

TEST_F(record_engine_test, FinishedRecordsThatAStopCouldNotCommitAreCounted) {
  options.commit_timeout = 3s;
  bool coordinator_is_down = false;
  source_options.commit_fate_of = [&coordinator_is_down](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    if (coordinator_is_down) fate.failure = error(errc::broker_unavailable);
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  ASSERT_EQ(committed(0), 1);
  coordinator_is_down = true;
  produce(0, 2);
  produce(0, 3, "skip");
  produce(0, 4, "dead");
  run();
  engine_->request_stop();
  EXPECT_EQ(engine_->uncommitted_by_stop(), 0U);
  advance(10s);
  ASSERT_TRUE(engine_->finished());
  EXPECT_EQ(engine_->abandoned_by_stop(), 0U);
  EXPECT_EQ(engine_->uncommitted_by_stop(), 3U) << "the one that was committed is not repeated";
  EXPECT_EQ(engine_->counts().uncommitted, 3U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_records_uncommitted_total"), 3);
}

TEST_F(record_engine_test, RememberedRecordsBeyondAnAbandonedOneDoNotCountAsUncommitted) {
  for (const char* topic_id : {"", "an id"}) {
    SCOPED_TRACE(topic_id);
    log.set_topic_id(0, topic_id);
    options.drain_timeout = 1s;
    start();
    assign({0});
    const std::uint64_t before = engine_->counts().uncommitted;
    hold_database = true;
    produce(0, 1);
    run();
    hold_database = false;
    produce(0, 2);
    run();
    engine_->request_stop();
    advance(20s);
    ASSERT_TRUE(engine_->finished());
    EXPECT_EQ(engine_->abandoned_by_stop(), 1U);
    EXPECT_EQ(engine_->uncommitted_by_stop() - before, *topic_id == '\0' ? 1U : 0U);
    settle_down();
    engine_.reset();
  }
}

TEST_F(record_engine_test, RecordsUnfinishedAtTheDrainTimeoutCountAsAbandonedByTheStop) {
  hold_database = true;
  start();
  assign({0});
  produce(0, 1);
  produce(0, 2);
  run();
  engine_->request_stop();
  EXPECT_EQ(engine_->abandoned_by_stop(), 0U);
  advance(options.drain_timeout + options.commit_timeout);
  ASSERT_TRUE(engine_->finished());
  EXPECT_EQ(engine_->abandoned_by_stop(), 2U);
}

TEST_F(record_engine_test, ASinkThatFailedForGoodStopsTheEngineAndCommitsNothingUnsent) {
  options.drain_timeout = 5s;
  start();
  assign({0});
  produce(0, 1, "emit");
  advance(2s);
  ASSERT_EQ(committed(0), 1);
  hold_sink = true;
  produce(0, 2, "emit");
  produce(0, 3);
  run();
  sink.fail(error(errc::broker_unauthorized, "grant IDEMPOTENT_WRITE"));
  advance(1s);
  EXPECT_EQ(engine_->state(), engine_state::draining);
  advance(10s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  ASSERT_TRUE(engine_->failure());
  EXPECT_EQ(engine_->failure()->code(), errc::broker_unauthorized) << engine_->failure()->to_string();
  EXPECT_EQ(committed(0), 1) << "the record of offset 1 was not produced";
  EXPECT_EQ(engine_->counts().abandoned, 1U);
}

TEST_F(record_engine_test, ATemporarilyFailingSinkOpensTheBreakerOfTheBroker) {
  options.breaker = {.ratio = 0.5, .failures_min = 5};
  start();
  assign({0});
  simulation::produce_fate refused;
  refused.refused = error(errc::broker_unavailable, "the producer is replaced");
  produce_fates.assign(40, refused);
  for (int i = 0; i < 10; ++i) produce(0, i, "emit");
  advance(500ms);
  const engine_status seen = engine_->status_now();
  const auto broker = std::find_if(seen.breakers.begin(), seen.breakers.end(),
                                   [](const breaker_status& b) { return b.dependency == "broker"; });
  ASSERT_NE(broker, seen.breakers.end());
  EXPECT_NE(broker->state, breaker_state::closed);
  advance(120s);
  EXPECT_EQ(sink.written_to("sent").size(), 10U) << "nothing is lost meanwhile";
  EXPECT_EQ(committed(0), 10);
}

}  // namespace
}  // namespace millrace::engine

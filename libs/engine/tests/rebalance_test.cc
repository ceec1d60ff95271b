#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

TEST_F(record_engine_test, ARevokedPartitionIsDrainedCommittedAndThenReleased) {
  database_delay = 300ms;
  start();
  assign({0, 1});
  produce(0, 1);
  produce(0, 2);
  run();
  revoke({0});
  EXPECT_FALSE(happened(happening::released, 0));
  advance(1s);
  EXPECT_TRUE(happened(happening::released, 0));
  EXPECT_EQ(committed(0), 2);
  const auto commit = std::find_if(events.begin(), events.end(),
                                   [](const seen& e) { return e.what == happening::committed; });
  const auto release =
      std::find_if(events.begin(), events.end(), [](const seen& e) { return e.what == happening::released; });
  EXPECT_LT(commit, release) << "the last commit is answered before the partition is released";
}

TEST_F(record_engine_test, OtherPartitionsAreProcessedWhileOneIsDrained) {
  start();
  assign({0, 1});
  hold_database = true;
  produce(0, 1);
  run();
  hold_database = false;
  revoke({0});
  produce(1, 2);
  advance(2s);
  EXPECT_FALSE(happened(happening::released, 0));
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(committed(1), 1);
}

TEST_F(record_engine_test, ARevokeWaitsNoLongerThanItsDeadlineAndCommitsTheFinishedPrefix) {
  options.revoke_drain_timeout = 3s;
  start();
  assign({0});
  produce(0, 1);
  run();
  hold_database = true;
  produce(0, 2);
  run();
  hold_database = false;
  produce(0, 3);
  run();
  revoke({0});
  advance(2900ms);
  EXPECT_FALSE(happened(happening::released, 0));
  advance(200ms);
  EXPECT_TRUE(happened(happening::released, 0));
  EXPECT_EQ(committed(0), 1) << "3 was written, but beyond a hole in the work";
  EXPECT_EQ(engine_->counts().abandoned, 1U);
}

// Redpanda Connect #4477, #4009; Vector #9587.
TEST_F(record_engine_test, AnAcknowledgementAfterARevokeCommitsNothing) {
  options.revoke_drain_timeout = 1s;
  start();
  assign({0});
  hold_database = true;
  produce(0, 1);
  run();
  hold_database = false;
  revoke({0});
  advance(2s);
  ASSERT_TRUE(happened(happening::released, 0));
  advance(200s);  // the write is acknowledged now
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(committed(0), std::nullopt);
  EXPECT_EQ(engine_->counts().abandoned, 1U);
  EXPECT_EQ(engine_->counts().done, 0U);
}

// Spring Kafka #4687 #4708, parallel-consumer #857 #875, reactor-kafka #259, Vector #22006.
TEST_F(record_engine_test, AnAcknowledgementOfAnEarlierAssignmentDoesNotAffectTheNext) {
  options.revoke_drain_timeout = 1s;
  start();
  assign({0});
  produce(0, 0);
  advance(2s);
  hold_database = true;
  produce(0, 1);
  run();
  revoke({0});
  advance(2s);
  ASSERT_TRUE(happened(happening::released, 0));
  assign({0});  // offset 1 is delivered again, to a new assignment, and held again
  produce(0, 2);
  hold_database = false;
  advance(99s);  // the first write of offset 1 is acknowledged: without effect
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{0, 2, 1})) << "only the new assignment's 1 is outstanding";
  advance(10s);
  EXPECT_EQ(committed(0), 3);
  EXPECT_EQ(engine_->counts().abandoned, 1U);
}

// pekko-connectors-kafka #617, Faust #221.
TEST_F(record_engine_test, BufferedRecordsOfAReacquiredPartitionAreDropped) {
  options.order = order_mode::partition;
  options.revoke_drain_timeout = 1s;
  start();
  assign({0});
  hold_database = true;
  for (int i = 0; i < 5; ++i) produce(0, i);
  run();
  hold_database = false;
  lose({0});
  assign({0});
  advance(200s);
  EXPECT_EQ(committed(0), 5);
  EXPECT_EQ(engine_->counts().done, 5U);
  EXPECT_EQ(engine_->counts().abandoned, 5U);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{0, 0, 1, 2, 3, 4}));
}

TEST_F(record_engine_test, InPartitionOrderARevokeWaitsForTheRunningRecordOnly) {
  options.order = order_mode::partition;
  options.revoke_drain_timeout = 300s;
  start();
  assign({0, 1});
  hold_database = true;
  for (int i = 0; i < 5; ++i) produce(0, i);
  for (int i = 5; i < 8; ++i) produce(1, i);
  run();
  revoke({0});
  advance(150s);
  EXPECT_TRUE(happened(happening::released, 0));
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(engine_->counts().abandoned, 4U);
  hold_database = false;
  advance(300s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{0, 5, 6, 7})) << "the other partition goes on";
  EXPECT_EQ(engine_->counts().in_flight, 0U);
}

TEST_F(record_engine_test, ALostPartitionIsClosedAtOnceWithoutCommitOrRelease) {
  start();
  assign({0, 1});
  produce(0, 1);
  run();
  lose({0});
  advance(5s);
  EXPECT_EQ(committed(0), std::nullopt);
  EXPECT_FALSE(happened(happening::commit_requested, 0));
  EXPECT_FALSE(happened(happening::released, 0));
}

TEST_F(record_engine_test, APartitionThatIsLostWhileItIsRevokedIsNotReleased) {
  start();
  assign({0});
  hold_database = true;
  produce(0, 1);
  run();
  revoke({0});
  lose({0});
  advance(200s);
  EXPECT_FALSE(happened(happening::released, 0));
}

TEST_F(record_engine_test, APartitionAssignedAgainDuringItsRevocationIsNotReleased) {
  start();
  assign({0});
  hold_database = true;
  produce(0, 1);
  run();
  hold_database = false;
  revoke({0});
  assign({0});  // its loss in between was not reported
  produce(0, 2);
  advance(200s);
  EXPECT_FALSE(happened(happening::released, 0)) << "that revoke concerned the earlier assignment";
  EXPECT_EQ(committed(0), 2);
  EXPECT_EQ(engine_->counts().abandoned, 1U);
}

TEST_F(record_engine_test, AnEmptyRevokeChangesNothing) {
  start();
  assign({0});
  revoke({});
  produce(0, 1);
  advance(2s);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, ARevokeWithAnUnansweredCommitReleasesThePartition) {
  options.revoke_drain_timeout = 2s;
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.never_answered = true;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  run();
  revoke({0});
  advance(5s);
  EXPECT_TRUE(happened(happening::released, 0));
  EXPECT_EQ(registry.take_snapshot().value("millrace_records_uncommitted_total"), 1);
  engine_->request_stop();
  run();
  EXPECT_EQ(engine_->uncommitted_by_stop(), 0U) << "that was before the stop";
}

TEST_F(record_engine_test, ARevokeWithOneUnansweredCommitRepeatsNothing) {
  options.revoke_drain_timeout = 2s;
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
  revoke({0});
  advance(900ms);
  EXPECT_FALSE(happened(happening::released, 0));
  advance(200ms);
  EXPECT_TRUE(happened(happening::released, 0));
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AFencedCommitIsNotRepeated) {
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.failure = error(errc::broker_fenced);
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(10s);
  produce(0, 2);
  advance(10s);
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const seen& e) { return e.what == happening::commit_requested; }),
            1);
  EXPECT_EQ(engine_->state(), engine_state::running) << "a loss follows, and a new assignment";
}

TEST_F(record_engine_test, AnAnswerToACommitOfAnEarlierAssignmentDoesNotCountForTheNext) {
  int commits = 0;
  source_options.commit_fate_of = [&commits](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    if (commits++ == 0) fate.delay = 1500ms;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(2s);  // the commit of 1 is under way
  lose({0});
  assign({0});  // from 0 again
  run();
  advance(2s);
  EXPECT_EQ(committed(0), 1);
  EXPECT_GE(std::count_if(events.begin(), events.end(),
                          [](const seen& e) { return e.what == happening::commit_requested; }),
            2)
      << "the new assignment commits for itself";
}

TEST_F(record_engine_test, APartitionLostDuringItsCommitDoesNotHoldUpTheLastCommitOfAnother) {
  int commits = 0;
  source_options.commit_fate_of = [&commits](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    if (commits++ < 2) fate.delay = 500ms;
    return fate;
  };
  start();
  assign({0, 1});
  produce(0, 1);
  produce(1, 2);
  advance(1200ms);  // the commit of both is under way
  lose({0});
  advance(500ms);  // the answer names only the partition that is left
  produce(1, 3);
  run();
  revoke({1});
  advance(100ms);
  EXPECT_TRUE(happened(happening::released, 1));
  EXPECT_EQ(committed(1), 2) << "a rebalance that drained repeats nothing";
  EXPECT_EQ(registry.take_snapshot().value("millrace_commit_failures_total", {{"error", "timed_out"}}),
            std::nullopt);
}

TEST_F(record_engine_test, TheUnansweredCommitOfALostPartitionDoesNotHoldUpThatOfAnother) {
  int commits = 0;
  source_options.commit_fate_of = [&commits](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.never_answered = commits++ == 0;
    return fate;
  };
  start();
  assign({0, 1});
  produce(0, 1);
  advance(1200ms);
  lose({0});
  produce(1, 2);
  advance(1200ms);
  EXPECT_EQ(committed(1), 1);
}

TEST_F(record_engine_test, PartitionsAssignedAndReleasedRepeatedlyLeaveNoState) {
  start();
  for (int round = 0; round < 50; ++round) {
    assign({0, 1, 2});
    produce(round % 3, round);
    run();
    if (round % 2 == 0) {
      revoke({0, 1, 2});
    } else {
      lose({0, 1, 2});
    }
    advance(1s);
  }
  EXPECT_EQ(engine_->in_flight_records(), 0U);
  EXPECT_TRUE(engine_->status_now().partitions.empty());
  EXPECT_EQ(registry.take_snapshot().value("millrace_rebalances_total", {{"type", "lost"}}), 25);
}

// A group that begins at the end of the log (`start_from: latest`) has an offset for each partition it ever
// owned.
TEST_F(record_engine_test, TheStartingOffsetOfLatestIsCommittedBeforeTheFirstRecord) {
  source_options.start_at_end = true;
  for (int i = 0; i < 3; ++i) produce(0, i);
  start();
  assign({0});
  EXPECT_EQ(committed(0), 3) << "at once: without waiting for the commit interval";
  revoke({0});
  produce(0, 3);  // between two owners
  assign({0});
  advance(2s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{3}));
  EXPECT_EQ(committed(0), 4);
}

TEST_F(record_engine_test, APartitionReleasedBeforeItsFirstRecordKeepsTheStartingOffsetOfLatest) {
  source_options.start_at_end = true;
  bool refuse = true;
  source_options.commit_fate_of = [&refuse](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    if (refuse) fate.failure = error(errc::broker_unavailable, "not yet");
    return fate;
  };
  produce(0, 0);
  start();
  assign({0});
  EXPECT_EQ(committed(0), std::nullopt);
  refuse = false;
  revoke({0});
  advance(1s);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AGroupThatStartsAtEarliestCommitsNothingBeforeTheFirstRecord) {
  start();
  assign({0});
  advance(5s);
  EXPECT_EQ(committed(0), std::nullopt);
}

}  // namespace
}  // namespace millrace::engine

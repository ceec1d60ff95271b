#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

TEST_F(record_engine_test, ARecordIsDecodedProcessedAndCommitted) {
  start();
  assign({0});
  produce(0, 41);
  produce(0, 42);
  advance(2s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41, 42}));
  EXPECT_EQ(committed(0), 2);
  EXPECT_EQ(engine_->counts().done, 2U);
}

TEST_F(record_engine_test, TheCommitStopsAtTheLowestUnfinishedRecord) {
  start();
  assign({0});
  hold_database = true;
  produce(0, 1);
  run();
  hold_database = false;
  produce(0, 2);
  produce(0, 3);
  advance(5s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(committed(0), 0) << "offset 0 is unfinished";
  advance(100s);
  EXPECT_EQ(committed(0), 3);
}

// Spring Kafka #4258 #4342, parallel-consumer #329 #409, Faust #312 #606.
TEST_F(record_engine_test, TheCommitFollowsDeliveredOffsetsAcrossGaps) {
  start();
  assign({0});
  produce(0, 1, "ok", "k", 5);
  produce(0, 2, "ok", "k", 100);
  advance(2s);
  EXPECT_EQ(committed(0), 107);
}

TEST_F(record_engine_test, AnUnchangedPositionIsNotCommittedAgain) {
  start();
  assign({0});
  produce(0, 1);
  advance(10s);
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const seen& e) { return e.what == happening::commit_requested; }),
            1);
}

TEST_F(record_engine_test, AFailedCommitIsSentAgainForThatPartitionAlone) {
  int commits_of_1 = 0;
  source_options.commit_fate_of = [&](stream::partition_id p, std::int64_t) {
    simulation::commit_fate fate;
    if (p.partition == 1 && commits_of_1++ == 0) fate.failure = error(errc::broker_unavailable);
    return fate;
  };
  start();
  assign({0, 1});
  produce(0, 1);
  produce(1, 2);
  advance(5s);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(committed(1), 1);
  EXPECT_EQ(commits_of_1, 2);
  EXPECT_EQ(
      std::count_if(events.begin(), events.end(),
                    [](const seen& e) { return e.what == happening::commit_requested && e.partition == 0; }),
      1);
}

TEST_F(record_engine_test, ACommitOfMarkersIsAnsweredAfterTheFirstRecordBeyondThem) {
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  revoke({0});
  advance(2s);
  ASSERT_EQ(committed(0), 1);
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.delay = 2s;
    return fate;
  };
  crash();
  start();
  assign({0});
  log.append_markers({0, 0}, 3);
  source->wake();
  hold_database = true;
  advance(1'500ms);
  produce(0, 2, "tea", "k", 2);  // behind further markers, while the commit of the first ones is under way
  advance(6s);
  EXPECT_EQ(committed(0), 6);
  EXPECT_EQ(engine_->counts().received, 1U);
}

TEST_F(record_engine_test, MarkersAreNoLagWhileACommitIsNotAnswered) {
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.never_answered = true;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  log.append_markers({0, 0}, 3);
  source->wake();
  advance(1s);
  ASSERT_EQ(engine_->status_now().partitions.size(), 1U);
  EXPECT_EQ(engine_->status_now().partitions.front().lag, 0);
}

TEST_F(record_engine_test, AnUnansweredCommitTimesOutAndIsSentAgain) {
  int commits = 0;
  source_options.commit_fate_of = [&](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.never_answered = commits++ == 0;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(15s);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, ASkippedRecordAndATombstoneAreCommittedWithoutStatements) {
  start();
  assign({0});
  produce(0, 1, "skip");
  produce_bytes(0, std::nullopt);
  advance(2s);
  EXPECT_EQ(committed(0), 2);
  EXPECT_EQ(engine_->counts().skipped, 2U);
  const auto page = registry.take_snapshot();
  EXPECT_EQ(page.value("millrace_records_skipped_total", {{"reason", "not wanted"}}), 1);
  EXPECT_EQ(page.value("millrace_records_skipped_total", {{"reason", "tombstone"}}), 1);
}

TEST_F(record_engine_test, AFailedProcessorAloneIsRetriedAfterItsBackoff) {
  start({"first", "second"});
  assign({0});
  database_errors[1] = {error(errc::db_timeout)};
  produce(0, 1);
  run();
  EXPECT_EQ(inserted().size(), 1U) << "one of two processors wrote";
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  advance(2s);
  EXPECT_EQ(inserted().size(), 2U) << "the one that was done did not run again";
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_retries_total"), 1);
}

TEST_F(record_engine_test, RetriesAreBoundedThenTheRecordIsDeadLettered) {
  options.retry.attempts_max = 3;
  start();
  assign({0});
  database_errors[1] = std::vector<error>(10, error(errc::timed_out, "no answer in time"));
  produce(0, 1);
  produce(0, 2);
  advance(30s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  const simulation::produced_record& letter = *sink.written_to("dead").front();
  EXPECT_EQ(letter.header("millrace.dlq.attempts"), "3");
  EXPECT_EQ(letter.header("millrace.dlq.code"), "timed_out");
  EXPECT_EQ(letter.header("millrace.dlq.stage"), "process");
  EXPECT_EQ(letter.header("millrace.dlq.processor"), "storing");
  EXPECT_EQ(committed(0), 2);
}

TEST_F(record_engine_test, ADeadLetterCarriesTheUntouchedRecordAndWhereItCameFrom) {
  start();
  assign({2});
  produce(2, 1, "ok", "k", 10);
  produce(2, 5, "dead", "the key");
  advance(2s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  const simulation::produced_record& letter = *sink.written_to("dead").front();
  EXPECT_EQ(as_text(*letter.key), "the key");
  EXPECT_EQ(*letter.value, framed_parcel(schema_id, 5, "dead"));
  EXPECT_EQ(letter.header("trace"), "\x2A\x2A");
  EXPECT_EQ(letter.header("millrace.dlq.reason"), "broken seal");
  EXPECT_EQ(letter.header("millrace.dlq.topic"), "parcels");
  EXPECT_EQ(letter.header("millrace.dlq.partition"), "2");
  EXPECT_EQ(letter.header("millrace.dlq.offset"), "11");
  EXPECT_EQ(letter.header("millrace.dlq.schema_id"), "7");
  EXPECT_EQ(letter.header("millrace.dlq.group"), "post-office");
  EXPECT_EQ(letter.header("millrace.dlq.version"), "9.9");
  EXPECT_EQ(committed(2), 12);
}

TEST_F(record_engine_test, TheOffsetAdvancesOnlyAfterTheDeadLetterIsAcknowledged) {
  start();
  assign({0});
  hold_sink = true;
  produce(0, 1, "dead");
  produce(0, 2);
  advance(10s);
  EXPECT_EQ(committed(0), 0);
  advance(100s);
  EXPECT_EQ(committed(0), 2);
}

TEST_F(record_engine_test, AFailedDeadLetterIsSentAgainAndNeverDropped) {
  simulation::produce_fate full;
  full.refused = error(errc::produce_failed, "queue full");
  simulation::produce_fate lost;
  lost.failure = error(errc::produce_failed, "delivery timed out");
  produce_fates = {full, lost, lost};
  start();
  assign({0});
  produce(0, 1, "dead");
  advance(10s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AnOversizedDeadLetterIsSentWithoutItsValue) {
  simulation::produce_fate too_large;
  too_large.failure = error(errc::produce_rejected, "too large");
  produce_fates = {too_large};
  start();
  assign({0});
  produce(0, 1, "dead");
  advance(10s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(sink.written().front().value, std::nullopt);
  EXPECT_EQ(sink.written().front().header("millrace.dlq.value_dropped"), "too large");
}

// parallel-consumer #304 #391 #550.
TEST_F(record_engine_test, UndecodableRecordsAreDeadLetteredAndTheEngineContinues) {
  start();
  assign({0});
  byte_buffer trailing = framed_parcel(schema_id, 3, "ok");
  trailing.push_back(std::byte{0});
  byte_buffer truncated = framed_parcel(schema_id, 4, "ok");
  truncated.pop_back();
  produce(0, 1);
  produce_bytes(0, byte_buffer(3, std::byte{0}));
  produce_bytes(0, byte_buffer(30, std::byte{1}));
  produce_bytes(0, trailing);
  produce_bytes(0, truncated);
  produce(0, 2);
  advance(2s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1, 2}));
  std::vector<std::string> codes;
  for (const auto* letter : sink.written_to("dead")) codes.push_back(*letter->header("millrace.dlq.code"));
  EXPECT_EQ(codes, (std::vector<std::string>{"bad_frame", "bad_frame", "trailing_bytes", "truncated"}));
  EXPECT_EQ(sink.written().back().header("millrace.dlq.processor"), std::nullopt);
  EXPECT_EQ(committed(0), 6);
}

TEST_F(record_engine_test, TrailingBytesMayBeIgnored) {
  options.ignore_trailing_bytes = true;
  start();
  assign({0});
  byte_buffer trailing = framed_parcel(schema_id, 3, "ok");
  trailing.push_back(std::byte{0});
  produce_bytes(0, trailing);
  advance(2s);
  EXPECT_EQ(engine_->counts().done, 1U);
}

TEST_F(record_engine_test, ADeadLetterNamesItsProcessorAndTheOtherIsDone) {
  options.retry.attempts_max = 1;
  start({"first", "second"});
  assign({0});
  database_errors[1] = {error(errc::db_unexpected_rows)};
  produce(0, 1);
  advance(2s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(sink.written().front().header("millrace.dlq.processor"), "first");
  EXPECT_EQ(inserted().size(), 1U) << "second's work is not lost";
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, EmitsAreProducedOnceTheProcessorIsDone) {
  start();
  assign({0});
  database_errors[1] = {error(errc::db_timeout), error(errc::db_timeout)};
  produce(0, 1, "emit-twice");
  run();
  EXPECT_TRUE(sink.written().empty());
  advance(2s);
  EXPECT_EQ(sink.written_to("sent").size(), 2U) << "a retry repeats nothing downstream";
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AnEmitHasAnIdThatAReplayRepeats) {
  start({"first", "second"});
  assign({2});
  produce(2, 9);
  produce(2, 10, "emit-twice");
  advance(1s);
  std::vector<std::string> ids;
  for (const auto* sent : sink.written_to("sent")) ids.push_back(*sent->header("millrace-id"));
  const std::vector<std::string> expected{"parcels/2/1/first/0", "parcels/2/1/first/1",
                                          "parcels/2/1/second/0", "parcels/2/1/second/1"};
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, expected);
}

TEST_F(record_engine_test, TheOffsetAdvancesOnlyAfterEveryEmitIsAcknowledged) {
  simulation::produce_fate lost;
  lost.failure = error(errc::produce_failed, "delivery timed out");
  lost.delay = 3s;
  produce_fates = {simulation::produce_fate{}, lost};
  start();
  assign({0});
  produce(0, 1, "emit-twice");
  advance(2900ms);
  EXPECT_EQ(committed(0), std::nullopt);
  advance(3s);
  EXPECT_EQ(sink.written_to("sent").size(), 2U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(record_engine_test, AnEmitThatTheBrokerNeverAcceptsMakesADeadLetter) {
  simulation::produce_fate too_large;
  too_large.failure = error(errc::produce_rejected, "too large");
  produce_fates = {too_large};
  start();
  assign({0});
  produce(0, 1, "emit");
  advance(2s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(sink.written().front().header("millrace.dlq.stage"), "emit");
}

TEST_F(record_engine_test, AnErrorThatNeedsAnOperatorStopsTheEngineAndLosesNothing) {
  start();
  assign({0, 1});
  produce(0, 1);
  produce(0, 2, "stop");
  produce(0, 3);
  produce(1, 4);
  advance(3s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  ASSERT_TRUE(engine_->failure());
  EXPECT_EQ(engine_->failure()->code(), errc::db_invalid);
  EXPECT_NE(engine_->failure()->message().find("'storing' on parcels/0 offset 1"), std::string::npos);
  EXPECT_EQ(committed(0), 1) << "nothing past the record that stopped it";
  EXPECT_TRUE(sink.written().empty());
}

TEST_F(record_engine_test, TheDeadLetterRateLimitStopsTheEngine) {
  options.dead_letter_limit = {0.5, 10, seconds(60)};
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i, "reject");
  advance(40s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_NE(engine_->failure()->message().find("dead-letter rate limit"), std::string::npos);
  EXPECT_LT(sink.written_to("dead").size(), 10U);
  EXPECT_EQ(committed(0), static_cast<std::int64_t>(sink.written_to("dead").size()));
}

// A supervisor starts it again and again.
TEST_F(record_engine_test, ARestartAfterTheDeadLetterRateLimitDeadLettersNothingMore) {
  options.dead_letter_limit = {0.5, 10, seconds(60)};
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i, "reject");
  advance(40s);
  ASSERT_EQ(engine_->state(), engine_state::failed);
  const std::size_t written = sink.written_to("dead").size();
  EXPECT_GT(written, 0U);
  for (int restarts = 0; restarts < 3; ++restarts) {
    crash();
    start();
    assign({0});
    advance(40s);
    EXPECT_EQ(engine_->state(), engine_state::failed);
    EXPECT_EQ(sink.written_to("dead").size(), written);
  }
}

TEST_F(record_engine_test, TheDeadLetterRateLimitIsForgottenAfterAWindowOfWork) {
  options.dead_letter_limit = {0.5, 10, seconds(60)};
  start();
  assign({0});
  for (int i = 0; i < 10; ++i) produce(0, i, "reject");
  advance(40s);
  ASSERT_EQ(engine_->state(), engine_state::failed);
  const std::size_t written = sink.written_to("dead").size();
  crash();
  ASSERT_TRUE(
      log.commit({{0, 0}, 10, log.metadata({0, 0})}, log.owner({0, 0})));  // an operator passes the rest
  start();
  assign({0});
  for (int i = 0; i < 3; ++i) produce(0, i, "good");
  advance(61s);
  EXPECT_EQ(log.metadata({0, 0}).find("dll"), std::string::npos);
  produce(0, 4, "reject");
  advance(5s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(sink.written_to("dead").size(), written + 1);
}

TEST_F(record_engine_test, ManySkipsAndSomeDeadLettersDoNotExceedTheDeadLetterRateLimit) {
  options.dead_letter_limit = {0.5, 10, seconds(60)};
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i, i % 3 == 0 ? "reject" : "skip");
  advance(5s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(committed(0), 100);
}

TEST_F(record_engine_test, DeadLettersThatAProcessorDecidesDoNotCountForTheRateLimit) {
  options.dead_letter_limit = {0.5, 10, seconds(60)};
  start();
  assign({0});
  for (int i = 0; i < 100; ++i) produce(0, i, "dead");
  advance(5s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(engine_->counts().dead_lettered, 100U);
}

TEST_F(record_engine_test, AnOffsetThatGoesBackWithinAnAssignmentStopsTheEngine) {
  start();
  assign({0});
  for (int i = 0; i < 5; ++i) produce(0, i);
  advance(2s);
  source->rewind({0, 0}, 2);
  advance(40s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_EQ(engine_->failure()->code(), errc::offset_out_of_range);
  EXPECT_EQ(committed(0), 5);
}

TEST_F(record_engine_test, StatusNamesTheOldestUnfinishedRecord) {
  start();
  assign({3});
  database_errors[1] = std::vector<error>(5, error(errc::db_overloaded, "shedding"));
  produce(3, 1, "ok", "visitor-9");
  produce(3, 2);
  advance(1s);
  const engine_status now = engine_->status();
  ASSERT_EQ(now.partitions.size(), 1U);
  ASSERT_TRUE(now.partitions.front().oldest);
  const oldest_record& oldest = *now.partitions.front().oldest;
  EXPECT_EQ(oldest.offset, 0);
  EXPECT_EQ(oldest.key, "visitor-9");
  EXPECT_EQ(oldest.stage, "retry");
  EXPECT_GE(oldest.attempt, 3U);
  EXPECT_EQ(oldest.last_error, "db_overloaded: shedding");
  EXPECT_EQ(now.partitions.front().lag, 2);
  EXPECT_TRUE(now.counts.balanced());
}

TEST_F(record_engine_test, RecordAccountingIsExportedAsMetrics) {
  start();
  assign({0});
  for (const char* word : {"ok", "skip", "dead", "ok"}) produce(0, 1, word);
  advance(2s);
  const auto page = registry.take_snapshot();
  EXPECT_EQ(page.value("millrace_records_received_total"), 4);
  EXPECT_EQ(page.value("millrace_records_done_total"), 2);
  EXPECT_EQ(page.value("millrace_records_skipped_total"), 1);
  EXPECT_EQ(page.value("millrace_records_dead_lettered_total"), 1);
  EXPECT_EQ(page.value("millrace_in_flight_records"), 0);
  EXPECT_EQ(page.histogram("millrace_record_e2e_seconds").count(), 2U);
  EXPECT_EQ(page.value("millrace_consumer_lag_records"), 0);
}

TEST_F(record_engine_test, AnUnansweredCommitIsReportedAndSentAgain) {
  std::vector<std::string> said;
  options.on_problem = [&said](std::string_view event, const error& failure) {
    said.push_back(std::string(event) + " " + std::string(to_string(failure.code())));
  };
  options.commit_timeout = 3s;
  bool silent = true;
  source_options.commit_fate_of = [&silent](auto, auto) {
    simulation::commit_fate fate;
    fate.never_answered = silent;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  EXPECT_TRUE(said.empty());
  silent = false;
  advance(5s);
  EXPECT_EQ(said, (std::vector<std::string>{"commit_failed " + std::string(to_string(errc::timed_out))}));
  EXPECT_EQ(committed(0), 1);
}

}  // namespace
}  // namespace millrace::engine

// What an operator may do about the oldest unfinished record of a partition.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;
using kind = command_answer::kind;

class operator_command_test : public record_engine_test {
 protected:
  // A record that the database refuses, waiting an hour for its next attempt.
  void one_that_waits_for_its_retry(std::size_t failures = 1) {
    options.retry.backoff_first = options.retry.backoff_max = std::chrono::hours(1);
    options.retry.age_max = std::chrono::hours(24);
    database_errors[41] = std::vector<error>(failures, error(errc::db_overloaded, "not now"));
    start();
    assign({0});
    produce(0, 41);
    produce(0, 42);
    advance(2s);
    ASSERT_EQ(committed(0), 0);
  }
  command_answer act(operator_command verb, std::int64_t offset = 0) {
    const command_answer answer = engine_->act_on({"parcels", 0, offset}, verb);
    run();
    return answer;
  }
};

TEST_F(operator_command_test, RetryStartsTheAttemptBeforeItsBackoffEnds) {
  one_that_waits_for_its_retry();
  const command_answer answer = act(operator_command::retry);
  EXPECT_EQ(answer.what, kind::obeyed) << answer.text;
  EXPECT_EQ(answer.text, "processor 'storing': attempt 2 started now");
  advance(2s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{42, 41}));
  EXPECT_EQ(committed(0), 2);
}

TEST_F(operator_command_test, ASkippedRecordNoLongerHoldsUpTheCommit) {
  one_that_waits_for_its_retry();
  EXPECT_EQ(act(operator_command::skip).what, kind::obeyed);
  advance(2s);
  EXPECT_EQ(committed(0), 2);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_TRUE(sink.written_to("dead").empty());
}

TEST_F(operator_command_test, ADeadLetterNamesTheOperatorAndTheFailure) {
  one_that_waits_for_its_retry();
  EXPECT_EQ(act(operator_command::dead_letter).what, kind::obeyed);
  advance(2s);
  EXPECT_EQ(committed(0), 2);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0]->header("millrace.dlq.code"), "db_overloaded");
  EXPECT_EQ(letters[0]->header("millrace.dlq.message"), "dead-lettered by an operator: not now");
}

TEST_F(operator_command_test, TheOffsetAdvancesOnlyAfterTheOperatorsDeadLetterIsAcknowledged) {
  one_that_waits_for_its_retry();
  hold_sink = true;
  EXPECT_EQ(act(operator_command::dead_letter).what, kind::obeyed);
  advance(2s);
  EXPECT_EQ(committed(0), 0);
  EXPECT_EQ(act(operator_command::dead_letter).what, kind::not_now);
  EXPECT_EQ(act(operator_command::skip).what, kind::not_now) << "the broker may have it already";
}

TEST_F(operator_command_test, ARunningAttemptIsNotInterruptedAndItsSuccessCounts) {
  hold_database = true;
  start();
  assign({0});
  produce(0, 41);
  run();
  EXPECT_EQ(act(operator_command::retry).what, kind::not_now);
  EXPECT_EQ(act(operator_command::skip).what, kind::obeyed);
  EXPECT_EQ(engine_->counts().skipped, 0U);
  advance(102s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(operator_command_test, ARunningAttemptThatFailsIsTheLast) {
  database_errors[41] = {error(errc::db_overloaded, "not now")};
  hold_database = true;
  start();
  assign({0});
  produce(0, 41);
  run();
  EXPECT_EQ(act(operator_command::skip).what, kind::obeyed);
  advance(102s);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_TRUE(inserted().empty());
  EXPECT_EQ(committed(0), 1);
}

TEST_F(operator_command_test, ACommandForAnyButTheOldestUnfinishedRecordIsRefused) {
  one_that_waits_for_its_retry();
  const command_answer later = act(operator_command::skip, 1);
  EXPECT_EQ(later.what, kind::not_now);
  EXPECT_NE(later.text.find("offset 0"), std::string::npos) << later.text;
  EXPECT_EQ(engine_->act_on({"parcels", 3, 0}, operator_command::skip).what, kind::not_here);
  EXPECT_EQ(engine_->act_on({"letters", 0, 0}, operator_command::skip).what, kind::not_here);
  EXPECT_EQ(act(operator_command::skip).what, kind::obeyed);
  EXPECT_EQ(act(operator_command::skip).what, kind::not_here) << "it is finished";
}

TEST_F(operator_command_test, ACommandAppliesToUnfinishedProcessorsOnly) {
  options.retry.backoff_first = options.retry.backoff_max = std::chrono::hours(1);
  options.retry.age_max = std::chrono::hours(24);
  database_errors[41] = {error(errc::db_overloaded, "not now")};  // of the first statement
  start({"first", "second"});
  assign({0});
  produce(0, 41);
  advance(2s);
  const command_answer answer = act(operator_command::dead_letter);
  EXPECT_EQ(answer.text, "processor 'first': the dead letter is being sent");
  advance(2s);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0]->header("millrace.dlq.processor"), "first");
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41})) << "of the second";
}

TEST_F(operator_command_test, ARecordOfAnUnknownSchemaCanBeEndedAndTheNextOneFollows) {
  schema_errors = std::vector<error>(1'000, error(errc::registry_unavailable, "down"));
  start();
  assign({0});
  produce(0, 41);
  produce(0, 42);
  advance(1s);
  EXPECT_EQ(act(operator_command::retry).what, kind::not_now);
  EXPECT_EQ(act(operator_command::dead_letter).what, kind::obeyed);
  EXPECT_EQ(act(operator_command::skip, 1).what, kind::obeyed);
  advance(2s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(committed(0), 2);
  EXPECT_EQ(sink.written_to("dead")[0]->header("millrace.dlq.stage"), "schema");
}

TEST_F(operator_command_test, ARefusedDeadLetterCanBeSkippedOrSentAgain) {
  options.retry.backoff_first = options.retry.backoff_max = std::chrono::hours(1);
  produce_fates.resize(2);
  for (auto& fate : produce_fates) fate.failure = error(errc::produce_failed, "no leader");
  start();
  assign({0});
  produce(0, 41, "dead");
  produce(0, 42, "dead");
  advance(2s);
  EXPECT_EQ(act(operator_command::retry).text, "processor 'storing': sent to the broker again");
  advance(2s);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(act(operator_command::skip, 1).what, kind::obeyed);
  advance(2s);
  EXPECT_EQ(committed(0), 2);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().skipped, 1U);
}

}  // namespace
}  // namespace millrace::engine

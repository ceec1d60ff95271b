// Policies of a processor: its classification of errors, retries, dead-letter topic, limits; the limit of the database.
#include <algorithm>
#include <map>
#include <stdexcept>

#include <fixtures/engine_fixture.h>

#include <millrace/runtime/wait.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;
using numbers = std::vector<std::int64_t>;

// Fails with the error that its word names, and classifies by the message.
class choosing final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context) override {
    ++runs;
    if (p->word.starts_with("ok")) co_return stream::outcome::done();
    if (p->word.starts_with("throw")) throw std::out_of_range(std::string(p->word));
    const errc code = p->word.ends_with("invalid")  ? errc::db_invalid
                      : p->word.ends_with("fenced") ? errc::broker_fenced
                      : p->word.ends_with("late")   ? errc::timed_out
                                                    : errc::db_unexpected_rows;
    co_return error(code, std::string(p->word));
  }

  stream::reaction classify(const error& cause) const override {
    const std::string& why = cause.message();
    if (why.find("throw-in-classify") != std::string::npos || why.starts_with("defect"))
      throw std::logic_error("no such case");
    if (why.find("to-skip") != std::string::npos) return stream::reaction::skip;
    if (why.find("to-retry") != std::string::npos) return stream::reaction::retry;
    if (why.find("to-dead") != std::string::npos) return stream::reaction::dead_letter;
    if (why.find("to-stop") != std::string::npos) return stream::reaction::stop;
    return processor::classify(cause);
  }

  static inline int runs = 0;
};

class classify_test : public record_engine_test {
 protected:
  classify_test() {
    choosing::runs = 0;
    options.on_exception = [this](const processor_exception& thrown) {
      exceptions.push_back(thrown.failure.message());
    };
  }
  void begin() {
    start_with({make<choosing>()});
    assign({0});
  }

  std::vector<std::string> exceptions;
};

TEST_F(classify_test, AnErrorOfTheRecordIsSkippedWithItsCodeAsTheReason) {
  begin();
  produce(0, 1, "to-skip");
  advance(2s);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(
      registry.take_snapshot().value("millrace_records_skipped_total", {{"reason", "db_unexpected_rows"}}),
      1);
  EXPECT_EQ(committed(0), 1);
  EXPECT_TRUE(sink.written_to("dead").empty());
}

TEST_F(classify_test, ATemporaryErrorIsDeadLetteredAtOnce) {
  begin();
  produce(0, 1, "to-dead-late");
  advance(2s);
  EXPECT_EQ(choosing::runs, 1);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "timed_out");
}

TEST_F(classify_test, APermanentErrorIsRetriedWithinTheBoundsOfRetries) {
  options.retry.attempts_max = 3;
  begin();
  produce(0, 1, "to-retry");
  advance(60s);
  EXPECT_EQ(choosing::runs, 3);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
}

TEST_F(classify_test, AnErrorStopsTheEngineAndItsRecordStaysUncommitted) {
  begin();
  produce(0, 1, "ok");
  produce(0, 2, "to-stop");
  advance(20s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(classify_test, TheTableDecidesWhatTheProcessorDoesNotChoose) {
  begin();
  produce(0, 1, "unexpected");
  advance(2s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U) << "db_unexpected_rows is the record's own";
}

TEST_F(classify_test, AnErrorThatConcernsEveryRecordMayNotBeSkipped) {
  begin();
  produce(0, 1, "to-skip-fenced");
  advance(20s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_EQ(engine_->failure()->code(), errc::broker_fenced);
  EXPECT_EQ(committed(0).value_or(0), 0);
}

TEST_F(classify_test, AStatementThatTheServerRefusesMayNotBeDeadLettered) {
  begin();
  produce(0, 1, "to-dead-invalid");
  advance(20s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_TRUE(sink.written_to("dead").empty());
}

TEST_F(classify_test, AnExceptionOfProcessIsClassifiedToo) {
  begin();
  produce(0, 1, "throw-to-skip");
  advance(2s);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(exceptions.size(), 1U);
}

TEST_F(classify_test, AnExceptionInClassifyIsReportedAndTheTableDecides) {
  begin();
  produce(0, 1, "defect");
  advance(2s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
  ASSERT_EQ(exceptions.size(), 1U);
  EXPECT_NE(exceptions.front().find("classify() of processor 'choosing' on parcels/0 offset 0"),
            std::string::npos)
      << exceptions.front();
  EXPECT_NE(exceptions.front().find("no such case"), std::string::npos);
}

TEST_F(classify_test, AnExceptionInClassifyAfterOneInProcessEndsTheProcessOfNeither) {
  options.retry.attempts_max = 2;
  begin();
  produce(0, 1, "throw-in-classify");
  produce(0, 2, "ok");
  advance(60s);
  EXPECT_EQ(exceptions.size(), 4U) << "two of process(), two of classify()";
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
}

TEST(reaction, FollowsTheTable) {
  EXPECT_EQ(stream::reaction_to(errc::db_timeout), stream::reaction::retry);
  EXPECT_EQ(stream::reaction_to(errc::malformed), stream::reaction::dead_letter);
  EXPECT_EQ(stream::reaction_to(errc::broker_fenced), stream::reaction::stop);
  EXPECT_TRUE(stream::may_be_classified(errc::answer_ignored));
  for (const errc code : {errc::broker_fenced, errc::db_unauthorized, errc::db_invalid, errc::config_invalid})
    EXPECT_FALSE(stream::may_be_classified(code)) << to_string(code);
}

class policy_test : public record_engine_test {
 protected:
  [[nodiscard]] std::size_t at_work() const { return store.in_flight(); }
  [[nodiscard]] double waiting(const std::string& processor) {
    return registry.take_snapshot()
        .value("millrace_processor_limit_waiting", {{"processor", processor}})
        .value_or(0);
  }
};

TEST_F(policy_test, RetriesAndTheDeadLetterTopicAreTheProcessorsOwn) {
  options.processors = {{.name = "hasty", .retry = {.attempts_max = 2}, .dead_letter_topic = "hasty-dead"}};
  options.retry.attempts_max = 4;
  start({"hasty", "patient"});
  assign({0});
  produce(0, 1, "fail");
  advance(60s);
  EXPECT_EQ(inserted().size(), 2U + 4U);
  ASSERT_EQ(sink.written_to("hasty-dead").size(), 1U);
  EXPECT_EQ(*sink.written_to("hasty-dead").front()->header("millrace.dlq.processor"), "hasty");
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(*sink.written_to("dead").front()->header("millrace.dlq.processor"), "patient");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(policy_test, ARecordThatNoProcessorHasSeenGoesToTheTopicOfTheEngine) {
  options.processors = {{.name = "storing", .dead_letter_topic = "own-dead"}};
  start();
  assign({0});
  produce_bytes(0, byte_buffer(3, std::byte{9}));
  advance(2s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_TRUE(sink.written_to("own-dead").empty());
}

TEST_F(policy_test, TheAgeOfRetriesIsTheProcessorsOwn) {
  options.processors = {{.name = "storing", .retry = {.age_max = 200ms}}};
  options.retry.attempts_max = 100;
  start();
  assign({0});
  produce(0, 1, "fail");
  advance(5s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_LT(inserted().size(), 10U);
}

TEST_F(policy_test, NoMoreAttemptsThanTheLimitRunAtOnceAndNothingIsLost) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 3}}};
  database_delay = 1s;
  start();
  assign({0});
  for (int i = 0; i < 10; ++i) produce(0, i);
  run();
  EXPECT_EQ(at_work(), 3U);
  EXPECT_EQ(waiting("storing"), 7);
  advance(10s);
  EXPECT_EQ(store.in_flight_max(), 3U);
  EXPECT_EQ(engine_->counts().done, 10U);
  EXPECT_EQ(committed(0), 10);
  EXPECT_EQ(waiting("storing"), 0);
  const auto waited =
      registry.take_snapshot().histogram("millrace_processor_limit_wait_seconds", {{"processor", "storing"}});
  EXPECT_EQ(waited.count(), 7U) << "only those that had to wait";
}

TEST_F(policy_test, AttemptsBeginAtTheRateOfTheProcessor) {
  options.processors = {{.name = "storing", .limits = {.rate_max = 10}}};
  start();
  assign({0});
  for (int i = 0; i < 30; ++i) produce(0, i);
  run();
  EXPECT_EQ(inserted().size(), 1U);
  advance(1s);
  EXPECT_EQ(inserted().size(), 11U);
  advance(3s);
  EXPECT_EQ(inserted().size(), 30U);
  EXPECT_EQ(committed(0), 30);
}

TEST_F(policy_test, AProcessorWithoutALimitIsNotDelayed) {
  options.processors = {{.name = "slow", .limits = {.rate_max = 1}}};
  start({"slow", "quick"});
  assign({0});
  for (int i = 0; i < 5; ++i) produce(0, i);
  run();
  EXPECT_EQ(inserted().size(), 1U + 5U);
  EXPECT_EQ(engine_->counts().done, 1U) << "a record is done when both are";
  advance(10s);
  EXPECT_EQ(engine_->counts().done, 5U);
}

TEST_F(policy_test, RecordsThatWaitCountAgainstTheRecordsInFlight) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  options.in_flight_records_max = 8;
  hold_database = true;
  start();
  assign({0});
  for (int i = 0; i < 50; ++i) produce(0, i);
  run();
  EXPECT_EQ(engine_->in_flight_records(), 8U) << "intake waits";
  EXPECT_EQ(engine_->counts().received, 8U);
  hold_database = false;
  advance(200s);
  EXPECT_EQ(engine_->counts().done, 50U);
}

TEST_F(policy_test, RecordsOfAKeyKeepTheirOrderUnderALimit) {
  options.order = order_mode::key;
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 2, .rate_max = 100}}};
  database_delay = 5ms;
  start();
  assign({0});
  std::map<std::string, numbers> expected;
  for (int i = 0; i < 60; ++i) {
    const std::string key(1, static_cast<char>('a' + i % 4));
    produce(0, i, key, key);
    expected[key].push_back(i);
  }
  advance(10s);
  std::map<std::string, numbers> seen;
  for (const auto& e : store.executed()) seen[e.parameters[1].text()].push_back(e.parameters[0].bigint());
  EXPECT_EQ(seen, expected);
}

TEST_F(policy_test, RecordsOfAPartitionKeepTheirOrderUnderALimit) {
  options.order = order_mode::partition;
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  database_errors[0] = {error(errc::db_timeout)};
  database_delay = 10ms;
  start();
  assign({0, 1});
  for (int i = 0; i < 10; ++i) produce(0, i, "zero");
  for (int i = 10; i < 20; ++i) produce(1, i, "one");
  advance(60s);
  std::map<std::string, numbers> seen;
  for (const auto& e : store.executed()) seen[e.parameters[1].text()].push_back(e.parameters[0].bigint());
  EXPECT_TRUE(std::is_sorted(seen["zero"].begin(), seen["zero"].end()));
  EXPECT_TRUE(std::is_sorted(seen["one"].begin(), seen["one"].end()));
  EXPECT_EQ(seen["zero"].size() + seen["one"].size(), 20U);
}

TEST_F(policy_test, ARetryGoesAheadOfWhatWaits) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  database_errors[0] = {error(errc::timed_out)};
  database_delay = 1s;
  start();
  assign({0});
  for (int i = 0; i < 5; ++i) produce(0, i);
  advance(30s);
  EXPECT_EQ(inserted(), (numbers{1, 0, 2, 3, 4})) << "0 failed and came back while 1 ran";
}

TEST_F(policy_test, TheTimeInTheQueueIsNeitherAttemptNorAge) {
  options.processors = {{.name = "storing", .retry = {.age_max = 2s}, .limits = {.rate_max = 0.1}}};
  options.attempt_timeout = 1s;
  options.retry.attempts_max = 3;
  start();
  assign({0});
  produce(0, 1, "fail");
  produce(0, 2, "ok");
  advance(60s);
  const numbers all = inserted();
  EXPECT_EQ(std::count(all.begin(), all.end(), 2), 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), 1), 3) << "three attempts, ten seconds apart";
}

TEST_F(policy_test, AnAttemptThatWasCancelledHoldsItsPlaceUntilItReturns) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  options.attempt_timeout = 1s;
  hold_database = true;
  start();
  assign({0});
  produce(0, 1);
  produce(0, 2);
  run();
  hold_database = false;
  advance(50s);
  EXPECT_TRUE(inserted().empty()) << "the cancelled attempt waits for the database";
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 2U);
}

TEST_F(policy_test, AStopGivesUpWhatOnlyWaitsAndRepeatsNothing) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 2}}};
  database_delay = 1s;
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(500ms);
  engine_->request_stop();
  advance(3s);
  EXPECT_TRUE(engine_->finished()) << "long before drain_timeout";
  EXPECT_EQ(inserted(), (numbers{0, 1})) << "nothing began after the stop";
  EXPECT_EQ(engine_->counts().abandoned, 18U);
  EXPECT_EQ(committed(0), 2);
  settle_down();
  engine_.reset();
  start();
  assign({0});
  advance(30s);
  numbers all = inserted();
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all.size(), 20U) << "each once";
  EXPECT_TRUE(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_F(policy_test, AStopKeepsTheOrderOfKeysThatWait) {
  options.order = order_mode::key;
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  database_delay = 1s;
  start();
  assign({0});
  produce(0, 0, "ok", "other");
  for (int i = 1; i < 6; ++i) produce(0, i, "ok", "same");
  run();
  engine_->request_stop();
  advance(3s);
  EXPECT_TRUE(engine_->finished());
  EXPECT_EQ(inserted(), (numbers{0})) << "no later record of the key began";
  settle_down();
  engine_.reset();
  start();
  assign({0});
  advance(30s);
  EXPECT_EQ(inserted(), (numbers{0, 1, 2, 3, 4, 5}));
}

TEST_F(policy_test, AStopFinishesARecordOnWhichAnotherProcessorHasBegun) {
  options.processors = {{.name = "slow", .limits = {.concurrency_max = 1}}};
  options.drain_timeout = 30s;
  database_delay = 1s;
  start({"slow", "quick"});
  assign({0});
  for (int i = 0; i < 4; ++i) produce(0, i);
  run();
  engine_->request_stop();
  advance(20s);
  EXPECT_TRUE(engine_->finished());
  EXPECT_EQ(engine_->counts().done, 4U) << "giving them up would repeat the work of 'quick'";
  EXPECT_EQ(committed(0), 4);
}

TEST_F(policy_test, ARevocationGivesUpWhatOnlyWaits) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  database_delay = 1s;
  start();
  assign({0, 1});
  for (int i = 0; i < 4; ++i) produce(0, i);
  for (int i = 10; i < 12; ++i) produce(1, i);
  run();
  revoke({0});
  advance(1500ms);
  EXPECT_TRUE(happened(happening::released, 0)) << "before revoke_drain_timeout";
  advance(20s);
  EXPECT_EQ(inserted(), (numbers{0, 10, 11})) << "the other partition goes on";
  EXPECT_EQ(committed(0), 1);
}

TEST_F(policy_test, ALostPartitionLeavesNothingInTheQueue) {
  options.processors = {{.name = "storing", .limits = {.concurrency_max = 1}}};
  database_delay = 1s;
  start();
  assign({0, 1});
  for (int i = 0; i < 4; ++i) produce(0, i);
  produce(1, 10);
  run();
  lose({0});
  EXPECT_EQ(waiting("storing"), 1);
  advance(5s);
  EXPECT_EQ(inserted(), (numbers{0, 10}));
}

TEST_F(policy_test, AnOperatorEndsARecordThatWaits) {
  options.processors = {{.name = "storing", .limits = {.rate_max = 0.001}}};
  start();
  assign({0});
  produce(0, 1);
  produce(0, 2);
  advance(2s);
  const record_name second{"parcels", 0, 1};
  EXPECT_EQ(engine_->status_now().partitions.front().oldest->stage, "limit");
  EXPECT_EQ(engine_->act_on(second, operator_command::retry).what, command_answer::kind::not_now);
  EXPECT_EQ(engine_->act_on(second, operator_command::dead_letter).what, command_answer::kind::obeyed);
  advance(2s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(committed(0), 2);
}

TEST_F(policy_test, RequestsOverTheLimitOfTheDatabaseWait) {
  options.dependencies = {{.name = "database", .limits = {.concurrency_max = 2}}};
  database_delay = 1s;
  start({"one", "two"});
  assign({0});
  for (int i = 0; i < 5; ++i) produce(0, i);
  run();
  EXPECT_EQ(registry.take_snapshot().value("millrace_dependency_limit_waiting", {{"dependency", "database"}}),
            8);
  advance(20s);
  EXPECT_EQ(store.in_flight_max(), 2U);
  EXPECT_EQ(engine_->counts().done, 5U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_dependency_limit_waiting", {{"dependency", "database"}}),
            0);
}

TEST_F(policy_test, RequestsThatWaitForTheDatabaseEndWithTheEngine) {
  options.dependencies = {{.name = "database", .limits = {.rate_max = 0.01}}};
  start();
  assign({0});
  for (int i = 0; i < 5; ++i) produce(0, i);
  run();
  EXPECT_EQ(inserted(), (numbers{0}));
  engine_->abort();
  advance(10s);
  EXPECT_TRUE(engine_->quiescent()) << "none waits for its turn";
  EXPECT_EQ(inserted(), (numbers{0}));
}

TEST_F(policy_test, AProcessorThatIsDisabledIsNotThere) {
  const auto set = processor_set{make<storing>(std::string("on")), make<storing>(std::string("off"))};
  const auto built = build(set, {{.name = "off", .enabled = false}});
  ASSERT_TRUE(built);
  ASSERT_EQ(built->all.size(), 1U);
  EXPECT_EQ(built->all.front()->name(), "on");
  EXPECT_EQ(built->declared.statements.size(), 1U);
  EXPECT_EQ(built->declared.outputs.size(), 1U);
}

TEST_F(policy_test, APolicyMustNameAProcessorOnce) {
  const auto set =
      processor_set{make<storing>(std::string("enrich_visits")), make<storing>(std::string("count"))};
  const auto unknown = build(set, {{.name = "enrich_visit"}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(
      unknown.error().message(),
      "`engine.processors` has 'enrich_visit', which is not a processor (did you mean 'enrich_visits'?); the "
      "processors of the application are: count, enrich_visits");
  const auto twice = build(set, {{.name = "count"}, {.name = "count"}});
  ASSERT_FALSE(twice);
  EXPECT_NE(twice.error().message().find("'count' twice"), std::string::npos);
  const auto none =
      build(set, {{.name = "count", .enabled = false}, {.name = "enrich_visits", .enabled = false}});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message().find("every processor is disabled"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine

#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class breaker_test : public record_engine_test {
 protected:
  breaker_test() {
    options.breaker.ratio = 0.5;
    options.breaker.failures_min = 10;
    options.breaker.open_first = 1s;
    options.breaker.open_max = 4s;
    options.retry.attempts_max = 3;
    options.retry.age_max = 10s;
  }
  void database_fails(std::int64_t numbers, std::size_t times,
                      const error& with = error(errc::db_unavailable, "no replica answers")) {
    for (std::int64_t i = 0; i < numbers; ++i) database_errors[i] = std::vector<error>(times, with);
  }
  [[nodiscard]] std::string state(std::string_view dependency = "database") const {
    for (const breaker_status& b : engine_->status_now().breakers) {
      if (b.dependency == dependency) return std::string(to_string(b.state));
    }
    return "unknown";
  }
};

TEST_F(breaker_test, ADatabaseThatIsDownCostsNoAttemptsAndLosesNoRecord) {
  database_down = true;
  start();
  assign({0});
  for (int i = 0; i < 40; ++i) produce(0, i);
  advance(1'800s);  // far beyond attempts_max and age_max
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_EQ(engine_->state(), engine_state::running);
  database_down = false;
  advance(10s);
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(engine_->counts().done, 40U);
  EXPECT_EQ(committed(0), 40);
}

TEST_F(breaker_test, AnswersThatCannotBeReadOpenItAndLoseNoRecord) {
  database_fails(40, 1, error(errc::db_protocol, "an answer that cannot be read"));
  start();
  assign({0});
  for (int i = 0; i < 40; ++i) produce(0, i);
  advance(1s);
  EXPECT_EQ(state(), "open");
  advance(1'800s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_EQ(engine_->counts().done, 40U);
  EXPECT_EQ(state(), "closed");
}

TEST_F(breaker_test, ValuesThatTheDatabaseRejectsAreDeadLetteredAndDoNotOpenIt) {
  database_fails(12, 1, error(errc::db_rejected, "a key may not be empty"));
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(1s);
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(engine_->counts().dead_lettered, 12U);
  EXPECT_EQ(engine_->counts().done, 8U);
}

TEST_F(breaker_test, WhileItIsOpenNothingIsTakenAndOnlyProbesAreSent) {
  database_down = true;
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(20s);
  const auto failures_before = registry.take_snapshot().value(
      "millrace_errors_total", {{"stage", "process"}, {"error", "db_unavailable"}});
  const std::uint64_t received = engine_->counts().received;
  for (int i = 20; i < 1'000; ++i) produce(0, i);
  advance(100s);
  const auto failures_after = registry.take_snapshot().value(
      "millrace_errors_total", {{"stage", "process"}, {"error", "db_unavailable"}});
  EXPECT_EQ(engine_->counts().received, received) << "intake is paused";
  EXPECT_LE(*failures_after - *failures_before, 100.0 / 4 + 3) << "a probe per pause";
  EXPECT_TRUE(state() == "open" || state() == "probing") << state();
}

TEST_F(breaker_test, IntakeResumesAsSoonAsItCloses) {
  options.status_interval = options.commit_interval = 3'600s;
  database_fails(20, 1);
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(5s);
  for (int i = 20; i < 500; ++i) produce(0, i);
  advance(120s);
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(engine_->counts().done, 500U);
}

TEST_F(breaker_test, ProbesContinueWhenEveryWaitingRecordIsGone) {
  database_down = true;
  start();
  assign({0, 1});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(3s);
  ASSERT_NE(state(), "closed");
  lose({0});
  database_down = false;
  produce(1, 2'000);
  produce(1, 2'001);
  produce(1, 2'002);
  advance(30s);
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(committed(1), 3);
}

TEST_F(breaker_test, ARecordThatAloneFailsIsDeadLetteredAndOthersAreProcessed) {
  database_errors[3] = std::vector<error>(100, error(errc::db_timeout));
  start();
  assign({0});
  for (int i = 0; i < 200; ++i) {
    produce(0, i);
    advance(300ms);
  }
  EXPECT_EQ(state(), "closed");
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().done, 199U);
}

TEST_F(breaker_test, ABrokerThatAcceptsNothingPausesIntake) {
  produce_fates = std::vector<simulation::produce_fate>(60);
  for (auto& fate : produce_fates) fate.failure = error(errc::broker_unavailable);
  start();
  assign({0});
  for (int i = 0; i < 30; ++i) produce(0, i, "emit");
  run();
  EXPECT_EQ(state("broker"), "open");
  EXPECT_EQ(state(), "closed") << "each dependency has its own";
  produce(0, 100, "emit");
  run();
  EXPECT_EQ(engine_->counts().received, 30U);
  advance(60s);
  EXPECT_EQ(state("broker"), "closed");
  EXPECT_EQ(engine_->counts().done, 31U);
}

TEST_F(breaker_test, TheBreakerOfABrokerThatNoRecordWaitsForCloses) {
  produce_fates = std::vector<simulation::produce_fate>(60);
  for (auto& fate : produce_fates) fate.failure = error(errc::broker_unavailable);
  start();
  assign({0, 1});
  for (int i = 0; i < 30; ++i) produce(0, i, "emit");
  run();
  ASSERT_EQ(state("broker"), "open");
  lose({0});
  for (int i = 0; i < 300; ++i) produce(1, 1'000 + i);
  advance(10s);
  EXPECT_EQ(state("broker"), "closed");
  EXPECT_EQ(committed(1), 300);
}

TEST_F(breaker_test, TheStateIsExportedAsMetric) {
  database_down = true;
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(500ms);
  EXPECT_EQ(state(), "open");
  const auto page = registry.take_snapshot();
  EXPECT_EQ(page.value("millrace_breaker_state", {{"dependency", "database"}}), 2);
  EXPECT_EQ(page.value("millrace_breaker_state", {{"dependency", "broker"}}), 0);
  EXPECT_EQ(page.value("millrace_breaker_openings_total", {{"dependency", "database"}}), 1);
}

TEST_F(breaker_test, AStopWithTheDatabaseDownEndsInTime) {
  options.drain_timeout = 5s;
  database_down = true;
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(3s);
  engine_->request_stop();
  advance(6s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(engine_->counts().abandoned, 20U);
}

}  // namespace
}  // namespace millrace::engine

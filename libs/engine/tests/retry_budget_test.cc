#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

std::uint64_t taken_at_once(retry_budget& budget, instant now) {
  std::uint64_t taken = 0;
  while (taken < 1'000 && budget.try_take(now)) ++taken;
  return taken;
}

TEST(RetryBudget, IsTheReserveWithoutFirstAttemptsAndRenewedByTheWindow) {
  retry_budget budget({.ratio = 0.1, .reserve = 5, .window = 10s});
  manual_clock time;
  EXPECT_EQ(taken_at_once(budget, time.now()), 5U);
  time.advance(9s);
  EXPECT_FALSE(budget.try_take(time.now()));
  time.advance(1s);
  EXPECT_EQ(taken_at_once(budget, time.now()), 5U);
}

TEST(RetryBudget, IsAShareOfTheFirstAttemptsInTheWindow) {
  retry_budget budget({.ratio = 0.1, .reserve = 1, .window = 10s});
  manual_clock time;
  budget.first_tries(99, time.now());
  time.advance(5s);
  budget.first_tries(101, time.now());
  EXPECT_EQ(budget.left(time.now()), 21U);
  time.advance(5s);
  EXPECT_EQ(taken_at_once(budget, time.now()), 11U) << "the first 99 are out of the window";
  EXPECT_EQ(budget.left(time.now()), 0U);
}

TEST(RetryBudget, SuccessfulRetriesCostNothing) {
  retry_budget budget({.ratio = 0, .reserve = 1, .window = 10s});
  manual_clock time;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(budget.try_take(time.now()));
    ASSERT_FALSE(budget.try_take(time.now()));
    budget.give_back(time.now());
  }
}

TEST(RetryBudget, AnEarlierTimestampOfAnotherWorkerRemovesNothing) {
  retry_budget budget({.ratio = 0, .reserve = 2, .window = 10s});
  manual_clock time;
  time.advance(20s);
  const instant early = time.now();
  time.advance(10s);
  EXPECT_TRUE(budget.try_take(time.now()));
  EXPECT_TRUE(budget.try_take(early));
  EXPECT_FALSE(budget.try_take(time.now()));
}

TEST(RetryBudget, ARatioOfOneIsUnlimited) {
  retry_budget budget({.ratio = 1, .reserve = 1, .window = 10s});
  EXPECT_EQ(taken_at_once(budget, manual_clock().now()), 1'000U);
}

class retry_budget_test : public record_engine_test {
 protected:
  retry_budget_test() { retry_policy_of_process = {.ratio = 0.1, .reserve = 10, .window = 10s}; }
  void fail_numbers(std::int64_t first, std::int64_t end, std::size_t times) {
    for (std::int64_t i = first; i < end; ++i) {
      database_errors[i] = std::vector<error>(times, error(errc::timed_out));
    }
  }
  [[nodiscard]] double value(std::string_view metric, const std::string& processor = {}) {
    const auto page = registry.take_snapshot();
    return (processor.empty() ? page.value(metric, {}) : page.value(metric, {{"processor", processor}}))
        .value_or(0);
  }
  [[nodiscard]] double retries_started() { return value("millrace_retries_total", "storing"); }
};

TEST_F(retry_budget_test, ASingleFailureIsRetriedAtOnce) {
  fail_numbers(0, 1, 1);
  start();
  assign({0});
  produce(0, 0);
  advance(options.retry.backoff_first);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(value("millrace_retries_delayed_total"), 0);
}

TEST_F(retry_budget_test, ADegradedDatabaseReceivesAShareOfRetriesAndNothingIsLost) {
  options.retry.attempts_max = 100;
  options.retry.age_max = 1h;
  fail_numbers(0, 400, 50);
  start();
  assign({0});
  for (int i = 0; i < 400; ++i) produce(0, i);
  advance(9s);
  EXPECT_EQ(retries_started(), 50) << "a tenth of 400 first tries, and the reserve";
  const engine_status now = engine_->status_now();
  EXPECT_EQ(now.retrying, 400U);
  EXPECT_GE(now.over_budget, 350U);
  EXPECT_EQ(now.retries_left, 0U);
  EXPECT_GE(value("millrace_retries_delayed_total"), 350);
  EXPECT_EQ(value("millrace_retry_budget_left"), 0);
  advance(30s);
  EXPECT_LE(retries_started(), 50 + 4 * 10);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  database_errors.clear();  // it has recovered
  advance(11s);
  EXPECT_EQ(engine_->counts().done, 400U) << "at once, not at ten in ten seconds";
  EXPECT_EQ(engine_->status_now().over_budget, 0U);
  EXPECT_EQ(committed(0), 400);
}

TEST_F(retry_budget_test, WaitingForItCostsNeitherAttemptsNorAge) {
  options.retry.attempts_max = 3;
  options.retry.age_max = 5s;
  retry_policy_of_process.ratio = 0;
  fail_numbers(0, 40, 2);
  start();
  assign({0});
  for (int i = 0; i < 40; ++i) produce(0, i);
  advance(15s);
  EXPECT_GT(engine_->status_now().over_budget, 0U);
  advance(600s);
  EXPECT_EQ(engine_->counts().dead_lettered, 0U);
  EXPECT_EQ(engine_->counts().done, 40U);
}

TEST_F(retry_budget_test, ARecordThatAlwaysFailsStillEndsAfterItsAttempts) {
  options.retry.attempts_max = 4;
  retry_policy_of_process.ratio = 0;
  retry_policy_of_process.reserve = 1;
  fail_numbers(0, 2, 100);
  start();
  assign({0});
  produce(0, 0);
  produce(0, 1);
  advance(120s);
  EXPECT_EQ(engine_->counts().dead_lettered, 2U);
}

TEST_F(retry_budget_test, AnOperatorsRetryIsOutsideIt) {
  options.retry.attempts_max = 100;
  retry_policy_of_process.ratio = 0;
  retry_policy_of_process.reserve = 1;
  fail_numbers(0, 20, 3);
  start();
  assign({0});
  for (int i = 0; i < 20; ++i) produce(0, i);
  advance(5s);
  const std::size_t waiting = engine_->status_now().over_budget;
  ASSERT_GE(waiting, 19U);
  const double before = retries_started();
  const command_answer answer = engine_->act_on({"parcels", 0, 0}, operator_command::retry);
  EXPECT_EQ(answer.what, command_answer::kind::obeyed) << answer.text;
  EXPECT_EQ(retries_started(), before + 1);
}

TEST_F(retry_budget_test, AStopWithRetriesOverItEndsInTime) {
  options.drain_timeout = 5s;
  options.retry.attempts_max = 100;
  fail_numbers(0, 200, 100);
  start();
  assign({0});
  for (int i = 0; i < 200; ++i) produce(0, i);
  advance(3s);
  engine_->request_stop();
  advance(6s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(engine_->counts().abandoned, 200U);
  EXPECT_EQ(engine_->status_now().over_budget, 0U);
}

TEST_F(retry_budget_test, ProbesOfAnOpenBreakerAreOutsideIt) {
  options.breaker.ratio = 0.5;
  options.breaker.failures_min = 10;
  retry_policy_of_process.ratio = 0;
  retry_policy_of_process.reserve = 1;
  database_down = true;
  start();
  assign({0});
  for (int i = 0; i < 50; ++i) produce(0, i);
  advance(60s);
  ASSERT_NE(engine_->status_now().breakers.front().state, breaker_state::closed);
  database_down = false;
  advance(30s);
  EXPECT_EQ(engine_->status_now().breakers.front().state, breaker_state::closed);
  EXPECT_EQ(engine_->counts().done, 50U);
}

}  // namespace
}  // namespace millrace::engine

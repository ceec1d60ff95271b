// Processors that do not come back: the attempt ends without them, and so does a stop.
#include <fixtures/engine_fixture.h>

#include <millrace/runtime/wait.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// By the word: "once" sleeps for an hour in its first attempt, "always" in every one, both until they are
// cancelled; "deaf" waits for an event that no one sets before the end of the test.
class waiting final : public processor<parcel> {
 public:
  static inline runtime::event* never = nullptr;
  static inline int ended = 0;
  static inline int cancelled = 0;

  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    ctx.emit(sent_, "before", *p);
    if (p->word == "deaf") {
      co_await *never;
    } else if (p->word == "always" || (p->word == "once" && ctx.attempt() == 1)) {
      const bool slept = co_await ctx.sleep_for(3'600s);
      if (!slept) ++cancelled;
    }
    ++ended;
    ctx.emit(sent_, "after", *p);
    co_return stream::outcome::done();
  }

 private:
  output<parcel> sent_{"sent"};
};

class attempt_timeout_test : public record_engine_test {
 protected:
  attempt_timeout_test() {
    waiting::never = &never;
    waiting::ended = waiting::cancelled = 0;
    options.attempt_timeout = 2s;
    options.retry.attempts_max = 3;
  }
  void begin() {
    start_with({make<waiting>()});
    assign({0, 1});
  }
  [[nodiscard]] std::optional<double> value(std::string_view metric) {
    return registry.take_snapshot().value(metric);
  }

  runtime::event never{loop};
};

TEST_F(attempt_timeout_test, AnAttemptThatTakesTooLongIsRetried) {
  begin();
  produce(0, 1, "once");
  advance(10s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(waiting::cancelled, 1) << "its sleep ended early";
  EXPECT_EQ(sink.written_to("sent").size(), 2U) << "what the first attempt emitted is dropped";
  EXPECT_EQ(value("millrace_attempt_timeouts_total"), 1);
  EXPECT_EQ(value("millrace_cancelled_attempts"), 0);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(attempt_timeout_test, ARecordThatAlwaysTakesTooLongIsADeadLetter) {
  begin();
  produce(0, 1, "always");
  produce(1, 2, "ok");
  advance(60s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(sink.written_to("dead").front()->header("millrace.dlq.code"), "timed_out");
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(committed(1), 1);
  EXPECT_TRUE(engine_->status_now().counts.balanced());
}

TEST_F(attempt_timeout_test, WaitsThatCannotBeCancelledHoldTheirPlaceUntilTheyEnd) {
  begin();
  produce(0, 1, "deaf");
  advance(60s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(committed(0), 1) << "nobody waits for them";
  EXPECT_EQ(value("millrace_cancelled_attempts"), 3);
  EXPECT_EQ(engine_->in_flight_records(), 1U);
  never.set();
  advance(1s);
  EXPECT_EQ(waiting::ended, 3);
  EXPECT_EQ(value("millrace_cancelled_attempts"), 0);
  EXPECT_EQ(engine_->in_flight_records(), 0U);
  EXPECT_TRUE(sink.written_to("sent").empty());
}

TEST_F(attempt_timeout_test, AnAttemptOfAnEarlierAssignmentKeepsItsPartitionNoLonger) {
  options.order = order_mode::partition;
  begin();
  produce(0, 1, "deaf");
  run();
  lose({0});
  run();
  assign({0});
  produce(0, 2, "good");
  advance(60s);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(committed(0), 2);
  never.set();
  advance(1s);
  EXPECT_EQ(engine_->in_flight_records(), 0U);
}

TEST_F(attempt_timeout_test, WithoutALimitAnAttemptMayTakeHours) {
  options.attempt_timeout = 0s;
  begin();
  produce(0, 1, "once");
  advance(3'500s);
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  advance(200s);
  EXPECT_EQ(engine_->counts().done, 1U);
}

TEST_F(attempt_timeout_test, AStopEndsTheSleepsOfRecordsThatItGivesUp) {
  options.attempt_timeout = 0s;
  options.drain_timeout = 5s;
  begin();
  produce(0, 1, "once");
  run();
  engine_->request_stop();
  advance(6s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_TRUE(engine_->quiescent()) << "the sleep was cancelled";
  EXPECT_EQ(engine_->counts().abandoned, 1U);
  EXPECT_TRUE(sink.written().empty());
}

TEST_F(attempt_timeout_test, AStopDoesNotWaitForARetryThatComesAfterItsTime) {
  options.retry.backoff_first = 60s;
  options.retry.backoff_max = 60s;
  options.drain_timeout = 20s;
  start();
  assign({0});
  produce(0, 1, "fail");
  run();
  engine_->request_stop();
  advance(1s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(engine_->counts().abandoned, 1U);
}

TEST_F(attempt_timeout_test, AStopWaitsForARetryWithinItsTime) {
  options.retry.backoff_first = 3s;
  database_errors[1] = {error(errc::timed_out)};
  start();
  assign({0});
  produce(0, 1);
  run();
  engine_->request_stop();
  advance(5s);
  EXPECT_EQ(engine_->state(), engine_state::stopped);
  EXPECT_EQ(committed(0), 1);
}

}  // namespace
}  // namespace millrace::engine

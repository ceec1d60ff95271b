#include <algorithm>

#include <gtest/gtest.h>

#include "service_fixture.h"

namespace millrace::service {
namespace {

using namespace std::chrono_literals;

class channel_test : public testing::Test {
 protected:
  using entering = begun<turn::end>;

  static runtime::task<turn::end> enter(channel* to, stream::context ctx) {
    turn wait(*to, ctx);
    const turn::end how = co_await wait;
    co_return how;
  }
  [[nodiscard]] std::unique_ptr<entering> enter(channel& to) {
    return std::make_unique<entering>(loop_, enter(&to, stream::context(run_)));
  }
  void advance(nanoseconds by) {
    const instant end = time_.now() + by;
    loop_.run_pending();
    while (const auto next = loop_.next_deadline()) {
      if (*next > end) break;
      time_.advance_to(*next);
      loop_.run_pending();
    }
    time_.advance_to(end);
    loop_.run_pending();
  }

  manual_clock time_;
  runtime::loop loop_{time_};
  run_of_test run_{loop_};
};

TEST_F(channel_test, CallsAboveTheLimitHaveTheirTurnInOrder) {
  channel to(loop_, "scales", {.concurrency_max = 2}, nullptr);
  const auto first = enter(to);
  const auto second = enter(to);
  const auto third = enter(to);
  const auto fourth = enter(to);
  advance(1s);
  EXPECT_TRUE(first->ended() && second->ended());
  EXPECT_FALSE(third->ended() || fourth->ended());
  to.leave();
  advance(0s);
  EXPECT_TRUE(third->ended());
  EXPECT_FALSE(fourth->ended());
  to.leave();
  advance(0s);
  EXPECT_EQ(fourth->take(), turn::end::taken);
  for (const auto& each : {&first, &second, &third}) EXPECT_EQ((*each)->take(), turn::end::taken);
  EXPECT_EQ(to.in_flight(), 2U);
}

TEST_F(channel_test, TheRateIsKeptOverTime) {
  channel to(loop_, "scales", {.concurrency_max = 100, .requests_per_second = 50}, nullptr);
  std::vector<std::unique_ptr<entering>> calls;
  for (int i = 0; i < 40; ++i) calls.push_back(enter(to));
  const auto ended = [&calls] {
    return std::count_if(calls.begin(), calls.end(), [](const auto& each) { return each->ended(); });
  };
  advance(0s);
  EXPECT_EQ(ended(), 5) << "a burst of 100 ms";
  advance(500ms);
  EXPECT_EQ(ended(), 30);
  advance(200ms);
  EXPECT_EQ(ended(), 40);
  for (const auto& each : calls) EXPECT_EQ(each->take(), turn::end::taken);
}

TEST_F(channel_test, ARateBelowTheBurstLetsSingleCallsThrough) {
  channel to(loop_, "scales", {.requests_per_second = 0.5}, nullptr);
  const auto first = enter(to);
  const auto second = enter(to);
  advance(1'999ms);
  EXPECT_TRUE(first->ended());
  EXPECT_FALSE(second->ended());
  advance(1ms);
  EXPECT_TRUE(second->ended());
}

TEST_F(channel_test, ACallThatHasNoTurnInTimeIsLate) {
  channel to(loop_, "scales", {.concurrency_max = 1, .queue_timeout = 3s}, nullptr);
  const auto first = enter(to);
  const auto second = enter(to);
  advance(3s);
  ASSERT_TRUE(second->ended());
  EXPECT_EQ(second->take(), turn::end::late);
  const error why = without_turn(turn::end::late, to, "scales");
  EXPECT_EQ(why.to_string(),
            "service_overloaded: scales: the call had no turn within 3000 ms (`queue_timeout`): 1 calls are "
            "at work");
  to.leave();
  EXPECT_EQ(to.in_flight(), 0U) << "a call that gave up takes no turn";
}

TEST_F(channel_test, ACancelledCallLeavesTheQueue) {
  channel to(loop_, "scales", {.concurrency_max = 1}, nullptr);
  const auto first = enter(to);
  const auto second = enter(to);
  run_.cancel();
  advance(0s);
  ASSERT_TRUE(second->ended());
  EXPECT_EQ(second->take(), turn::end::cancelled);
  const auto third = enter(to);
  advance(0s);
  EXPECT_EQ(third->take(), turn::end::cancelled) << "a cancelled attempt begins no call";
}

TEST_F(channel_test, APauseHoldsCallsBackAndIsBounded) {
  channel to(loop_, "scales", {.queue_timeout = 600s}, nullptr);
  to.pause_for(3'600s);
  const auto call = enter(to);
  advance(59s);
  EXPECT_FALSE(call->ended());
  advance(1s);
  EXPECT_TRUE(call->ended());
}

}  // namespace
}  // namespace millrace::service

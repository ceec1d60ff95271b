#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/limiter.h>

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;

class limiter_test : public testing::Test {
 protected:
  struct work final : limiter::waiter {
    work(limiter_test& owner, int number) : owner_(owner), number_(number) {}
    void on_admitted() override { owner_.began.push_back(number_); }

   private:
    limiter_test& owner_;
    int number_;
  };

  ~limiter_test() override {
    for (const auto& each : all_) limit->forget(*each);
  }

  void limit_to(work_limits to) { limit.emplace(loop, to); }
  work& begin(int number, limiter::place where = limiter::place::behind) {
    work& one = *all_.emplace_back(std::make_unique<work>(*this, number));
    if (limit->enter(one, where)) one.on_admitted();
    return one;
  }
  void advance(nanoseconds by) {
    const instant end = time.now() + by;
    while (const auto next = loop.next_deadline()) {
      if (*next > end) break;
      time.advance_to(*next);
      ++wake_ups;
      loop.run_pending();
    }
    time.advance_to(end);
    loop.run_pending();
  }

  manual_clock time;
  runtime::loop loop{time};
  std::optional<limiter> limit;
  std::vector<int> began;
  int wake_ups = 0;

 private:
  std::vector<std::unique_ptr<work>> all_;
};

using numbers = std::vector<int>;

TEST_F(limiter_test, WithoutALimitNothingWaits) {
  limit_to({});
  for (int i = 0; i < 100; ++i) begin(i);
  EXPECT_EQ(began.size(), 100U);
  EXPECT_EQ(limit->waiting(), 0U);
}

TEST_F(limiter_test, NoMoreThanTheLimitIsUnderWayAndTheRestFollowsInOrder) {
  limit_to({.concurrency_max = 2});
  for (int i = 0; i < 5; ++i) begin(i);
  EXPECT_EQ(began, (numbers{0, 1}));
  EXPECT_EQ(limit->waiting(), 3U);
  limit->leave();
  EXPECT_EQ(began, (numbers{0, 1, 2}));
  limit->leave();
  limit->leave();
  EXPECT_EQ(began, (numbers{0, 1, 2, 3, 4}));
  EXPECT_EQ(limit->under_way(), 2U);
}

TEST_F(limiter_test, BeginningsAreSpreadOverTheSecond) {
  limit_to({.rate_max = 10});
  for (int i = 0; i < 30; ++i) begin(i);
  EXPECT_EQ(began, (numbers{0})) << "nothing is saved up";
  advance(99ms);
  EXPECT_EQ(began.size(), 1U);
  advance(1ms);
  EXPECT_EQ(began.size(), 2U);
  advance(1s);
  EXPECT_EQ(began.size(), 12U);
}

TEST_F(limiter_test, AHighRateIsHeldWithFewWakeUps) {
  limit_to({.rate_max = 100'000});
  for (int i = 0; i < 5'000; ++i) begin(i);
  EXPECT_LE(began.size(), 1'001U) << "those of 10 ms";
  advance(10ms);
  EXPECT_LE(began.size(), 2'001U);
  EXPECT_GE(began.size(), 1'850U);
  EXPECT_LE(wake_ups, 10);
}

TEST_F(limiter_test, AnIdleTimeIsNotSavedUp) {
  limit_to({.rate_max = 10});
  advance(1h);
  for (int i = 0; i < 5; ++i) begin(i);
  EXPECT_EQ(began, (numbers{0}));
}

TEST_F(limiter_test, BothLimitsApply) {
  limit_to({.concurrency_max = 1, .rate_max = 10});
  begin(0);
  begin(1);
  advance(1s);
  EXPECT_EQ(began, (numbers{0})) << "the first has not left";
  limit->leave();
  EXPECT_EQ(began, (numbers{0, 1}));
  begin(2);
  limit->leave();
  EXPECT_EQ(began, (numbers{0, 1})) << "too early by the rate";
  advance(100ms);
  EXPECT_EQ(began, (numbers{0, 1, 2}));
}

TEST_F(limiter_test, WhoGoesAheadComesBeforeTheOthers) {
  limit_to({.concurrency_max = 1});
  begin(0);
  begin(1);
  begin(2, limiter::place::ahead);
  begin(3, limiter::place::ahead);
  for (int i = 0; i < 3; ++i) limit->leave();
  EXPECT_EQ(began, (numbers{0, 2, 3, 1}));
}

TEST_F(limiter_test, AWaiterThatGivesUpTakesNoPlace) {
  limit_to({.concurrency_max = 1});
  begin(0);
  work& second = begin(1);
  begin(2);
  limit->forget(second);
  EXPECT_EQ(limit->waiting(), 1U);
  limit->leave();
  EXPECT_EQ(began, (numbers{0, 2}));
}

// Admitted, it ends before on_admitted() returns.
TEST_F(limiter_test, WorkThatEndsAtOnceLetsTheNextOneInWithoutRecursion) {
  struct brief final : limiter::waiter {
    limiter* of = nullptr;
    std::size_t* ended = nullptr;
    std::size_t* deepest = nullptr;
    std::size_t* depth = nullptr;
    void on_admitted() override {
      *deepest = std::max(*deepest, ++*depth);
      ++*ended;
      of->leave();
      --*depth;
    }
  };
  limit_to({.concurrency_max = 1});
  begin(0);
  std::size_t ended = 0;
  std::size_t depth = 0;
  std::size_t deepest = 0;
  std::vector<std::unique_ptr<brief>> all;
  for (int i = 0; i < 1'000; ++i) {
    brief& one = *all.emplace_back(std::make_unique<brief>());
    one.of = &*limit;
    one.ended = &ended;
    one.deepest = &deepest;
    one.depth = &depth;
    ASSERT_FALSE(limit->enter(one));
  }
  limit->leave();
  EXPECT_EQ(ended, 1'000U);
  EXPECT_EQ(deepest, 1U);
}

}  // namespace
}  // namespace millrace::runtime

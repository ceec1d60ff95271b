// Functions on real threads. A test waits for them by turning its loop, never by time.
#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <millrace/service/blocking_threads.h>

#include "service_fixture.h"

namespace millrace::service {
namespace {

using namespace std::chrono_literals;

class blocking_test : public testing::Test {
 protected:
  ~blocking_test() override { released_ = true; }

  void use(std::size_t threads, channel_options limits = {.concurrency_max = 8, .timeout = 30s}) {
    threads_ = std::make_unique<blocking_threads>(threads);
    port_ = threads_->attach(loop_);
    channel_ = std::make_unique<channel>(loop_, "archive", limits, nullptr);
    const statements::declaration_scope scope(declared_);
    service_ = std::make_unique<blocking>("archive");
    service_->bind(*channel_, *port_);
  }
  template <typename Fn>
  [[nodiscard]] auto begin(Fn what, blocking_call_options options = {}) {
    using answer = stream::answer<internal::value_of<Fn>>;
    return std::make_unique<begun<answer>>(loop_,
                                           (*service_)(stream::context(run_), std::move(what), options));
  }
  template <typename T>
  [[nodiscard]] T finish(begun<T>& call) {
    while (!call.ended()) loop_.run_turn(50ms);
    return call.take();
  }
  // A function that runs until the test ends, or releases it.
  [[nodiscard]] auto waiting(std::atomic<bool>& has_begun) {
    return [this, &has_begun] {
      has_begun = true;
      while (!released_) std::this_thread::yield();
    };
  }
  void wait_for(const std::atomic<bool>& flag) {
    while (!flag) loop_.run_turn(1ms);
  }

  std::atomic<bool> released_{false};
  runtime::loop loop_{system_clock()};
  run_of_test run_{loop_};
  statements::declarations declared_;
  std::unique_ptr<blocking_threads> threads_;
  std::unique_ptr<channel> channel_;
  std::unique_ptr<blocking_port> port_;
  std::unique_ptr<blocking> service_;
};

TEST_F(blocking_test, AFunctionRunsOnAnotherThreadAndItsValueComesBack) {
  use(2);
  const std::thread::id mine = std::this_thread::get_id();
  const auto call = begin([] { return std::this_thread::get_id(); });
  const auto got = finish(*call);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_NE(*got, mine);
  EXPECT_EQ(run_.answers, std::vector<std::string>{"archive: ok"});
}

TEST_F(blocking_test, AResultAndNothingAreAnswers) {
  use(1);
  const auto number = begin([]() -> result<int> { return 7; });
  EXPECT_EQ(finish(*number).value(), 7);
  const auto nothing = begin([] {});
  EXPECT_TRUE(finish(*nothing).ok());
  const auto refused = begin([]() -> result<void> { return error(errc::service_unavailable, "no archive"); });
  const auto got = finish(*refused);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().to_string(), "service_unavailable: no archive");
  EXPECT_EQ(run_.answers.back(), "archive: service_unavailable");
}

TEST_F(blocking_test, AnExceptionIsThrownWhereTheCallIsAwaited) {
  use(1);
  const auto call = begin([]() -> int { throw std::out_of_range("no such page"); });
  while (!call->ended()) loop_.run_turn(50ms);
  try {
    const auto got = call->take();
    got.ignore();
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& thrown) {
    EXPECT_STREQ(thrown.what(), "no such page");
  }
  EXPECT_TRUE(run_.answers.empty()) << "an exception blames no dependency";
}

TEST_F(blocking_test, WhatAFunctionCapturedEndsOnItsThread) {
  use(1);
  struct noting {
    std::thread::id* where;
    explicit noting(std::thread::id* w) : where(w) {}
    ~noting() { *where = std::this_thread::get_id(); }
  };
  std::thread::id ended_on;
  std::thread::id ran_on;
  auto captured = std::make_shared<noting>(&ended_on);
  const auto call = begin([captured = std::move(captured), &ran_on] { ran_on = std::this_thread::get_id(); });
  EXPECT_TRUE(finish(*call).ok());
  EXPECT_EQ(ended_on, ran_on);
}

TEST_F(blocking_test, ADeadlineEndsTheCallAndSetsTheToken) {
  use(1);
  std::atomic<bool> was_told{false};
  const auto call = begin(
      [&was_told](const std::stop_token& given_up) {
        while (!given_up.stop_requested()) std::this_thread::yield();
        was_told = true;
        return 7;
      },
      {.timeout = 2s});  // a busy machine has begun it by then
  const auto got = finish(*call);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::service_timeout) << got.error().to_string();
  EXPECT_EQ(run_.answers, std::vector<std::string>{"archive: service_timeout"});
  wait_for(was_told);
}

TEST_F(blocking_test, AFunctionWithoutAThreadIsOverloadedAndNeverBegins) {
  use(1);
  std::atomic<bool> has_begun{false};
  std::atomic<bool> ran{false};
  const auto holds = begin(waiting(has_begun));
  wait_for(has_begun);
  const auto call = begin([&ran] { ran = true; }, {.timeout = 10ms});
  const auto got = finish(*call);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::service_overloaded) << got.error().to_string();
  released_ = true;
  EXPECT_TRUE(finish(*holds).ok());
  const auto last = begin([] {});
  EXPECT_TRUE(finish(*last).ok());
  EXPECT_FALSE(ran);
}

TEST_F(blocking_test, CallsBeyondTheConcurrencyWaitAndLoseNothing) {
  use(2, {.concurrency_max = 2, .timeout = 30s});
  std::atomic<int> at_once{0};
  std::atomic<int> most{0};
  std::vector<std::unique_ptr<begun<stream::answer<int>>>> calls;
  calls.reserve(50);
  for (int i = 0; i < 50; ++i) {
    calls.push_back(begin([i, &at_once, &most] {
      const int now = ++at_once;
      int known = most;
      while (now > known && !most.compare_exchange_weak(known, now)) {
      }
      std::this_thread::yield();
      --at_once;
      return i;
    }));
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(finish(*calls[static_cast<std::size_t>(i)]).value(), i);
  EXPECT_LE(most, 2);
}

TEST_F(blocking_test, ACancelledAttemptDoesNotWaitForItsFunction) {
  use(1);
  std::atomic<bool> has_begun{false};
  const auto call = begin(waiting(has_begun));
  wait_for(has_begun);
  run_.cancel();
  const auto got = finish(*call);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::cancelled);
  EXPECT_FALSE(released_);
}

TEST_F(blocking_test, TheEndOfTheProcessDoesNotWaitForAFunction) {
  use(1);
  std::atomic<bool> has_begun{false};
  const auto call = begin(waiting(has_begun));
  wait_for(has_begun);
  EXPECT_FALSE(threads_->end_within(0ns));
  run_.cancel();
  const auto got = finish(*call);
  EXPECT_EQ(got.error().code(), errc::cancelled);
  port_.reset();  // the worker has ended, and the function has not
  released_ = true;
  EXPECT_TRUE(threads_->end_within(30s));
}

TEST_F(blocking_test, NoFunctionBeginsAfterTheEnd) {
  use(1);
  EXPECT_TRUE(threads_->end_within(30s));
  const auto call = begin([] { return 7; });
  const auto got = finish(*call);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::cancelled);
}

}  // namespace
}  // namespace millrace::service

#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/scope.h>
#include <millrace/runtime/task.h>
#include <millrace/runtime/wait.h>

namespace millrace::runtime {
namespace {

class flag final : public deferred {
 public:
  void run() override { raised = true; }
  bool raised = false;
};

task<int> answer() { co_return 42; }

task<int> after(loop& l, nanoseconds wait, int value) {
  co_await sleep_for(l, wait);
  co_return value;
}

task<int> sum(loop& l) {
  const int a = co_await answer();
  const int b = co_await after(l, seconds(1), 8);
  co_return a + b;
}

TEST(Task, IsLazyUntilStarted) {
  bool ran = false;
  auto body = [](bool& seen) -> task<> {
    seen = true;
    co_return;
  };
  task<> t = body(ran);
  EXPECT_FALSE(ran);
  manual_clock time;
  loop l(time);
  flag done;
  t.start(l, done);
  EXPECT_TRUE(ran);
  EXPECT_FALSE(done.raised) << "completion is reported from the loop, not from inside the frame";
  l.run_pending();
  EXPECT_TRUE(done.raised);
}

TEST(Task, AwaitsTasksAndTime) {
  manual_clock time;
  loop l(time);
  flag done;
  task<int> t = sum(l);
  t.start(l, done);
  l.run_pending();
  EXPECT_FALSE(done.raised);
  time.advance(seconds(1));
  l.run_pending();
  ASSERT_TRUE(done.raised);
  EXPECT_EQ(t.take(), 50);
}

TEST(Task, ReturnsMoveOnlyResults) {
  auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(3); };
  manual_clock time;
  loop l(time);
  flag done;
  auto t = make();
  t.start(l, done);
  l.run_pending();
  EXPECT_EQ(*t.take(), 3);
}

task<> many_waits(loop& l, int count) {
  for (int i = 0; i < count; ++i) co_await after(l, nanoseconds(1), i);
}

TEST(Task, FramesAreRecycledInTheSteadyState) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "frames are not pooled under a sanitizer";
#endif
  manual_clock time;
  loop l(time);
  auto run = [&](int count) {
    flag done;
    task<> t = many_waits(l, count);
    t.start(l, done);
    while (!done.raised) {
      l.run_pending();
      time.advance(nanoseconds(1));
    }
  };
  run(1);
  const auto before = frame_stats();
  run(1000);
  EXPECT_EQ(frame_stats().heap_allocations, before.heap_allocations);
  EXPECT_EQ(frame_stats().frames_live, before.frames_live);
}

// Counts what is alive, to show that a frame has unwound.
class held final {
 public:
  explicit held(int& alive) : alive_(alive) { ++alive_; }
  held(const held& other) : alive_(other.alive_) { ++alive_; }
  held& operator=(const held&) = delete;
  ~held() { --alive_; }

 private:
  int& alive_;
};

task<int> throws_at_once(held) {
  throw std::out_of_range("no such element");
  co_return 1;
}

task<int> throws_after_a_wait(loop& l, held parameter) {
  const held local = parameter;  // NOLINT(performance-unnecessary-copy-initialization): its end is seen
  co_await sleep_for(l, seconds(1));
  throw std::out_of_range("no such element");
}

task<> throws_a_number() {
  throw 7;
  co_return;
}

task<int> awaits_what_throws(loop& l, held parameter) {
  const held local = parameter;  // NOLINT(performance-unnecessary-copy-initialization): its end is seen
  const int value = co_await throws_after_a_wait(l, parameter);
  co_return value + 1;
}

task<std::string> catches_what_it_awaits(loop& l, int& alive) {
  std::string said;
  try {
    const int value = co_await awaits_what_throws(l, held(alive));
    said = std::to_string(value);
  } catch (const std::out_of_range& thrown) {
    said = thrown.what();
  }
  // Goes on as usual.
  const int answered = co_await answer();
  co_return said + " " + std::to_string(answered);
}

TEST(TaskThatThrows, GivesItsExceptionToWhoeverTakesItsResult) {
  manual_clock time;
  loop l(time);
  int alive = 0;
  {
    flag done;
    task<int> t = throws_at_once(held(alive));
    t.start(l, done);
    EXPECT_TRUE(t.finished());
    EXPECT_FALSE(done.raised) << "completion is reported from the loop, as always";
    l.run_pending();
    ASSERT_TRUE(done.raised);
    EXPECT_THROW(static_cast<void>(t.take()), std::out_of_range);
  }
  EXPECT_EQ(alive, 0);
}

TEST(TaskThatThrows, UnwindsItsLocalsWhenItThrowsAfterAWait) {
  manual_clock time;
  loop l(time);
  int alive = 0;
  {
    flag done;
    task<int> t = throws_after_a_wait(l, held(alive));
    t.start(l, done);
    l.run_pending();
    EXPECT_FALSE(t.finished());
    EXPECT_EQ(alive, 2) << "the parameter and the local";
    time.advance(seconds(1));
    l.run_pending();
    ASSERT_TRUE(done.raised);
    EXPECT_EQ(alive, 1) << "parameters live as long as the frame";
    EXPECT_THROW(static_cast<void>(t.take()), std::out_of_range);
  }
  EXPECT_EQ(alive, 0);
}

TEST(TaskThatThrows, PropagatesNonStandardExceptions) {
  manual_clock time;
  loop l(time);
  flag done;
  task<> t = throws_a_number();
  t.start(l, done);
  l.run_pending();
  EXPECT_THROW(t.take(), int);
}

TEST(TaskThatThrows, ThrowsIntoItsAwaiterWhichMayPropagate) {
  manual_clock time;
  loop l(time);
  int alive = 0;
  {
    flag done;
    task<int> t = awaits_what_throws(l, held(alive));
    t.start(l, done);
    time.advance(seconds(1));
    l.run_pending();
    ASSERT_TRUE(done.raised);
    EXPECT_THROW(static_cast<void>(t.take()), std::out_of_range);
  }
  EXPECT_EQ(alive, 0);
}

TEST(TaskThatThrows, ThrowsIntoItsAwaiterWhichMayCatchAndContinue) {
  manual_clock time;
  loop l(time);
  int alive = 0;
  flag done;
  task<std::string> t = catches_what_it_awaits(l, alive);
  t.start(l, done);
  time.advance(seconds(1));
  l.run_pending();
  ASSERT_TRUE(done.raised);
  EXPECT_EQ(t.take(), "no such element 42");
  EXPECT_EQ(alive, 0);
}

TEST(TaskThatThrows, ReleasesItsFrame) {
  manual_clock time;
  loop l(time);
  int alive = 0;
  const auto before = frame_stats();
  for (int i = 0; i < 3; ++i) {
    flag done;
    task<int> t = awaits_what_throws(l, held(alive));
    t.start(l, done);
    time.advance(seconds(1));
    l.run_pending();
    EXPECT_THROW(static_cast<void>(t.take()), std::out_of_range);
  }
  EXPECT_EQ(frame_stats().frames_live, before.frames_live);
}

TEST(TaskThatThrowsDeathTest, AnUnobservedExceptionAborts) {
  EXPECT_DEATH(
      {
        manual_clock time;
        loop l(time);
        flag done;
        task<> t = throws_a_number();
        t.start(l, done);
        l.run_pending();
      },
      "the exception of a task was not taken");
}

TEST(Scope, JoinsItsChildren) {
  manual_clock time;
  loop l(time);
  std::vector<int> finished;
  auto child = [](loop& on, int id, std::vector<int>& log) -> task<> {
    co_await sleep_for(on, seconds(10 - id));
    log.push_back(id);
  };
  scope children(l, 8);
  for (int id = 0; id < 3; ++id) children.spawn(child(l, id, finished));
  EXPECT_EQ(children.live(), 3U);
  flag done;
  task<> joined = children.join();
  joined.start(l, done);
  while (const auto next = l.next_deadline()) {
    EXPECT_FALSE(done.raised);
    time.advance_to(*next);
    l.run_pending();
  }
  EXPECT_TRUE(done.raised);
  EXPECT_EQ(finished, (std::vector<int>{2, 1, 0}));
}

task<> child_that_throws(loop& l, nanoseconds wait, std::string what) {
  co_await sleep_for(l, wait);
  throw std::runtime_error(what);
}

task<> spawns_two_that_throw(loop& l, int& joined) {
  scope children(l, 8);
  children.spawn(child_that_throws(l, seconds(2), "second"));
  children.spawn(child_that_throws(l, seconds(1), "first"));
  try {
    co_await children.join();
  } catch (const std::runtime_error&) {
    joined = static_cast<int>(children.live());
    throw;
  }
}

TEST(Scope, JoinThrowsTheFirstExceptionOnceNoChildIsLeft) {
  manual_clock time;
  loop l(time);
  flag done;
  int left = -1;
  task<> t = spawns_two_that_throw(l, left);
  t.start(l, done);
  l.run_pending();
  time.advance(seconds(1));
  l.run_pending();
  EXPECT_FALSE(done.raised) << "one child is still running";
  time.advance(seconds(1));
  l.run_pending();
  ASSERT_TRUE(done.raised);
  EXPECT_EQ(left, 0);
  try {
    t.take();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& thrown) {
    EXPECT_STREQ(thrown.what(), "first");
  }
}

task<int> joined_sum(loop& l) {
  task<int> slow = after(l, seconds(2), 1);
  task<int> at_once = answer();
  task<int> quick = after(l, seconds(1), 8);
  join all;
  slow.start(all);
  at_once.start(all);
  quick.start(all);
  EXPECT_EQ(all.running(), 2U);
  co_await all;
  EXPECT_EQ(all.running(), 0U);
  co_return slow.take() + at_once.take() + quick.take();
}

TEST(Join, ResumesWhenTheLastTaskHasFinished) {
  manual_clock time;
  loop l(time);
  flag done;
  task<int> t = joined_sum(l);
  t.start(l, done);
  l.run_pending();
  time.advance(seconds(1));
  l.run_pending();
  EXPECT_FALSE(done.raised);
  time.advance(seconds(1));
  l.run_pending();
  ASSERT_TRUE(done.raised);
  EXPECT_EQ(t.take(), 51);
}

TEST(Join, OfFinishedTasksDoesNotWait) {
  manual_clock time;
  loop l(time);
  flag done;
  auto body = []() -> task<int> {
    join both;
    task<int> one = answer();
    co_await both;
    one.start(both);
    co_await both;
    co_return one.take();
  };
  task<int> t = body();
  t.start(l, done);
  EXPECT_TRUE(t.finished());
  l.run_pending();
  EXPECT_EQ(t.take(), 42);
}

TEST(JoinDeathTest, EndingWithRunningTasksAborts) {
  EXPECT_DEATH(
      {
        manual_clock time;
        loop l(time);
        task<int> one = after(l, seconds(1), 1);
        join all;
        one.start(all);
      },
      "join ended with running tasks");
}

TEST(ScopeDeathTest, EndingWithLiveChildrenAborts) {
  EXPECT_DEATH(
      {
        manual_clock time;
        loop l(time);
        scope children(l, 1);
        children.spawn(many_waits(l, 2));
      },
      "scope ended with running coroutines");
}

}  // namespace
}  // namespace millrace::runtime

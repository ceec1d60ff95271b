#include <memory>
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
  EXPECT_FALSE(done.raised) << "completion is told from the loop, not from inside the frame";
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

TEST(Task, MoveOnlyResults) {
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

#include <vector>

#include <gtest/gtest.h>

#include <millrace/runtime/scope.h>
#include <millrace/runtime/wait.h>

namespace millrace::runtime {
namespace {

task<> hold(semaphore& units, std::size_t count, std::vector<std::size_t>& log) {
  co_await units.acquire(count);
  log.push_back(count);
}

TEST(Semaphore, ServesWaitersInOrder) {
  manual_clock time;
  loop l(time);
  semaphore units(l, 2);
  std::vector<std::size_t> log;
  scope children(l, 8);
  children.spawn(hold(units, 2, log));
  children.spawn(hold(units, 5, log));
  children.spawn(hold(units, 1, log));
  l.run_pending();
  EXPECT_EQ(log, (std::vector<std::size_t>{2}));
  units.release(2);
  l.run_pending();
  EXPECT_EQ(log.size(), 1U) << "the small request must not overtake the large one";
  units.release(4);
  l.run_pending();
  EXPECT_EQ(log, (std::vector<std::size_t>{2, 5, 1}));
  EXPECT_EQ(units.available(), 0U);
}

task<> wait_for(event& e, int& woken) {
  co_await e;
  ++woken;
}

TEST(Event, WakesEveryWaiter) {
  manual_clock time;
  loop l(time);
  event e(l);
  int woken = 0;
  scope children(l, 3);
  for (int i = 0; i < 3; ++i) children.spawn(wait_for(e, woken));
  l.run_pending();
  EXPECT_EQ(woken, 0);
  e.set();
  l.run_pending();
  EXPECT_EQ(woken, 3);
}

task<> take(pending<int>& value, int& got) { got = co_await value; }

TEST(Pending, DeliversOnceBeforeOrAfterTheWait) {
  manual_clock time;
  loop l(time);
  scope children(l, 2);
  pending<int> early(l);
  pending<int> late(l);
  int a = 0;
  int b = 0;
  early.set(1);
  children.spawn(take(early, a));
  children.spawn(take(late, b));
  l.run_pending();
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, 0);
  late.set(2);
  l.run_pending();
  EXPECT_EQ(b, 2);
}

}  // namespace
}  // namespace millrace::runtime

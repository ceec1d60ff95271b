// A scope owns the coroutines that are started in it; none is detached. A scope with running coroutines must
// not be destroyed: `co_await scope.join()` comes first, also before an exception leaves the block.
//
// Example, at namespace scope:
//
//   #include <millrace/runtime/wait.h>
//
//   runtime::task<void> wait_a_second(runtime::loop& loop) {
//     co_await runtime::sleep_for(loop, seconds(1));
//   }
//
//   runtime::task<void> wait_twice(runtime::loop& loop) {
//     runtime::scope both(loop, 2);
//     both.spawn(wait_a_second(loop));
//     both.spawn(wait_a_second(loop));
//     co_await both.join();  // after one second
//   }
//
// Threads: the loop's thread.
#pragma once

#include <cstddef>
#include <exception>

#include <millrace/runtime/loop.h>
#include <millrace/runtime/task.h>
#include <millrace/runtime/wait.h>

namespace millrace::runtime {

// Owns running coroutines.
// Failure: join() throws the first exception that left a child; see there. Destroying a scope with running
// coroutines breaks an invariant.
class scope {
 public:
  // `children_max` is the most coroutines at a time. Starting more breaks an invariant; the caller bounds its
  // work with a semaphore or a budget.
  scope(loop& l, std::size_t children_max) noexcept : loop_(l), idle_(l), children_max_(children_max) {
    idle_.set();
  }
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  ~scope() { invariant(live_ == 0, "a scope ended with running coroutines"); }

  // Runs `child` to its first wait. Its frame is freed when it has finished.
  void spawn(task<void> child);
  // Returns the number of coroutines that have not finished.
  [[nodiscard]] std::size_t live() const noexcept { return live_; }
  // Waits until no child is left. Then throws the first exception that left a child, once; later exceptions
  // are dropped. A scope that is never joined drops all of them.
  task<void> join();

 private:
  class child_run;

  loop& loop_;
  event idle_;
  std::size_t children_max_;
  std::size_t live_ = 0;
  std::exception_ptr thrown_;  // by a child
};

}  // namespace millrace::runtime

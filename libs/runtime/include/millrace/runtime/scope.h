// A scope owns the coroutines started in it: none is detached. Destroying a scope with live children aborts;
// `co_await scope.join()` first, also before an exception leaves the block. Single-threaded (the loop's
// thread).
#pragma once

#include <cstddef>
#include <exception>

#include <millrace/runtime/loop.h>
#include <millrace/runtime/task.h>
#include <millrace/runtime/wait.h>

namespace millrace::runtime {

class scope {
 public:
  // `children_max`: starting more breaks an invariant; the caller bounds its work (semaphore, budget).
  scope(loop& l, std::size_t children_max) noexcept : loop_(l), idle_(l), children_max_(children_max) {
    idle_.set();
  }
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;
  ~scope() { invariant(live_ == 0, "a scope ended with running coroutines"); }

  // Runs `child` to its first wait, now. The frame is freed when it has finished.
  void spawn(task<void> child);
  [[nodiscard]] std::size_t live() const noexcept { return live_; }
  // Waits until no child is left. Then throws the first exception that left a child, once; later ones are
  // dropped. A scope that is never joined drops all of them.
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

// Awaitable objects: time (sleep_for), an event, a counted resource (semaphore), a value that arrives later
// (pending).
//
// Waiters are woken in the order in which they came, by the loop and never inline.
//
// Example, at namespace scope:
//
//   #include <millrace/runtime/task.h>
//
//   runtime::task<void> limited(runtime::loop& loop, runtime::semaphore& slots) {
//     co_await slots.acquire();
//     co_await runtime::sleep_for(loop, milliseconds(20));
//     slots.release();
//   }
//
// Threads: the loop's thread.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/clock.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/runtime/loop.h>

namespace millrace::runtime {

// `co_await sleep_for(loop, 20ms)` resumes once the clock has reached the deadline. A duration of zero or
// less does not wait.
class [[nodiscard]] sleep_for final : private timer {
 public:
  sleep_for(loop& l, nanoseconds duration) noexcept : loop_(l), duration_(duration) {}
  bool await_ready() const noexcept { return duration_.count() <= 0; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    loop_.start(*this, duration_);
  }
  void await_resume() const noexcept {}

 private:
  void on_timer() override { loop_.resume_later(waiting_); }

  loop& loop_;
  nanoseconds duration_;
  std::coroutine_handle<> waiting_;
};

namespace internal {
struct waiter : list_hook {
  std::coroutine_handle<> waiting;
  std::size_t units = 0;
};
}  // namespace internal

// A flag that wakes every waiter when it is set. Must outlive its waiters. set() keeps the flag set until
// reset().
class event {
 public:
  explicit event(loop& l) noexcept : loop_(l) {}

  [[nodiscard]] bool is_set() const noexcept { return set_; }
  void set() {
    set_ = true;
    while (internal::waiter* w = waiters_.pop_front()) loop_.resume_later(w->waiting);
  }
  void reset() noexcept { set_ = false; }

  auto operator co_await() noexcept {
    struct awaiter : internal::waiter {
      explicit awaiter(event& owner) noexcept : owner_(owner) {}
      bool await_ready() const noexcept { return owner_.set_; }
      void await_suspend(std::coroutine_handle<> handle) noexcept {
        waiting = handle;
        owner_.waiters_.push_back(*this);
      }
      void await_resume() const noexcept {}
      event& owner_;
    };
    return awaiter(*this);
  }

 private:
  loop& loop_;
  intrusive_list<internal::waiter> waiters_;
  bool set_ = false;
};

// Counted units, granted in the order of the requests: a later small request does not overtake a large one.
// try_acquire() returns false instead of waiting. release() returns units and wakes the waiters that they
// suffice for.
class semaphore {
 public:
  semaphore(loop& l, std::size_t units) noexcept : loop_(l), available_(units) {}

  [[nodiscard]] std::size_t available() const noexcept { return available_; }
  [[nodiscard]] bool try_acquire(std::size_t units = 1) noexcept {
    if (!waiters_.empty() || available_ < units) return false;
    available_ -= units;
    return true;
  }
  void release(std::size_t units = 1) {
    available_ += units;
    while (!waiters_.empty() && waiters_.front()->units <= available_) {
      internal::waiter* next = waiters_.pop_front();
      available_ -= next->units;
      loop_.resume_later(next->waiting);
    }
  }
  // `co_await s.acquire(n)` waits for `n` units. They belong to the caller from then on, who returns them by
  // release(n).
  auto acquire(std::size_t units_wanted = 1) noexcept {
    struct awaiter : internal::waiter {
      awaiter(semaphore& owner, std::size_t wanted) noexcept : owner_(owner) { units = wanted; }
      bool await_ready() const noexcept { return owner_.try_acquire(units); }
      void await_suspend(std::coroutine_handle<> handle) noexcept {
        waiting = handle;
        owner_.waiters_.push_back(*this);
      }
      void await_resume() const noexcept {}
      semaphore& owner_;
    };
    return awaiter(*this, units_wanted);
  }

 private:
  loop& loop_;
  std::size_t available_;
  intrusive_list<internal::waiter> waiters_;
};

// A value that one side sets once and the other awaits once. It must stay at its address until both have
// happened. Setting it twice, or destroying it while it is awaited, breaks an invariant.
template <typename T>
class pending {
 public:
  explicit pending(loop& l) noexcept : loop_(l) {}
  pending(const pending&) = delete;
  pending& operator=(const pending&) = delete;
  ~pending() { invariant(!waiting_, "a pending value was destroyed while a coroutine waits for it"); }

  void set(T value) {
    invariant(!value_.has_value(), "a pending value is set once");
    value_.emplace(std::move(value));
    if (waiting_) loop_.resume_later(std::exchange(waiting_, nullptr));
  }
  bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting_ = handle; }
  T await_resume() {
    if (!value_) invariant_broken("a pending value was resumed before it was set");
    return std::move(*value_);
  }

 private:
  loop& loop_;
  std::optional<T> value_;
  std::coroutine_handle<> waiting_;
};

}  // namespace millrace::runtime

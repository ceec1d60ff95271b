// The event loop of a worker: ready coroutines, deferred calls, timers, file descriptors and the steps of a
// turn.
//
// One turn, in this order:
//
//   1. watched descriptors that are ready
//   2. ready coroutines and deferred calls
//   3. timers that are due
//   4. the steps, in the order of their phase; ready coroutines again after each
//   5. sleep until the next timer, descriptor or wake
//
// A simulation calls run_pending() instead of run() and moves the clock itself. Nothing in a turn depends on
// real time or on the kernel, so the same inputs give the same order.
//
// Example prelude:
//
//   struct once final : runtime::deferred {
//     bool called = false;
//     void run() override { called = true; }
//   };
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   once call;
//   loop.defer(call);
//   loop.run_pending();
//   invariant(call.called, "a deferred call runs in the next turn");
//
// Kernel: Linux 5.11 or later, for its epoll_pwait2. Under an older kernel, or a seccomp profile that refuses
// this call, the loop waits in whole milliseconds, rounded up: timers fire up to 1 ms later.
//
// Threads: a loop belongs to one thread. Only wake(), stop(), turns() and last_turn_at() may be called from
// another. Other threads post to a mailbox (mailbox.h), which wakes the loop.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/metrics/cells.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/runtime/timer.h>

namespace millrace::runtime {

// A call that the loop makes later, for example because the caller is inside the coroutine that the call
// destroys. It is intrusive and allocates nothing. It may be destroyed from run().
class deferred : public list_hook {
 public:
  virtual void run() = 0;

 protected:
  ~deferred() = default;
};

// The position of a step in a turn. Intake starts records, submit sends the turn's database requests in one
// call, settle moves watermarks and commits.
enum class phase : std::uint8_t { intake, submit, produce, settle };
inline constexpr std::size_t phase_count = 4;

// An object that acts once per turn. It is registered for its lifetime.
class step {
 public:
  step() = default;
  step(const step&) = delete;
  step& operator=(const step&) = delete;

  // Runs once per turn. Returns true when there is more to do at once: the loop then does not sleep before
  // the next turn.
  virtual bool on_turn() = 0;

 protected:
  ~step() = default;
};

// The loop. The clock, and everything that is registered with the loop, is owned by others.
class loop {
 public:
  // The clock must outlive the loop.
  explicit loop(const clock& time);
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;
  // Breaks an invariant when a step or descriptor is still registered.
  ~loop();

  [[nodiscard]] const clock& time() const noexcept { return time_; }
  // Returns the time at the start of this turn. It is cheap, and constant within a simulated instant.
  [[nodiscard]] instant now() const noexcept { return now_; }

  // Resumes `handle` in this turn or a later one, in first-in first-out order.
  void resume_later(std::coroutine_handle<> handle) { ready_.push_back(handle); }
  // Calls `call.run()` in this turn or a later one. `call` must stay valid until then.
  void defer(deferred& call) noexcept { deferred_.push_back(call); }
  // Arms a timer `after` from now, or at `deadline`. A timer that is armed is moved.
  void start(timer& t, nanoseconds after) { timers_.start(t, time_.now() + after); }
  void start_at(timer& t, instant deadline) { timers_.start(t, deadline); }

  // Makes the loop run another turn without a sleep when the steps of `at` have already run, or run now, in this
  // turn: for work that such a step has to do and that arrives after it. Costs no system call. The loop's thread.
  void turn_again_for(phase at) noexcept {
    if (static_cast<std::size_t>(at) < phases_begun_) again_ = true;
  }

  // Registers a step, or removes it. A removed step is not called again, even in the present turn.
  void add_step(phase at, step& s);
  void remove_step(step& s) noexcept;

  // Calls `on_ready` in every turn in which `fd` is readable (level-triggered). The caller keeps ownership of
  // the descriptor. Returns errc::io_error when the kernel refuses it; nothing is registered then.
  [[nodiscard]] result<void> watch(int fd, std::function<void()> on_ready);
  // While `wanted` is true, `on_ready` is also called in turns in which the watched `fd` is writable.
  void watch_writable(int fd, bool wanted) noexcept;
  // Ends the calls for `fd`. To be called before the descriptor is closed.
  void unwatch(int fd) noexcept;

  // Records the duration of every turn of run() and run_turn(), without the sleep after it. The histogram
  // must outlive the loop.
  void measure_turns(metrics::histogram& into) noexcept { turn_times_ = &into; }

  // Runs turns until stop(). For real time only.
  void run();
  // Ends run() after the present turn. Any thread.
  void stop() noexcept;
  // Runs one turn and sleeps at most `sleep_max` when there is nothing to do. For real time only.
  void run_turn(nanoseconds sleep_max);

  // Runs turns without touching the kernel until nothing is pending at the clock's present time, for
  // simulation and tests. Returns the number of turns.
  std::size_t run_pending();
  // Returns the earliest deadline of an armed timer; nullopt when none is armed.
  [[nodiscard]] std::optional<instant> next_deadline() const noexcept { return timers_.next_deadline(); }

  // Any thread: makes a sleeping loop, or one that is about to sleep, run one more turn.
  void wake() noexcept;
  // Any thread, for the watchdog: the number of turns so far, and the clock at the start of the last one.
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_.load(std::memory_order_relaxed); }
  [[nodiscard]] instant last_turn_at() const noexcept {
    return {last_turn_ns_.load(std::memory_order_relaxed)};
  }

 private:
  class kernel;  // epoll and eventfd

  void begin_turn() noexcept;
  void drain_ready();
  // Returns true when a step has more to do.
  bool turn_steps();
  [[nodiscard]] bool has_pending() const noexcept { return !ready_.empty() || !deferred_.empty(); }

  const clock& time_;
  instant now_;
  std::deque<std::coroutine_handle<>> ready_;
  intrusive_list<deferred> deferred_;
  timer_queue timers_;
  std::vector<step*> steps_[phase_count];
  std::size_t phases_begun_ = 0;  // of this turn
  bool again_ = false;
  std::unique_ptr<kernel> kernel_;
  metrics::histogram* turn_times_ = nullptr;
  std::atomic<bool> stop_requested_{false};
  std::atomic<bool> woken_{false};
  std::atomic<std::uint64_t> turns_{0};
  std::atomic<std::int64_t> last_turn_ns_{0};
};

}  // namespace millrace::runtime

// The event loop of a worker: ready coroutines, deferred calls, timers, file descriptors and the steps of a
// turn.
//
// One loop belongs to one thread; everything but wake() and the heartbeat is for that thread only. Foreign
// threads post to a mailbox (mailbox.h), which wakes the loop.
//
// One turn: watched descriptors that are ready → ready coroutines and deferred calls → due timers → the
// turn's steps in order of their phase, ready coroutines again after each → sleep until the next timer,
// descriptor or wake. A simulation calls run_pending() instead and moves the clock itself: nothing in a turn
// depends on real time or on the kernel, so the same inputs give the same order.
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

// A call to be made from the loop rather than from here, e.g. because the caller is inside the coroutine that
// the call will destroy. Intrusive: allocates nothing; may be destroyed from run().
class deferred : public list_hook {
 public:
  virtual void run() = 0;

 protected:
  ~deferred() = default;
};

// Where in a turn a step runs. Intake starts records, submit sends the turn's database requests in one call,
// settle moves watermarks and commits.
enum class phase : std::uint8_t { intake, submit, produce, settle };
inline constexpr std::size_t phase_count = 4;

// Something that wants to act once per turn. Registered for its lifetime.
class step {
 public:
  step() = default;
  step(const step&) = delete;
  step& operator=(const step&) = delete;

  // Returns true when it has more to do at once: the loop then does not sleep before the next turn.
  virtual bool on_turn() = 0;

 protected:
  ~step() = default;
};

class loop {
 public:
  // The clock must outlive the loop.
  explicit loop(const clock& time);
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;
  // Aborts when a step or descriptor is still registered.
  ~loop();

  [[nodiscard]] const clock& time() const noexcept { return time_; }
  // The time at the start of this turn: cheap, and constant within a simulated instant.
  [[nodiscard]] instant now() const noexcept { return now_; }

  // Resumes `handle` from the loop, in first-in first-out order.
  void resume_later(std::coroutine_handle<> handle) { ready_.push_back(handle); }
  void defer(deferred& call) noexcept { deferred_.push_back(call); }
  void start(timer& t, nanoseconds after) { timers_.start(t, time_.now() + after); }
  void start_at(timer& t, instant deadline) { timers_.start(t, deadline); }

  void add_step(phase at, step& s);
  void remove_step(step& s) noexcept;

  // Calls `on_ready` in every turn in which `fd` is readable (level-triggered). The descriptor stays the
  // caller's. errc::io_error when the kernel refuses it.
  [[nodiscard]] result<void> watch(int fd, std::function<void()> on_ready);
  // While `wanted`, on_ready is also called in turns in which the watched `fd` can be written to.
  void watch_writable(int fd, bool wanted) noexcept;
  void unwatch(int fd) noexcept;

  // Times the work of every turn of run() and run_turn(), without the sleep after it.
  void measure_turns(metrics::histogram& into) noexcept { turn_times_ = &into; }

  // Runs turns until stop(). Real time only.
  void run();
  // Ends run() after the current turn. Also from another thread.
  void stop() noexcept;
  // One turn; sleeps at most `sleep_max` when there is nothing to do. Real time only.
  void run_turn(nanoseconds sleep_max);

  // Simulation and tests: runs turns without touching the kernel until nothing is pending at the clock's
  // current time. Returns the number of turns.
  std::size_t run_pending();
  [[nodiscard]] std::optional<instant> next_deadline() const noexcept { return timers_.next_deadline(); }

  // Thread-safe: makes a sleeping or about to sleep loop turn once more.
  void wake() noexcept;
  // Thread-safe, for the watchdog: turns so far, and the clock at the start of the last one.
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
  std::unique_ptr<kernel> kernel_;
  metrics::histogram* turn_times_ = nullptr;
  std::atomic<bool> stop_requested_{false};
  std::atomic<bool> woken_{false};
  std::atomic<std::uint64_t> turns_{0};
  std::atomic<std::int64_t> last_turn_ns_{0};
};

}  // namespace millrace::runtime

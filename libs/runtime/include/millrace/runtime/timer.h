// Timers on a clock that tests control. The resolution is the clock's. Timers fire in the order of their
// deadlines, then in the order of their start, so that a simulation replays exactly.
//
// Example prelude:
//
//   struct alarm_clock final : runtime::timer {
//     bool rang = false;
//     void on_timer() override { rang = true; }
//   };
//
// Example:
//
//   runtime::timer_queue timers;
//   alarm_clock alarm;
//   timers.start(alarm, instant{1'000});
//   timers.fire_due(instant{1'000});
//   invariant(alarm.rang, "a timer fires at its deadline");
//
// Threads: the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <millrace/base/clock.h>

namespace millrace::runtime {

class timer_queue;

// A one-shot timer, owned by the object that waits. Destroying or cancelling it disarms it.
class timer {
 public:
  timer() = default;
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  virtual ~timer();

  // True from the start until the timer fires or is cancelled.
  [[nodiscard]] bool armed() const noexcept { return queue_ != nullptr; }
  // Disarms the timer. Does nothing when it is not armed.
  void cancel() noexcept;

 protected:
  // Runs on the loop's thread after the timer was disarmed. The timer may be started again or destroyed from
  // here.
  virtual void on_timer() = 0;

 private:
  friend class timer_queue;
  timer_queue* queue_ = nullptr;
  std::size_t position_ = 0;
};

// The armed timers of one loop, as a binary heap: start and cancel are O(log n).
class timer_queue {
 public:
  timer_queue() = default;
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;
  ~timer_queue();

  // Arms `t`. A timer that is armed already is moved to the new deadline.
  void start(timer& t, instant deadline);
  // Fires every timer that is due at `now`, including timers that are started for `now` or earlier while it
  // runs. Returns the number of timers fired.
  std::size_t fire_due(instant now);
  // Returns the earliest deadline (nullopt when no timer is armed) and the number of armed timers.
  [[nodiscard]] std::optional<instant> next_deadline() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  friend class timer;
  struct entry {
    instant deadline;
    std::uint64_t sequence;
    timer* owner;
  };
  [[nodiscard]] static bool before(const entry& a, const entry& b) noexcept {
    return a.deadline != b.deadline ? a.deadline < b.deadline : a.sequence < b.sequence;
  }
  void place(std::size_t position, entry e) noexcept;
  void sift_up(std::size_t position) noexcept;
  void sift_down(std::size_t position) noexcept;
  void remove(std::size_t position) noexcept;

  std::vector<entry> heap_;
  std::uint64_t sequence_ = 0;
};

}  // namespace millrace::runtime

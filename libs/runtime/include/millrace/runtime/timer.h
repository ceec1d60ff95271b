// Timers on a clock that tests can drive. Resolution is the clock's; order is by deadline, then by the order
// of starting, so that a simulation replays exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <millrace/base/clock.h>

namespace millrace::runtime {

class timer_queue;

// One-shot. Owned by whoever waits; destroying or cancelling it disarms it. Single-threaded (the loop's
// thread).
class timer {
 public:
  timer() = default;
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  virtual ~timer();

  [[nodiscard]] bool armed() const noexcept { return queue_ != nullptr; }
  void cancel() noexcept;

 protected:
  // Runs on the loop's thread, after the timer was disarmed: it may be started again or destroyed from here.
  virtual void on_timer() = 0;

 private:
  friend class timer_queue;
  timer_queue* queue_ = nullptr;
  std::size_t position_ = 0;
};

// Binary heap: start and cancel are O(log n).
class timer_queue {
 public:
  timer_queue() = default;
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;
  ~timer_queue();

  // A timer that is armed already is moved to the new deadline.
  void start(timer& t, instant deadline);
  // Fires everything due at `now`, including what firing timers start for `now` or earlier. Returns how many.
  std::size_t fire_due(instant now);
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

// A limit on work: how much may be under way at once, and how much may begin in a second. Work over the limit
// waits in order; nothing is refused.
//
// Example prelude:
//
//   struct parcel final : runtime::limiter::waiter {
//     bool sent = false;
//     void on_admitted() override { sent = true; }
//   };
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   runtime::limiter two_at_once(loop, {.concurrency_max = 2});
//   parcel first, second, third;
//   if (two_at_once.enter(first)) first.sent = true;
//   if (two_at_once.enter(second)) second.sent = true;
//   invariant(!two_at_once.enter(third), "the third waits");
//   two_at_once.leave();  // the first is done
//   invariant(third.sent, "the third was admitted in its place");
//
// Rate: beginnings are spread evenly, so that a second never has more than rate_max of them plus those of
// `burst` (10 ms), whose purpose is fewer wake-ups at high rates. An idle limiter saves up nothing else.
//
// Threads: the loop's thread.
// Lifetime: a waiter is out of the limiter (admitted, or forget()) before it is destroyed, and no one waits when the
// limiter is destroyed; anything else breaks an invariant.
#pragma once

#include <cstddef>
#include <cstdint>

#include <millrace/base/clock.h>
#include <millrace/runtime/intrusive.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/timer.h>

namespace millrace::runtime {

// 0: no limit.
struct work_limits {
  std::uint32_t concurrency_max = 0;  // under way at once
  double rate_max = 0;                // beginnings in a second

  [[nodiscard]] bool limits() const noexcept { return concurrency_max > 0 || rate_max > 0; }
};

class limiter final : private timer {
 public:
  // Work that waits to be admitted.
  class waiter : public list_hook {
   public:
    // Admitted: the wait is over. May call the limiter.
    virtual void on_admitted() = 0;

   protected:
    ~waiter() = default;
  };
  // The order among those that wait: those that go ahead come before the others.
  enum class place : std::uint8_t { behind, ahead };
  static constexpr milliseconds burst{10};

  limiter(loop& on, work_limits limits);
  limiter(const limiter&) = delete;
  limiter& operator=(const limiter&) = delete;
  ~limiter() override = default;

  // True: admitted at once; on_admitted() is not called. False: on_admitted() follows, from leave() or from a timer.
  [[nodiscard]] bool enter(waiter& w, place where = place::behind);
  // Admitted work has ended: admits the next.
  void leave();
  // A waiter that was not admitted gives up.
  void forget(waiter& w) noexcept;

  // How many wait, and how many were admitted and have not left.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::size_t under_way() const noexcept { return under_way_; }

 private:
  void on_timer() override { admit(); }
  void admit();
  [[nodiscard]] bool has_room() const noexcept {
    return limits_.concurrency_max == 0 || under_way_ < limits_.concurrency_max;
  }
  // When the rate allows the next one.
  [[nodiscard]] instant next_at() const noexcept { return {next_.ns - tolerance_.count()}; }
  void take(instant now) noexcept;

  loop& loop_;
  const work_limits limits_;
  nanoseconds interval_{0};   // between two beginnings
  nanoseconds tolerance_{0};  // by which one may begin early
  instant next_{0};           // of the even spread
  std::size_t waiting_ = 0;
  std::size_t under_way_ = 0;
  bool admitting_ = false;
  intrusive_list<waiter> ahead_;
  intrusive_list<waiter> behind_;
};

}  // namespace millrace::runtime

// The wait of an attempt for the limit of its processor.
#pragma once

#include <optional>

#include <millrace/base/clock.h>
#include <millrace/runtime/limiter.h>

#include "processor_rules.h"

namespace millrace::engine {

class limit_events {
 public:
  // The wait that began at `since` is over: the attempt holds a place.
  virtual void on_admitted(instant since, instant now) = 0;

 protected:
  ~limit_events() = default;
};

class limit_wait final : private runtime::limiter::waiter {
 public:
  // `limiter`: none without a limit.
  limit_wait(measured_limiter* limiter, limit_events& events) noexcept : limiter_(limiter), events_(events) {}

  // True: the attempt may start now. False: on_admitted() follows.
  [[nodiscard]] bool enter(runtime::limiter::place where, instant now) {
    if (limiter_ == nullptr || limiter_->limit.enter(*this, where)) return true;
    since_ = now;
    limiter_->began_waiting();
    return false;
  }
  // Gives up the wait. State: enter() has returned false, and on_admitted() was not called.
  void stop() noexcept {
    limiter_->limit.forget(*this);
    limiter_->ended_waiting();
  }
  // What the attempt holds a place of; may be none.
  [[nodiscard]] runtime::limiter* limiter() const noexcept {
    return limiter_ == nullptr ? nullptr : &limiter_->limit;
  }

 private:
  void on_admitted() override {
    const instant now = limiter_->time.now();
    limiter_->ended_waiting();
    limiter_->wait_time.observe(now - since_);
    events_.on_admitted(since_, now);
  }

  measured_limiter* limiter_;
  limit_events& events_;
  instant since_;
};

}  // namespace millrace::engine

// The state of an engine (status.h), and why it stops.
#pragma once

#include <optional>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/engine/status.h>

#include "environment.h"
#include "record_accounts.h"

namespace millrace::engine {

class run_state {
 public:
  run_state(engine_environment& env, record_accounts& accounts) noexcept : env_(env), accounts_(accounts) {}
  run_state(const run_state&) = delete;
  run_state& operator=(const run_state&) = delete;

  void start();
  // These note the wish: they may be called from within a record's work. The turn does the rest.
  void request_stop();
  void fail(error cause);
  void abort();
  // draining → leaving → ended.
  void leave() noexcept { state_ = engine_state::leaving; }
  void end() noexcept { state_ = failure_ ? engine_state::failed : engine_state::stopped; }

  [[nodiscard]] engine_state now() const noexcept { return state_; }
  [[nodiscard]] bool running() const noexcept { return state_ == engine_state::running; }
  [[nodiscard]] bool stopping() const noexcept {
    return state_ == engine_state::draining || state_ == engine_state::leaving;
  }
  [[nodiscard]] bool ended() const noexcept {
    return state_ == engine_state::stopped || state_ == engine_state::failed;
  }
  [[nodiscard]] const std::optional<error>& failure() const noexcept { return failure_; }
  [[nodiscard]] std::optional<instant> aborted_at() const noexcept { return aborted_at_; }
  // State draining only.
  [[nodiscard]] instant drain_until() const noexcept { return drain_until_; }

 private:
  engine_environment& env_;
  record_accounts& accounts_;
  engine_state state_ = engine_state::idle;
  std::optional<error> failure_;
  std::optional<instant> aborted_at_;
  instant drain_until_;
};

}  // namespace millrace::engine

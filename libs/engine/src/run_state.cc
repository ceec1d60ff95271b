#include "run_state.h"

#include <utility>

#include <millrace/base/assert.h>

namespace millrace::engine {

void run_state::start() {
  invariant(state_ == engine_state::idle, "an engine is started once");
  state_ = engine_state::running;
}

void run_state::request_stop() {
  if (state_ == engine_state::idle) return end();
  env_.ports.loop.wake();
  if (state_ != engine_state::running) return;
  state_ = engine_state::draining;
  accounts_.stop_began();
  drain_until_ = env_.now() + env_.options.drain_timeout;
}

void run_state::fail(error cause) {
  if (ended()) return;
  if (!failure_) failure_ = std::move(cause);
  request_stop();
}

void run_state::abort() {
  if (!aborted_at_) aborted_at_ = env_.now();
  request_stop();
}

}  // namespace millrace::engine

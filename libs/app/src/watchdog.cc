#include "watchdog.h"

namespace millrace::app {
namespace {

constexpr seconds said_again_after{60};

}  // namespace

std::vector<watchdog::finding> watchdog::look(instant now, std::span<const worker_pulse> workers) {
  workers_.resize(workers.size());
  std::vector<finding> found;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    const worker_pulse& pulse = workers[i];
    seen& before = workers_[i];
    if (pulse.since_turn < stuck_after_) {
      if (before.stuck) found.push_back({i, true, before.stuck_for, before.running});
      before = {};
      continue;
    }
    if (!before.stuck || now - before.said_at >= said_again_after) {
      found.push_back({i, false, pulse.since_turn, pulse.running});
      before.said_at = now;
    }
    before.stuck = true;
    before.stuck_for = pulse.since_turn;
    before.running = pulse.running;
  }
  return found;
}

}  // namespace millrace::app

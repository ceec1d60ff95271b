#include "readiness.h"

#include <set>

#include <millrace/base/text.h>

#include "status_page.h"

namespace millrace::app {

std::vector<std::string> own_problems(const process_view& process) {
  std::vector<std::string> found;
  const std::string state = not_ready_because(process);
  if (!state.empty()) found.push_back(state);
  for (std::size_t i = 0; i < process.workers.size(); ++i) {
    const auto& line = process.workers[i].line;
    if (process.started && line.state == engine::engine_state::running && !line.joined &&
        process.uptime < readiness::joins_within) {
      found.push_back("worker " + std::to_string(i) + " has not joined the group yet");
    }
  }
  return found;
}

std::vector<std::string> dependency_problems(const process_view& process) {
  std::set<std::string> found;
  for (const worker_view& w : process.workers) {
    for (const engine::breaker_status& b : w.line.breakers) {
      if (b.state == engine::breaker_state::closed) continue;
      std::string why = "the " + std::string(b.dependency) + " is unavailable (its circuit breaker is " +
                        std::string(engine::to_string(b.state)) + ")";
      if (w.line.last_error) why += "; last error: " + w.line.last_error->to_string();
      found.insert(std::move(why));
    }
  }
  return {found.begin(), found.end()};
}

void readiness::look(const process_view& process, instant now) {
  const std::vector<std::string> own = own_problems(process);
  const std::vector<std::string> dependencies = dependency_problems(process);
  const std::lock_guard lock(mutex_);
  if (dependencies.empty()) {
    failing_since_.reset();
    if (!well_since_) well_since_ = now;
  } else {
    well_since_.reset();
    if (!failing_since_) failing_since_ = now;
  }
  if (!own.empty()) {
    verdict_ = joined(own, "\n");
    for_a_dependency_ = false;
    return;
  }
  if (failing_since_ && now - *failing_since_ >= unready_after) {
    verdict_ = joined(dependencies, "\n");
    for_a_dependency_ = true;
  } else if (!for_a_dependency_ || (well_since_ && now - *well_since_ >= ready_after)) {
    verdict_.clear();
    for_a_dependency_ = false;
  }
}

std::string readiness::not_ready_because() const {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

}  // namespace millrace::app

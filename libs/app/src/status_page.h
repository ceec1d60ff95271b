// What the admin endpoint says, from what the workers publish.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <millrace/engine/status.h>
#include <millrace/statement/lookup.h>

#include "watchdog.h"

namespace millrace::app {

struct worker_view {
  engine::engine_status line;
  worker_pulse pulse;
};

struct process_view {
  std::string application;
  std::string version;
  bool started = false;   // every worker runs
  std::string waits_for;  // before that: the error of what does not answer yet
  nanoseconds uptime{0};
  nanoseconds stuck_after{seconds(10)};  // a loop that has not turned for this long is blocked
  std::vector<worker_view> workers;
  std::map<std::string, statements::lookup_statistics> lookups;  // of all workers, by name
};

// The body of /status.
[[nodiscard]] std::string status_json(const process_view& process);
// Why the process is not alive, or not ready; empty when it is.
[[nodiscard]] std::string not_alive_because(const process_view& process);
[[nodiscard]] std::string not_ready_because(const process_view& process);

}  // namespace millrace::app

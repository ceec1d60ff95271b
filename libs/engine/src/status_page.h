// What the admin endpoint says, from what the workers publish.
#pragma once

#include <string>
#include <vector>

#include <millrace/pipeline/status.h>

namespace millrace::engine {

struct worker_view {
  pipeline::line_status line;
  bool turning = true;  // the worker's loop turned lately
};

struct process_view {
  std::string application;
  std::string version;
  bool started = false;  // every worker runs
  std::vector<worker_view> workers;
};

// The body of /status.
[[nodiscard]] std::string status_json(const process_view& process);
// Why the process is not alive, or not ready; empty when it is.
[[nodiscard]] std::string not_alive_because(const process_view& process);
[[nodiscard]] std::string not_ready_because(const process_view& process);
// A small page for people, refreshed by itself, that names the other pages.
[[nodiscard]] std::string front_page(const process_view& process);

}  // namespace millrace::engine

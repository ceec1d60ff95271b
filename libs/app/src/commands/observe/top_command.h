// `millrace top`: the state of one or several processes in a terminal, from their /status and /metrics.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "admin_client.h"

namespace millrace::app::observe {

// One look at one process.
struct look {
  admin_address at;
  std::string status;   // the body of /status; empty when it could not be had
  std::string metrics;  // the body of /metrics
  std::string failure;  // why not
  instant when;
};

struct screen {
  std::size_t columns = 80;
  std::size_t rows = 24;
  bool colours = false;
};

// The screen after `now`, with rates since `before` (of the same processes, or none at all).
[[nodiscard]] std::string draw(const std::vector<look>& now, const std::vector<look>& before,
                               const screen& on);

struct top_arguments {
  std::vector<std::string> addresses;
  double interval_seconds = 1;
  bool once = false;  // one screen, with rates of one interval, and no cursor control
};
// 0; 1 with `once` when no process answered; 78 for an address that is none. Ends with Ctrl-C.
[[nodiscard]] int run_top(const top_arguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace millrace::app::observe

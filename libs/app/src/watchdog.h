// Notices workers whose loop does not turn, and says so once, then from time to time, and when it turns
// again. Pure: the caller brings the time and what the workers show.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <millrace/base/clock.h>

namespace millrace::app {

// What a worker shows of itself, from outside.
struct worker_pulse {
  nanoseconds since_turn{0};  // since its loop began the present turn
  std::string running;        // the processor and record it is most likely in; empty when none
};

class watchdog {
 public:
  explicit watchdog(nanoseconds stuck_after) : stuck_after_(stuck_after) {}

  struct finding {
    std::size_t worker = 0;
    bool turns_again = false;  // otherwise: blocked
    nanoseconds stuck_for{0};
    std::string running;
  };

  // Call it more often than once per `stuck_after`.
  [[nodiscard]] std::vector<finding> look(instant now, std::span<const worker_pulse> workers);

 private:
  struct seen {
    bool stuck = false;
    nanoseconds stuck_for{0};  // at the last look
    instant said_at;
    std::string running;
  };

  nanoseconds stuck_after_;
  std::vector<seen> workers_;
};

}  // namespace millrace::app

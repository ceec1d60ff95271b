// Whether the process is ready, with hysteresis in both directions: a dependency that fails briefly does
// not flip it, and one that has just come back has to stay. What the process itself says (starting, stopping)
// counts at once. Pure: the caller brings the time.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <millrace/base/clock.h>

namespace millrace::app {

struct process_view;

class readiness {
 public:
  static constexpr seconds unready_after{10};
  static constexpr seconds ready_after{5};
  // A member without partitions receives no event: it does not wait for ever.
  static constexpr seconds joins_within{60};

  // Look more often than these. Any thread.
  void look(const process_view& process, instant now);
  // One reason a line; empty when ready.
  [[nodiscard]] std::string not_ready_because() const;

 private:
  mutable std::mutex mutex_;
  std::string verdict_ = "starting";
  bool for_a_dependency_ = false;         // the verdict is
  std::optional<instant> failing_since_;  // a dependency
  std::optional<instant> well_since_;     // all of them
};

// What is wrong right now. The process's own state, and what it depends on.
[[nodiscard]] std::vector<std::string> own_problems(const process_view& process);
[[nodiscard]] std::vector<std::string> dependency_problems(const process_view& process);

}  // namespace millrace::app

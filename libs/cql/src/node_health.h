// Whether a node answers like its peers: an average of its failures, over about the last eight answers.
//
// A failing node is asked last, but for a probe from time to time. Health orders nodes and excludes none: when
// all fail alike, all are asked as before.
#pragma once

#include <millrace/base/clock.h>

namespace millrace::cql {

class node_health {
 public:
  void succeeded() noexcept {
    // A failing node has few answers, all of them probes: they weigh more.
    failures_ *= failing_ ? probe_keeps : keeps;
    if (failures_ < recovers_below) failing_ = false;
  }
  void failed() noexcept {
    failures_ = failures_ * keeps + (1 - keeps);
    if (failures_ > fails_above) failing_ = true;
  }
  [[nodiscard]] bool failing() const noexcept { return failing_; }
  // Whether a failing node is to be asked in its turn now: once per interval.
  [[nodiscard]] bool takes_probe(instant now) noexcept {
    if (now < probe_at_) return false;
    probe_at_ = now + probe_interval;
    return true;
  }

 private:
  static constexpr double keeps = 7.0 / 8.0;
  static constexpr double probe_keeps = 0.5;
  static constexpr double fails_above = 0.5;  // six failures in a row
  static constexpr double recovers_below = 0.25;
  static constexpr nanoseconds probe_interval = milliseconds(100);

  double failures_ = 0;
  bool failing_ = false;
  instant probe_at_;
};

}  // namespace millrace::cql

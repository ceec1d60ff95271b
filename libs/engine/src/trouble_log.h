// Warnings about failures that are not the end of anything: one line per event and error code in ten seconds,
// with the number that was left out before it, so that a broker that is down does not fill the log.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>

namespace millrace::engine {

// For one thread.
class trouble_log {
 public:
  using writer = std::function<void(const std::string& line)>;
  static constexpr seconds quiet_for{10};

  trouble_log(const clock& time, writer write) : time_(time), write_(std::move(write)) {}

  // `event` is a name that lives for ever: with the code it is the kind.
  void note(std::string_view event, const error& failure);

 private:
  struct kind {
    std::string_view event;
    errc code;
    instant said_at;
    std::uint64_t suppressed = 0;
  };

  const clock& time_;
  writer write_;
  std::vector<kind> kinds_;  // at most errc_count of each event
};

}  // namespace millrace::engine

// Warnings about failures that end nothing: one line per event and kind (as a rule the error
// code) in ten seconds, with the number that was left out before it, so that a broker that is down does not
// fill the log.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <millrace/base/clock.h>
#include <millrace/base/errors.h>
#include <millrace/engine/options.h>

#include "log.h"

namespace millrace::app {

// For one thread.
class rate_limited_log {
 public:
  // `suppressed`: how many of its kind were left out before it.
  using writer = std::function<void(std::string_view event, const error& failure, std::uint64_t suppressed)>;

  rate_limited_log(const clock& time, writer write) : time_(time), write_(std::move(write)) {}

  void note(std::string_view event, const error& failure) { note(event, to_string(failure.code()), failure); }
  // One line per processor and type of exception.
  void note(const engine::processor_exception& thrown);
  // One line per event and `kind`, of which there are few.
  void note(std::string_view event, std::string_view kind, const error& failure);

 private:
  const clock& time_;
  writer write_;
  log_limit limit_;
};

}  // namespace millrace::app

#include "rate_limited_log.h"

#include <string>

namespace millrace::app {

void rate_limited_log::note(const engine::processor_exception& thrown) {
  note("processor_threw", std::string(thrown.processor).append(" ").append(thrown.type), thrown.failure);
}

void rate_limited_log::note(std::string_view event, std::string_view kind, const error& failure) {
  const auto suppressed = limit_.admit(event, kind, time_.now());
  if (!suppressed) return count_suppressed_line();
  write_(event, failure, *suppressed);
}

}  // namespace millrace::app

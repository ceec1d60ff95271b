#include "trouble_log.h"

namespace millrace::engine {

void trouble_log::note(std::string_view event, const error& failure) {
  const auto suppressed = limit_.admit(event, to_string(failure.code()), time_.now());
  if (!suppressed) return count_suppressed_line();
  write_(event, failure, *suppressed);
}

}  // namespace millrace::engine

// Where a command writes: its answer, and what went wrong.
#pragma once

#include <ostream>

namespace millrace::app {

struct terminal {
  std::ostream& out;
  std::ostream& err;
};

}  // namespace millrace::app

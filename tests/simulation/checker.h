// Reads a history and says what of failures.md did not hold. Shares no code with the engine.
#pragma once

#include <string>
#include <vector>

#include "history.h"

namespace scenario {

struct verdict {
  std::vector<std::string> violations;  // "I1 …", the first few of each kind
  std::size_t records = 0;
  std::size_t effects = 0;
  std::size_t repeated = 0;  // rows written more than once, in total
  std::size_t retries = 0;   // held against the retry budget
};

[[nodiscard]] verdict check(const history& of);

}  // namespace scenario

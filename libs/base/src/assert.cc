#include <cstdio>
#include <cstdlib>

#include <millrace/base/assert.h>

namespace millrace {

void invariant_broken(const char* reason, std::source_location where) noexcept {
  std::fprintf(stderr, "millrace: invariant broken: %s at %s:%u (%s)\n", reason, where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name());
  std::fflush(stderr);
  std::abort();
}

}  // namespace millrace

// expect: all(range, limit) takes a container of tasks, moved, or a view that makes each part
#include "vocabulary.h"

#ifdef MISUSE
task<int> count(std::vector<task<int>> parts) {
  const auto values = co_await all(parts, 8);
  co_return static_cast<int>(values.size());
}
#else
task<int> count(std::vector<task<int>> parts) {
  const auto values = co_await all(std::move(parts), 8);
  co_return static_cast<int>(values.size());
}
#endif

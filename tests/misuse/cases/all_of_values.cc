// expect: all(a, b, ...) takes what co_await takes
#include "vocabulary.h"

#ifdef MISUSE
task<int> sum(task<int> one, task<int> other) {
  const auto [left, right] = co_await all(one, other);
  co_return left + right;
}
#else
task<int> sum(task<int> one, task<int> other) {
  const auto [left, right] = co_await all(std::move(one), std::move(other));
  co_return left + right;
}
#endif

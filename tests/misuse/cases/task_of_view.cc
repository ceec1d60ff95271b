// expect: task<T>: T is a view, which outlives what the coroutine owns
#include "vocabulary.h"

#ifdef MISUSE
task<std::string_view> title_of(int article) {
  const std::string title = std::to_string(article);
  co_return std::string_view(title);
}
#else
task<std::string> title_of(int article) { co_return std::to_string(article); }
#endif

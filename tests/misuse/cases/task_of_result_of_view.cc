// expect: task<T>: T is a view, which outlives what the coroutine owns
#include "vocabulary.h"

#ifdef MISUSE
task<answer<std::string_view>> title_of(std::string_view title) {
  co_return answer<std::string_view>(std::string_view(title));
}
#else
task<answer<std::string>> title_of(int article) { co_return answer<std::string>(std::to_string(article)); }
#endif

// expect: must() takes what may fail
#include "vocabulary.h"

#ifdef MISUSE
task<int> twice(task<millrace::result<int>> once) { co_return 2 * co_await must(once); }
#else
task<int> twice(task<millrace::result<int>> once) { co_return 2 * co_await must(std::move(once)); }
#endif

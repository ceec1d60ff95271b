// expect: a coroutine has a parameter of type const T& or T&&
#include "vocabulary.h"

#ifdef MISUSE
task<int> length_of(std::string&& text) { co_return static_cast<int>(text.size()); }
#else
task<int> length_of(std::string text) { co_return static_cast<int>(text.size()); }
#endif

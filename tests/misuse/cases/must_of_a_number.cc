// expect: must() takes what may fail
// names: int
#include "vocabulary.h"

#ifdef MISUSE
int value_of(millrace::result<int> what) { return must(what.ok() ? 1 : 0); }
#else
int value_of(millrace::result<int> what) { return must(std::move(what)); }
#endif

// expect: co_return of a value that is no T of the coroutine's task<T>
// names: outcome
#include "vocabulary.h"

#ifdef MISUSE
task<outcome> ended() { co_return "why"; }
#else
task<outcome> ended() { co_return outcome::skipped("why"); }
#endif

// expect: ctx.emit(output, key, value): an output<T> takes a T; this value has another type
// names: visit
#include "vocabulary.h"

#ifdef MISUSE
void publish(context ctx, const output<visit>& visits) { ctx.emit(visits, "v1", profile{"gold", 1.0}); }
#else
void publish(context ctx, const output<visit>& visits) { ctx.emit(visits, "v1", visit{"v1"}); }
#endif

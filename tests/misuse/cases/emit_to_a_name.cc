// expect: ctx.emit(output, key, value): the output is a member of the processor, of type output<T>
#include "vocabulary.h"

#ifdef MISUSE
void publish(context ctx, const output<visit>&) { ctx.emit(std::string("visits"), "v1", visit{"v1"}); }
#else
void publish(context ctx, const output<visit>& visits) { ctx.emit(visits, "v1", visit{"v1"}); }
#endif

// expect: make<P>(): P does not define task<outcome> process(record<T>, context) override
// names: visits
#include "vocabulary.h"

#ifdef MISUSE
class visits : public processor<visit> {
 public:
  task<outcome> process(record<visit>&, context) { co_return outcome::done(); }
};
const processor_set all_processors{make<visits>()};
#else
class visits final : public processor<visit> {
 public:
  task<outcome> process(record<visit>, context) override { co_return outcome::done(); }
};
const processor_set all_processors{make<visits>()};
#endif

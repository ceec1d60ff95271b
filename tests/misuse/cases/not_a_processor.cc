// expect: make<P>(): P is a class that derives from millrace::processor<T>
// names: visits
#include "vocabulary.h"

#ifdef MISUSE
class visits {
 public:
  task<outcome> process(record<visit>, context) { co_return outcome::done(); }
};
const processor_set all_processors{make<visits>()};
#else
class visits final : public processor<visit> {
 public:
  task<outcome> process(record<visit>, context) override { co_return outcome::done(); }
};
const processor_set all_processors{make<visits>()};
#endif

// expect: make<P>(arguments...): P has no public constructor for these arguments
// names: visits
#include "vocabulary.h"

class visits final : public processor<visit> {
 public:
  explicit visits(int limit) : limit_(limit) {}
  task<outcome> process(record<visit>, context) override {
    if (limit_ == 0) co_return outcome::skipped("no_limit");
    co_return outcome::done();
  }

 private:
  int limit_;
};

#ifdef MISUSE
const processor_set all_processors{make<visits>(std::string("seven"))};
#else
const processor_set all_processors{make<visits>(7)};
#endif

// expect: a type has no Avro mapping
// names: click
#include "vocabulary.h"

#ifdef MISUSE
struct click {
  std::string_view url;
};
class clicks final : public processor<click> {
 public:
  task<outcome> process(record<click>, context) override { co_return outcome::done(); }
};
const processor_set all_processors{make<clicks>()};
#else
class clicks final : public processor<visit> {
 public:
  task<outcome> process(record<visit>, context) override { co_return outcome::done(); }
};
const processor_set all_processors{make<clicks>()};
#endif

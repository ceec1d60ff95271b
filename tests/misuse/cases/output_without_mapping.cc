// expect: a type has no Avro mapping
// names: click
#include "vocabulary.h"

#ifdef MISUSE
struct click {
  std::string_view url;
};
const output<click> clicks{"clicks"};
#else
const output<visit> clicks{"clicks"};
#endif

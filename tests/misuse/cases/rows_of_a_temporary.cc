// expect: a row is read before it has a name
// names: profile
#include "vocabulary.h"

#ifdef MISUSE
task<double> score_of(const statement<std::vector<profile>(std::string_view)>* select, context ctx) {
  const profile& first = (co_await must((*select)(ctx, "v1")))[0];
  co_return first.score;
}
#else
task<double> score_of(const statement<std::vector<profile>(std::string_view)>* select, context ctx) {
  double sum = 0;
  for (const profile& each : co_await must((*select)(ctx, "v1"))) sum += each.score;
  co_return sum;
}
#endif

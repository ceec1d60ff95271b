// expect: a row is read before it has a name
// names: profile
#include "vocabulary.h"

#ifdef MISUSE
task<double> score_of(const lookup<profile(std::string_view)>* profiles, context ctx) {
  const profile& row = *co_await must((*profiles)(ctx, "v1"));
  co_return row.score;
}
#else
task<double> score_of(const lookup<profile(std::string_view)>* profiles, context ctx) {
  const auto row = co_await must((*profiles)(ctx, "v1"));
  co_return row->score;
}
#endif

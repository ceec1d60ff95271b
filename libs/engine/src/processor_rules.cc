#include "processor_rules.h"

#include <algorithm>

#include <millrace/base/assert.h>

namespace millrace::engine {

processor_rules::processor_rules(const engine_options& options, const processor_base& of, runtime::loop& loop,
                                 engine_metrics& metrics)
    : attempts_max(options.retry.attempts_max),
      age_max(options.retry.age_max),
      dead_letter_topic(options.dead_letter_topic),
      filters(options.filters),
      asks_processor(of.filters_records()) {
  const auto valid = [](const std::vector<record_filter>& all) {
    return std::all_of(all.begin(), all.end(), [](const record_filter& each) { return check(each).ok(); });
  };
  invariant(valid(filters), "the filters of an engine have passed check()");
  const auto own = std::find_if(options.processors.begin(), options.processors.end(),
                                [&of](const processor_policy& each) { return each.name == of.name(); });
  if (own == options.processors.end()) return;
  attempts_max = own->retry.attempts_max.value_or(attempts_max);
  age_max = own->retry.age_max.value_or(age_max);
  if (!own->dead_letter_topic.empty()) dead_letter_topic = own->dead_letter_topic;
  invariant(valid(own->filters), "the filters of a processor have passed check()");
  filters.insert(filters.end(), own->filters.begin(), own->filters.end());
  if (own->limits.limits()) {
    limiter = std::make_unique<measured_limiter>(loop, own->limits, metrics.limit_waiting.of(of.name()),
                                                 metrics.limit_wait.of(of.name()));
  }
}

}  // namespace millrace::engine

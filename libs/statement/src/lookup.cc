#include <millrace/statement/declarations.h>
#include <millrace/statement/lookup.h>

namespace millrace::statements {

result<void> check(const lookup_options& options) {
  const auto wrong = [](std::string what) { return error(errc::config_invalid, std::move(what)); };
  if (options.ttl.count() < 0 || options.negative_ttl.count() < 0 || options.retry_for.count() < 0)
    return wrong("a time is negative");
  if (options.when_late == miss_policy::retry)
    return wrong("`when_late` must be default, skip or dead_letter");
  if (options.on_miss != miss_policy::retry) return {};
  if (options.retry_delay.count() < 1) return wrong("`retry_delay` must be at least 1 ms");
  if (options.negative_ttl > options.retry_delay)
    return wrong("`negative_ttl` is longer than `retry_delay`: a retry would read the cached miss");
  return {};
}

lookup_statistics& operator+=(lookup_statistics& sum, const lookup_statistics& more) noexcept {
  sum.hits += more.hits;
  sum.negative_hits += more.negative_hits;
  sum.shared += more.shared;
  sum.misses += more.misses;
  sum.absent += more.absent;
  sum.evictions += more.evictions;
  sum.invalidations += more.invalidations;
  sum.entries += more.entries;
  sum.bytes += more.bytes;
  return sum;
}

}  // namespace millrace::statements

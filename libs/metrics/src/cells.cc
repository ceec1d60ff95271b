#include <algorithm>
#include <limits>

#include <millrace/base/assert.h>
#include <millrace/metrics/cells.h>

namespace millrace::metrics {

bucket_layout::bucket_layout(std::span<const std::uint64_t> bounds) : size_(bounds.size()) {
  constexpr std::uint64_t infinity = std::numeric_limits<std::uint64_t>::max();
  invariant(!bounds.empty() && bounds.size() <= histogram_bounds_max, "a histogram has 1 to 40 bounds");
  invariant(std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) == bounds.end(),
            "histogram bounds are strictly ascending");
  invariant(bounds.back() < infinity, "the +Inf bucket is implied");
  upper_.fill(infinity);
  std::copy(bounds.begin(), bounds.end(), upper_.begin());
  for (std::size_t width = 0; width < first_.size(); ++width) {
    // The values of this bit width are [lowest, highest]; a bound below `highest` can be passed by one of
    // them.
    const std::uint64_t lowest = width == 0 ? 0 : std::uint64_t{1} << (width - 1);
    const std::uint64_t highest = width == 0 ? 0 : lowest + (lowest - 1);
    const auto* first = std::lower_bound(bounds.data(), bounds.data() + bounds.size(), lowest);
    const auto* last = std::lower_bound(first, bounds.data() + bounds.size(), highest);
    first_[width] = static_cast<std::uint8_t>(first - bounds.data());
    octave_bounds_ = std::max(octave_bounds_, static_cast<std::size_t>(last - first));
  }
}

}  // namespace millrace::metrics

#include <algorithm>
#include <numeric>

#include <millrace/base/assert.h>
#include <millrace/metrics/snapshot.h>

namespace millrace::metrics {
namespace {

bool matches(const family& what, const series& one, label_filter filter) {
  return std::ranges::all_of(filter, [&](const auto& wanted) {
    const auto found = std::ranges::find(what.labels, wanted.first, &label::name);
    invariant(found != what.labels.end(), "a filter names labels of its family");
    return one.label_values[static_cast<std::size_t>(found - what.labels.begin())] == wanted.second;
  });
}

double merged(merge how, double a, double b) {
  switch (how) {
    case merge::sum:
      return a + b;
    case merge::max:
      return std::max(a, b);
    case merge::min:
      return std::min(a, b);
  }
  return a;
}

// Totals only grow, so a fall means that the pair was taken in the wrong order: nothing happened since.
void subtract(series& later, const series& earlier) {
  later.value = std::max(0.0, later.value - earlier.value);
  for (std::size_t i = 0; i < later.values.counts.size(); ++i) {
    const std::uint64_t before = earlier.values.counts[i];
    later.values.counts[i] -= std::min(before, later.values.counts[i]);
  }
  later.values.sum = std::max(0.0, later.values.sum - earlier.values.sum);
}

}  // namespace

std::uint64_t distribution::count() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

const family_snapshot* snapshot::find(std::string_view family_name) const noexcept {
  const auto found = std::ranges::lower_bound(
      families_, family_name, {}, [](const family_snapshot& f) { return std::string_view(f.what->name); });
  return found != families_.end() && found->what->name == family_name ? &*found : nullptr;
}

std::optional<double> snapshot::value(std::string_view family_name, label_filter filter) const {
  const family_snapshot* found = find(family_name);
  std::optional<double> total;
  if (found == nullptr) return total;
  for (const series& one : found->all) {
    if (!matches(*found->what, one, filter)) continue;
    total = total ? merged(found->what->merge, *total, one.value) : one.value;
  }
  return total;
}

distribution snapshot::histogram(std::string_view family_name, label_filter filter) const {
  distribution total;
  const family_snapshot* found = find(family_name);
  if (found == nullptr || !found->what->buckets) return total;
  total.counts.resize(found->what->buckets->buckets());
  for (const series& one : found->all) {
    if (!matches(*found->what, one, filter)) continue;
    for (std::size_t i = 0; i < total.counts.size(); ++i) total.counts[i] += one.values.counts[i];
    total.sum += one.values.sum;
  }
  return total;
}

std::optional<double> snapshot::quantile(std::string_view family_name, double q, label_filter filter) const {
  const family_snapshot* found = find(family_name);
  if (found == nullptr || !found->what->buckets) return std::nullopt;
  return metrics::quantile(*found->what, histogram(family_name, filter), q);
}

snapshot snapshot::since(const snapshot& earlier) const {
  snapshot difference = *this;
  for (family_snapshot& f : difference.families_) {
    const family_snapshot* before = earlier.find(f.what->name);
    if (before == nullptr || f.what->kind == kind::gauge) continue;
    for (series& one : f.all) {
      const auto match = std::ranges::lower_bound(before->all, one.label_values, {}, &series::label_values);
      if (match != before->all.end() && match->label_values == one.label_values) subtract(one, *match);
    }
  }
  return difference;
}

std::optional<double> quantile(const family& what, const distribution& of, double q) {
  const std::uint64_t count = of.count();
  if (count == 0 || !what.buckets) return std::nullopt;
  const auto bounds = what.buckets->bounds();
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(count);
  double below = 0;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const auto inside = static_cast<double>(of.counts[i]);
    if (inside > 0 && below + inside >= rank) {
      const double lower = i == 0 ? 0.0 : static_cast<double>(bounds[i - 1]);
      const double upper = static_cast<double>(bounds[i]);
      return what.shown(lower + (upper - lower) * (rank - below) / inside);
    }
    below += inside;
  }
  return what.shown(static_cast<double>(bounds.back()));
}

}  // namespace millrace::metrics

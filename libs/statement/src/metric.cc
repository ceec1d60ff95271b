#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/text.h>
#include <millrace/statement/metric.h>

namespace millrace::statements {
namespace {

using metrics::family;
using metrics::kind;
using metrics::unit;

// The unit at the end of a name, before _total.
unit unit_named_by(std::string_view name) {
  if (name.ends_with("_total")) name.remove_suffix(6);
  if (name.ends_with("_seconds")) return unit::seconds;
  if (name.ends_with("_bytes")) return unit::bytes;
  if (name.ends_with("_ratio")) return unit::ratio;
  return unit::none;
}

family family_of(std::string name, std::string help, kind what) {
  family one;
  one.unit = unit_named_by(name);
  one.name = std::move(name);
  one.help = std::move(help);
  one.kind = what;
  one.label_sets_max = label_sets_max;
  return one;
}

std::vector<std::uint64_t> whole(const std::vector<nanoseconds>& durations) {
  std::vector<std::uint64_t> bounds;
  bounds.reserve(durations.size());
  // A negative one is refused as 0 is.
  for (const nanoseconds each : durations)
    bounds.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(each.count(), 0)));
  return bounds;
}

// Usable as the bounds of a bucket_layout.
bool are_bounds(const std::vector<std::uint64_t>& bounds) {
  constexpr std::uint64_t most = std::uint64_t{1} << 63U;
  return bounds.size() <= metrics::histogram_bounds_max && bounds.front() > 0 && bounds.back() < most &&
         std::ranges::adjacent_find(bounds, std::ranges::greater_equal()) == bounds.end();
}

std::size_t hash_of(std::span<const std::string_view> values) {
  std::size_t hash = 0;
  for (const std::string_view each : values)
    hash = hash * 31 + std::hash<std::string_view>()(each.substr(0, label_value_bytes_max));
  return hash;
}

bool same(const std::vector<std::string>& known, std::span<const std::string_view> values) {
  return std::ranges::equal(known, values, [](const std::string& a, std::string_view b) {
    return a == b.substr(0, label_value_bytes_max);
  });
}

metrics::counter& cell_in(metrics::shard& cells, const family& of, metrics::label_values labels,
                          metrics::counter* /*kind*/) {
  return cells.counter(metrics::counter_family(of), labels);
}
metrics::gauge& cell_in(metrics::shard& cells, const family& of, metrics::label_values labels,
                        metrics::gauge* /*kind*/) {
  return cells.another_gauge(metrics::gauge_family(of), labels);
}
metrics::histogram& cell_in(metrics::shard& cells, const family& of, metrics::label_values labels,
                            metrics::histogram* /*kind*/) {
  return cells.histogram(metrics::histogram_family(of), labels);
}
metrics::size_histogram& cell_in(metrics::shard& cells, const family& of, metrics::label_values labels,
                                 metrics::size_histogram* /*kind*/) {
  return cells.histogram(metrics::size_histogram_family(of), labels);
}

}  // namespace

result<const family*> metric_declaration::declare(metrics::catalogue& in) const {
  const auto refused = [this](std::string_view why) {
    return error(errc::config_invalid, "metric '" + name() + "': " + std::string(why));
  };
  family wanted = family_;
  if (wanted.kind == kind::counter && wanted.unit == unit::seconds)
    return refused("a counter does not count seconds; use a histogram, whose _sum is their total");
  if (wanted.kind != kind::histogram) return in.declare_for_application(std::move(wanted));
  if (const char* broken = broken_histogram_rule()) return refused(broken);
  std::vector<std::uint64_t> bounds = bounds_;
  if (bounds.empty()) {
    if (durations_)
      bounds = whole(in.bounds(metrics::scale::stage));
    else
      bounds = wanted.unit == unit::bytes ? metrics::buckets::bytes() : metrics::buckets::batch();
  }
  wanted.buckets = metrics::bucket_layout(bounds);
  return in.declare_for_application(std::move(wanted));
}

const char* metric_declaration::broken_histogram_rule() const {
  if (durations_ && family_.unit != unit::seconds)
    return "the name of a histogram of durations ends in _seconds; for other numbers use size_histogram";
  if (!durations_ && family_.unit == unit::seconds)
    return "a name that ends in _seconds is that of a histogram of durations: use histogram";
  if (!bounds_.empty() && !are_bounds(bounds_))
    return "buckets are 1 to 40 bounds above 0 in ascending order";
  return nullptr;
}

void metric_declaration::refuse_labels(std::size_t given) const {
  std::vector<std::string> names;
  for (const metrics::label& each : family_.labels) names.push_back(each.name);
  throw std::invalid_argument("metric '" + name() + "' has " + std::to_string(names.size()) + " labels (" +
                              joined(names, ", ") + "), and with() was given " + std::to_string(given) +
                              " values");
}

template <class Series>
Series& metric<Series>::find(std::span<const std::string_view> values) {
  if (values.size() != label_count()) [[unlikely]]
    refuse_labels(values.size());
  if (places_.empty()) places_.resize(slots);
  const std::size_t hash = hash_of(values);
  for (std::size_t at = hash % slots;; at = (at + 1) % slots) {
    std::uint8_t& place = places_[at];
    if (place == 0) return add_set(values, hash, place);
    label_set& set = sets_[place - 1U];
    if (set.hash == hash && same(set.values, values)) return set.series;
  }
}

template <class Series>
Series& metric<Series>::add_set(std::span<const std::string_view> values, std::size_t hash,
                                std::uint8_t& slot) {
  if (sets_.size() >= label_sets_max) {
    const std::vector<std::string_view> others(values.size(), "other");
    if (!other_.bound()) resolve(other_, others);
    return other_;
  }
  label_set& made = sets_.emplace_back();
  made.hash = hash;
  for (const std::string_view each : values) made.values.emplace_back(each.substr(0, label_value_bytes_max));
  slot = static_cast<std::uint8_t>(sets_.size());
  resolve(made.series, values);
  return made.series;
}

template <class Series>
void metric<Series>::resolve(Series& series, std::span<const std::string_view> values) {
  if (cells_ == nullptr) return;
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const std::string_view each : values)
    texts.push_back(valid_utf8(each.substr(0, label_value_bytes_max)));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  series.bind(cell_in(*cells_, *bound_family_, metrics::label_values(std::span(views)),
                      static_cast<typename Series::cell_type*>(nullptr)));
}

template <class Series>
void metric<Series>::bind(metrics::shard& cells) {
  const auto declared = declare(cells.declared());
  invariant(declared.ok(), "engine::build() has checked the declarations of metrics");
  cells_ = &cells;
  bound_family_ = *declared;
  if (label_count() == 0) resolve(plain_, {});
  for (label_set& set : sets_) {
    const std::vector<std::string_view> values(set.values.begin(), set.values.end());
    resolve(set.series, values);
  }
}

template class metric<counter_series>;
template class metric<gauge_series>;
template class metric<duration_series>;
template class metric<size_series>;

counter::counter(std::string name, std::string help, const std::vector<std::string>& labels)
    : metric(family_of(std::move(name), std::move(help), kind::counter), labels) {}

gauge::gauge(std::string name, std::string help, const std::vector<std::string>& labels,
             metrics::merge merged)
    : metric(
          [&] {
            family one = family_of(std::move(name), std::move(help), kind::gauge);
            one.merge = merged;
            return one;
          }(),
          labels) {}

histogram::histogram(std::string name, std::string help, const std::vector<std::string>& labels,
                     const std::vector<nanoseconds>& buckets)
    : metric(family_of(std::move(name), std::move(help), kind::histogram), labels, true, whole(buckets)) {}

size_histogram::size_histogram(std::string name, std::string help, const std::vector<std::string>& labels,
                               std::vector<std::uint64_t> buckets)
    : metric(family_of(std::move(name), std::move(help), kind::histogram), labels, false,
             std::move(buckets)) {}

}  // namespace millrace::statements

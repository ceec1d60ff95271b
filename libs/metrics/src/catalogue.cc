#include <algorithm>
#include <array>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/errors.h>
#include <millrace/metrics/catalogue.h>
#include <millrace/metrics/number.h>

namespace millrace::metrics {
namespace {

bool is_snake_case(std::string_view name) {
  return !name.empty() && name.front() >= 'a' && name.front() <= 'z' && name.back() != '_' &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

// The prefix of the product's metrics that a name has; nullptr: none.
const char* product_prefix(std::string_view name) noexcept {
  for (const char* prefix : {"millrace_", "process_"}) {
    if (name.starts_with(prefix)) return prefix;
  }
  return nullptr;
}

const char* broken_name_rule(const family& f) noexcept {
  if (!is_snake_case(f.name)) return "a metric name is lower-case snake case";
  std::string_view stem = f.name;
  const bool total = stem.ends_with("_total");
  if (total != (f.kind == kind::counter)) return "a counter's name ends in _total, and no other";
  if (total) stem.remove_suffix(std::string_view("_total").size());
  for (const unit u : {unit::seconds, unit::bytes, unit::ratio}) {
    const std::string_view word = to_string(u);
    const bool named =
        stem.ends_with(word) && stem.size() > word.size() && stem[stem.size() - word.size() - 1] == '_';
    if (named != (f.unit == u))
      return "a metric's unit is the end of its name (before _total), and only then";
  }
  for (const std::string_view reserved : {"_sum", "_count", "_bucket"}) {
    if (stem.ends_with(reserved)) return "_sum, _count and _bucket belong to histograms";
  }
  if (f.name.ends_with("_info") && f.kind != kind::gauge) return "an _info metric is a gauge";
  return nullptr;
}

const char* broken_label_rule(const family& f) noexcept {
  if (f.labels.size() > labels_max) return "too many labels";
  for (const label& l : f.labels) {
    if (!is_snake_case(l.name) || l.name == "le") return "a label name is lower-case snake case and not `le`";
    if (l.values.empty() == (l.values_max == 0)) return "a label is either closed or open with a bound";
    if (l.values_max > open_label_values_max) return "an open label's bound is too large";
    const auto named = [&](const label& other) { return other.name == l.name; };
    if (std::count_if(f.labels.begin(), f.labels.end(), named) != 1) return "a label is named once";
  }
  return nullptr;
}

bool same(const family& a, const family& b) {
  const auto same_buckets = [&] {
    if (!a.buckets || !b.buckets) return a.buckets.has_value() == b.buckets.has_value();
    return std::ranges::equal(a.buckets->bounds(), b.buckets->bounds());
  };
  return a.name == b.name && a.help == b.help && a.kind == b.kind && a.unit == b.unit && a.merge == b.merge &&
         a.labels == b.labels && a.label_sets_max == b.label_sets_max && same_buckets();
}

// What the second declaration of a name declares differently.
std::string difference(const family& known, const family& wanted) {
  if (known.kind != wanted.kind) return "as a " + std::string(to_string(known.kind));
  if (known.help != wanted.help) return "with the help text '" + known.help + "'";
  if (known.merge != wanted.merge) return "with another merge of its values";
  if (known.labels == wanted.labels) return "with other buckets";
  std::string names;
  for (const label& each : known.labels) names += (names.empty() ? "" : ", ") + each.name;
  return names.empty() ? "without labels" : "with the labels " + names;
}

// Control characters would break the JSON form of the catalogue.
bool is_one_line(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

bucket_layout layout_of(const std::vector<nanoseconds>& durations) {
  std::vector<std::uint64_t> bounds;
  bounds.reserve(durations.size());
  for (const nanoseconds bound : durations) {
    invariant(bound.count() > 0, "a duration bucket's bound is positive");
    bounds.push_back(static_cast<std::uint64_t>(bound.count()));
  }
  return bucket_layout(bounds);
}

bool same(const label& a, const label_declaration& b) {
  return a.name == b.name && a.values_max == b.values_max && std::ranges::equal(a.values, b.values);
}

std::span<const label_declaration> present(const label_declarations& labels) {
  const auto end = std::ranges::find(labels, std::string_view(), &label_declaration::name);
  return {labels.begin(), end};
}

unit unit_of(kind what, const declaration& row) { return what == kind::histogram ? unit::seconds : row.unit; }

bool same(const family& a, kind what, const declaration& b) {
  const auto labels = present(b.labels);
  return a.kind == what && a.help == b.help && a.unit == unit_of(what, b) && a.merge == b.merge &&
         std::ranges::equal(a.labels, labels,
                            [](const label& x, const label_declaration& y) { return same(x, y); });
}

void append_quoted(std::string& to, std::string_view text) {
  to += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') to += '\\';
    invariant(c >= ' ', "names and help texts of metrics have no control characters");
    to += c;
  }
  to += '"';
}

void append_label(std::string& to, const label& l) {
  to += "{\"name\": ";
  append_quoted(to, l.name);
  if (l.values.empty()) {
    to += ", \"values_max\": " + std::to_string(l.values_max) + "}";
    return;
  }
  to += ", \"values\": [";
  for (std::size_t i = 0; i < l.values.size(); ++i) {
    to += i == 0 ? "" : ", ";
    append_quoted(to, l.values[i]);
  }
  to += "]}";
}

void append_family(std::string& to, const family& f) {
  to += "{\"name\": ";
  append_quoted(to, f.name);
  to += ", \"type\": \"" + std::string(to_string(f.kind)) + "\", \"unit\": \"" +
        std::string(to_string(f.unit)) + "\", \"help\": ";
  append_quoted(to, f.help);
  to += ", \"labels\": [";
  for (std::size_t i = 0; i < f.labels.size(); ++i) {
    to += i == 0 ? "" : ", ";
    append_label(to, f.labels[i]);
  }
  to += "]";
  if (f.buckets) {
    to += ", \"buckets\": [";
    const auto bounds = f.buckets->bounds();
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      to += (i == 0 ? "" : ", ") + format_number(f.shown(static_cast<double>(bounds[i])));
    }
    to += "]";
  }
  to += f.of_application ? ", \"application\": true}" : "}";
}

}  // namespace

const char* broken_rule(const family& of) noexcept {
  if (const char* name = broken_name_rule(of)) return name;
  if (const char* labels = broken_label_rule(of)) return labels;
  return of.help.empty() ? "a metric has a help text" : nullptr;
}

std::string_view to_string(unit u) noexcept {
  switch (u) {
    case unit::none:
      return "";
    case unit::seconds:
      return "seconds";
    case unit::bytes:
      return "bytes";
    case unit::ratio:
      return "ratio";
  }
  return "";
}

std::string_view to_string(kind k) noexcept {
  switch (k) {
    case kind::counter:
      return "counter";
    case kind::gauge:
      return "gauge";
    case kind::histogram:
      return "histogram";
  }
  return "";
}

std::string_view to_string(scale s) noexcept {
  switch (s) {
    case scale::decode:
      return "decode";
    case scale::request:
      return "request";
    case scale::end_to_end:
      return "end_to_end";
    case scale::stage:
      return "stage";
    case scale::loop:
      return "loop";
  }
  return "";
}

label label::closed(std::string_view name, std::vector<std::string> values) {
  return {std::string(name), std::move(values), 0};
}

label label::open(std::string_view name, std::size_t values_max) {
  return {std::string(name), {}, values_max};
}

label label::errors() {
  const auto names = metrics::errors().values;
  return closed("error", {names.begin(), names.end()});
}

label_declaration errors() {
  static const std::array<std::string_view, errc_count> names = [] {
    std::array<std::string_view, errc_count> all;
    for (std::size_t i = 0; i < errc_count; ++i) all[i] = millrace::to_string(static_cast<errc>(i));
    return all;
  }();
  return closed("error", names);
}

catalogue::catalogue()
    : bounds_{buckets::decode(), buckets::request(), buckets::end_to_end(), buckets::stage(),
              buckets::loop()} {}
catalogue::~catalogue() = default;

std::vector<nanoseconds> catalogue::bounds(scale of) const {
  const std::scoped_lock lock(mutex_);
  return bounds_[static_cast<std::size_t>(of)];
}

result<void> catalogue::set_bounds(scale of, std::vector<nanoseconds> bounds) {
  const bool positive = !bounds.empty() && bounds.front().count() > 0;
  const bool ascending = std::ranges::adjacent_find(bounds, std::ranges::greater_equal()) == bounds.end();
  if (!positive || !ascending || bounds.size() > histogram_bounds_max) {
    return error(errc::config_invalid, "buckets are 1 to " + std::to_string(histogram_bounds_max) +
                                           " durations above 0 in ascending order");
  }
  const std::scoped_lock lock(mutex_);
  bounds_[static_cast<std::size_t>(of)] = std::move(bounds);
  return {};
}

void catalogue::seal() {
  const std::scoped_lock lock(mutex_);
  sealed_ = true;
}

std::uint64_t catalogue::declarations() const {
  const std::scoped_lock lock(mutex_);
  return declarations_;
}

const family* catalogue::known(std::string_view name) {
  const auto found = std::ranges::find(families_, name, &family::name);
  return found == families_.end() ? nullptr : &*found;
}

const family& catalogue::declare(family wanted) {
  if (const char* broken = broken_rule(wanted)) invariant_broken(broken);
  invariant(product_prefix(wanted.name) != nullptr,
            "a metric of the product starts with millrace_ or process_");
  const std::scoped_lock lock(mutex_);
  ++declarations_;
  if (const family* found = known(wanted.name)) {
    invariant(same(*found, wanted), "a metric is declared twice, differently");
    return *found;
  }
  invariant(!sealed_, "a metric is declared before its catalogue is sealed");
  return families_.emplace_back(std::move(wanted));
}

result<const family*> catalogue::declare_for_application(family wanted) {
  const auto refused = [&wanted](const std::string& why) {
    return error(errc::config_invalid, "metric '" + wanted.name + "': " + why);
  };
  if (const char* broken = broken_rule(wanted)) return refused(broken);
  if (!is_one_line(wanted.help)) return refused("a help text has no control characters");
  if (const char* reserved = product_prefix(wanted.name))
    return refused("names that begin with " + std::string(reserved) + " belong to the product");
  wanted.of_application = true;
  const std::scoped_lock lock(mutex_);
  ++declarations_;
  if (const family* found = known(wanted.name)) {
    if (!same(*found, wanted)) return refused("it is declared already, " + difference(*found, wanted));
    return found;
  }
  invariant(!sealed_, "a metric is declared before its catalogue is sealed");
  return &families_.emplace_back(std::move(wanted));
}

const family& catalogue::declare(kind what, const declaration& row) {
  std::vector<nanoseconds> bounds;
  {
    const std::scoped_lock lock(mutex_);
    if (const family* found = known(row.name)) {
      ++declarations_;
      invariant(same(*found, what, row), "a metric is declared twice, differently");
      return *found;
    }
    bounds = bounds_[static_cast<std::size_t>(row.scale)];
  }
  family wanted{.name = std::string(row.name),
                .help = std::string(row.help),
                .kind = what,
                .unit = unit_of(what, row),
                .merge = row.merge,
                .labels = {},
                .buckets = std::nullopt};
  for (const label_declaration& each : present(row.labels)) {
    wanted.labels.push_back(
        {std::string(each.name), {each.values.begin(), each.values.end()}, each.values_max});
  }
  if (what == kind::histogram) wanted.buckets = layout_of(bounds);
  return declare(std::move(wanted));
}

counter_family catalogue::counter(counter_spec spec) {
  return counter_family(declare({.name = std::move(spec.name),
                                 .help = std::move(spec.help),
                                 .kind = kind::counter,
                                 .unit = spec.unit,
                                 .labels = std::move(spec.labels),
                                 .buckets = std::nullopt}));
}

gauge_family catalogue::gauge(gauge_spec spec) {
  return gauge_family(declare({.name = std::move(spec.name),
                               .help = std::move(spec.help),
                               .kind = kind::gauge,
                               .unit = spec.unit,
                               .merge = spec.merge,
                               .labels = std::move(spec.labels),
                               .buckets = std::nullopt}));
}

histogram_family catalogue::histogram(histogram_spec spec) {
  return histogram_family(declare({.name = std::move(spec.name),
                                   .help = std::move(spec.help),
                                   .kind = kind::histogram,
                                   .unit = unit::seconds,
                                   .labels = std::move(spec.labels),
                                   .buckets = layout_of(spec.buckets)}));
}

size_histogram_family catalogue::histogram(size_histogram_spec spec) {
  invariant(spec.unit != unit::seconds, "durations go into a histogram_spec");
  return size_histogram_family(declare({.name = std::move(spec.name),
                                        .help = std::move(spec.help),
                                        .kind = kind::histogram,
                                        .unit = spec.unit,
                                        .labels = std::move(spec.labels),
                                        .buckets = bucket_layout(spec.buckets)}));
}

std::vector<const family*> catalogue::families() const {
  std::vector<const family*> all;
  {
    const std::scoped_lock lock(mutex_);
    all.reserve(families_.size());
    for (const family& f : families_) all.push_back(&f);
  }
  std::ranges::sort(all, {}, &family::name);
  return all;
}

const family* catalogue::find(std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  for (const family& f : families_) {
    if (f.name == name) return &f;
  }
  return nullptr;
}

std::string catalogue::to_json() const {
  std::string text = "{\"metrics\": [\n";
  bool first = true;
  for (const family* f : families()) {
    text += first ? "  " : ",\n  ";
    first = false;
    append_family(text, *f);
  }
  return text + "\n]}\n";
}

namespace buckets {
namespace {
using namespace std::chrono_literals;
}

std::vector<nanoseconds> decode() {
  return {250ns,   300ns,    400ns,    500ns,    600ns,     800ns,     1000ns,  1250ns,
          1600ns,  2000ns,   2500ns,   4000ns,   6000ns,    10000ns,   16000ns, 25000ns,
          50000ns, 100000ns, 250000ns, 500000ns, 1000000ns, 10000000ns};
}

std::vector<nanoseconds> request() {
  return {50us, 75us, 100us, 150us, 200us, 250us, 350us, 500us, 700us, 1ms,   1500us, 2ms, 3ms, 5ms, 7500us,
          10ms, 15ms, 20ms,  30ms,  50ms,  75ms,  100ms, 150ms, 250ms, 500ms, 1s,     2s,  5s,  10s, 15s};
}

std::vector<nanoseconds> end_to_end() {
  return {500us,  1ms,  1500us, 2ms,   3ms,    5ms,   7500us, 10ms,  15ms,  20ms,
          30ms,   50ms, 75ms,   100ms, 150ms,  200ms, 300ms,  500ms, 750ms, 1s,
          1500ms, 2s,   3s,     5s,    7500ms, 10s,   15s,    20s,   30s,   60s};
}

std::vector<nanoseconds> stage() {
  return {1us,  2us,  5us,   10us,  20us,  50us, 100us, 200us, 500us, 1ms, 2ms, 5ms, 10ms,
          20ms, 50ms, 100ms, 200ms, 500ms, 1s,   2s,    5s,    10s,   20s, 30s, 60s};
}

std::vector<nanoseconds> loop() {
  return {1us, 2us, 5us,  10us, 20us, 50us,  100us, 200us, 500us, 1ms,
          2ms, 5ms, 10ms, 20ms, 50ms, 100ms, 200ms, 500ms, 1s};
}

std::vector<std::uint64_t> bytes() {
  std::vector<std::uint64_t> bounds;
  for (std::uint64_t bound = 64; bound <= std::uint64_t{16} << 20; bound *= 2) bounds.push_back(bound);
  return bounds;
}

std::vector<std::uint64_t> batch() {
  std::vector<std::uint64_t> bounds;
  for (std::uint64_t bound = 1; bound <= 4096; bound *= 2) bounds.push_back(bound);
  return bounds;
}

}  // namespace buckets

}  // namespace millrace::metrics

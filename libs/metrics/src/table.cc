#include <deque>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/metrics/table.h>

namespace millrace::metrics {
namespace {

// Cells that nobody reads.
template <typename Cell>
Cell& unseen() {
  static Cell cell;
  return cell;
}
template <>
histogram& unseen<histogram>() {
  static constexpr std::uint64_t bound = 1;
  static const bucket_layout layout(std::span(&bound, 1));
  static std::atomic<std::uint64_t> counts[2];
  static histogram cell(layout, counts);
  return cell;
}

counter& cell_in(shard& cells, counter_family what, label_values labels) {
  return cells.counter(what, labels);
}
gauge& cell_in(shard& cells, gauge_family what, label_values labels) { return cells.gauge(what, labels); }
histogram& cell_in(shard& cells, histogram_family what, label_values labels) {
  return cells.histogram(what, labels);
}

}  // namespace

template <typename Cell, typename Family>
Cell& cells_by_value<Cell, Family>::resolve(std::string_view value) {
  if (cells_ == nullptr) return unseen<Cell>();
  Cell& cell = what_->labels.size() == 1 ? cell_in(*cells_, Family(*what_), {value})
                                         : cell_in(*cells_, Family(*what_), {first_label_, value});
  if (known_.size() < known_max) known_.push_back({std::string(value), &cell});
  return cell;
}

template class cells_by_value<counter, counter_family>;
template class cells_by_value<gauge, gauge_family>;
template class cells_by_value<histogram, histogram_family>;

// The cells of a table without a shard, whose owner may read them.
struct table::own_cells {
  std::deque<metrics::counter> counters;
  std::deque<metrics::gauge> gauges;

  metrics::counter& of(counter_family* /*kind*/) { return counters.emplace_back(); }
  metrics::gauge& of(gauge_family* /*kind*/) { return gauges.emplace_back(); }
  metrics::histogram& of(histogram_family* /*kind*/) { return unseen<metrics::histogram>(); }
};

table::table(shard* cells, std::string first_label) : cells_(cells), first_label_(std::move(first_label)) {
  if (cells_ != nullptr) {
    declared_ = &cells_->declared();
  } else {
    own_ = std::make_shared<own_cells>();
  }
}

table::table(catalogue& into) : declared_(&into), own_(std::make_shared<own_cells>()) {}

template <typename Family, typename Cell>
Cell& table::resolve(const declaration& what) {
  if (declared_ == nullptr) return own_->of(static_cast<Family*>(nullptr));
  const Family built = declared_->declare<Family>(what);
  if (cells_ == nullptr) return own_->of(static_cast<Family*>(nullptr));
  return built->labels.empty() ? cell_in(*cells_, built, {}) : cell_in(*cells_, built, {first_label_});
}

template <typename Family, typename Cells>
Cells table::by_value(const declaration& what) {
  if (declared_ == nullptr) return {};
  const Family built = declared_->declare<Family>(what);
  return cells_ == nullptr ? Cells() : Cells(*cells_, built, first_label_);
}

metrics::counter& table::counter(const declaration& what) {
  return resolve<counter_family, metrics::counter>(what);
}
metrics::gauge& table::gauge(const declaration& what) { return resolve<gauge_family, metrics::gauge>(what); }
metrics::histogram& table::histogram(const declaration& what) {
  return resolve<histogram_family, metrics::histogram>(what);
}
counters_by_value table::counters(const declaration& what) {
  return by_value<counter_family, counters_by_value>(what);
}
gauges_by_value table::gauges(const declaration& what) {
  return by_value<gauge_family, gauges_by_value>(what);
}
histograms_by_value table::histograms(const declaration& what) {
  return by_value<histogram_family, histograms_by_value>(what);
}

counter_family table::counter_rows(const declaration& what) {
  invariant(declared_ != nullptr, "a table without a catalogue has no families");
  return declared_->declare<counter_family>(what);
}
gauge_family table::gauge_rows(const declaration& what) {
  invariant(declared_ != nullptr, "a table without a catalogue has no families");
  return declared_->declare<gauge_family>(what);
}

void table::retire(std::initializer_list<const metrics::gauge*> gauges) {
  if (cells_ == nullptr) return;
  for (const metrics::gauge* each : gauges) cells_->retire(*each);
}

}  // namespace millrace::metrics

// One declaration for each metric. A table is a class whose members are the metrics of one library: the
// member is the cell, and its initialiser is the only place that knows name, help, unit, labels and scale.
//
// The first table of a class in a process builds the families; every later one finds them by name and builds
// nothing. A catalogue that is sealed aborts on a family that it does not know.
//
// Example prelude:
//
//   struct parcel_metrics : metrics::table {
//     using table::table;
//
//     metrics::counter& received = counter({"millrace_parcels_received_total", "Parcels taken."});
//     metrics::counters_by_value refused = counters({.name = "millrace_parcels_refused_total",
//                                                    .help = "Parcels refused, by reason.",
//                                                    .labels = {metrics::open("reason", 64)}});
//   };
//
// Example:
//
//   parcel_metrics parcels(nullptr);  // with a shard: resolves every cell once
//   parcels.received.add();
//   parcels.refused("late");
//   invariant(parcels.received.total() == 1, "the cell is counted in");
//
// Threads: a table belongs to the thread of its shard. Constructing one locks and allocates: do it at
// start-up.
// Lifetime: the shard outlives the table.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <millrace/metrics/catalogue.h>
#include <millrace/metrics/registry.h>

namespace millrace::metrics {

// The text of a label's value: a string, or a value of an enum with to_string().
template <typename Value>
[[nodiscard]] std::string_view label_text(const Value& value) {
  if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
    return value;
  } else {
    return to_string(value);
  }
}

// The cells of a family whose last label is known only when it is counted: a topic, a reason, an error. Each
// is resolved at the first use of its value, under a lock, and found without a lock from then on. For the
// shard's thread.
template <typename Cell, typename Family>
class cells_by_value {
 public:
  cells_by_value(shard& cells, Family what, std::string first_label = {})
      : cells_(&cells), what_(&*what), first_label_(std::move(first_label)) {}
  // Counts into a cell that is shown nowhere.
  cells_by_value() = default;

  template <typename Value>
  [[nodiscard]] Cell& of(const Value& value) {
    return find(label_text(value));
  }
  // The cell of a gauge or a histogram. A counter grows by one instead.
  template <typename Value>
  decltype(auto) operator()(const Value& value) {
    if constexpr (std::is_same_v<Cell, counter>) {
      find(label_text(value)).add();
    } else {
      return find(label_text(value));
    }
  }

 private:
  static constexpr std::size_t known_max = 64;  // later values are resolved at each use
  struct known {
    std::string value;
    Cell* cell;
  };
  [[nodiscard]] Cell& find(std::string_view value) {
    for (const known& k : known_) {
      if (k.value == value) return *k.cell;
    }
    return resolve(value);
  }
  Cell& resolve(std::string_view value);

  shard* cells_ = nullptr;
  const family* what_ = nullptr;
  std::string first_label_;
  std::vector<known> known_;
};
using counters_by_value = cells_by_value<counter, counter_family>;
using gauges_by_value = cells_by_value<gauge, gauge_family>;
using histograms_by_value = cells_by_value<histogram, histogram_family>;

class table {
 public:
  // Resolves every cell of the table in `cells`. nullptr: the cells are the table's own and are shown
  // nowhere. `first_label` is the value of the first label of each labelled metric: a table of one node, of
  // one statement.
  explicit table(shard* cells, std::string first_label = {});
  // Declares the families only.
  explicit table(catalogue& into);
  // A copy counts in the same cells.
  table(const table&) = default;
  table(table&&) noexcept = default;
  table& operator=(const table&) = default;
  table& operator=(table&&) noexcept = default;

 protected:
  ~table() = default;

  // One cell, of a metric without labels or with the first label alone.
  [[nodiscard]] metrics::counter& counter(const declaration& what);
  [[nodiscard]] metrics::gauge& gauge(const declaration& what);
  [[nodiscard]] metrics::histogram& histogram(const declaration& what);
  // The cells of one more label.
  [[nodiscard]] counters_by_value counters(const declaration& what);
  [[nodiscard]] gauges_by_value gauges(const declaration& what);
  [[nodiscard]] histograms_by_value histograms(const declaration& what);
  // The family, for a scrape hook or for labels that are resolved elsewhere. A table without a catalogue has
  // none.
  [[nodiscard]] counter_family counter_rows(const declaration& what);
  [[nodiscard]] gauge_family gauge_rows(const declaration& what);

  // Takes gauges off the page, e.g. those of a node that left the cluster.
  void retire(std::initializer_list<const metrics::gauge*> gauges);
  [[nodiscard]] shard* cells() const noexcept { return cells_; }

 private:
  struct own_cells;

  template <typename Family, typename Cell>
  Cell& resolve(const declaration& what);
  template <typename Family, typename Cells>
  Cells by_value(const declaration& what);

  catalogue* declared_ = nullptr;
  shard* cells_ = nullptr;
  std::string first_label_;
  std::shared_ptr<own_cells> own_;
};

}  // namespace millrace::metrics

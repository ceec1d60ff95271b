// All values at one moment, as plain data: for /metrics, for rates between two moments, for tests. A snapshot
// refers to families: it must not outlive their catalogue.
//
// Example:
//
//   metrics::catalogue declared;
//   const auto family = declared.counter({.name = "millrace_parcels_received_total", .help = "Parcels taken."});
//   metrics::registry counts(declared);
//   counts.add_shard().counter(family).add(3);
//   const auto received = counts.take_snapshot().value("millrace_parcels_received_total");
//   invariant(received == 3.0, "the shards are summed");
//
// Example prelude:
//
//   #include <millrace/metrics/registry.h>
//
// Threads: a snapshot is a plain value.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/metrics/catalogue.h>

namespace millrace::metrics {

// Counts by bucket, not cumulative, the +Inf bucket last. The family has the bounds.
struct distribution {
  std::vector<std::uint64_t> counts;
  double sum = 0;  // in the base unit: seconds, bytes

  [[nodiscard]] std::uint64_t count() const noexcept;
};

struct series {
  std::vector<std::string> label_values;  // in the order of the family's labels
  double value = 0;                       // counters and gauges, in the base unit
  distribution values;                    // histograms
};

struct family_snapshot {
  const family* what;
  std::vector<series> all;  // sorted by label values
};

// Selects series: every pair must match; series that differ in other labels are summed.
using label_filter = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class snapshot {
 public:
  explicit snapshot(std::vector<family_snapshot> families) : families_(std::move(families)) {}

  // Sorted by name; families without a series are absent.
  [[nodiscard]] const std::vector<family_snapshot>& families() const noexcept { return families_; }
  [[nodiscard]] const family_snapshot* find(std::string_view family_name) const noexcept;

  // The sum of the matching counters or gauges (the maximum or minimum of gauges that merge so); nothing if
  // none matches.
  [[nodiscard]] std::optional<double> value(std::string_view family_name, label_filter filter = {}) const;
  // The sum of the matching histograms; empty counts if none matches.
  [[nodiscard]] distribution histogram(std::string_view family_name, label_filter filter = {}) const;
  // The q-quantile (0 to 1) of the matching histograms, in the base unit: see quantile() below.
  [[nodiscard]] std::optional<double> quantile(std::string_view family_name, double q,
                                               label_filter filter = {}) const;

  // The difference to `earlier` for counters and histograms; the current values of gauges.
  [[nodiscard]] snapshot since(const snapshot& earlier) const;

 private:
  std::vector<family_snapshot> families_;
};

// Interpolates linearly inside a bucket, as histogram_quantile of Prometheus does: the first bucket starts at
// 0, and a value beyond the last bound counts as that bound. Nothing for an empty distribution.
[[nodiscard]] std::optional<double> quantile(const family& what, const distribution& of, double q);

}  // namespace millrace::metrics

// All values at one moment, as plain data: what /metrics renders, what a live line compares, what a test
// reads. Refers to families, so it must not outlive their catalogue.
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

// Counts by bucket, not cumulative, the +Inf bucket last. Bounds come from the family.
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

// Selects series: every pair must match; labels that are not named are summed over.
using label_filter = std::initializer_list<std::pair<std::string_view, std::string_view>>;

class snapshot {
 public:
  explicit snapshot(std::vector<family_snapshot> families) : families_(std::move(families)) {}

  // Sorted by name; families without a series are absent.
  [[nodiscard]] const std::vector<family_snapshot>& families() const noexcept { return families_; }
  [[nodiscard]] const family_snapshot* find(std::string_view family_name) const noexcept;

  // The sum of the matching counters or gauges (for gauges that merge by max or min: that); nothing when none
  // match.
  [[nodiscard]] std::optional<double> value(std::string_view family_name, label_filter filter = {}) const;
  // The matching histograms added up; empty counts when none match.
  [[nodiscard]] distribution histogram(std::string_view family_name, label_filter filter = {}) const;
  // The q-quantile (0 to 1) of the matching histograms, in the base unit: see quantile() below.
  [[nodiscard]] std::optional<double> quantile(std::string_view family_name, double q,
                                               label_filter filter = {}) const;

  // What happened since `earlier`: counters and histograms as differences, gauges as they are now.
  [[nodiscard]] snapshot since(const snapshot& earlier) const;

 private:
  std::vector<family_snapshot> families_;
};

// Interpolates linearly inside a bucket, as Prometheus' histogram_quantile does: the first bucket starts at
// 0, and what lies beyond the last bound counts as that bound. Nothing for an empty distribution.
[[nodiscard]] std::optional<double> quantile(const family& what, const distribution& of, double q);

}  // namespace millrace::metrics

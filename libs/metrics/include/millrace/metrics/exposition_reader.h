// Reads a page of the Prometheus text format, as a monitoring system does.
//
// Example:
//
//   const auto page = metrics::exposition::parse("visits_total{topic=\"a\"} 2\nvisits_total{topic=\"b\"} 3\n");
//   invariant(page.value("visits_total") == 5.0, "series are summed");
//
// Threads: plain values. The functions are pure and callable from any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::metrics {

// A histogram by upper bound (seconds), cumulative, as exposed; the last bound is infinite.
struct exposed_histogram {
  std::map<double, double> cumulative;

  [[nodiscard]] exposed_histogram since(const exposed_histogram& earlier) const;
  [[nodiscard]] double count() const;
  // In seconds, interpolated within the bucket; nullopt when nothing was observed.
  [[nodiscard]] std::optional<double> quantile(double q) const;
};

class exposition {
 public:
  // Returns the samples of a page. Comments and lines without a value are skipped.
  [[nodiscard]] static exposition parse(std::string_view text);

  // Sum over all series of the name whose label text contains `label` ("" = all).
  [[nodiscard]] double value(std::string_view name, std::string_view label = {}) const;
  [[nodiscard]] exposed_histogram histogram(std::string_view name, std::string_view label = {}) const;
  // The different values of a label, sorted.
  [[nodiscard]] std::vector<std::string> label_values(std::string_view name, std::string_view label) const;

 private:
  struct sample {
    std::string labels;
    double value;
  };
  std::map<std::string, std::vector<sample>, std::less<>> samples_;
};

}  // namespace millrace::metrics

// What the demo measured, as data and as JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <millrace/metrics/exposition_reader.h>
#include <millrace/workload/verifier.h>

namespace millrace::demo {

// What the application's metrics page said at one moment.
struct reading {
  double at_seconds = 0;
  double done = 0;
  double dead_lettered = 0;
  double in_flight = 0;
  double lag = 0;
  metrics::exposed_histogram decode;
  metrics::exposed_histogram select;
  metrics::exposed_histogram insert;
  metrics::exposed_histogram consume;     // from a record's creation to the start of its processors
  metrics::exposed_histogram end_to_end;  // from a record's creation until it was done

  [[nodiscard]] static reading of(const metrics::exposition& page, double at_seconds);
};

// What happened between two readings, and the peaks seen meanwhile.
class window {
 public:
  window() = default;
  window(const reading& from, const reading& to) : from_(from), to_(to), begun_(true) {}

  void begin(const reading& from) { *this = window(from, from); }
  void extend(const reading& to) {
    to_ = to;
    in_flight_max_ = std::max(in_flight_max_, to.in_flight);
    in_flight_sum_ += to.in_flight;
    ++looks_;
    lag_max_ = std::max(lag_max_, to.lag);
  }

  [[nodiscard]] bool begun() const noexcept { return begun_; }
  [[nodiscard]] const reading& to() const noexcept { return to_; }
  [[nodiscard]] double in_flight_max() const noexcept { return in_flight_max_; }
  // Over the looks.
  [[nodiscard]] double in_flight_mean() const noexcept { return looks_ > 0 ? in_flight_sum_ / looks_ : 0; }
  [[nodiscard]] double lag_max() const noexcept { return lag_max_; }
  // Records done per second.
  [[nodiscard]] double rate() const;
  [[nodiscard]] std::optional<double> quantile(metrics::exposed_histogram reading::* which, double q) const {
    return (to_.*which).since(from_.*which).quantile(q);
  }

 private:
  reading from_;
  reading to_;
  bool begun_ = false;
  double in_flight_max_ = 0;
  double in_flight_sum_ = 0;
  double looks_ = 0;
  double lag_max_ = 0;
};

// One live line, for the curves of the summary.
struct second_seen {
  double rate = 0;
  double in_flight = 0;
  bool slow = false;
};

// From one look at the metrics to the next.
struct sample {
  window seen;
  bool slow = false;
};

struct report {
  std::uint64_t seed = 0;
  std::uint64_t rate_offered = 0;
  double load_seconds = 0;  // how long records were offered
  double slowdown = 1;
  bool interrupted = false;
  std::uint64_t records_produced = 0;
  std::uint64_t records_done = 0;
  std::uint64_t dead_lettered = 0;
  workload::verdict checked;
  double cpu_us_per_record = 0;
  double cores = 0;  // CPU seconds of the application per second
  std::uint64_t rss_bytes_max = 0;
  int exit_code = 0;
  window whole;
  window before;
  window during;
  window after;
  std::vector<second_seen> seconds;
  std::vector<sample> samples;

  [[nodiscard]] double in_flight_max() const {
    return std::max({before.in_flight_max(), during.in_flight_max(), after.in_flight_max()});
  }
  // `records_produced` counts what the broker accepted; all of it must have been verified.
  [[nodiscard]] bool verified() const noexcept {
    return checked.verified() && checked.produced == records_produced;
  }
  [[nodiscard]] bool good() const noexcept { return verified() && exit_code == 0; }
};

[[nodiscard]] std::string to_json(const report& all);

}  // namespace millrace::demo

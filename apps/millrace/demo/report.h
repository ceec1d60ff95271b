// What the demo measures, and how it shows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "scrape.h"
#include "verifier.h"

namespace millrace::demo {

// What the application's metrics page said at one moment.
struct reading {
  double at_seconds = 0;
  double done = 0;
  double dead_lettered = 0;
  double in_flight = 0;
  double lag = 0;
  exposed_histogram decode;
  exposed_histogram select;
  exposed_histogram insert;
  exposed_histogram consume;
  exposed_histogram end_to_end;

  [[nodiscard]] static reading of(const exposition& page, double at_seconds);
};

// Between two readings.
struct window {
  reading from;
  reading to;
  double in_flight_max = 0;
  double lag_max = 0;

  [[nodiscard]] double rate() const;
};

struct report {
  std::uint64_t records_produced = 0;
  std::uint64_t records_done = 0;
  std::uint64_t dead_lettered = 0;
  verdict checked;
  double records_per_second = 0;
  double cpu_us_per_record = 0;
  std::uint64_t rss_bytes_max = 0;
  int exit_code = 0;
  window whole;
  window before;
  window during;
  window after;

  [[nodiscard]] bool good() const noexcept { return checked.verified() && exit_code == 0; }
};

[[nodiscard]] std::string live_heading();
[[nodiscard]] std::string live_line(const window& second, double slowdown);
[[nodiscard]] std::string summary(const report& all);
[[nodiscard]] std::string to_json(const report& all);

}  // namespace millrace::demo

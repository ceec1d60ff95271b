#include "report.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace millrace::demo {
namespace {

using nlohmann::json;

constexpr double us = 1e6;
constexpr double ms = 1e3;

double rounded(double value) { return std::round(value * 1000) / 1000; }

json quantiles(const window& w, metrics::exposed_histogram reading::* which, double scale) {
  const auto shown = [&](double q) -> json {
    const auto value = w.quantile(which, q);
    return value ? json(rounded(*value * scale)) : json(nullptr);
  };
  return {{"p50", shown(0.5)}, {"p95", shown(0.95)}, {"p99", shown(0.99)}};
}

json latencies(const window& w) {
  return {{"decode_us", quantiles(w, &reading::decode, us)},
          {"select_us", quantiles(w, &reading::select, us)},
          {"insert_us", quantiles(w, &reading::insert, us)},
          {"consume_ms", quantiles(w, &reading::consume, ms)},
          {"end_to_end_ms", quantiles(w, &reading::end_to_end, ms)}};
}

json phase(const window& w) {
  json out = latencies(w);
  out["records_per_second"] = std::round(w.rate());
  out["in_flight_max"] = w.in_flight_max();
  out["in_flight_mean"] = std::round(w.in_flight_mean());
  out["lag_max"] = w.lag_max();
  return out;
}

// Between two looks at the metrics: for plots.
json sample_json(const sample& s) {
  json out = latencies(s.seen);
  out["at_seconds"] = rounded(s.seen.to().at_seconds);
  out["slow"] = s.slow;
  out["records_per_second"] = std::round(s.seen.rate());
  out["in_flight"] = s.seen.to().in_flight;
  out["lag"] = s.seen.to().lag;
  return out;
}

}  // namespace

reading reading::of(const metrics::exposition& page, double at_seconds) {
  reading now;
  now.at_seconds = at_seconds;
  now.done = page.value("millrace_records_done_total");
  now.dead_lettered = page.value("millrace_records_dead_lettered_total");
  now.in_flight = page.value("millrace_in_flight_records");
  now.lag = page.value("millrace_consumer_lag_records");
  now.decode = page.histogram("millrace_decode_seconds");
  now.select = page.histogram("millrace_statement_seconds", "statement=\"select ");
  now.insert = page.histogram("millrace_statement_seconds", "statement=\"insert ");
  now.consume = page.histogram("millrace_consume_delay_seconds");
  now.end_to_end = page.histogram("millrace_record_e2e_seconds");
  return now;
}

double window::rate() const {
  const double seconds = to_.at_seconds - from_.at_seconds;
  return seconds > 0 ? (to_.done - from_.done) / seconds : 0;
}

std::string to_json(const report& all) {
  json out = latencies(all.whole);
  out["seed"] = all.seed;
  out["interrupted"] = all.interrupted;
  out["records_offered_per_second"] = all.rate_offered;
  out["records_produced"] = all.records_produced;
  out["records_done"] = all.records_done;
  out["records_lost"] = all.checked.lost;
  out["records_duplicated"] = all.checked.duplicated;
  out["records_wrong"] = all.checked.wrong;
  out["dead_lettered"] = all.dead_lettered;
  out["verified"] = all.verified();
  out["records_per_second"] = std::round(all.whole.rate());
  out["cpu_us_per_record"] = rounded(all.cpu_us_per_record);
  out["rss_bytes_max"] = all.rss_bytes_max;
  out["spike"] = {{"slowdown", all.slowdown},
                  {"before", phase(all.before)},
                  {"during", phase(all.during)},
                  {"after", phase(all.after)},
                  {"in_flight_max", all.in_flight_max()}};
  for (const sample& s : all.samples) out["samples"].push_back(sample_json(s));
  return out.dump(2) + "\n";
}

}  // namespace millrace::demo

#include "report.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace::demo {
namespace {

using nlohmann::json;

constexpr double us = 1e6;
constexpr double ms = 1e3;

exposed_histogram since(const window& w, exposed_histogram reading::* which) {
  return (w.to.*which).since(w.from.*which);
}

json quantiles(const window& w, exposed_histogram reading::* which, double scale) {
  const exposed_histogram values = since(w, which);
  const auto rounded = [&](double q) -> json {
    const auto value = values.quantile(q);
    return value ? json(std::round(*value * scale * 1000) / 1000) : json(nullptr);
  };
  return {{"p50", rounded(0.5)}, {"p95", rounded(0.95)}};
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
  out["in_flight_max"] = w.in_flight_max;
  out["lag_max"] = w.lag_max;
  return out;
}

std::string pair(const window& w, exposed_histogram reading::* which, double scale, int decimals) {
  const exposed_histogram values = since(w, which);
  const auto text = [&](double q) {
    const auto value = values.quantile(q);
    return value ? fmt::format("{:.{}f}", *value * scale, decimals) : std::string("-");
  };
  return text(0.5) + "/" + text(0.95);
}

}  // namespace

reading reading::of(const exposition& page, double at_seconds) {
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
  const double seconds = to.at_seconds - from.at_seconds;
  return seconds > 0 ? (to.done - from.done) / seconds : 0;
}

std::string live_heading() {
  return fmt::format(
      "{:>4} {:>9} {:>9} {:>8}  {:>11} {:>13} {:>13} {:>13} {:>13}\n{:>4} {:>9} {:>9} {:>8}  {:>11} {:>13} "
      "{:>13} {:>13} {:>13}\n",
      "time", "rate", "in flight", "lag", "decode", "select", "insert", "consume", "end to end", "s",
      "records/s", "records", "records", "p50/p95 us", "p50/p95 us", "p50/p95 us", "p50/p95 ms",
      "p50/p95 ms");
}

std::string live_line(const window& second, double slowdown) {
  return fmt::format("{:>4.0f} {:>9.0f} {:>9.0f} {:>8.0f}  {:>11} {:>13} {:>13} {:>13} {:>13}{}\n",
                     second.to.at_seconds, second.rate(), second.to.in_flight, second.to.lag,
                     pair(second, &reading::decode, us, 1), pair(second, &reading::select, us, 0),
                     pair(second, &reading::insert, us, 0), pair(second, &reading::consume, ms, 1),
                     pair(second, &reading::end_to_end, ms, 1),
                     slowdown > 1 ? fmt::format("  database x{:.0f} slower", slowdown) : "");
}

std::string summary(const report& all) {
  std::string text = fmt::format("\n{:>14} {:>10} {:>10} {:>13} {:>13} {:>13} {:>13}\n", "", "records/s",
                                 "in flight", "select us", "insert us", "consume ms", "end to end ms");
  const auto row = [&](const char* name, const window& w) {
    text += fmt::format("{:>14} {:>10.0f} {:>10.0f} {:>13} {:>13} {:>13} {:>13}\n", name, w.rate(),
                        w.in_flight_max, pair(w, &reading::select, us, 0), pair(w, &reading::insert, us, 0),
                        pair(w, &reading::consume, ms, 1), pair(w, &reading::end_to_end, ms, 1));
  };
  row("before", all.before);
  row("database x16", all.during);
  row("after", all.after);
  text += fmt::format(
      "\n{} records produced, {} done, {} dead-lettered, {} lost, {} duplicated, {} wrong: {}\n"
      "{:.0f} records/s, {:.1f} us of CPU per record, {:.0f} MB resident, decode {} us (p50/p95)\n",
      all.records_produced, all.records_done, all.dead_lettered, all.checked.lost, all.checked.duplicated,
      all.checked.wrong, all.checked.verified() ? "verified" : "NOT VERIFIED", all.records_per_second,
      all.cpu_us_per_record, static_cast<double>(all.rss_bytes_max) / 1e6,
      pair(all.whole, &reading::decode, us, 2));
  if (all.exit_code != 0) text += fmt::format("the application ended with exit code {}\n", all.exit_code);
  for (const std::string& example : all.checked.examples) text += "  " + example + "\n";
  return text;
}

std::string to_json(const report& all) {
  json out = latencies(all.whole);
  out["records_produced"] = all.records_produced;
  out["records_done"] = all.records_done;
  out["records_lost"] = all.checked.lost;
  out["records_duplicated"] = all.checked.duplicated;
  out["records_wrong"] = all.checked.wrong;
  out["dead_lettered"] = all.dead_lettered;
  out["verified"] = all.checked.verified();
  out["records_per_second"] = std::round(all.records_per_second);
  out["cpu_us_per_record"] = std::round(all.cpu_us_per_record * 100) / 100;
  out["rss_bytes_max"] = all.rss_bytes_max;
  out["spike"] = {{"before", phase(all.before)},
                  {"during", phase(all.during)},
                  {"after", phase(all.after)},
                  {"in_flight_max",
                   std::max({all.before.in_flight_max, all.during.in_flight_max, all.after.in_flight_max})}};
  return out.dump(2) + "\n";
}

}  // namespace millrace::demo

#include "report_text.h"

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

namespace millrace::demo {
namespace {

constexpr double us = 1e6;
constexpr double ms = 1e3;
// Intake counts as undisturbed down to this part of the rate before.
constexpr double undisturbed_ratio = 0.95;
constexpr std::size_t curve_columns_max = 60;

std::string grouped(double number) {
  std::string digits = fmt::format("{:.0f}", number);
  for (std::size_t at = digits.size(); at > 3 && digits[at - 4] != '-';) digits.insert(at -= 3, ",");
  return digits;
}

// Three digits say enough: 1.84, 18.4, 184, 1,840.
std::string short_number(double value) {
  if (value >= 999.5) return grouped(value);
  return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string pair(const window& w, metrics::exposed_histogram reading::* which, double scale) {
  const auto text = [&](double q) {
    const auto value = w.quantile(which, q);
    return value ? short_number(*value * scale) : std::string("-");
  };
  return text(0.5) + " / " + text(0.95);
}

// By code points: padding in bytes would be wrong for UTF-8.
std::string right(std::string_view text, std::size_t width) {
  const auto shown = static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
  return std::string(shown < width ? width - shown : 0, ' ').append(text);
}

bool is_utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view locale(value);
    return locale.find("UTF-8") != std::string_view::npos || locale.find("utf8") != std::string_view::npos;
  }
  return false;
}

// One sign per second (or per few seconds), as high as the value is against the largest.
std::string curve(const report& all, double second_seen::* which, const terminal& on) {
  static constexpr std::string_view blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr std::string_view ascii[] = {"_", ".", "-", "=", "+", "*", "%", "#"};
  double most = 0;
  for (const second_seen& s : all.seconds) most = std::max(most, s.*which);
  const std::size_t step = all.seconds.size() / curve_columns_max + 1;
  std::string line;
  for (std::size_t i = 0; i < all.seconds.size(); i += step) {
    const double part = most > 0 ? all.seconds[i].*which / most : 0;
    const auto level = static_cast<std::size_t>(std::clamp(std::floor(part * 8), 0.0, 7.0));
    const std::string_view sign = on.unicode ? blocks[level] : ascii[level];
    line += all.seconds[i].slow ? on.yellow(sign) : std::string(sign);
  }
  return line;
}

std::string verdict_line(const report& all, const terminal& on) {
  const std::string counts = fmt::format(
      "{} lost, {} duplicated, {} wrong, {} dead-lettered", grouped(static_cast<double>(all.checked.lost)),
      grouped(static_cast<double>(all.checked.duplicated)), grouped(static_cast<double>(all.checked.wrong)),
      grouped(static_cast<double>(all.dead_lettered)));
  if (!all.verified()) {
    std::string text =
        on.red("NOT VERIFIED") + fmt::format(": of {} records produced, {} done: {}\n",
                                             grouped(static_cast<double>(all.records_produced)),
                                             grouped(static_cast<double>(all.records_done)), counts);
    for (const std::string& example : all.checked.examples) text += "  " + example + "\n";
    return text;
  }
  return on.green("Verified") +
         fmt::format(
             ": {} records, each with its rows and its downstream record, and every value as computed\n"
             "from the seed: {}.\n",
             grouped(static_cast<double>(all.records_produced)), counts);
}

std::string phases(const report& all, const terminal& on) {
  constexpr std::size_t first = 16;
  constexpr std::size_t other = 18;
  const std::string slow = fmt::format("database {}{:.0f}", on.times(), all.slowdown);
  std::string text = std::string(first, ' ') + on.bold(right("before", other)) +
                     on.yellow(right(slow, other)) + on.bold(right("after", other)) + "\n";
  const auto row = [&](const std::string& name, auto&& cell) {
    text += name + std::string(first - std::min(first, name.size()), ' ');
    for (const window* w : {&all.before, &all.during, &all.after})
      text += right(w->begun() ? cell(*w) : "-", other);
    text += "\n";
  };
  const auto latency = [&](const std::string& name, metrics::exposed_histogram reading::* which,
                           double scale) {
    row(name, [&](const window& w) { return pair(w, which, scale); });
  };
  row("records/s", [](const window& w) { return grouped(w.rate()); });
  row("peak in flight", [](const window& w) { return grouped(w.in_flight_max()); });
  latency("SELECT ms", &reading::select, ms);
  latency("INSERT ms", &reading::insert, ms);
  latency("consumption ms", &reading::consume, ms);
  latency("end to end ms", &reading::end_to_end, ms);
  return text + on.faint(fmt::format("{:>{}}\n", "latencies: P50 / P95", first + 3 * other));
}

// What the middle of the run has shown.
std::string spike(const report& all, const terminal& on) {
  const double before = all.before.rate();
  if (!all.during.begun() || !all.after.begun() || before <= 0) return {};
  const double kept = std::min(all.during.rate() / before, 1.0);
  const bool undisturbed = kept >= undisturbed_ratio;
  const double waited = all.during.in_flight_mean();
  const double waited_before = all.before.in_flight_mean();
  const std::string instead =
      waited > waited_before ? fmt::format(", instead of {}", on.bold(grouped(waited_before))) : "";
  return fmt::format(
      "The database became {:.0f} times slower and intake {}: {} of the rate before.\n"
      "On average {} records waited at once on one thread{}.\n",
      all.slowdown, undisturbed ? "did not suffer" : "fell", on.bold(fmt::format("{:.0f} %", kept * 100)),
      on.bold(grouped(waited)), instead);
}

std::string cost(const report& all, const terminal& on) {
  std::string text = fmt::format(
      "The application took {} {} of CPU per record ({:.2f} cores) and {} of memory;\n"
      "decoding a record took {} {} (P50 / P95).\n",
      on.bold(short_number(all.cpu_us_per_record)), on.micros(), all.cores,
      on.bold(fmt::format("{:.0f} MB", static_cast<double>(all.rss_bytes_max) / 1e6)),
      pair(all.whole, &reading::decode, us), on.micros());
  const auto offered = static_cast<double>(all.rate_offered);
  const double taken =
      all.load_seconds > 0 ? static_cast<double>(all.records_produced) / all.load_seconds : offered;
  if (taken < undisturbed_ratio * offered) {
    text += fmt::format(
        "The offered rate was {} records/s; this machine, which also runs Kafka, the database and the\n"
        "verifier, processed {}.\n",
        grouped(offered), grouped(taken));
  }
  return text;
}

}  // namespace

terminal terminal::of_standard_output() {
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || std::string_view(kind) == "dumb";
  return {.colours = ::isatty(STDOUT_FILENO) != 0 && !dumb && std::getenv("NO_COLOR") == nullptr,
          .unicode = is_utf8_locale()};
}

std::string terminal::painted(std::string_view code, std::string_view text) const {
  return colours ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

std::string opening(const plan_of_run& plan, const terminal& on) {
  return fmt::format(
      "Kafka ({} partitions), a schema registry and a CQL database run in this process; the application runs "
      "in\n"
      "one of its own. {} records/s for {} s; in the third quarter SELECT and INSERT are {:.0f} times "
      "slower.\n\n"
      "Live page: {}  Ctrl-C ends the run early.\n\n",
      plan.partitions, grouped(static_cast<double>(plan.rate)), plan.duration_seconds, plan.slowdown,
      on.bold(fmt::format("http://127.0.0.1:{}/#switch={}", plan.port, plan.control_port)));
}

std::string live_heading(const terminal& on) {
  const std::string micros(on.micros());
  const std::string ms_unit("ms");
  std::string text = fmt::format("{:>4}{:>11}{:>11}{:>9}", "", "", "in flight", "lag");
  for (const char* name : {"decode", "SELECT", "INSERT", "consumption", "end to end"})
    text += right(name, 14);
  text += fmt::format("\n{:>4}{:>11}{:>11}{:>9}", "s", "records/s", "records", "records");
  for (const std::string& unit : {micros, ms_unit, ms_unit, ms_unit, ms_unit}) {
    text += right("P50/P95 " + unit, 14);
  }
  return on.bold(text) + "\n";
}

std::string live_line(const window& second, double slowdown, const terminal& on) {
  const reading& now = second.to();
  std::string text = fmt::format("{:>4.0f}{:>11}{:>11}{:>9}", std::floor(now.at_seconds),
                                 grouped(second.rate()), grouped(now.in_flight), grouped(now.lag));
  const auto latency = [&](metrics::exposed_histogram reading::* which, double scale) {
    text += right(pair(second, which, scale), 14);
  };
  latency(&reading::decode, us);
  latency(&reading::select, ms);
  latency(&reading::insert, ms);
  latency(&reading::consume, ms);
  latency(&reading::end_to_end, ms);
  if (slowdown <= 1) return text + "\n";
  return on.yellow(text + fmt::format("  database {}{:.0f}", on.times(), slowdown)) + "\n";
}

std::string summary(const report& all, const terminal& on) {
  std::string text = "\n" + verdict_line(all, on) + "\n" + phases(all, on);
  if (all.seconds.size() > 1) {
    text += fmt::format("\nrecords/s       {}\nin flight       {}\n", curve(all, &second_seen::rate, on),
                        curve(all, &second_seen::in_flight, on));
  }
  text += "\n" + spike(all, on) + cost(all, on);
  if (all.exit_code != 0) {
    text += on.red(fmt::format("The application ended with exit code {}.", all.exit_code)) + "\n";
  }
  return text;
}

}  // namespace millrace::demo

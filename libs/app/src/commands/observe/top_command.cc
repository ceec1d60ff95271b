#include "top_command.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include <millrace/app/exit_code.h>
#include <millrace/metrics/exposition_reader.h>

namespace millrace::app::observe {
namespace {

using metrics::exposed_histogram;
using metrics::exposition;
using nlohmann::json;

constexpr milliseconds timeout{2'000};
constexpr double stuck_seconds = 10;
constexpr std::size_t processes_max = 64;

std::atomic<bool> stop_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal's action may set it");
extern "C" void ask_top_to_stop(int) { stop_asked = true; }

std::string number(double value) {
  std::string digits = fmt::format("{:.0f}", value);
  for (std::size_t at = digits.size(); at > 3 && digits[at - 4] != '-';) digits.insert(at -= 3, ",");
  return digits;
}

std::string duration(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f}us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.{}f}ms", seconds * 1e3, seconds < 0.01 ? 1 : 0);
  if (seconds < 120) return fmt::format("{:.1f}s", seconds);
  if (seconds < 7'200) return fmt::format("{:.0f}min", seconds / 60);
  return fmt::format("{:.1f}h", seconds / 3'600);
}

double or_zero(const json& of, const char* key) {
  const auto found = of.find(key);
  return found != of.end() && found->is_number() ? found->get<double>() : 0;
}

std::string or_text(const json& of, const char* key, const char* otherwise) {
  const auto found = of.find(key);
  return found != of.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

struct held_up {
  std::string where;
  double age = 0;
  std::string what;
};

struct process_row {
  std::string name;
  std::string state;
  bool well = false;
  double done_rate = 0;
  double in_flight = 0;
  double lag = 0;
  double time_lag = 0;
  double dead_letters = 0;
  std::optional<double> p50, p99;
  double cores = 0;
  double resident = 0;
  std::size_t partitions = 0;
};

class screen_writer {
 public:
  explicit screen_writer(const screen& on) : on_(on) {}

  void line(std::string text, const char* colour = "") {
    if (rows_ + 1 >= on_.rows) return;
    ++rows_;
    // By code points: bytes would cut a letter in two.
    std::size_t shown = 0;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
      if ((static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U && ++shown > on_.columns) break;
    }
    text.resize(at);
    text_ += on_.colours && *colour != '\0' ? fmt::format("\x1b[{}m{}\x1b[0m\n", colour, text) : text + "\n";
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  const screen& on_;
  std::size_t rows_ = 0;
  std::string text_;
};

std::string state_of(const json& status) {
  if (!status.value("alive", false)) return "not alive";
  if (!status.value("ready", false)) return "not ready";
  return "running";
}

const look* same(const std::vector<look>& all, const admin_address& at) {
  const auto found = std::ranges::find_if(all, [&](const look& l) { return l.at.text() == at.text(); });
  return found == all.end() || found->status.empty() ? nullptr : &*found;
}

process_row row_of(const look& now, const json& status, const look* before) {
  process_row row;
  row.name = now.at.text();
  row.state = state_of(status);
  row.well = row.state == "running";
  const json accounting = status.value("accounting", json::object());
  row.in_flight = or_zero(accounting, "in_flight");
  row.dead_letters = or_zero(accounting, "dead_lettered");
  row.lag = or_zero(status, "lag");
  for (const json& w : status.value("workers", json::array())) {
    for (const json& p : w.value("partitions", json::array())) {
      row.time_lag = std::max(row.time_lag, or_zero(p, "time_lag_seconds"));
      ++row.partitions;
    }
  }
  const exposition metrics = exposition::parse(now.metrics);
  row.resident = metrics.value("process_resident_memory_bytes");
  exposed_histogram end_to_end = metrics.histogram("millrace_record_e2e_seconds");
  if (before != nullptr) {
    const exposition earlier = exposition::parse(before->metrics);
    const double seconds = std::max(static_cast<double>((now.when - before->when).count()) / 1e9, 1e-3);
    end_to_end = end_to_end.since(earlier.histogram("millrace_record_e2e_seconds"));
    row.done_rate = std::max(0.0, metrics.value("millrace_records_done_total") -
                                      earlier.value("millrace_records_done_total")) /
                    seconds;
    row.cores =
        (metrics.value("process_cpu_seconds_total") - earlier.value("process_cpu_seconds_total")) / seconds;
  }
  row.p50 = end_to_end.quantile(0.5);
  row.p99 = end_to_end.quantile(0.99);
  return row;
}

void write_rows(screen_writer& to, const std::vector<process_row>& rows) {
  to.line(fmt::format("{:<22} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8} {:>6} {:>7} {:>5}",
                      "process", "state", "records/s", "in flight", "lag", "behind", "P50", "P99", "dlq",
                      "cores", "memory", "parts"),
          "1");
  for (const process_row& r : rows) {
    const auto quantile = [](const std::optional<double>& q) { return q ? duration(*q) : std::string("-"); };
    to.line(fmt::format("{:<22} {:>10} {:>10} {:>10} {:>10} {:>9} {:>8} {:>8} {:>8} {:>6.2f} {:>6.0f}M {:>5}",
                        r.name, r.state, number(r.done_rate), number(r.in_flight), number(r.lag),
                        duration(r.time_lag), quantile(r.p50), quantile(r.p99), number(r.dead_letters),
                        r.cores, r.resident / 1e6, r.partitions),
            r.well ? "" : "31");
  }
}

void write_statements(screen_writer& to, const look& now, const look* before) {
  const exposition metrics = exposition::parse(now.metrics);
  const exposition earlier = exposition::parse(before == nullptr ? std::string() : before->metrics);
  const auto one = [&](const std::string& title, std::string_view family, const std::string& label) {
    const exposed_histogram taken = metrics.histogram(family, label).since(earlier.histogram(family, label));
    if (taken.count() <= 0) return;
    to.line(fmt::format("  {:<30} {:>9} P50 {:>9} P95 {:>9} P99 {:>9}", title.substr(0, 30),
                        number(taken.count()), duration(taken.quantile(0.5).value_or(0)),
                        duration(taken.quantile(0.95).value_or(0)),
                        duration(taken.quantile(0.99).value_or(0))));
  };
  one("decode", "millrace_decode_seconds", "");
  for (const std::string& statement : metrics.label_values("millrace_statement_seconds_count", "statement"))
    one(statement, "millrace_statement_seconds", "statement=\"" + statement + "\"");
  for (const std::string& stage : metrics.label_values("millrace_stage_seconds_count", "stage"))
    one(stage, "millrace_stage_seconds", "stage=\"" + stage + "\"");
}

void note_held_up(const json& status, const std::string& process, std::vector<held_up>& all) {
  for (const json& w : status.value("workers", json::array())) {
    for (const json& p : w.value("partitions", json::array())) {
      const json oldest = p.value("oldest", json());
      if (!oldest.is_object() || or_zero(oldest, "age_seconds") < stuck_seconds) continue;
      all.push_back(
          {fmt::format("{} {}/{} offset {}", process, or_text(p, "topic", "?"),
                       static_cast<std::int64_t>(or_zero(p, "partition")),
                       static_cast<std::int64_t>(or_zero(oldest, "offset"))),
           or_zero(oldest, "age_seconds"),
           fmt::format("{} {} attempt {} {}", or_text(oldest, "stage", ""), or_text(oldest, "processor", ""),
                       static_cast<std::int64_t>(or_zero(oldest, "attempt")),
                       or_text(oldest, "last_error", ""))});
    }
  }
}

}  // namespace

std::string draw(const std::vector<look>& now, const std::vector<look>& before, const screen& on) {
  screen_writer to(on);
  std::vector<process_row> rows;
  std::vector<std::string> problems;
  std::vector<held_up> held;
  for (const look& l : now) {
    const json status = json::parse(l.status, nullptr, false);
    if (l.status.empty() || !status.is_object()) {
      problems.push_back(l.failure.empty() ? l.at.text() + ": /status is not JSON" : l.failure);
      continue;
    }
    rows.push_back(row_of(l, status, same(before, l.at)));
    const std::string why = or_text(status, "not_ready_because", "");
    if (!why.empty()) problems.push_back(l.at.text() + ": " + why);
    for (const json& w : status.value("workers", json::array())) {
      const json breakers = w.value("breakers", json::object());
      for (const auto& [name, state] : breakers.items()) {
        if (state != "closed")
          problems.push_back(l.at.text() + ": breaker of the " + name + " is " + state.get<std::string>());
      }
    }
    note_held_up(status, l.at.text(), held);
  }
  write_rows(to, rows);
  if (rows.size() > 1) {
    process_row sum;
    for (const process_row& r : rows) {
      sum.done_rate += r.done_rate;
      sum.lag += r.lag;
      sum.in_flight += r.in_flight;
      sum.dead_letters += r.dead_letters;
      sum.time_lag = std::max(sum.time_lag, r.time_lag);
      sum.partitions += r.partitions;
    }
    to.line(fmt::format("{:<22} {:>10} {:>10} {:>10} {:>10} {:>9} {:>26} {:>20}", "all", "",
                        number(sum.done_rate), number(sum.in_flight), number(sum.lag), duration(sum.time_lag),
                        number(sum.dead_letters), sum.partitions));
  }
  for (const std::string& t : problems) to.line("! " + t, "31");
  std::ranges::sort(held, std::ranges::greater(), &held_up::age);
  for (const held_up& h : held)
    to.line(fmt::format("! {} in flight for {}: {}", h.where, duration(h.age), h.what), "33");
  if (now.size() == 1 && !rows.empty()) {
    to.line("");
    write_statements(to, now.front(), same(before, now.front().at));
  }
  return to.take();
}

int run_top(const top_arguments& arguments, std::ostream& out, std::ostream& err) {
  std::vector<admin_address> addresses;
  for (const std::string& text : arguments.addresses) {
    auto at = parse_address(text);
    if (!at) {
      err << "top: " << at.error().message() << "\n";
      return exit_config;
    }
    addresses.push_back(std::move(*at));
  }
  if (addresses.size() > processes_max) addresses.resize(processes_max);
  const auto look_at_all = [&] {
    std::vector<look> all;
    for (const admin_address& at : addresses) {
      look& one = all.emplace_back(look{at, {}, {}, {}, system_clock().now()});
      auto status = get(at, "/status", timeout);
      auto metrics = status ? get(at, "/metrics", timeout) : status;
      if (metrics) {
        one.status = std::move(*status);
        one.metrics = std::move(*metrics);
      } else {
        one.failure = metrics.error().message();
      }
    }
    return all;
  };
  const bool terminal = !arguments.once && ::isatty(STDOUT_FILENO) != 0;
  screen on{.columns = 160, .rows = 1'000, .colours = terminal && std::getenv("NO_COLOR") == nullptr};
  if (terminal) {
    std::signal(SIGINT, ask_top_to_stop);
    std::signal(SIGTERM, ask_top_to_stop);
  }
  const auto interval = std::chrono::duration<double>(arguments.interval_seconds);
  std::vector<look> before = look_at_all();
  while (true) {
    std::this_thread::sleep_for(interval);
    std::vector<look> now = look_at_all();
    if (winsize size{}; terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
      on.columns = size.ws_col;
      on.rows = size.ws_row;
    }
    if (stop_asked) break;
    out << (terminal ? "\x1b[H\x1b[2J" : "") << draw(now, before, on) << std::flush;
    const bool nobody = std::ranges::all_of(now, [](const look& l) { return l.status.empty(); });
    if (arguments.once) return nobody ? exit_failure : exit_ok;
    before = std::move(now);
  }
  return exit_ok;
}

}  // namespace millrace::app::observe

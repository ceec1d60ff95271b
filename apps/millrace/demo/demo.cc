#include "demo.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include <millrace/app/exit_code.h>
#include <millrace/metrics/exposition_reader.h>
#include <millrace/runtime/loop.h>
#include <millrace/workload/admin_page.h>
#include <millrace/workload/application_process.h>
#include <millrace/workload/environment.h>
#include <millrace/workload/load.h>
#include <millrace/workload/verifier.h>

#include "control.h"
#include "report_text.h"

namespace millrace::demo {
namespace {

using workload::application_process;
using workload::environment;
using workload::expected_visit;
using workload::free_port;
using workload::get_page;
using workload::is_free;
using workload::load;
using workload::partitions;
using workload::process_usage;
using workload::verifier;
using workload::visit_generator;

constexpr double slowdown = 16;
// The mock broker keeps 100,000 messages and 5 MiB of a partition and drops the oldest: stop producing well
// before.
constexpr std::uint64_t lag_max = 60'000;
constexpr milliseconds tick{5};
// A machine that cannot keep up still turns the loop.
constexpr double records_per_turn_max = 1'000;
// The application's first second (connections, first schema, first memory) belongs to no phase.
constexpr double warm_up_seconds = 1;
constexpr double shortest_line_seconds = 0.75;
constexpr double sample_seconds = 0.5;  // between looks at the application's metrics
constexpr int start_seconds_max = 30;
constexpr int drain_seconds_max = 60;
constexpr int close_ticks_max = 400;
constexpr std::size_t rows_checked_per_tick = 400;
constexpr std::size_t log_lines_shown = 8;

std::atomic<int> signals_seen{0};
std::atomic<int> signal_number{0};
static_assert(std::atomic<int>::is_always_lock_free, "set in a signal handler");

void on_signal(int number) {
  signal_number.store(number);
  signals_seen.fetch_add(1);
}

// SIGINT and SIGTERM are counted while this lives.
class signal_watch {
 public:
  signal_watch() {
    struct sigaction watched{};
    watched.sa_handler = on_signal;
    sigemptyset(&watched.sa_mask);
    ::sigaction(SIGINT, &watched, &before_int_);
    ::sigaction(SIGTERM, &watched, &before_term_);
  }
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;
  ~signal_watch() {
    ::sigaction(SIGINT, &before_int_, nullptr);
    ::sigaction(SIGTERM, &before_term_, nullptr);
  }

 private:
  struct sigaction before_int_{};
  struct sigaction before_term_{};
};

bool interrupted() { return signals_seen.load() > 0; }
bool told_to_stop_now() { return signals_seen.load() > 1; }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class show {
 public:
  explicit show(const demo_arguments& arguments) : arguments_(arguments), generator_(arguments.seed) {}
  show(const show&) = delete;
  show& operator=(const show&) = delete;
  ~show();
  int run();

 private:
  result<void> prepare();
  result<void> start_application();
  result<void> choose_port();
  result<void> drive();
  void turn();
  void print_second();
  void change_speed(double wanted);
  void offer(double elapsed);
  [[nodiscard]] bool observe();
  [[nodiscard]] double elapsed() const { return seconds_since(began_); }
  void announce() const;
  result<void> drain();
  void conclude();
  [[nodiscard]] int tell();
  void explain(const error& what) const;

  const demo_arguments& arguments_;
  const terminal terminal_ = terminal::of_standard_output();
  visit_generator generator_;
  std::ofstream json_;
  std::filesystem::path folder_;
  bool keep_folder_ = false;
  environment environment_;
  std::unique_ptr<control> control_;
  std::unique_ptr<verifier> verifier_;
  runtime::loop loop_{system_clock()};
  std::unique_ptr<load> load_;
  application_process application_;
  std::uint16_t port_ = 0;
  std::uint64_t profiled_ = 0;
  double offered_ = 0;
  double last_offer_ = 0;
  double factor_ = 1;
  std::chrono::steady_clock::time_point began_;  // of the load
  process_usage usage_at_start_;
  process_usage usage_;
  reading last_;       // the newest look at the metrics
  reading last_line_;  // the one the last live line ended with
  report report_;
};

show::~show() {
  std::error_code ignored;
  if (!folder_.empty() && !keep_folder_) std::filesystem::remove_all(folder_, ignored);
}

int show::run() {
  auto step = prepare();
  if (step) step = start_application();
  if (step) step = drive();
  if (step) step = drain();
  if (told_to_stop_now() || (interrupted() && !step)) {
    std::fputs("\nstopped\n", stderr);
    return 128 + signal_number.load();
  }
  if (!step) {
    explain(step.error());
    return app::exit_failure;
  }
  conclude();
  return tell();
}

int show::tell() {
  std::fputs(summary(report_, terminal_).c_str(), stdout);
  keep_folder_ = arguments_.verbose || !report_.good();
  if (keep_folder_) std::printf("configuration and log: %s\n", folder_.c_str());
  if (json_.is_open()) {
    json_ << to_json(report_);
    if (!json_.flush()) {
      std::fprintf(stderr, "demo: cannot write %s\n", arguments_.json_file.c_str());
      return app::exit_failure;
    }
  }
  if (!report_.good()) return app::exit_failure;
  return report_.interrupted ? 128 + signal_number.load() : app::exit_ok;
}

// What went wrong, with the application's last words when it is the application that ended.
void show::explain(const error& what) const {
  std::fprintf(stderr, "demo: %s\n", what.message().c_str());
  std::ifstream log(folder_ / "application.log");
  std::deque<std::string> lines;
  for (std::string line; std::getline(log, line);) {
    lines.push_back(line);
    if (lines.size() > log_lines_shown) lines.pop_front();
  }
  if (!lines.empty()) std::fputs("the application's last messages:\n", stderr);
  for (const std::string& line : lines) std::fprintf(stderr, "  %s\n", line.c_str());
}

result<void> show::prepare() {
  if (!arguments_.json_file.empty()) {
    json_.open(arguments_.json_file);
    if (!json_) return error(errc::io_error, "cannot write " + arguments_.json_file);
  }
  if (auto chosen = choose_port(); !chosen) return chosen.error();
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-demo-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return error(errc::io_error, "cannot create a folder " + pattern + " for the demo's configuration");
  folder_ = pattern;
  if (auto started = environment_.start(); !started) return started.error();
  auto switches = control::start(arguments_.control_port, environment_.database());
  if (!switches) return switches.error();
  control_ = std::move(*switches);
  auto visits = environment_.database().table(workload::keyspace, "visit");
  auto last_seen = environment_.database().table(workload::keyspace, "last_seen");
  if (!visits) return visits.error();
  if (!last_seen) return last_seen.error();
  verifier_ = std::make_unique<verifier>(generator_, *visits, *last_seen);
  auto made =
      load::create(loop_, environment_.bootstrap_servers(), environment_.schema_id(), generator_, *verifier_);
  if (!made) return made.error();
  load_ = std::move(*made);
  return {};
}

result<void> show::choose_port() {
  if (arguments_.port == 0) {
    port_ = is_free(usual_port) ? usual_port : free_port();
    return {};
  }
  if (!is_free(arguments_.port)) {
    return error(errc::address_in_use,
                 fmt::format("port {} of 127.0.0.1 is in use by another process; choose another --port, or "
                             "omit it for a free one",
                             arguments_.port));
  }
  port_ = arguments_.port;
  return {};
}

result<void> show::start_application() {
  const auto config = folder_ / "config.yaml";
  std::ofstream(config) << environment_.config_text(arguments_.in_flight_max, port_);
  std::vector<std::string> command{"run", config.string()};
  for (const std::string& setting : arguments_.set) command.insert(command.end(), {"--set", setting});
  if (auto started = application_.start(command, (folder_ / "application.log").string()); !started) {
    return started.error();
  }
  const auto began = std::chrono::steady_clock::now();
  while (seconds_since(began) < start_seconds_max && !interrupted()) {
    if (!application_.running()) return error(errc::internal, "the application ended before it was ready");
    if (get_page(port_, "/readyz")) {
      announce();
      return {};
    }
    loop_.run_turn(milliseconds(50));
    load_->read();
  }
  if (interrupted()) return error(errc::cancelled, "interrupted");
  return error(errc::timed_out, "the application was not ready in time");
}

void show::announce() const {
  std::fputs(opening({.rate = arguments_.rate,
                      .duration_seconds = arguments_.duration_seconds,
                      .slowdown = slowdown,
                      .partitions = partitions,
                      .port = port_,
                      .control_port = control_->port()},
                     terminal_)
                 .c_str(),
             stdout);
  std::fflush(stdout);
}

void show::turn() {
  load_->read();
  verifier_->check_rows(rows_checked_per_tick);
  loop_.run_turn(tick);
}

result<void> show::drive() {
  began_ = std::chrono::steady_clock::now();
  const double duration = arguments_.duration_seconds;
  const double slow_from =
      arguments_.slow_seconds > 0 ? (duration - arguments_.slow_seconds) / 2 : duration / 2;
  const double slow_until =
      arguments_.slow_seconds > 0 ? slow_from + arguments_.slow_seconds : duration * 3 / 4;
  usage_at_start_ = application_.usage();
  auto first = get_page(port_, "/metrics");
  if (!first) return first.error();
  last_ = last_line_ = reading::of(metrics::exposition::parse(*first), 0);
  report_.whole.begin(last_);
  double next_sample = sample_seconds;
  double next_line = 1;
  std::fputs(live_heading(terminal_).c_str(), stdout);
  for (double now = 0; now < duration && !interrupted(); now = elapsed()) {
    if (!application_.running()) return error(errc::internal, "the application ended during the demo");
    const double scheduled = now >= slow_from && now < slow_until ? slowdown : 1;
    change_speed(control_->latency_factor() > 0 ? control_->latency_factor() : scheduled);
    load_->poison(control_->take_poison());
    offer(now);
    turn();
    if (now < next_sample) continue;
    next_sample += sample_seconds;
    if (!observe() || now < next_line) continue;
    next_line += 1;
    print_second();
  }
  report_.interrupted = interrupted();
  report_.load_seconds = std::min(elapsed(), duration);
  if (report_.interrupted) {
    std::fputs("\ninterrupted: finishing and verifying the produced records (press again to stop at once)\n",
               stdout);
    std::fflush(stdout);
  }
  // What the last turn left over, so that rate times duration is offered in all.
  if (!report_.interrupted) offer(duration);
  const bool seen = observe();
  if (seen && last_.at_seconds - last_line_.at_seconds > shortest_line_seconds) print_second();
  environment_.database().set_latency_factor(1);
  return {};
}

void show::print_second() {
  const window second(last_line_, last_);
  report_.seconds.push_back({second.rate(), last_.in_flight, factor_ > 1});
  std::fputs(live_line(second, factor_, terminal_).c_str(), stdout);
  std::fflush(stdout);
  last_line_ = last_;
}

// The three phases of the run are the times at full speed, slow, and at full speed again.
void show::change_speed(double wanted) {
  if (wanted == factor_) return;
  static_cast<void>(observe());
  environment_.database().set_latency_factor(wanted);
  factor_ = wanted;
  (wanted > 1 ? report_.during : report_.after).begin(last_);
}

// Produces what is due by now, unless the application lags so far that the mock broker would drop records.
void show::offer(double elapsed) {
  offered_ += (elapsed - last_offer_) * static_cast<double>(arguments_.rate);
  last_offer_ = elapsed;
  const std::uint64_t behind = load_->produced() - load_->read_downstream();
  if (behind > lag_max || offered_ < 1) return;
  const auto due = static_cast<std::uint64_t>(std::min(offered_, records_per_turn_max));
  for (; profiled_ < load_->produced() + due; ++profiled_) {
    const expected_visit visit = generator_.make(profiled_);
    if (auto added = environment_.add_profile(visit.visitor, visit.visitor_id); !added) {
      std::fprintf(stderr, "demo: %s\n", added.error().to_string().c_str());
    }
  }
  const std::uint64_t produced = load_->produce(due);
  offered_ = std::min(offered_ - static_cast<double>(produced), static_cast<double>(arguments_.rate));
}

// False when the application did not answer.
bool show::observe() {
  const double now = elapsed();
  const auto page = get_page(port_, "/metrics");
  if (!page) return false;
  const reading before = last_;
  last_ = reading::of(metrics::exposition::parse(*page), now);
  report_.samples.push_back({window(before, last_), factor_ > 1});
  if (!report_.before.begun() && now >= warm_up_seconds) report_.before.begin(last_);
  window& phase =
      report_.after.begun() ? report_.after : (report_.during.begun() ? report_.during : report_.before);
  if (phase.begun()) phase.extend(last_);
  report_.whole.extend(last_);
  usage_ = application_.usage();
  return true;
}

result<void> show::drain() {
  const auto began = std::chrono::steady_clock::now();
  bool complete = false;
  while (!complete && seconds_since(began) < drain_seconds_max && !told_to_stop_now()) {
    if (!application_.running()) return error(errc::internal, "the application ended before it had finished");
    turn();
    const auto page = get_page(port_, "/metrics");
    if (!page) continue;
    last_ = reading::of(metrics::exposition::parse(*page), elapsed());
    complete = load_->acknowledged() == load_->produced() && load_->read_downstream() >= load_->produced() &&
               last_.done + last_.dead_lettered >= static_cast<double>(load_->produced());
  }
  if (told_to_stop_now()) return error(errc::cancelled, "interrupted");
  report_.whole.extend(last_);
  usage_ = application_.usage();
  application_.terminate();
  report_.exit_code = application_.wait(drain_seconds_max);
  load_->close();
  for (int i = 0; i < close_ticks_max && !load_->closed(); ++i) {
    load_->read();
    loop_.run_turn(tick);
  }
  return {};
}

void show::conclude() {
  report_.checked = verifier_->finish();
  report_.rate_offered = arguments_.rate;
  report_.seed = arguments_.seed;
  report_.slowdown = slowdown;
  report_.records_produced = load_->produced();
  report_.records_done = static_cast<std::uint64_t>(last_.done);
  report_.dead_lettered = static_cast<std::uint64_t>(last_.dead_lettered);
  report_.rss_bytes_max = usage_.rss_bytes_max;
  const double cpu_seconds = usage_.cpu_seconds - usage_at_start_.cpu_seconds;
  if (last_.done > 0) report_.cpu_us_per_record = cpu_seconds * 1e6 / last_.done;
  if (last_.at_seconds > 0) report_.cores = cpu_seconds / last_.at_seconds;
}

}  // namespace

int run_demo(const demo_arguments& arguments) {
  const signal_watch signals;
  return show(arguments).run();
}

}  // namespace millrace::demo

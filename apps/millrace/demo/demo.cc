#include "demo.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <demo_assets.h>  // generated: the example's schema and tables
#include <fmt/format.h>
#include <unistd.h>

#include <millrace/registry/client.h>
#include <millrace/runtime/loop.h>
#include <millrace/testkit/cql_emulator.h>
#include <millrace/testkit/mock_kafka.h>
#include <millrace/testkit/registry_double.h>

#include "application_process.h"
#include "load.h"
#include "report.h"
#include "scrape.h"
#include "verifier.h"

namespace millrace::demo {
namespace {

using testkit::operation;

constexpr int partitions = 20;
constexpr double slowdown = 16;
constexpr std::string_view keyspace = "millrace_navigation";
// The mock broker keeps 100,000 messages and 5 MiB of a partition and drops the oldest: stop producing well
// before.
constexpr std::uint64_t lag_max = 60'000;
constexpr milliseconds tick{5};
constexpr int start_seconds_max = 30;
constexpr int drain_seconds_max = 60;
constexpr std::size_t rows_checked_per_tick = 400;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Everything the application talks to.
struct world {
  std::unique_ptr<testkit::cql_emulator> database;
  std::unique_ptr<testkit::registry_double> registry;
  std::unique_ptr<testkit::mock_kafka> kafka;
  std::int32_t schema_id = 0;

  [[nodiscard]] result<void> start();
  [[nodiscard]] result<void> create_tables() const;
};

result<void> world::start() {
  auto cql = testkit::cql_emulator::start();
  if (!cql) return cql.error();
  database = std::move(*cql);
  if (auto created = create_tables(); !created) return created.error();
  // P95 at about twice the median, as in production.
  database->set_latency(operation::select, {microseconds(250), 0.42});
  database->set_latency(operation::insert, {microseconds(660), 0.42});

  auto schemas = testkit::registry_double::start();
  if (!schemas) return schemas.error();
  registry = std::move(*schemas);
  registry::client_options options;
  options.urls = {registry->url()};
  auto client = registry::client::create(std::move(options));
  if (!client) return client.error();
  auto id = (*client)->register_schema("navigation-value", navigation_schema);
  if (!id) return id.error();
  schema_id = *id;

  auto brokers = testkit::mock_kafka::start();
  if (!brokers) return brokers.error();
  kafka = std::move(*brokers);
  kafka->set_initial_rebalance_delay(milliseconds(0));
  for (const char* topic : {"navigation", "enriched-visits", "navigation-dlq"}) {
    if (auto made = kafka->create_topic(topic, partitions); !made) return made.error();
  }
  return {};
}

result<void> world::create_tables() const {
  std::string_view rest = navigation_tables;
  for (auto end = rest.find(';'); end != std::string_view::npos; end = rest.find(';')) {
    if (auto done = database->execute(rest.substr(0, end)); !done) return done.error();
    rest.remove_prefix(end + 1);
  }
  return {};
}

// Profiles of visitors about to be seen: what another team would have filled in.
class profiles {
 public:
  explicit profiles(testkit::cql_emulator& database) : database_(database), known_(1'000'000, false) {}
  result<void> add(std::uint32_t visitor, const std::string& visitor_id) {
    if (known_[visitor]) return {};
    known_[visitor] = true;
    const visit_profile profile = profile_of(visitor);
    if (!profile.known) return {};
    return database_.execute(
        fmt::format("INSERT INTO {}.visitor_profile (visitor_id, segment, score) VALUES ('{}', '{}', {})",
                    keyspace, visitor_id, profile.segment, profile.score));
  }

 private:
  testkit::cql_emulator& database_;
  std::vector<bool> known_;
};

std::string config_text(const world& of, const demo_arguments& arguments, std::uint16_t admin_port) {
  return fmt::format(
      "# Written by `millrace demo`.\n"
      "kafka:\n  bootstrap_servers: {}\n  group: navigation\n  topics: [navigation]\n"
      "  properties:\n    fetch.wait.max.ms: \"5\"  # the mock broker answers a fetch only when this has "
      "passed\n"
      "registry:\n  urls: [{}]\n"
      "cql:\n  contact_points: [{}]\n  keyspace: {}\n  consistency: LOCAL_ONE\n"
      "engine:\n  workers: 1\n  in_flight_records_max: {}\n  dead_letter_topic: navigation-dlq\n"
      "admin:\n  port: {}\n",
      of.kafka->bootstrap_servers(), of.registry->url(), of.database->contact_point(), keyspace,
      arguments.in_flight_max, admin_port);
}

class show {
 public:
  explicit show(const demo_arguments& arguments) : arguments_(arguments), generator_(arguments.seed) {}
  int run();

 private:
  result<void> prepare();
  result<void> start_application();
  result<void> drive();
  void offer(double elapsed);
  void observe(double elapsed);
  result<void> drain();
  void conclude();

  const demo_arguments& arguments_;
  visit_generator generator_;
  std::filesystem::path folder_;
  world world_;
  std::unique_ptr<profiles> profiles_;
  std::unique_ptr<verifier> verifier_;
  runtime::loop loop_{system_clock()};
  std::unique_ptr<load> load_;
  application_process application_;
  std::uint16_t port_ = 0;
  std::uint64_t profiled_ = 0;
  double offered_ = 0;
  double last_offer_ = 0;
  int seconds_shown_ = 0;
  double factor_ = 1;
  process_usage usage_at_start_;
  process_usage usage_;
  reading last_;
  report report_;
};

int show::run() {
  auto step = prepare();
  if (step) step = start_application();
  if (step) step = drive();
  if (step) step = drain();
  if (!step) {
    std::fprintf(stderr, "demo: %s\n", step.error().to_string().c_str());
    if (!folder_.empty())
      std::fprintf(stderr, "the application's messages: %s/application.log\n", folder_.c_str());
    return 1;
  }
  conclude();
  std::fputs(summary(report_).c_str(), stdout);
  if (!arguments_.json_file.empty()) {
    std::ofstream file(arguments_.json_file);
    file << to_json(report_);
    if (!file.flush()) {
      std::fprintf(stderr, "demo: cannot write %s\n", arguments_.json_file.c_str());
      return 1;
    }
  }
  if (report_.good() && !arguments_.verbose) {
    std::filesystem::remove_all(folder_);
  } else {
    std::printf("configuration and log: %s\n", folder_.c_str());
  }
  return report_.good() ? 0 : 1;
}

result<void> show::prepare() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-demo-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    return error(errc::io_error, "cannot create a folder for the demo");
  folder_ = pattern;
  if (auto started = world_.start(); !started) return started.error();
  profiles_ = std::make_unique<profiles>(*world_.database);
  auto visits = world_.database->table(keyspace, "visit");
  auto last_seen = world_.database->table(keyspace, "last_seen");
  if (!visits) return visits.error();
  if (!last_seen) return last_seen.error();
  verifier_ = std::make_unique<verifier>(generator_, *visits, *last_seen);
  auto made =
      load::create(loop_, world_.kafka->bootstrap_servers(), world_.schema_id, generator_, *verifier_);
  if (!made) return made.error();
  load_ = std::move(*made);
  return {};
}

result<void> show::start_application() {
  port_ = free_port();
  const auto config = folder_ / "config.yaml";
  std::ofstream(config) << config_text(world_, arguments_, port_);
  if (auto started = application_.start({"run", config.string()}, (folder_ / "application.log").string());
      !started) {
    return started.error();
  }
  const auto began = std::chrono::steady_clock::now();
  while (seconds_since(began) < start_seconds_max) {
    if (!application_.running()) return error(errc::internal, "the application ended before it was ready");
    if (http_get(port_, "/readyz")) {
      std::printf(
          "20 partitions, %llu records/s offered for %d s; half-way the database becomes %g times slower\n"
          "the application's page: http://127.0.0.1:%u/\n\n",
          static_cast<unsigned long long>(arguments_.rate), arguments_.duration_seconds, slowdown,
          static_cast<unsigned>(port_));
      return {};
    }
    loop_.run_turn(milliseconds(50));
    load_->read();
  }
  return error(errc::timed_out, "the application was not ready in time");
}

result<void> show::drive() {
  std::fputs(live_heading().c_str(), stdout);
  const auto began = std::chrono::steady_clock::now();
  const double duration = arguments_.duration_seconds;
  usage_at_start_ = application_.usage();
  auto first = http_get(port_, "/metrics");
  if (!first) return first.error();
  last_ = reading::of(exposition::parse(*first), 0);
  report_.whole.from = report_.before.from = last_;
  for (double elapsed = 0; elapsed < duration; elapsed = seconds_since(began)) {
    if (!application_.running())
      return error(errc::internal, "the application ended in the middle of the demo");
    const double wanted = elapsed >= duration / 2 && elapsed < duration * 3 / 4 ? slowdown : 1;
    if (wanted != factor_) {
      observe(elapsed);
      (wanted > 1 ? report_.before.to : report_.during.to) = last_;
      (wanted > 1 ? report_.during.from : report_.after.from) = last_;
      world_.database->set_latency_factor(wanted);
      factor_ = wanted;
    }
    offer(elapsed);
    load_->read();
    verifier_->check_rows(rows_checked_per_tick);
    loop_.run_turn(tick);
    if (elapsed >= seconds_shown_ + 1) {
      ++seconds_shown_;
      observe(elapsed);
    }
  }
  world_.database->set_latency_factor(1);
  factor_ = 1;
  return {};
}

// Produces what is due by now, unless the application lags so far that the mock broker would drop records.
void show::offer(double elapsed) {
  offered_ += (elapsed - last_offer_) * static_cast<double>(arguments_.rate);
  last_offer_ = elapsed;
  const std::uint64_t behind = load_->produced() - load_->read_downstream();
  if (behind > lag_max || offered_ < 1) return;
  const auto due = static_cast<std::uint64_t>(offered_);
  for (; profiled_ < load_->produced() + due; ++profiled_) {
    const expected_visit visit = generator_.make(profiled_);
    if (auto added = profiles_->add(visit.visitor, visit.visitor_id); !added) {
      std::fprintf(stderr, "demo: %s\n", added.error().to_string().c_str());
    }
  }
  const std::uint64_t produced = load_->produce(due);
  offered_ = std::min(offered_ - static_cast<double>(produced), static_cast<double>(arguments_.rate));
}

void show::observe(double elapsed) {
  const auto page = http_get(port_, "/metrics");
  if (!page) return;
  const reading now = reading::of(exposition::parse(*page), elapsed);
  window& phase = factor_ > 1
                      ? report_.during
                      : (elapsed > arguments_.duration_seconds / 2.0 ? report_.after : report_.before);
  for (window* w : {&phase, &report_.whole}) {
    w->in_flight_max = std::max(w->in_flight_max, now.in_flight);
    w->lag_max = std::max(w->lag_max, now.lag);
  }
  if (now.at_seconds - last_.at_seconds > 0.5) std::fputs(live_line({last_, now}, factor_).c_str(), stdout);
  std::fflush(stdout);
  last_ = now;
  usage_ = application_.usage();
}

result<void> show::drain() {
  const auto began = std::chrono::steady_clock::now();
  observe(arguments_.duration_seconds);
  report_.after.to = last_;
  bool complete = false;
  while (!complete && seconds_since(began) < drain_seconds_max) {
    if (!application_.running()) return error(errc::internal, "the application ended before it had finished");
    load_->read();
    verifier_->check_rows(rows_checked_per_tick);
    loop_.run_turn(tick);
    const auto page = http_get(port_, "/metrics");
    if (!page) continue;
    const auto now =
        reading::of(exposition::parse(*page), arguments_.duration_seconds + seconds_since(began));
    last_ = now;
    complete = load_->acknowledged() == load_->produced() && load_->read_downstream() >= load_->produced() &&
               now.done + now.dead_lettered >= static_cast<double>(load_->produced());
  }
  usage_ = application_.usage();
  application_.terminate();
  report_.exit_code = application_.wait(drain_seconds_max);
  load_->close();
  for (int i = 0; i < 400 && !load_->closed(); ++i) {
    load_->read();
    loop_.run_turn(tick);
  }
  return {};
}

void show::conclude() {
  report_.whole.to = last_;
  report_.checked = verifier_->finish();
  report_.records_produced = load_->produced();
  report_.records_done = static_cast<std::uint64_t>(last_.done);
  report_.dead_lettered = static_cast<std::uint64_t>(last_.dead_lettered);
  report_.records_per_second = report_.whole.rate();
  report_.rss_bytes_max = usage_.rss_bytes_max;
  if (last_.done > 0) {
    report_.cpu_us_per_record = (usage_.cpu_seconds - usage_at_start_.cpu_seconds) * 1e6 / last_.done;
  }
}

}  // namespace

int run_demo(const demo_arguments& arguments) { return show(arguments).run(); }

}  // namespace millrace::demo

// What one record costs the example's `visits` processor (one SELECT, one INSERT) in CPU time, against a
// program that only polls librdkafka over the same records. Both are processes of their own; mock Kafka, the
// registry and the CQL emulator live in this one. Rounds are interleaved, so that a machine that others use
// too disturbs all alike: believe the ratios.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <millrace/app/application.h>
#include <millrace/kafka/producer.h>
#include <millrace/runtime/loop.h>
#include <millrace/workload/admin_page.h>
#include <millrace/workload/application_process.h>
#include <millrace/workload/environment.h>
#include <millrace/workload/navigation.h>
#include <millrace/workload/visit_generator.h>

#include "poll_only.h"

namespace millrace::bench {
namespace {

using emulators::operation;
using nlohmann::json;
using workload::application_process;

constexpr std::size_t outstanding_max = 50'000;
constexpr int run_seconds_max = 120;
constexpr auto settled_after = std::chrono::milliseconds(500);
// The mock broker keeps 5 MiB of a partition.
constexpr std::uint64_t records_max = 100'000;

struct arguments {
  std::uint64_t records = 100'000;
  int rounds = 5;
  std::vector<std::size_t> in_flight{256, 1'024};
  std::string json_file;
};

double cpu_microseconds(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

class receipts final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override {
    --outstanding;
    failed += answer ? 0U : 1U;
  }
  std::uint64_t outstanding = 0;
  std::uint64_t failed = 0;
};

// Fills the topic `navigation`.
result<void> write_records(workload::environment& environment, std::uint64_t count) {
  runtime::loop loop(system_clock());
  kafka::producer_config config;
  config.client.bootstrap_servers = environment.bootstrap_servers();
  config.client.client_id = "visits-bench";
  config.records_max = outstanding_max;
  auto sink = kafka::producer::create(std::move(config), loop);
  if (!sink) return sink.error();
  const workload::visit_generator generator(42);
  receipts answers;
  std::string value;
  for (std::uint64_t index = 0; index < count;) {
    std::string datum;
    const workload::expected_visit visit = generator.make(index, &datum);
    if (auto added = environment.add_profile(visit.visitor, visit.visitor_id); !added) return added.error();
    value.assign(1, '\0');
    for (int shift = 24; shift >= 0; shift -= 8)
      value.push_back(static_cast<char>((environment.schema_id() >> shift) & 0xFF));
    value += datum;
    if ((*sink)->produce({"navigation", as_bytes(visit.visitor_id), as_bytes(value), {}}, answers)) {
      ++answers.outstanding;
      ++index;
    } else {
      loop.run_turn(milliseconds(1));
    }
  }
  while (answers.outstanding > 0) loop.run_turn(milliseconds(5));
  if (answers.failed > 0) return error(errc::internal, "the mock broker refused records");
  return {};
}

class bench {
 public:
  explicit bench(const arguments& given) : given_(given) {}
  int run();

 private:
  result<void> round();
  result<void> launch(application_process& process, std::size_t in_flight, const std::string& group,
                      std::uint16_t port);
  result<double> start_up();
  result<double> application(std::size_t in_flight);
  result<double> poll();
  void print() const;
  [[nodiscard]] std::uint64_t inserted() { return environment_->database().counters().of(operation::insert); }

  const arguments& given_;
  std::filesystem::path folder_;
  std::unique_ptr<workload::environment> environment_;
  int rounds_done_ = 0;
  double start_up_us_ = 0;                           // of this round
  std::vector<std::vector<double>> application_us_;  // by in-flight limit, then round
  std::vector<double> poll_us_;
};

int bench::run() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-bench-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return 1;
  folder_ = pattern;
  application_us_.resize(given_.in_flight.size());
  int code = 0;
  for (; rounds_done_ < given_.rounds && code == 0; ++rounds_done_) {
    if (auto done = round(); !done) {
      std::fprintf(stderr, "bench_visits: %s\n", done.error().to_string().c_str());
      code = 1;
    }
  }
  if (code == 0) print();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
  return code;
}

result<void> bench::round() {
  environment_ = std::make_unique<workload::environment>();
  if (auto started = environment_->start(); !started) return started.error();
  auto start_up_us = start_up();
  if (!start_up_us) return start_up_us.error();
  start_up_us_ = *start_up_us;
  if (auto written = write_records(*environment_, given_.records); !written) return written.error();
  // Each round begins with another one.
  const std::size_t turns = given_.in_flight.size() + 1;
  for (std::size_t i = 0; i < turns; ++i) {
    const std::size_t which = (i + static_cast<std::size_t>(rounds_done_)) % turns;
    auto measured = which < given_.in_flight.size() ? application(given_.in_flight[which]) : poll();
    if (!measured) return measured.error();
    (which < given_.in_flight.size() ? application_us_[which] : poll_us_).push_back(*measured);
  }
  return {};
}

result<void> bench::launch(application_process& process, std::size_t in_flight, const std::string& group,
                           std::uint16_t port) {
  const auto config = folder_ / "config.yaml";
  std::ofstream(config) << environment_->config_text(in_flight, port);
  return process.start({"application", config.string(), "--set", "kafka.group=" + group},
                       (folder_ / "application.log").string());
}

// What the application takes to connect, prepare and join, on an empty topic.
result<double> bench::start_up() {
  application_process process;
  const std::uint16_t port = workload::free_port();
  if (auto started = launch(process, 1'024, "start-up", port); !started) return started.error();
  while (!workload::get_page(port, "/readyz")) {
    if (!process.running()) return error(errc::internal, "the application ended before it was ready");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::this_thread::sleep_for(settled_after);
  const double used = cpu_microseconds(process.pid());
  process.terminate();
  process.wait(run_seconds_max);
  return used;
}

// CPU per record of the application, its start-up taken off.
result<double> bench::application(std::size_t in_flight) {
  const std::uint64_t before = inserted();
  application_process process;
  if (auto started = launch(process, in_flight, fmt::format("visits-{}", in_flight), 0); !started)
    return started.error();
  std::fprintf(stderr, "round %d: %zu in flight is process %d\n", rounds_done_ + 1, in_flight, process.pid());
  const auto began = std::chrono::steady_clock::now();
  while (inserted() - before < given_.records) {
    if (!process.running()) return error(errc::internal, "the application ended before it had finished");
    if (std::chrono::steady_clock::now() - began > std::chrono::seconds(run_seconds_max))
      return error(errc::timed_out, "the application was not done in time");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const double used = cpu_microseconds(process.pid()) - start_up_us_;
  process.terminate();
  if (process.wait(run_seconds_max) != 0) return error(errc::internal, "the application did not end well");
  return used / static_cast<double>(given_.records);
}

result<double> bench::poll() {
  application_process process;
  const std::string output = (folder_ / "poll.log").string();
  if (auto started =
          process.start({"poll", environment_->bootstrap_servers(), std::to_string(given_.records)}, output);
      !started) {
    return started.error();
  }
  if (process.wait(run_seconds_max) != 0) return error(errc::internal, "polling did not end well");
  std::ifstream file(output);
  double nanoseconds_per_record = 0;
  if (!(file >> nanoseconds_per_record)) return error(errc::internal, "polling printed no figure");
  return nanoseconds_per_record / 1e3;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void bench::print() const {
  const double floor = median(poll_us_);
  json results = {{"records", given_.records}, {"rounds", given_.rounds}, {"poll_us_per_record", floor}};
  fmt::print("CPU per record, {} records, median of {} interleaved rounds (least to most)\n\n",
             given_.records, given_.rounds);
  const auto row = [&](const std::string& name, const std::vector<double>& values) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    fmt::print("{:<28}{:>8.2f} us  ({:.2f} to {:.2f}){:>8.1f} x polling\n", name, median(values), *least,
               *most, median(values) / floor);
  };
  row("poll librdkafka only", poll_us_);
  for (std::size_t i = 0; i < given_.in_flight.size(); ++i) {
    row(fmt::format("visits, {} in flight", given_.in_flight[i]), application_us_[i]);
    results["visits"].push_back({{"in_flight_max", given_.in_flight[i]},
                                 {"cpu_us_per_record", median(application_us_[i])},
                                 {"times_polling", median(application_us_[i]) / floor},
                                 {"rounds", application_us_[i]}});
  }
  if (!given_.json_file.empty()) std::ofstream(given_.json_file) << results.dump(2) << "\n";
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  using namespace millrace;
  CLI::App cli("CPU per record of the example's processor `visits`, against only polling librdkafka",
               "bench_visits");
  bench::arguments given;
  cli.add_option("--records", given.records, "Of one round")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1'000}, bench::records_max));
  cli.add_option("--rounds", given.rounds)->capture_default_str()->check(CLI::Range(1, 1'000));
  cli.add_option("--in-flight", given.in_flight, "Limits to measure with")
      ->delimiter(',')
      ->capture_default_str();
  cli.add_option("--json", given.json_file, "Write the results to this file");
  int code = 0;

  // The two that are measured, started by this program.
  app::run_arguments run;
  CLI::App* application = cli.add_subcommand("application")->group("");
  application->add_option("config", run.config_file)->required();
  application->add_option("--set", run.set);
  std::string brokers;
  std::uint64_t records = 0;
  CLI::App* poll = cli.add_subcommand("poll")->group("");
  poll->add_option("brokers", brokers)->required();
  poll->add_option("records", records)->required();
  CLI11_PARSE(cli, argc, argv);
  if (application->parsed()) {
    code = app::run(workload::visits_application(), run);
  } else if (poll->parsed()) {
    code = bench::poll_only(brokers, "navigation", "visits-poll", records);
  } else {
    code = bench::bench(given).run();
  }
  return code;
}

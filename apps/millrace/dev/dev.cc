#include "dev/dev.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <millrace/app/config_commands.h>
#include <millrace/app/exit_code.h>
#include <millrace/app/schema_file.h>
#include <millrace/avro/framing.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/emulators/mock_kafka.h>
#include <millrace/emulators/registry_double.h>
#include <millrace/kafka/producer.h>
#include <millrace/runtime/loop.h>
#include <millrace/workload/admin_page.h>
#include <millrace/workload/application_process.h>

#include "dev/samples.h"

namespace millrace::dev {
namespace {

namespace fs = std::filesystem;
using cql::declared_statement;
using nlohmann::json;

constexpr std::uint16_t usual_port = 9464;
constexpr int start_seconds_max = 60;
constexpr int stop_seconds_max = 60;
constexpr milliseconds tick{20};
constexpr std::size_t produced_per_tick_max = 500;
// The mock broker drops the oldest of 100,000 messages of a partition.
constexpr std::uint64_t lag_max = 60'000;

std::atomic<int> signals_seen{0};
static_assert(std::atomic<int>::is_always_lock_free, "set in a signal handler");
void on_signal(int) { signals_seen.fetch_add(1); }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class receipts final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override { (answer ? acknowledged : failed) += 1; }
  std::uint64_t acknowledged = 0;
  std::uint64_t failed = 0;
};

class session {
 public:
  explicit session(const dev_arguments& arguments) : arguments_(arguments) {}
  session(const session&) = delete;
  session& operator=(const session&) = delete;
  ~session() {
    sink_.reset();  // answers what is outstanding, while the receipts exist
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  int run();

 private:
  result<void> prepare();
  result<void> start_servers(const app::app_config& settings);
  result<void> create_tables(const app::app_config& settings);
  result<void> create_topics();
  result<void> load_samples();
  result<void> start_application();
  void drive();
  void produce();
  [[nodiscard]] json status() const;
  [[nodiscard]] bool finished(const json& now) const;
  [[nodiscard]] std::vector<std::string> overrides() const;
  void summarise(const json& last, int exit_code) const;

  const dev_arguments& arguments_;
  fs::path folder_;
  std::uint16_t port_ = 0;
  std::unique_ptr<emulators::cql_emulator> database_;
  std::unique_ptr<emulators::registry_double> registry_;
  std::unique_ptr<emulators::mock_kafka> kafka_;
  std::vector<std::string> topics_;
  std::vector<std::pair<std::string, std::string>> tables_;
  std::vector<topic_samples> samples_;
  std::map<std::string, std::int32_t> schema_ids_;  // by topic
  std::size_t at_topic_ = 0;
  std::size_t at_record_ = 0;
  std::uint64_t produced_ = 0;
  runtime::loop loop_{system_clock()};
  receipts receipts_;
  std::unique_ptr<stream::sink> sink_;
  workload::application_process application_;
};

int session::run() {
  struct sigaction watched{};
  watched.sa_handler = on_signal;
  sigemptyset(&watched.sa_mask);
  ::sigaction(SIGINT, &watched, nullptr);
  ::sigaction(SIGTERM, &watched, nullptr);
  if (auto ready = prepare(); !ready) {
    std::fprintf(stderr, "dev: %s\n", ready.error().message().c_str());
    return app::is_config_error(ready.error().code()) ? app::exit_config : app::exit_failure;
  }
  drive();
  const json last = status();
  const bool ended = !application_.running();
  if (!ended) application_.terminate();
  const int code = application_.wait(stop_seconds_max);
  summarise(last, code);
  if (receipts_.failed > 0)
    std::fprintf(stderr, "dev: %llu records were not produced\n",
                 static_cast<unsigned long long>(receipts_.failed));
  return code;
}

result<void> session::prepare() {
  std::ostringstream problems;
  const auto loaded =
      app::load_config({.config_file = arguments_.config_file, .set = arguments_.set}, problems);
  if (!loaded) return error(errc::config_invalid, "the configuration cannot be used:\n" + problems.str());
  if (::access(arguments_.program.c_str(), X_OK) != 0)
    return error(errc::config_invalid, "'" + arguments_.program + "' is not a program that can be run");
  std::string pattern = (fs::temp_directory_path() / "millrace-dev-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return error(errc::io_error, "cannot create a folder " + pattern);
  folder_ = pattern;
  port_ = arguments_.port != 0            ? arguments_.port
          : workload::is_free(usual_port) ? usual_port
                                          : workload::free_port();
  if (!workload::is_free(port_))
    return error(errc::address_in_use, fmt::format("port {} is in use; choose another --port", port_));
  if (auto done = start_servers(loaded->value); !done) return done;
  if (auto done = create_tables(loaded->value); !done) return done;
  if (auto done = load_samples(); !done) return done;
  if (auto done = create_topics(); !done) return done;
  return start_application();
}

// With the users and the datacenter of the configuration, so that it needs no change for them.
result<void> session::start_servers(const app::app_config& settings) {
  emulators::cql_emulator_options database;
  if (settings.cql) {
    database.user = settings.cql->user;
    database.password = std::string(settings.cql->password.reveal());
    if (!settings.cql->datacenter.empty()) database.datacenter = settings.cql->datacenter;
    if (!settings.cql->rack.empty()) database.rack = settings.cql->rack;
  }
  auto cql = emulators::cql_emulator::start(database);
  if (!cql) return cql.error();
  database_ = std::move(*cql);
  emulators::registry_double_options schemas;
  if (settings.registry) {
    schemas.user = settings.registry->user;
    schemas.password = std::string(settings.registry->password.reveal());
  }
  auto registry = emulators::registry_double::start(schemas);
  if (!registry) return registry.error();
  registry_ = std::move(*registry);
  auto kafka = emulators::mock_kafka::start();
  if (!kafka) return kafka.error();
  kafka_ = std::move(*kafka);
  kafka_->set_initial_rebalance_delay(milliseconds(0));
  kafka_->set_heartbeat_interval(milliseconds(200));
  kafka::producer_config producer;
  producer.client.bootstrap_servers = kafka_->bootstrap_servers();
  producer.client.client_id = "millrace-dev";
  auto sink = kafka::producer::create(std::move(producer), loop_);
  if (!sink) return sink.error();
  sink_ = std::move(*sink);
  return {};
}

result<void> session::create_tables(const app::app_config& settings) {
  if (arguments_.schema_file.empty()) return {};
  const std::string keyspace = settings.cql ? settings.cql->keyspace : std::string();
  const auto file = app::schema_file::read(arguments_.schema_file, keyspace);
  if (!file) return file.error();
  if (const auto found = file->diagnostics(); !found.empty()) return config::to_error(found);
  for (const declared_statement& each : file->schema().statements()) {
    using kind = declared_statement::kind;
    const bool executed = each.is == kind::keyspace || each.is == kind::table || each.is == kind::type ||
                          each.is == kind::alteration || each.is == kind::removal || each.is == kind::other;
    if (!executed) {
      if (each.is != kind::use)
        std::fprintf(stderr, "dev: %s:%zu: left out: the embedded server has no indexes and views\n",
                     file->origin().c_str(), each.line);
      continue;
    }
    std::string text = each.text;
    if (each.qualify_at != std::string::npos) text.insert(each.qualify_at, each.keyspace + ".");
    if (auto done = database_->execute(text); !done)
      return error(errc::config_invalid,
                   fmt::format("{}:{}: {}", file->origin(), each.line, done.error().message()));
  }
  for (const auto& [name, table] : file->schema().tables()) tables_.push_back(name);
  return {};
}

result<void> session::load_samples() {
  if (arguments_.samples_folder.empty()) return {};
  auto read = read_samples(arguments_.samples_folder, arguments_.records, arguments_.seed);
  if (!read) return read.error();
  samples_ = std::move(*read);
  for (const topic_samples& each : samples_) {
    if (each.schema.empty()) continue;
    const auto registered = registry_->add(each.topic + "-value", each.schema);
    if (!registered) return registered.error().in("the schema of topic " + each.topic);
    schema_ids_[each.topic] = registered->id;
  }
  return {};
}

// The application says which topics it needs.
result<void> session::create_topics() {
  const std::string list = (folder_ / "needs").string();
  workload::application_process asked;
  std::vector<std::string> command{"prepare", "--list", "--config", arguments_.config_file};
  for (const std::string& each : overrides()) command.insert(command.end(), {"--set", each});
  if (auto started = asked.start_program(arguments_.program, command, list); !started) return started;
  const int code = asked.wait(start_seconds_max);
  std::ifstream lines(list);
  std::ostringstream all;
  all << lines.rdbuf();
  if (code != 0)
    return error(errc::config_invalid, arguments_.program + " prepare --list failed:\n" + all.str());
  std::istringstream needs(all.str());
  for (std::string line; std::getline(needs, line);) {
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    if (!line.starts_with("topic\t") || second == std::string::npos) continue;
    topics_.push_back(line.substr(first + 1, second - first - 1));
    if (auto made = kafka_->create_topic(topics_.back(), arguments_.partitions); !made) return made;
  }
  for (const topic_samples& each : samples_) {
    if (std::find(topics_.begin(), topics_.end(), each.topic) != topics_.end()) continue;
    return error(errc::config_invalid,
                 "there are samples for topic '" + each.topic + "', which the application does not use");
  }
  return {};
}

std::vector<std::string> session::overrides() const {
  std::vector<std::string> all = arguments_.set;
  all.push_back("kafka.bootstrap_servers=" + kafka_->bootstrap_servers());
  all.emplace_back("kafka.properties.security.protocol=plaintext");
  all.emplace_back(
      "kafka.properties.fetch.wait.max.ms=5");  // the mock broker answers a fetch when this has passed
  // The mock broker does not admit several members at once.
  all.emplace_back("engine.workers=1");
  all.push_back("registry.urls=" + registry_->url());
  all.push_back("cql.contact_points=" + database_->contact_point());
  all.emplace_back("cql.consistency=LOCAL_ONE");
  all.emplace_back("cql.tls=false");
  all.push_back("admin.port=" + std::to_string(port_));
  return all;
}

result<void> session::start_application() {
  std::vector<std::string> command{"run", "--config", arguments_.config_file};
  for (const std::string& each : overrides()) command.insert(command.end(), {"--set", each});
  if (auto started = application_.start_program(arguments_.program, command, ""); !started) return started;
  const auto began = std::chrono::steady_clock::now();
  while (seconds_since(began) < start_seconds_max && signals_seen.load() == 0) {
    if (!application_.running())
      return error(errc::config_invalid, "the application ended before it was ready; its messages are above");
    if (workload::get_page(port_, "/readyz")) {
      std::printf(
          "The application runs: http://127.0.0.1:%u/  (Ctrl-C ends it)\n"
          "Kafka %s, schema registry %s, CQL %s\n",
          static_cast<unsigned>(port_), kafka_->bootstrap_servers().c_str(), registry_->url().c_str(),
          database_->contact_point().c_str());
      std::fflush(stdout);
      return {};
    }
    loop_.run_turn(milliseconds(50));
  }
  return error(errc::timed_out, "the application was not ready in time");
}

void session::drive() {
  const auto began = std::chrono::steady_clock::now();
  auto looked = began;
  while (signals_seen.load() == 0 && application_.running()) {
    if (arguments_.duration_seconds > 0 && seconds_since(began) >= arguments_.duration_seconds) return;
    produce();
    loop_.run_turn(tick);
    if (seconds_since(looked) < 0.5) continue;
    looked = std::chrono::steady_clock::now();
    if (!samples_.empty() && !arguments_.stay && arguments_.duration_seconds == 0 && finished(status()))
      return;
  }
}

void session::produce() {
  if (produced_ - receipts_.acknowledged - receipts_.failed > lag_max) return;
  for (std::size_t i = 0; i < produced_per_tick_max && at_topic_ < samples_.size();) {
    const topic_samples& from = samples_[at_topic_];
    if (at_record_ == from.records.size()) {
      ++at_topic_;
      at_record_ = 0;
      continue;
    }
    const sample& record = from.records[at_record_];
    byte_buffer value;
    if (const auto id = schema_ids_.find(from.topic); id != schema_ids_.end())
      avro::append_frame(id->second, value);
    if (record.value) value.insert(value.end(), record.value->begin(), record.value->end());
    std::vector<stream::header_view> headers;
    headers.reserve(record.headers.size());
    for (const auto& [name, text] : record.headers) headers.push_back({name, as_bytes(text)});
    stream::outgoing out{from.topic, {}, {}, headers};
    if (record.key) out.key = as_bytes(*record.key);
    if (record.value) out.value = bytes_view(value);
    if (!sink_->produce(out, receipts_)) return;  // the queue is full
    ++at_record_;
    ++produced_;
    ++i;
  }
}

json session::status() const {
  const auto page = workload::get_page(port_, "/status");
  return page ? json::parse(*page, nullptr, false) : json();
}

// Everything was produced, received and finished.
bool session::finished(const json& now) const {
  if (at_topic_ < samples_.size() || receipts_.acknowledged + receipts_.failed < produced_) return false;
  if (!now.is_object() || !now.contains("accounting")) return false;
  const json& counts = now["accounting"];
  return counts.value("in_flight", std::uint64_t{1}) == 0 && now.value("lag", std::int64_t{1}) == 0 &&
         counts.value("received", std::uint64_t{0}) >= receipts_.acknowledged;
}

void session::summarise(const json& last, int exit_code) const {
  std::printf("\nproduced       %llu\n", static_cast<unsigned long long>(receipts_.acknowledged));
  if (last.is_object() && last.contains("accounting")) {
    for (const char* name : {"received", "done", "skipped", "dead_lettered", "in_flight"}) {
      std::printf("%-14s %llu\n", name,
                  static_cast<unsigned long long>(last["accounting"].value(name, std::uint64_t{0})));
    }
  }
  for (const auto& [keyspace, name] : tables_) {
    const auto table = database_->table(keyspace, name);
    if (!table) continue;
    std::uint64_t rows = 0;
    table->visit_all([&rows](const emulators::emulated_row&) { ++rows; });
    const std::string title = "table " + keyspace + "." + name;
    std::printf("%s: %llu rows, %llu writes\n", title.c_str(), static_cast<unsigned long long>(rows),
                static_cast<unsigned long long>(table->counts().writes));
  }
  std::printf("exit code      %d\n", exit_code);
  std::fflush(stdout);
}

}  // namespace

int run_dev(const dev_arguments& arguments) { return session(arguments).run(); }

}  // namespace millrace::dev

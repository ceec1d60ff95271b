// The application as a process, with its servers in this one: what it does when the system or a server fails it at the
// start or later. The program runs itself: with the argument `run` it is the application.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fixtures/exhausted_descriptors.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <millrace/app/application.h>
#include <millrace/avro/value.h>
#include <millrace/engine/avro_value.h>
#include <millrace/kafka/producer.h>
#include <millrace/runtime/wait.h>
#include <millrace/statement/metric.h>
#include <millrace/workload/admin_page.h>
#include <millrace/workload/application_process.h>
#include <millrace/workload/environment.h>
#include <millrace/workload/navigation.h>
#include <millrace/workload/navigation_schema.h>

namespace millrace::workload {
namespace {

namespace fs = std::filesystem;

constexpr int ends_within_s = 60;
constexpr char descriptors_variable[] = "MILLRACE_TEST_DESCRIPTORS";

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

constexpr char application_variable[] = "MILLRACE_TEST_APPLICATION";

// Waits longer than any stop may take.
class sleeper final : public engine::processor<avro::value> {
  runtime::task<stream::outcome> process(engine::record<avro::value>, stream::context ctx) override {
    co_await runtime::sleep_for(ctx.loop(), std::chrono::hours(1));
    co_return stream::outcome::done();
  }
};

// Blocks the thread of its worker, as no processor may.
class blocker final : public engine::processor<avro::value> {
  runtime::task<stream::outcome> process(engine::record<avro::value>, stream::context) override {
    std::this_thread::sleep_for(std::chrono::hours(1));
    co_return stream::outcome::done();
  }
};

struct metered_settings {
  std::int64_t limit = 5;
};
const config::spec<metered_settings>& metered_spec() {
  static const config::spec<metered_settings> declared{
      config::field(&metered_settings::limit, "limit").doc("A limit.")};
  return declared;
}

// Counts each record and logs its own setting.
class metered final : public engine::processor<avro::value> {
 public:
  explicit metered(const metered_settings& settings) : limit_(settings.limit) {}
  runtime::task<stream::outcome> process(engine::record<avro::value>, stream::context ctx) override {
    seen_.with("plain").add();
    ctx.log().warn("record seen", {{"limit", limit_}});
    co_return stream::outcome::done();
  }

 private:
  std::int64_t limit_;
  statements::counter seen_{"metered_seen_total", "Records.", {"kind"}};
};

// The application that the variable names.
app::application application_of(std::string_view name) {
  if (name == "sleeper") return {.name = "sleeper", .processors = {engine::make<sleeper>()}};
  if (name == "blocker") return {.name = "blocker", .processors = {engine::make<blocker>()}};
  if (name == "metered") {
    return {.name = "metered",
            .settings = app::settings_of(metered_spec(), [](const metered_settings& settings) {
              return engine::processor_set{engine::make<metered>(settings)};
            })};
  }
  return navigation_application();
}

class acknowledged final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override { is = answer.ok(); }
  bool is = false;
};

class application_test : public testing::Test {
 protected:
  application_test() : folder_(testing::TempDir() + "application_" + std::to_string(::getpid())) {
    fs::create_directories(folder_);
    auto started = servers_.start();
    EXPECT_TRUE(started) << started.error().to_string();
    registry_ = *emulators::registry_double::start();
    EXPECT_TRUE(registry_->add("navigation-value", navigation_schema()));
    std::ofstream(folder_ / "config.yaml") << servers_.config_text(256, port_);
  }
  ~application_test() override {
    ::unsetenv(descriptors_variable);
    ::unsetenv(application_variable);
    fs::remove_all(folder_);
  }

  void start(const std::vector<std::string>& settings = {}) {
    std::vector<std::string> arguments = {"run", (folder_ / "config.yaml").string(), "--set",
                                          "registry.urls=" + registry_->url()};
    for (const std::string& each : settings) arguments.insert(arguments.end(), {"--set", each});
    const auto started = process_.start(arguments, (folder_ / "log").string());
    ASSERT_TRUE(started) << started.error().to_string();
  }
  // The bound proves that nothing hangs.
  template <typename Condition>
  [[nodiscard]] bool eventually(Condition holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(ends_within_s);
    while (!holds()) {
      if (!process_.running() || std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  [[nodiscard]] bool becomes_ready() {
    return eventually([this] { return get_page(port_, "/readyz").ok(); });
  }
  [[nodiscard]] bool has_one_record_in_flight() {
    return eventually([this] {
      const auto page = get_page(port_, "/metrics");
      return page && page->find("\nmillrace_in_flight_records 1\n") != std::string::npos;
    });
  }
  [[nodiscard]] std::string log() const {
    std::ifstream in(folder_ / "log");
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  int stop() {
    process_.terminate();
    return process_.wait(ends_within_s);
  }
  // A record whose schema has the id, on the topic that the application reads.
  void produce(char id) {
    runtime::loop loop(system_clock());
    kafka::producer_config config;
    config.client.bootstrap_servers = servers_.bootstrap_servers();
    auto sink = kafka::producer::create(std::move(config), loop);
    ASSERT_TRUE(sink);
    const std::string framed{'\0', '\0', '\0', '\0', id, '\0'};
    acknowledged answer;
    stream::outgoing record;
    record.topic = "navigation";
    record.value = as_bytes(framed);
    ASSERT_TRUE((*sink)->produce(record, answer));
    while (!answer.is) loop.run_turn(milliseconds(10));
  }
  void limit_descriptors(rlim_t soft) const {
    rlimit limit{};
    ASSERT_EQ(::prlimit(process_.pid(), RLIMIT_NOFILE, nullptr, &limit), 0);
    limit.rlim_cur = soft;
    ASSERT_EQ(::prlimit(process_.pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  }
  // One message that names the cause, and no abort.
  void expect_clean_failure(int code) {
    const std::string said = log();
    EXPECT_EQ(code, 1) << said;
    EXPECT_EQ(count_of(said, "level=error"), 1U) << said;
    for (const char* trace : {"terminate called", "panicked", "invariant", "what()"})
      EXPECT_EQ(said.find(trace), std::string::npos) << said;
  }

  const fs::path folder_;
  const std::uint16_t port_ = free_port();
  environment servers_;
  std::unique_ptr<emulators::registry_double> registry_;
  application_process process_;
};

TEST_F(application_test, ARegistryThatFailsAtTheRegistrationIsWaitedFor) {
  emulators::registry_fault fault;
  fault.times = 2;
  fault.path_prefix = "/subjects";
  registry_->inject(fault);
  start();
  EXPECT_TRUE(becomes_ready()) << log();
  EXPECT_GE(count_of(log(), "event=waiting"), 1U) << log();
  EXPECT_EQ(stop(), 0) << log();
}

TEST_F(application_test, ARegistryThatNeverRegistersEndsTheStartWithItsError) {
  emulators::registry_fault fault;
  fault.times = UINT64_MAX;
  fault.path_prefix = "/subjects";
  registry_->inject(fault);
  start({"engine.start_timeout=1s"});
  const int code = process_.wait(ends_within_s);
  expect_clean_failure(code);
  EXPECT_NE(log().find("enriched-visits"), std::string::npos) << log();
}

TEST_F(application_test, ALookupWithoutDescriptorsIsRetried) {
  if (!fixtures::may_exhaust_descriptors) GTEST_SKIP() << "the sanitizers need descriptors";
  start();
  ASSERT_TRUE(becomes_ready()) << log();
  registry_->put(98, R"({"type": "string"})");
  produce(98);  // the connections to the brokers are made
  ASSERT_TRUE(eventually([this] { return registry_->requests("GET /schemas/ids/98") > 0; })) << log();
  limit_descriptors(
      6);  // the first ones are in use until the end; poll() refuses a limit below its number of entries
  produce(99);
  ASSERT_TRUE(eventually([this] { return log().find("event=registry_failed") != std::string::npos; }))
      << log();
  registry_->put(99, R"({"type": "string"})");
  limit_descriptors(1'024);
  EXPECT_TRUE(eventually([this] { return registry_->requests("GET /schemas/ids/99") > 0; })) << log();
  EXPECT_EQ(stop(), 0) << log();
}

// Files of secrets are replaced while the application runs.
TEST_F(application_test, ARotatedSecretNeedsNoRestart) {
  const std::string rotated = "canary-4f1c";
  const auto write_secret = [this](const std::string& name, const std::string& text) {
    std::ofstream(folder_ / "fresh") << text;
    fs::rename(folder_ / "fresh", folder_ / name);
  };
  emulators::registry_double_options guarded;
  guarded.user = "reader";
  guarded.password = "first";
  registry_ = *emulators::registry_double::start(guarded);
  ASSERT_TRUE(registry_->add("navigation-value", navigation_schema()));
  write_secret("registry", "first");
  write_secret("kafka", "first");
  start({"registry.user=reader", "registry.password=${file:" + (folder_ / "registry").string() + "}",
         "kafka.properties.sasl.username=app",
         "kafka.properties.sasl.password=${file:" + (folder_ / "kafka").string() + "}"});
  ASSERT_TRUE(becomes_ready()) << log();
  // Refused with the former password, and repeated at once with that of the file.
  registry_->set_password(rotated);
  write_secret("registry", rotated);
  registry_->put(98, R"({"type": "string"})");
  produce(98);
  EXPECT_TRUE(eventually([this] { return registry_->requests("GET /schemas/ids/98") == 2; })) << log();
  EXPECT_TRUE(eventually([this] { return count_of(log(), "event=credentials_renewed of=registry") == 1; }))
      << log();
  // Seen when the configuration is read again.
  write_secret("kafka", rotated);
  EXPECT_TRUE(eventually([this] { return count_of(log(), "event=credentials_renewed of=kafka") == 1; }))
      << log();
  EXPECT_EQ(log().find("event=credential_renewal_failed"), std::string::npos) << log();
  EXPECT_EQ(log().find(rotated), std::string::npos) << log();
  EXPECT_EQ(stop(), 0) << log();
}

TEST_F(application_test, AProcessorThatDoesNotReturnDelaysNoStop) {
  ::setenv(application_variable, "sleeper", 1);
  registry_->put(99, R"({"type": "string"})");
  start({"engine.drain_timeout=200ms"});
  ASSERT_TRUE(becomes_ready()) << log();
  produce(99);
  ASSERT_TRUE(has_one_record_in_flight()) << log();
  EXPECT_EQ(stop(), 1) << log();
  EXPECT_NE(log().find("abandoned=1"), std::string::npos) << log();
  EXPECT_EQ(log().find("invariant"), std::string::npos) << log();
}

TEST_F(application_test, AProcessorThatBlocksItsThreadDelaysNoStop) {
  ::setenv(application_variable, "blocker", 1);
  registry_->put(99, R"({"type": "string"})");
  start({"engine.drain_timeout=200ms", "engine.commit_timeout=1s", "engine.leave_timeout=100ms"});
  ASSERT_TRUE(becomes_ready()) << log();
  produce(99);
  ASSERT_TRUE(has_one_record_in_flight()) << log();
  EXPECT_EQ(stop(), 1) << log();
  EXPECT_NE(log().find("the event loop of a worker is blocked"), std::string::npos) << log();
}

TEST_F(application_test, MetricsSettingsAndLogLinesOfTheApplicationAreSeenFromOutside) {
  ::setenv(application_variable, "metered", 1);
  registry_->put(99, R"({"type": "string"})");
  start({"app.limit=7"});
  ASSERT_TRUE(becomes_ready()) << log();
  for (int i = 0; i < 3; ++i) produce(99);
  EXPECT_TRUE(eventually([this] {
    const auto page = get_page(port_, "/metrics");
    return page && page->find("\nmetered_seen_total{kind=\"plain\"} 3\n") != std::string::npos;
  })) << log();
  EXPECT_EQ(stop(), 0) << log();
  EXPECT_NE(
      log().find(
          "level=warning event=app message=\"record seen\" processor=metered topic=navigation partition="),
      std::string::npos)
      << log();
  EXPECT_NE(log().find(" limit=7 suppressed=0"), std::string::npos) << log();
}

TEST_F(application_test, AStartWithoutEnoughDescriptorsEndsWithOneMessage) {
  if (!fixtures::may_exhaust_descriptors) GTEST_SKIP() << "the sanitizers need descriptors";
  for (int descriptors = 6; descriptors < 200; descriptors += 7) {
    ::setenv(descriptors_variable, std::to_string(descriptors).c_str(), 1);
    start({"engine.start_timeout=0s"});
    if (becomes_ready()) break;
    expect_clean_failure(process_.wait(ends_within_s));
    ASSERT_FALSE(HasFailure()) << descriptors << " descriptors";
  }
  EXPECT_TRUE(process_.running()) << "with enough of them it starts";
  EXPECT_EQ(stop(), 0) << log();
}

}  // namespace
}  // namespace millrace::workload

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "run") {
    if (const char* given = std::getenv(millrace::workload::descriptors_variable)) {
      const auto most = static_cast<rlim_t>(std::atoi(given));
      const rlimit limit{most, most};
      ::setrlimit(RLIMIT_NOFILE, &limit);
    }
    const char* const name = std::getenv(millrace::workload::application_variable);
    return millrace::app::main(argc, argv, millrace::workload::application_of(name == nullptr ? "" : name));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// The connections of a process to servers of this one, which demand passwords, and whose passwords are rotated.
#include "connections.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/app/metric_catalogue.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/emulators/kafka_relay.h>
#include <millrace/emulators/mock_kafka.h>
#include <millrace/emulators/registry_double.h>
#include <millrace/kafka/producer.h>
#include <millrace/metrics/registry.h>

#include "log.h"

namespace millrace::app {
namespace {

constexpr const char* rotated = "canary-4f1c";
constexpr seconds at_most{60};  // a bound that proves that nothing hangs

class counting_events final : public stream::source_events {
 public:
  void on_record(const stream::record_view&) override { ++records; }
  void on_assigned(std::span<const stream::partition_id>) override {}
  void on_revoked(std::span<const stream::partition_id>) override {}
  void on_lost(std::span<const stream::partition_id>) override {}
  void on_committed(std::span<const stream::commit_result>) override {}
  void on_source_error(const error&, bool fatal) override { failed = failed || fatal; }
  std::size_t records = 0;
  bool failed = false;
};

class receipt final : public stream::receipt {
 public:
  void on_acknowledged(result<void> answer) override { acknowledged = answer.ok(); }
  bool acknowledged = false;
};

class connections_test : public testing::Test {
 protected:
  void SetUp() override {
    set_up_log(log_level::info, log_format::logfmt);
    declare_metrics(catalogue_);
    catalogue_.seal();
    kafka_ = *emulators::mock_kafka::start(1);
    kafka_->set_initial_rebalance_delay(milliseconds(50));
    for (const char* topic : {"t", "t-dlq"}) ASSERT_TRUE(kafka_->create_topic(topic, 1));
    relay_ = std::make_unique<emulators::kafka_relay>(*kafka_);
    relay_->require("app", "first");
    emulators::registry_double_options of_registry;
    of_registry.user = "reader";
    of_registry.password = "first";
    registry_ = *emulators::registry_double::start(of_registry);
    registry_->put(7, R"({"type": "string"})");
    emulators::cql_emulator_options of_database;
    of_database.user = "app";
    of_database.password = "first";
    database_ = *emulators::cql_emulator::start(of_database);
    settings_ = settings_with("first");
    configured_ = settings_;
    counts_ = std::make_unique<metrics::registry>(catalogue_);
    auto opened = connections::open(settings_, "test", "1", {},
                                    {counts_.get(), nullptr, [this] { return configured(); }},
                                    [](const error&) { return false; });
    ASSERT_TRUE(opened) << opened.error().to_string();
    connections_ = std::move(*opened);
  }
  void TearDown() override {
    ports_ = {};
    connections_.reset();
  }

  [[nodiscard]] app_config settings_with(const std::string& password) const {
    app_config made;
    made.kafka.client.bootstrap_servers = relay_->bootstrap_servers();
    made.kafka.client.properties = {{"security.protocol", "SASL_PLAINTEXT"},
                                    {"sasl.mechanism", "PLAIN"},
                                    {"sasl.username", "app"},
                                    {"sasl.password", password},
                                    {"reconnect.backoff.max.ms", "200"}};
    made.kafka.group = "g";
    made.kafka.topics = {"t"};
    made.engine.dead_letter_topic = "t-dlq";
    made.registry.emplace().urls = {registry_->url()};
    made.registry->user = "reader";
    made.registry->password = secret(password);
    made.cql.emplace().contact_points = {database_->contact_point()};
    made.cql->user = "app";
    made.cql->password = secret(password);
    return made;
  }
  // The password that the configuration holds now.
  void configure(const std::string& password) {
    const std::lock_guard lock(mutex_);
    configured_ = settings_with(password);
  }
  [[nodiscard]] result<app_config> configured() {
    const std::lock_guard lock(mutex_);
    return configured_;
  }
  // The servers know the new password only, and have closed every connection.
  void rotate_in_servers() {
    relay_->require("app", rotated);
    relay_->drop_connections();
    registry_->set_password(rotated);
    database_->set_password(rotated);
    database_->drop_connections();
  }
  bool until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + at_most;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (ports_.source) ports_.source->poll(events_, 100);
      loop_.run_turn(milliseconds(2));
    }
    return true;
  }
  void join() { ASSERT_TRUE(connections_->join(ports_, loop_, 0, {mib(16), mib(16)})); }
  bool produce() {
    const std::string text = "v";
    stream::outgoing record;
    record.topic = "t";
    record.value = as_bytes(text);
    receipt answer;
    return ports_.sink->produce(record, answer) && until([&] { return answer.acknowledged; });
  }
  static std::uint64_t lines(log_level level) { return logged().lines[static_cast<std::size_t>(level)]; }

  std::unique_ptr<emulators::mock_kafka> kafka_;
  std::unique_ptr<emulators::kafka_relay> relay_;
  std::unique_ptr<emulators::registry_double> registry_;
  std::unique_ptr<emulators::cql_emulator> database_;
  app_config settings_;
  metrics::catalogue catalogue_;
  std::unique_ptr<metrics::registry> counts_;
  runtime::loop loop_{system_clock()};
  std::unique_ptr<connections> connections_;
  worker_ports ports_;
  counting_events events_;

 private:
  std::mutex mutex_;
  app_config configured_;
};

TEST_F(connections_test, RotatedSecretsAreTakenUpByEveryClientAndLoggedOnceEach) {
  join();
  ASSERT_TRUE(produce());
  ASSERT_TRUE(until([&] { return events_.records == 1; }));
  testing::internal::CaptureStderr();
  const std::uint64_t before = lines(log_level::info);
  // The session tries the credentials before it takes them up.
  database_->set_password(rotated);
  ASSERT_TRUE(connections_->renew(settings_with(rotated)));
  ASSERT_TRUE(connections_->renew(settings_with(rotated))) << "no change, no line";
  const bool logged_all = until([&] { return lines(log_level::info) >= before + 3; });
  rotate_in_servers();
  const bool produced = produce();
  const bool consumed = until([&] { return events_.records == 2; });
  const std::string schema = connections_->schema_text(7);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(logged_all) << log;
  EXPECT_TRUE(produced) << log;
  EXPECT_TRUE(consumed) << log;
  EXPECT_FALSE(events_.failed);
  EXPECT_EQ(schema, R"({"type": "string"})");
  EXPECT_EQ(relay_->refused(), 0U);
  for (const std::string of : {"kafka", "registry", "cql"}) {
    const std::string line = "event=credentials_renewed of=" + of + "\n";
    const std::size_t at = log.find(line);
    EXPECT_NE(at, std::string::npos) << line << log;
    EXPECT_EQ(log.find(line, at + 1), std::string::npos) << log;
  }
  EXPECT_EQ(log.find(rotated), std::string::npos) << log;
}

TEST_F(connections_test, ARegistryThatRefusesThePasswordIsAskedWithThatOfTheConfigurationAtOnce) {
  registry_->set_password(rotated);
  configure(rotated);
  EXPECT_EQ(connections_->schema_text(7), R"({"type": "string"})");
  EXPECT_EQ(registry_->requests("GET /schemas/ids/7"), 2U);
}

TEST_F(connections_test, APartThatCannotBeTakenUpDoesNotHoldUpTheOthers) {
  app_config now = settings_with(rotated);
  now.kafka.client.properties.erase("sasl.password");
  const auto renewed = connections_->renew(now);
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code(), errc::config_invalid);
  registry_->set_password(rotated);
  EXPECT_EQ(connections_->schema_text(7), R"({"type": "string"})");
  EXPECT_EQ(registry_->requests("GET /schemas/ids/7"), 1U) << "with the new password at once";
}

}  // namespace
}  // namespace millrace::app

// The fixture of these tests: an engine with the real source and sink, between librdkafka's mock cluster and
// a simulated database, on the real clock.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fixtures/cluster_fixture.h>
#include <fixtures/engine_fixture.h>

#include <millrace/emulators/kafka_relay.h>

namespace millrace::app {

using emulators::kafka_api;
using emulators::kafka_error;
using emulators::kafka_relay;
using emulators::mock_kafka;
using kafka::cluster_test;
using kafka::member;
using kafka::writer;
using simulation::executed_statement;
using simulation::simulated_schemas;
using simulation::simulated_store;
using simulation::store_fate;

inline constexpr std::int32_t parcel_schema = 7;

struct worker_settings {
  kafka::consumer_config source;
  kafka::producer_config sink;
  engine::engine_options engine;
};

// One worker, by default with the processor `storing`. A test turns its loop.
class broker_worker {
 public:
  explicit broker_worker(const worker_settings& settings,
                         const engine::processor_set& set = {engine::make<engine::storing>("storing")}) {
    auto source = kafka::consumer::create(settings.source, loop_);
    auto sink = kafka::producer::create(settings.sink, loop_);
    auto work = engine::build(set);
    EXPECT_TRUE(source.ok() && sink.ok() && work.ok());
    source_ = std::move(*source);
    sink_ = std::move(*sink);
    schemas_.add(parcel_schema, "parcel");
    engine_ = std::make_unique<engine::record_engine>(
        engine::engine_ports{loop_, *source_, *sink_, store_, schemas_, budget_, retries_, shard_},
        settings.engine, std::move(*work));
    engine_->start();
  }
  broker_worker(const broker_worker&) = delete;
  broker_worker& operator=(const broker_worker&) = delete;
  ~broker_worker() {
    EXPECT_TRUE(engine_->counts().balanced());
    engine_->abort();
    sink_->abandon();
    EXPECT_TRUE(until([&] { return engine_->quiescent(); }));
    engine_.reset();
  }

  void turn() {
    loop_.run_turn(milliseconds(2));
    for (const auto& p : engine_->status_now().partitions) {
      std::int64_t& highest = committed_[p.partition];
      highest = std::max(highest, p.committed.value_or(0));
    }
  }
  // Generous, so that a busy machine does not decide.
  bool until(const std::function<bool()>& done) {
    const instant deadline = system_clock().now() + seconds(90);
    while (!done()) {
      if (system_clock().now() >= deadline) return false;
      turn();
    }
    return true;
  }
  // So many turns, for what must not happen.
  void idle(int turns = 150) {
    for (int i = 0; i < turns; ++i) turn();
  }
  // Finished, and the broker has the commit of everything.
  bool until_committed(std::uint64_t records) {
    return until([&] { return engine_->counts().in_flight == 0 && committed_total() >= records; });
  }
  bool stop() {
    engine_->request_stop();
    return until([&] { return engine_->finished(); });
  }

  [[nodiscard]] engine::record_engine& engine() { return *engine_; }
  [[nodiscard]] kafka::consumer& source() { return *source_; }
  [[nodiscard]] kafka::producer& sink() { return *sink_; }
  [[nodiscard]] const engine::record_accounting& counts() const { return engine_->counts(); }
  // What the broker said it has, of all partitions, which all begin at 0.
  [[nodiscard]] std::uint64_t committed_total() const {
    std::int64_t sum = 0;
    for (const auto& [partition, offset] : committed_) sum += offset;
    return static_cast<std::uint64_t>(sum);
  }
  [[nodiscard]] bool paused() const {
    const auto now = engine_->status_now();
    return std::any_of(now.partitions.begin(), now.partitions.end(),
                       [](const auto& p) { return p.paused != engine::pause_reason::none; });
  }
  // How often each parcel was written.
  [[nodiscard]] std::map<std::int64_t, int> written() const {
    std::map<std::int64_t, int> times;
    for (const auto& e : store_.executed()) ++times[e.parameters[0].bigint()];
    return times;
  }

  bool database_overloaded = false;
  nanoseconds database_delay{0};

 private:
  runtime::loop loop_{system_clock()};
  std::unique_ptr<kafka::consumer> source_;
  std::unique_ptr<kafka::producer> sink_;
  simulated_store store_{loop_,
                         {[this](const executed_statement&) {
                            store_fate fate;
                            fate.until_applied = database_delay;
                            if (database_overloaded) fate.failure = error(errc::db_overloaded);
                            return fate;
                          },
                          {}}};
  simulated_schemas schemas_{loop_};
  engine::byte_budget budget_{64U << 20U};
  engine::retry_budget retries_{engine::retry_budget_policy{}};
  metrics::catalogue declared_;
  metrics::registry registry_{declared_};
  metrics::shard& shard_{registry_.add_shard()};
  std::unique_ptr<engine::record_engine> engine_;
  std::map<std::int32_t, std::int64_t> committed_;
};

class broker_test : public cluster_test {
 protected:
  // Sessions outlast a busy machine; what fails is tried again soon.
  [[nodiscard]] worker_settings settings(std::string topic = "parcels") const {
    worker_settings s{reading({std::move(topic)}), writing(), {}};
    s.source.client.properties.erase("session.timeout.ms");
    s.source.client.properties["reconnect.backoff.max.ms"] = "200";
    s.source.client.properties["socket.timeout.ms"] = "10000";
    s.sink.client.properties["reconnect.backoff.max.ms"] = "200";
    s.sink.client.properties["topic.metadata.refresh.interval.ms"] = "500";
    s.engine.dead_letter_topic = "dead";
    s.engine.group = "g";
    s.engine.commit_interval = milliseconds(20);
    s.engine.retry.attempts_max = 1'000'000;
    s.engine.retry.backoff_first = milliseconds(5);
    s.engine.retry.backoff_max = milliseconds(50);
    s.engine.dead_letter_limit.ratio = 1;
    s.engine.breaker.ratio = 1;
    return s;
  }
  // Parcels `first`… to all partitions, by key.
  void send_parcels(int count, int first = 0, std::string_view word = "ok", std::string_view to = "parcels") {
    writer out(writing());
    for (int i = first; i < first + count; ++i) {
      const byte_buffer value = engine::framed_parcel(parcel_schema, i, word);
      ASSERT_TRUE(out.write(to, "k" + std::to_string(i), as_text(value)).ok());
    }
    ASSERT_TRUE(out.settle());
    for (const auto& a : out.answers) ASSERT_TRUE(a->given->ok()) << a->given->error().to_string();
  }
  static void expect_each_once(const std::map<std::int64_t, int>& written, int count, int first = 0) {
    EXPECT_EQ(written.size(), static_cast<std::size_t>(count));
    for (int i = first; i < first + count; ++i) {
      const auto times = written.find(i);
      ASSERT_NE(times, written.end()) << "parcel " << i << " is lost";
      EXPECT_EQ(times->second, 1) << "parcel " << i;
    }
  }
  // As a tool does while the group has no members.
  void move_offset(std::int64_t to) const {
    member operator_tool(reading({"parcels"}));
    ASSERT_TRUE(operator_tool.until([&] { return !operator_tool.positions.empty(); }));
    operator_tool.commit({0, 0}, to);
    ASSERT_TRUE(operator_tool.until([&] { return !operator_tool.commits.empty(); }));
    ASSERT_FALSE(operator_tool.commits[0].failure) << operator_tool.commits[0].failure->to_string();
    ASSERT_TRUE(operator_tool.leave());
  }
  // For groups that are joined again: the mock cluster then waits for nearly a session timeout.
  [[nodiscard]] worker_settings rejoining() const {
    worker_settings s = settings();
    s.source.client.properties["session.timeout.ms"] = "3000";
    return s;
  }
  // Everything in a topic, read by a group of its own.
  [[nodiscard]] std::vector<kafka::seen_record> contents(std::string topic, std::size_t at_least) const {
    kafka::consumer_config config = reading({std::move(topic)});
    config.group = "reader of " + config.topics.front();
    member reader(config);
    EXPECT_TRUE(reader.until_records(at_least));
    for (int i = 0; i < 50; ++i) reader.turn();
    EXPECT_TRUE(reader.leave());
    return reader.records;
  }
};

}  // namespace millrace::app

// The vocabulary of the line's tests: a line on simulated ports and a manual clock.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/metrics/registry.h>
#include <millrace/engine/record_engine.h>
#include <millrace/engine/output.h>
#include <millrace/testkit/simulated_schemas.h>
#include <millrace/testkit/simulated_sink.h>
#include <millrace/testkit/simulated_source.h>
#include <millrace/testkit/simulated_store.h>

#include "parcel.h"

namespace millrace::engine {

using testkit::simulated_source;
using happening = simulated_source::happening;

class any_statement final : public stream::statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<stream::column>&, const std::vector<stream::column>&) override {
    return {};
  }
};

inline constexpr std::string_view insert_parcel = "INSERT INTO parcel (number, word) VALUES (?, ?)";

// Inserts the parcel. By its word: "skip", "dead", "emit" (also produces it), "emit-twice", "fail" (a
// retryable error after emitting), "stop".
class storing : public processor<parcel> {
 public:
  explicit storing(std::string called) : called_(std::move(called)) {}
  [[nodiscard]] std::string_view name() const override { return called_; }

  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    if (p->word == "skip") co_return stream::outcome::skipped("not wanted");
    if (p->word == "dead") co_return stream::outcome::dead_letter("broken seal");
    if (p->word == "stop") co_return error(errc::db_invalid, "no such table");
    if (p->word.starts_with("emit")) ctx.emit(sent_, "key", *p);
    if (p->word == "emit-twice") ctx.emit(sent_, "key", *p);
    testkit::execute insert(ctx.database(), insert_, {testkit::cell(p->number), testkit::cell(p->word)});
    const result<stream::rows_ref> written = co_await insert;
    if (!written) co_return written.error();
    if (p->word == "fail") co_return error(errc::db_overloaded, "not now");
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  any_statement insert_{std::string(insert_parcel)};
  output<parcel> sent_{"sent"};
};

class record_engine_test : public testing::Test {
 protected:
  static constexpr std::int32_t schema_id = 7;

  record_engine_test() {
    log.add_topic("parcels", 4);
    options.dead_letter_topic = "dead";
    options.group = "post-office";
    options.version = "9.9";
    options.retry.jitter = 0;
    options.brake.ratio = 1;
    options.breaker.ratio = 1;
    schemas.add(schema_id, "parcel");
    source_options.on_event = [this](happening what, stream::partition_id at, std::int64_t offset) {
      events.push_back({what, at.partition, offset});
    };
  }
  ~record_engine_test() override {
    if (!engine_) return;
    EXPECT_TRUE(source->violations().empty()) << source->violations().front();
    EXPECT_TRUE(engine_->counts().balanced());
    engine_->abort();
    settle_down();
    engine_.reset();
  }

  // Builds and starts the line with one `storing` processor per name.
  void start(const std::vector<std::string>& names = {"storing"}) {
    processor_set set;
    for (const std::string& name : names) set.push_back(make<storing>(name));
    start_with(set);
  }
  void start_with(const processor_set& set) {
    result<processors> built = build(set);
    ASSERT_TRUE(built) << built.error().to_string();
    source = std::make_unique<simulated_source>(log, loop, source_options);
    retries = std::make_unique<retry_budget>(retry_policy_of_process);
    engine_ = std::make_unique<record_engine>(
        engine_ports{loop, *source, sink, store, schemas, budget, *retries, shard, observer}, options,
        std::move(*built));
    engine_->start();
  }
  void assign(const std::vector<std::int32_t>& partitions) {
    source->assign(ids(partitions));
    run();
  }
  void revoke(const std::vector<std::int32_t>& partitions) {
    source->revoke(ids(partitions));
    run();
  }
  void lose(const std::vector<std::int32_t>& partitions) {
    source->lose(ids(partitions));
    run();
  }

  std::int64_t produce(std::int32_t partition, std::int64_t number, std::string_view word = "ok",
                       std::string_view key = "k", std::int64_t hole = 0) {
    return produce_bytes(partition, framed_parcel(schema_id, number, word), key, hole);
  }
  std::int64_t produce_bytes(std::int32_t partition, std::optional<byte_buffer> value,
                             std::string_view key = "k", std::int64_t hole = 0) {
    testkit::simulated_record r;
    r.key = byte_buffer(as_bytes(key).begin(), as_bytes(key).end());
    r.value = std::move(value);
    r.headers.emplace_back("trace", byte_buffer(2, std::byte{0x2A}));
    r.created = std::chrono::time_point_cast<milliseconds>(time.wall());
    const std::int64_t offset = log.append({0, partition}, std::move(r), hole);
    if (source) source->wake();
    return offset;
  }

  void run() { loop.run_pending(); }
  // Moves the clock, stopping at every timer on the way.
  void advance(nanoseconds by) {
    const instant end = time.now() + by;
    run();
    while (const auto next = loop.next_deadline()) {
      if (*next > end) break;
      time.advance_to(*next);
      run();
    }
    time.advance_to(end);
    run();
  }
  void settle_down() {
    hold_database = hold_sink = false;
    for (int i = 0; i < 600 && !engine_->quiescent(); ++i) advance(milliseconds(500));
    ASSERT_TRUE(engine_->quiescent());
  }

  [[nodiscard]] std::optional<std::int64_t> committed(std::int32_t partition) {
    return log.committed({0, partition});
  }
  [[nodiscard]] std::vector<std::int64_t> inserted() const {
    std::vector<std::int64_t> numbers;
    for (const auto& e : store.executed()) numbers.push_back(e.parameters[0].bigint());
    return numbers;
  }
  [[nodiscard]] bool happened(happening what, std::int32_t partition) const {
    for (const auto& e : events) {
      if (e.what == what && e.partition == partition) return true;
    }
    return false;
  }
  static std::vector<stream::partition_id> ids(const std::vector<std::int32_t>& partitions) {
    std::vector<stream::partition_id> all;
    all.reserve(partitions.size());
    for (const std::int32_t p : partitions) all.push_back({0, p});
    return all;
  }

  struct seen {
    happening what;
    std::int32_t partition;
    std::int64_t offset;
  };

  // Scripts: how long the database takes per number, and what it answers.
  nanoseconds database_delay{0};
  bool hold_database = false;
  bool database_down = false;
  bool hold_sink = false;
  std::map<std::int64_t, std::vector<error>> database_errors;  // taken front to back
  std::vector<testkit::produce_fate> produce_fates;            // taken front to back

  manual_clock time;
  runtime::loop loop{time};
  testkit::simulated_log log;
  std::vector<seen> events;
  simulated_source::options source_options;
  testkit::simulated_store store{loop,
                                 {[this](const testkit::executed_statement& e) {
                                    testkit::store_fate fate;
                                    fate.until_applied = hold_database ? hours_from_now : database_delay;
                                    if (database_down) fate.failure = error(errc::db_unavailable);
                                    auto& errors = database_errors[e.parameters[0].bigint()];
                                    if (!errors.empty()) {
                                      fate.failure = errors.front();
                                      errors.erase(errors.begin());
                                    }
                                    return fate;
                                  },
                                  {}}};
  testkit::simulated_sink sink{loop,
                               {[this](const testkit::produced_record&) {
                                  testkit::produce_fate fate;
                                  if (hold_sink) fate.delay = hours_from_now;
                                  if (!produce_fates.empty()) {
                                    fate = produce_fates.front();
                                    produce_fates.erase(produce_fates.begin());
                                  }
                                  return fate;
                                },
                                {}}};
  testkit::simulated_schemas schemas{loop, {[this](std::int32_t) {
                                       testkit::simulated_schemas::fate fate;
                                       if (!schema_errors.empty()) {
                                         fate.failure = schema_errors.front();
                                         schema_errors.erase(schema_errors.begin());
                                       }
                                       return fate;
                                     }}};
  std::vector<error> schema_errors;
  byte_budget budget{64U << 20U};
  retry_budget_policy retry_policy_of_process{.ratio = 1};
  std::unique_ptr<retry_budget> retries;  // since start()
  record_observer* observer = nullptr;
  metrics::catalogue declared;
  metrics::registry registry{declared};
  metrics::shard& shard{registry.add_shard()};
  engine_options options;
  std::unique_ptr<simulated_source> source;
  std::unique_ptr<record_engine> engine_;

 private:
  static constexpr nanoseconds hours_from_now = std::chrono::seconds(100);
};

}  // namespace millrace::engine

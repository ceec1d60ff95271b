// It is always possible to send a record to the dead-letter topic, if need be with its coordinates only.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class dead_letter_test : public record_engine_test {
 protected:
  void reject(std::size_t times) {
    simulation::produce_fate too_large;
    too_large.failure = error(errc::produce_rejected, "too large");
    produce_fates = std::vector<simulation::produce_fate>(times, too_large);
  }
  void produce_large(std::size_t key, std::size_t headers, std::size_t value) {
    simulation::simulated_record r;
    r.key = byte_buffer(key, std::byte{'k'});
    r.value = byte_buffer(value, std::byte{9});  // no frame
    for (std::size_t i = 0; i < headers; ++i)
      r.headers.emplace_back("h" + std::to_string(i), byte_buffer(100, std::byte{1}));
    log.append({0, 0}, std::move(r), 0);
    source->wake();
  }
  [[nodiscard]] const simulation::produced_record& letter() const { return *sink.written_to("dead").front(); }

  byte_budget large_budget{std::size_t{1} << 30U};
};

TEST_F(dead_letter_test, HundredsOfHeadersAreKept) {
  start();
  assign({0});
  produce_large(10, 300, 100);
  advance(5s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_GT(letter().headers.size(), 300U);
}

TEST_F(dead_letter_test, TheLargestPartIsLeftOutFirst) {
  reject(1);
  start();
  assign({0});
  produce_large(10, 300, 100);
  advance(5s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(letter().header("h0"), std::nullopt);
  EXPECT_EQ(letter().header("millrace.dlq.headers_dropped"), "300");
  EXPECT_TRUE(letter().value) << "it is small";
  EXPECT_TRUE(letter().key);
}

TEST_F(dead_letter_test, ALargeKeyIsReplacedByItsHash) {
  reject(1);
  start();
  assign({0});
  produce_large(1'000'000, 1, 100);
  advance(5s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(letter().key, std::nullopt);
  EXPECT_EQ(letter().header("millrace.dlq.key_dropped")->size(), 16U);
  EXPECT_TRUE(letter().value);
}

TEST_F(dead_letter_test, InTheEndTheCoordinatesRemain) {
  reject(4);
  start();
  assign({0});
  produce_large(100'000, 300, 1'000'000);
  advance(10s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(letter().key, std::nullopt);
  EXPECT_EQ(letter().value, std::nullopt);
  EXPECT_EQ(letter().header("millrace.dlq.topic"), "parcels");
  EXPECT_EQ(letter().header("millrace.dlq.partition"), "0");
  EXPECT_EQ(letter().header("millrace.dlq.offset"), "0");
  EXPECT_EQ(letter().header("millrace.dlq.code"), "bad_frame");
  EXPECT_EQ(letter().header("millrace.dlq.message"), std::nullopt);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(engine_->state(), engine_state::running);
}

TEST_F(dead_letter_test, WithTheNamesOfKafkaStreamsTheCoordinatesRemainToo) {
  options.dead_letter_headers = dead_letter_header_names::streams;
  reject(4);
  start();
  assign({0});
  produce_large(100'000, 300, 1'000'000);
  advance(10s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(letter().header("__streams.errors.offset"), "0");
  EXPECT_EQ(letter().header("__streams.errors.stacktrace"), std::nullopt);
}

TEST_F(dead_letter_test, AnOperatorEndsARecordWhoseEmitIsNeverAcknowledged) {
  simulation::produce_fate refused;
  refused.failure = error(errc::produce_failed, "unknown topic");
  produce_fates = std::vector<simulation::produce_fate>(1'000, refused);
  options.retry.backoff_first = options.retry.backoff_max = 1s;
  start();
  assign({0, 1});
  produce(0, 1, "emit");
  produce(1, 2, "emit");
  advance(10s);
  EXPECT_EQ(engine_->counts().in_flight, 2U);
  EXPECT_EQ(engine_->act_on({"parcels", 0, 0}, operator_command::skip).what, command_answer::kind::obeyed);
  produce_fates.clear();
  EXPECT_EQ(engine_->act_on({"parcels", 1, 0}, operator_command::dead_letter).what,
            command_answer::kind::obeyed);
  advance(10s);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(committed(1), 1);
}

// The end of each lets the next one start: not from within, or the stack would grow with the queue.
TEST_F(dead_letter_test, ALongQueueOfOneKeyThatIsPassedOverNeedsNoStack) {
  options.order = order_mode::key;
  options.in_flight_records_max = 100'000;
  options.take_records_max = 100'000;
  options.partition_share_max = 100'000;
  engine_budget = &large_budget;
  start({"first", "second"});
  assign({0});
  hold_database = true;
  const auto redriven = [this](std::int64_t number, std::string_view processor) {
    simulation::simulated_record r;
    r.key = byte_buffer(1, std::byte{'k'});
    r.value = framed_parcel(schema_id, number, "ok");
    const bytes_view name = as_bytes(processor);
    r.headers.emplace_back(redrive_processor_header, byte_buffer(name.begin(), name.end()));
    log.append({0, 0}, std::move(r), 0);
  };
  redriven(0, "first");
  source->wake();
  run();
  for (int i = 1; i < 20'000; ++i) redriven(i, "second");
  source->wake();
  advance(5s);
  hold_database = false;
  advance(100s);
  EXPECT_EQ(engine_->counts().done, 20'000U);
}

TEST_F(dead_letter_test, ACommitThatIsRefusedWithoutMetadataStopsTheEngine) {
  source_options.commit_fate_of = [](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    fate.failure = error(errc::limit_exceeded, "too large");
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(60s);
  EXPECT_EQ(engine_->state(), engine_state::failed);
  EXPECT_NE(engine_->failure()->message().find("offset.metadata.max.bytes"), std::string::npos);
}

TEST_F(dead_letter_test, MetadataThatTheBrokerRefusesIsHalvedAndNothingStops) {
  std::size_t refusals = 0;
  source_options.commit_fate_of = [&](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    if (refusals < 3) {
      ++refusals;
      fate.failure = error(errc::limit_exceeded, "offset.metadata.max.bytes");
    }
    return fate;
  };
  start();
  assign({0});
  for (int i = 0; i < 10; ++i) produce(0, i);
  advance(10s);
  EXPECT_EQ(engine_->state(), engine_state::running);
  EXPECT_EQ(committed(0), 10);
  EXPECT_EQ(registry.take_snapshot().value("millrace_commit_metadata_refused_total"), 3);
}

}  // namespace
}  // namespace millrace::engine

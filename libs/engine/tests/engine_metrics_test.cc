#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// What fails must not flatter the latencies of what succeeds, and its own time must be seen.
class engine_metrics_test : public record_engine_test {
 protected:
  std::uint64_t observed(std::string_view histogram) {
    return registry.take_snapshot().histogram(histogram).count();
  }
  double errors(std::string_view stage, std::string_view error) {
    return registry.take_snapshot()
        .value("millrace_errors_total", {{"stage", stage}, {"error", error}})
        .value_or(0);
  }
};

TEST_F(engine_metrics_test, ASuccessIsTimedAsSuccessOnly) {
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  for (const char* name :
       {"millrace_decode_seconds", "millrace_record_e2e_seconds", "millrace_commit_seconds"})
    EXPECT_EQ(observed(name), 1U) << name;
  for (const char* name :
       {"millrace_decode_failed_seconds", "millrace_record_failed_seconds", "millrace_commit_failed_seconds"})
    EXPECT_EQ(observed(name), 0U) << name;
}

TEST_F(engine_metrics_test, ARecordThatCannotBeDecodedIsTimedAndCountedAsFailure) {
  start();
  assign({0});
  byte_buffer torn = framed_parcel(schema_id, 1, "word");
  torn.pop_back();
  produce_bytes(0, torn);
  byte_buffer longer = framed_parcel(schema_id, 1, "word");
  longer.push_back(std::byte{0});
  produce_bytes(0, longer);
  advance(2s);
  EXPECT_EQ(observed("millrace_decode_seconds"), 0U);
  EXPECT_EQ(observed("millrace_decode_failed_seconds"), 2U);
  EXPECT_EQ(observed("millrace_record_e2e_seconds"), 0U);
  EXPECT_EQ(observed("millrace_record_failed_seconds"), 2U);
  EXPECT_EQ(errors("decode", "truncated"), 1);
  EXPECT_EQ(errors("decode", "trailing_bytes"), 1);
}

TEST_F(engine_metrics_test, ARecordThatIsDeadLetteredByItsProcessorIsNotAnEndToEndSuccess) {
  start();
  assign({0});
  produce(0, 1, "dead");
  advance(2s);
  EXPECT_EQ(observed("millrace_decode_seconds"), 1U);
  EXPECT_EQ(observed("millrace_record_e2e_seconds"), 0U);
  EXPECT_EQ(observed("millrace_record_failed_seconds"), 1U);
  EXPECT_EQ(errors("process", "rejected"), 1);
}

TEST_F(engine_metrics_test, ACommitThatIsRefusedOrNeverAnsweredIsTimedAsFailure) {
  int commits = 0;
  source_options.commit_fate_of = [&](stream::partition_id, std::int64_t) {
    simulation::commit_fate fate;
    ++commits;
    if (commits == 1) fate.failure = error(errc::broker_unavailable);
    if (commits == 2) fate.never_answered = true;
    return fate;
  };
  start();
  assign({0});
  produce(0, 1);
  advance(60s);
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(observed("millrace_commit_failed_seconds"), 2U);
  EXPECT_EQ(observed("millrace_commit_seconds"), 1U);
  EXPECT_EQ(errors("commit", "broker_unavailable"), 1);
  EXPECT_EQ(errors("commit", "timed_out"), 1);
}

TEST_F(engine_metrics_test, TheProcessorEnteredLastIsKnownUntilTheNextTake) {
  start();
  assign({0});
  EXPECT_FALSE(engine_->entered());
  produce(0, 1);
  run();
  advance(1s);
  EXPECT_FALSE(engine_->entered()) << "an idle worker is in no processor";
}

}  // namespace
}  // namespace millrace::engine

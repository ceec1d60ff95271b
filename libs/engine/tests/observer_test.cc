#include <algorithm>

#include <fixtures/engine_fixture.h>

#include <millrace/engine/observer.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

constexpr const char* parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParent, FollowsTheW3CFormat) {
  const auto read = parse_trace_parent(parent);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(read->parent_id, "00f067aa0ba902b7");
  EXPECT_TRUE(read->sampled);
  EXPECT_FALSE(parse_trace_parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")->sampled);
  EXPECT_TRUE(parse_trace_parent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"));
  EXPECT_EQ(format_trace_parent(read->trace_id, read->parent_id), parent);
}

TEST(TraceParent, AnInvalidOneIsRefused) {
  for (const char* text : {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
                           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7-0100-"})
    EXPECT_FALSE(parse_trace_parent(text)) << text;
}

// Follows every record, and keeps the events.
class everything final : public record_observer {
 public:
  bool follows(const stream::record_block&, followed_record& as) override {
    as.trace_id = trace_id;
    as.span_id = trace_id.empty() ? "" : "00000000000000aa";
    return wanted;
  }
  void ended(followed_record&& record) override { seen.push_back(std::move(record)); }

  bool wanted = true;
  std::string trace_id;
  std::vector<followed_record> seen;
};

class observer_test : public record_engine_test {
 protected:
  observer_test() { observer = &all; }
  everything all;
};

TEST_F(observer_test, ARecordIsFollowedFromItsStartToItsEnd) {
  database_delay = 300ms;
  start();
  assign({0});
  const std::int64_t offset = produce(0, 1, "emit", "visitor");
  advance(2s);
  ASSERT_EQ(all.seen.size(), 1U);
  const followed_record& r = all.seen.front();
  EXPECT_EQ(r.outcome, "done");
  EXPECT_EQ(r.offset, offset);
  EXPECT_EQ(as_text(*r.key), "visitor");
  EXPECT_EQ(r.schema_id, schema_id);
  ASSERT_EQ(r.emits.size(), 1U);
  EXPECT_EQ(r.emits[0].topic, "sent");
  EXPECT_EQ(as_text(*r.emits[0].key), "key");
  const auto process = std::ranges::find(r.stages, "process", &followed_stage::name);
  ASSERT_NE(process, r.stages.end());
  EXPECT_EQ(process->processor, "storing");
  EXPECT_EQ(process->ended - process->began, 300ms);
  EXPECT_NE(std::ranges::find(r.stages, "decode", &followed_stage::name), r.stages.end());
  EXPECT_NE(std::ranges::find(r.stages, "produce_ack", &followed_stage::name), r.stages.end());
  EXPECT_EQ(r.ended_at - r.taken_at, 300ms);
}

TEST_F(observer_test, FailedAttemptsAndDeadLettersHaveTheirReason) {
  options.retry.attempts_max = 2;
  options.retry.backoff_first = 100ms;
  database_errors[1] = std::vector<error>(2, error(errc::timed_out, "too slow"));
  start();
  assign({0});
  produce(0, 1);
  advance(5s);
  ASSERT_EQ(all.seen.size(), 1U);
  const followed_record& r = all.seen.front();
  EXPECT_EQ(r.outcome, "dead_lettered");
  EXPECT_EQ(r.reason, "timed_out: too slow");
  EXPECT_EQ(std::ranges::count(r.stages, "process", &followed_stage::name), 2);
  const auto retry = std::ranges::find(r.stages, "retry_wait", &followed_stage::name);
  ASSERT_NE(retry, r.stages.end());
  EXPECT_EQ(retry->ended - retry->began, 100ms);
}

TEST_F(observer_test, UnobservedRecordsAreNotReported) {
  all.wanted = false;
  start();
  assign({0});
  produce(0, 1);
  advance(2s);
  EXPECT_TRUE(all.seen.empty());
}

TEST_F(observer_test, EmittedRecordsContinueTheTrace) {
  all.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  start();
  assign({0});
  produce(0, 1, "emit");
  advance(2s);
  ASSERT_EQ(sink.written().size(), 1U);
  EXPECT_EQ(sink.written()[0].header("traceparent"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000aa-01");
  EXPECT_EQ(sink.written()[0].headers.size(), 2U) << "and its id";
}

}  // namespace
}  // namespace millrace::engine

// What an emitted record has besides its value, and tombstones out.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// Emits as the script says.
class scripted final : public processor<parcel> {
 public:
  using script = std::function<void(const record<parcel>&, stream::context, const output<parcel>&)>;
  explicit scripted(script work) : work_(std::move(work)) {}

  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    work_(p, ctx, sent_);
    co_return stream::outcome::done();
  }

 private:
  script work_;
  output<parcel> sent_{"sent"};
};

class emit_test : public record_engine_test {
 protected:
  using headers_of_test = std::vector<std::pair<std::string, std::string>>;

  void start_script(scripted::script work) {
    start_with({make<scripted>(std::move(work))});
    assign({0});
  }
  void produce_with(const headers_of_test& headers, timestamp created = timestamp{40s}) {
    simulation::simulated_record r;
    r.key = byte_buffer(1, std::byte{'k'});
    r.value = framed_parcel(schema_id, 7, "book");
    r.created = created;
    for (const auto& [name, value] : headers) {
      const bytes_view bytes = as_bytes(value);
      r.headers.emplace_back(name, byte_buffer(bytes.begin(), bytes.end()));
    }
    log.append({0, 0}, std::move(r));
    source->wake();
    advance(2s);
  }
  // The only record in "sent".
  [[nodiscard]] const simulation::produced_record& sent() const {
    const auto all = sink.written_to("sent");
    EXPECT_EQ(all.size(), 1U);
    static const simulation::produced_record none;
    return all.size() == 1 ? *all.front() : none;
  }
  [[nodiscard]] std::string dead_letter_reason() const {
    const auto all = sink.written_to("dead");
    EXPECT_EQ(all.size(), 1U);
    if (all.size() != 1) return {};
    return *all.front()->header("millrace.dlq.code") + ": " + *all.front()->header("millrace.dlq.message");
  }
};

TEST_F(emit_test, AnEmitHasTheTimestampOfItsRecord) {
  start_script([](const auto& p, auto ctx, const auto& to) { ctx.emit(to, "v1", *p); });
  produce_with({});
  EXPECT_EQ(sent().created, timestamp{40s});
  EXPECT_EQ(sent().partition, std::nullopt);
}

TEST_F(emit_test, TheEngineCanStampEmitsWithTheTimeOfProduction) {
  options.emit_timestamp = emit_timestamp_policy::now;
  start_script([](const auto& p, auto ctx, const auto& to) { ctx.emit(to, "v1", *p); });
  produce_with({});
  EXPECT_EQ(sent().created, std::nullopt);
}

TEST_F(emit_test, AProcessorChoosesTheTimestamp) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    ctx.emit(to, "v1", *p, {.timestamp = timestamp{9s}});
    ctx.emit(to, "v1", *p, {.timestamp = stream::emit_timestamp::now()});
    ctx.emit(to, "v1", *p, {.timestamp = stream::emit_timestamp::of_record()});
  });
  produce_with({});
  std::vector<std::optional<timestamp>> times;
  for (const auto* each : sink.written_to("sent")) times.push_back(each->created);
  EXPECT_EQ(times, (std::vector<std::optional<timestamp>>{timestamp{9s}, std::nullopt, timestamp{40s}}));
}

TEST_F(emit_test, ARecordWithoutATimestampPassesNoneOn) {
  start_script([](const auto& p, auto ctx, const auto& to) { ctx.emit(to, "v1", *p); });
  produce_with({}, timestamp());
  EXPECT_EQ(sent().created, std::nullopt);
}

TEST_F(emit_test, HeadersAndThePartitionArrive) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    const std::string gone = "web";  // ends before the record is sent
    ctx.emit(to, "v1", *p,
             {.headers = {{"source", gone}, {"trial", std::nullopt}, {"empty", ""}}, .partition = 3});
  });
  produce_with({});
  ASSERT_EQ(sent().headers.size(), 4U);
  EXPECT_EQ(sent().headers[0].first, emit_id_header);
  EXPECT_EQ(sent().header("source"), "web");
  EXPECT_EQ(sent().headers[2].first, "trial");
  EXPECT_EQ(sent().headers[2].second, std::nullopt);
  EXPECT_EQ(sent().header("empty"), "");
  EXPECT_EQ(sent().partition, 3);
  EXPECT_EQ(*sent().value, [] {
    byte_buffer bytes;
    static_cast<void>(value_traits<parcel>::encode({7, "book"}, bytes));
    return bytes;
  }());
}

TEST_F(emit_test, OptionsOfOneEmitDoNotReachTheNext) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    if (p.offset() == 0) {
      ctx.emit(to, stream::no_key, *p, {.headers = {{"source", "web"}}, .partition = 3});
      ctx.erase(to, "v0");
    } else {
      ctx.emit(to, "v1", *p);
      ctx.emit(to, "v2", *p);
    }
  });
  produce_with({});
  produce_with({});
  const auto all = sink.written_to("sent");
  ASSERT_EQ(all.size(), 4U);
  for (const std::size_t i : {2U, 3U}) {
    EXPECT_EQ(all[i]->headers.size(), 1U);
    EXPECT_EQ(all[i]->partition, std::nullopt);
    EXPECT_TRUE(all[i]->key);
    EXPECT_TRUE(all[i]->value);
  }
}

TEST_F(emit_test, AKeyCanBeNullOrThatOfTheRecord) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    ctx.emit(to, stream::no_key, *p);
    ctx.emit(to, p.key(), *p);
    ctx.emit(to, "", *p);
  });
  produce_with({});
  const auto all = sink.written_to("sent");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0]->key, std::nullopt);
  EXPECT_EQ(as_text(*all[1]->key), "k");
  EXPECT_EQ(all[2]->key, byte_buffer()) << "an empty key is not null";
}

TEST_F(emit_test, TheCreationTimeOfTheRecordIsPassedOn) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    ctx.emit(to, "v1", *p);
    ctx.emit(to, "v2", *p, {.headers = {{"source", "web"}}});
    ctx.erase(to, "v3");
  });
  produce_with({{created_header, "1234567"}});
  const auto all = sink.written_to("sent");
  ASSERT_EQ(all.size(), 3U);
  for (const auto* each : all) EXPECT_EQ(each->header(created_header), "1234567");
}

TEST_F(emit_test, AHeaderOfTheProcessorReplacesTheTraceOfTheRecord) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    ctx.emit(to, "v1", *p, {.headers = {{"traceparent", "mine"}}});
  });
  produce_with({{"traceparent", "theirs"}, {"tracestate", "state"}});
  std::vector<std::string> names;
  for (const auto& [name, value] : sent().headers) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"millrace-id", "traceparent"}));
  EXPECT_EQ(sent().header("traceparent"), "mine");
}

TEST_F(emit_test, AReservedHeaderFailsTheAttemptAndNothingIsProduced) {
  start_script([](const auto& p, auto ctx, const auto& to) {
    ctx.emit(to, "v1", *p);
    ctx.emit(to, "v2", *p, {.headers = {{"millrace-id", "mine"}}});
  });
  produce_with({});
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_EQ(dead_letter_reason(),
            "produce_rejected: output 'sent': header 'millrace-id': names that begin with 'millrace-' are "
            "reserved");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(emit_test, EraseProducesATombstone) {
  start_script([](const auto&, auto ctx, const auto& to) {
    ctx.erase(to, "v1", {.headers = {{"reason", "left"}}, .timestamp = timestamp{9s}, .partition = 2});
  });
  produce_with({});
  EXPECT_EQ(as_text(*sent().key), "v1");
  EXPECT_EQ(sent().value, std::nullopt) << "null, not empty";
  EXPECT_EQ(sent().header("reason"), "left");
  EXPECT_EQ(sent().created, timestamp{9s});
  EXPECT_EQ(sent().partition, 2);
  EXPECT_EQ(sent().header(emit_id_header), "parcels/0/0/scripted/0");
}

TEST_F(emit_test, ATombstoneWithoutAKeyFailsTheAttempt) {
  start_script([](const auto&, auto ctx, const auto& to) { ctx.erase(to, stream::no_key); });
  produce_with({});
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_EQ(
      dead_letter_reason(),
      "produce_rejected: output 'sent': a tombstone must have a key: it deletes the records of that key");
}

TEST_F(emit_test, APartitionThatDoesNotExistMakesADeadLetter) {
  simulation::produce_fate absent;
  absent.refused = error(errc::produce_rejected, "topic 'sent': has no partition 9");
  produce_fates = {absent};
  start_script([](const auto& p, auto ctx, const auto& to) { ctx.emit(to, "v1", *p, {.partition = 9}); });
  produce_with({});
  EXPECT_EQ(dead_letter_reason(), "produce_rejected: topic 'sent': has no partition 9");
  EXPECT_EQ(sink.written_to("dead").front()->header("millrace.dlq.stage"), "emit");
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(engine_->state(), engine_state::running);
}

TEST_F(emit_test, HeadersCountAgainstTheMemoryOfEmits) {
  options.emit_bytes_per_record_max = 50'000;
  start_script([](const auto& p, auto ctx, const auto& to) {
    const std::string large(30'000, 'x');
    for (int i = 0; i < 3; ++i) ctx.emit(to, "v1", *p, {.headers = {{"large", large}}});
  });
  produce_with({});
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_EQ(dead_letter_reason(),
            "limit_exceeded: more than 50000 bytes of emits (engine.emit_bytes_per_record_max)");
}

TEST_F(emit_test, HeadersCountAgainstTheBudgetUntilTheyAreAcknowledged) {
  hold_sink = true;
  start_script([](const auto& p, auto ctx, const auto& to) {
    const std::string large(300'000, 'x');
    ctx.emit(to, "v1", *p, {.headers = {{"large", large}}});
  });
  produce_with({});
  EXPECT_GT(engine_->status_now().in_flight_bytes, 300'000U);
  hold_sink = false;
  advance(200s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(engine_->status_now().in_flight_bytes, 0U);
}

}  // namespace
}  // namespace millrace::engine

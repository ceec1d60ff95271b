// Exceptions that leave code of the user: process(), constructors, encodings.
#include <algorithm>
#include <new>
#include <optional>
#include <stdexcept>

#include <fixtures/engine_fixture.h>

#include <millrace/base/exceptions.h>
#include <millrace/runtime/frame_pool.h>
#include <millrace/runtime/wait.h>

namespace millrace::engine {

// A value whose encoding and decoding throw.
struct fragile {
  std::int64_t number = 0;
};

template <>
struct value_traits<fragile> {
  class plan final : public value_plan {};
  class slot final : public value_slot {
   public:
    [[nodiscard]] result<std::size_t> decode(const value_plan&, bytes_view) override {
      throw std::length_error("too long to hold");
    }
    [[nodiscard]] const void* value() const noexcept override { return &value_; }

   private:
    fragile value_;
  };
  class fragile_format final : public value_format {
   public:
    [[nodiscard]] std::string_view type_name() const noexcept override { return "fragile"; }
    [[nodiscard]] std::unique_ptr<value_slot> make_slot() const override { return std::make_unique<slot>(); }
    [[nodiscard]] result<std::shared_ptr<const value_plan>> compile(
        const stream::schema_document& writer) const override {
      if (writer.text == "throws" && compilations++ == 0) throw std::runtime_error("no room for a plan");
      return std::shared_ptr<const value_plan>(std::make_shared<plan>());
    }
    mutable int compilations = 0;
  };

  [[nodiscard]] static const value_format& format() {
    static const fragile_format instance;
    return instance;
  }
  [[nodiscard]] static std::string_view schema_text() { return "fragile"; }
  static result<void> encode(const fragile&, byte_buffer& into) {
    into.push_back(std::byte{1});
    throw std::runtime_error("cannot be encoded");
  }
};

namespace {

using namespace std::chrono_literals;

// Not of the standard library, and says nothing.
struct oddity {};

// What is alive, to show that frames unwind and let go of what they hold.
int alive = 0;
class held final {
 public:
  held() { ++alive; }
  held(const held&) { ++alive; }
  held& operator=(const held&) = delete;
  ~held() { --alive; }
};

runtime::task<std::int64_t> nested(record<parcel> p, stream::context ctx) {
  const held local;
  co_await runtime::sleep_for(ctx.loop(), 10ms);
  if (p->number < 100) throw std::out_of_range("nothing at 7");
  co_return p->number;
}

// Throws by the word of the parcel.
class throwing : public processor<parcel> {
 public:
  explicit throwing(std::string called) : called_(std::move(called)) {}
  [[nodiscard]] std::string_view name() const override { return called_; }

  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    // No coroutine: it is not suspended yet.
    if (p->word == "plain") throw std::invalid_argument("stoi");
    if (p->word == "nothing") return {};
    return work(this, std::move(p), ctx);
  }

  static inline std::vector<std::string> attempts;

 private:
  static runtime::task<stream::outcome> work(throwing* self, record<parcel> p, stream::context ctx) {
    const held local;
    attempts.emplace_back(p->word);
    if (p->word.starts_with("emit")) ctx.emit(self->sent_, "key", *p);
    if (p->word == "at-once") throw std::out_of_range("nothing at 7");
    if (p->word == "oddity") throw oddity();
    if (p->word == "number") throw 7;
    if (p->word == "text") throw "no luck";
    if (p->word == "memory") throw std::bad_alloc();
    if (p->word == "memory-once" && ctx.attempt() == 1) throw std::bad_alloc();
    if (p->word == "long")
      throw std::runtime_error(std::string(511, 'x') + "\u00e9" + std::string(9'000, 'y'));
    if (p->word == "slept") {
      co_await runtime::sleep_for(ctx.loop(), 10ms);
      throw std::out_of_range("nothing at 7");
    }
    if (p->word == "nested") {
      const std::int64_t number = co_await nested(p, ctx);
      co_return stream::outcome::skipped(std::to_string(number));
    }
    if (p->word == "caught") {
      try {
        const std::int64_t number = co_await nested(p, ctx);
        co_return stream::outcome::skipped(std::to_string(number));
      } catch (const std::out_of_range& thrown) {
        co_return stream::outcome::skipped(thrown.what());
      }
    }
    simulation::execute insert(ctx, self->insert_, {simulation::cell(p->number), simulation::cell(p->word)});
    const result<stream::rows_ref> written = co_await insert;
    if (!written) co_return written.error();
    if (p->word.ends_with("written")) throw std::out_of_range("nothing at 7");
    co_return stream::outcome::done();
  }

  std::string called_;
  any_statement insert_{std::string(insert_parcel)};
  output<parcel> sent_{"sent"};
};

// Emits as many as the number says, then what its word says.
class emitting : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    if (p->word == "late") co_await runtime::sleep_for(ctx.loop(), 60s);
    for (std::int64_t i = 0; i < p->number; ++i) ctx.emit(sent_, "key", *p);
    if (p->word == "fragile") {
      bool caught = false;
      try {
        ctx.emit(broken_, "key", fragile());
      } catch (const std::runtime_error&) {
        caught = true;
      }
      // Goes on as if it had been nothing.
      if (!caught) co_return stream::outcome::skipped("nothing was thrown");
    }
    co_return stream::outcome::done();
  }

 private:
  output<parcel> sent_{"sent"};
  output<fragile> broken_{"broken"};
};

class reading_fragile : public processor<fragile> {
 public:
  runtime::task<stream::outcome> process(record<fragile>, stream::context) override {
    co_return stream::outcome::done();
  }
};

class exception_test : public record_engine_test {
 protected:
  exception_test() {
    alive = 0;
    throwing::attempts.clear();
    options.retry.attempts_max = 3;
    options.on_exception = [this](const processor_exception& thrown) {
      said.push_back(std::string(thrown.processor) + " " + std::string(thrown.type) + " " +
                     thrown.failure.to_string());
    };
  }
  void start_throwing(const std::vector<std::string>& names = {"throwing"}) {
    processor_set set;
    for (const std::string& name : names) set.push_back(make<throwing>(name));
    start_with(set);
    assign({0});
  }

  std::vector<std::string> said;
};

TEST_F(exception_test, AnExceptionBeforeTheFirstWaitIsRetriedAndThenADeadLetter) {
  start_throwing();
  produce(0, 1, "at-once");
  run();
  EXPECT_EQ(throwing::attempts.size(), 1U);
  EXPECT_EQ(engine_->counts().in_flight, 1U) << "the record is not finished";
  EXPECT_TRUE(sink.written_to("dead").empty());
  advance(30s);
  EXPECT_EQ(throwing::attempts.size(), 3U) << "attempts_max";
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "processor_threw");
  EXPECT_EQ(dead_letter_header("millrace.dlq.reason"), "the processor threw an exception");
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::out_of_range: nothing at 7");
  EXPECT_EQ(dead_letter_header("millrace.dlq.stage"), "process");
  EXPECT_EQ(dead_letter_header("millrace.dlq.processor"), "throwing");
  EXPECT_EQ(dead_letter_header("millrace.dlq.attempts"), "3");
  EXPECT_EQ(*sink.written_to("dead").front()->value, framed_parcel(schema_id, 1, "at-once"));
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(alive, 0);
}

TEST_F(exception_test, AnExceptionAfterAStatementIsRetriedAndThenADeadLetter) {
  database_delay = 5ms;
  start_throwing();
  produce(0, 1, "written");
  advance(30s);
  EXPECT_EQ(inserted().size(), 3U) << "what was written before stays written, and is written again";
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::out_of_range: nothing at 7");
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(alive, 0);
}

TEST_F(exception_test, AnExceptionAfterASleepIsRetriedAndThenADeadLetter) {
  start_throwing();
  produce(0, 1, "slept");
  advance(30s);
  EXPECT_EQ(throwing::attempts.size(), 3U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "processor_threw");
  EXPECT_EQ(committed(0), 1);
  EXPECT_EQ(alive, 0);
}

TEST_F(exception_test, AProcessFunctionThatIsNotACoroutineMayThrow) {
  start_throwing();
  produce(0, 1, "plain");
  run();
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  advance(30s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::invalid_argument: stoi");
  EXPECT_EQ(dead_letter_header("millrace.dlq.attempts"), "3");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(exception_test, AnEmptyTaskIsAnErrorOfTheAttempt) {
  start_throwing();
  produce(0, 1, "nothing");
  advance(30s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::logic_error: process() returned no task");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(exception_test, AnExceptionOfAnotherTypeIsNamedByItsType) {
  start_throwing();
  produce(0, 1, "oddity");
  produce(0, 2, "number");
  produce(0, 3, "text");
  advance(30s);
  std::vector<std::string> messages;
  for (const auto* letter : sink.written_to("dead"))
    messages.push_back(*letter->header("millrace.dlq.message"));
  std::ranges::sort(messages);
  EXPECT_EQ(messages, (std::vector<std::string>{"const char*: no luck", "int",
                                                "millrace::engine::(anonymous namespace)::oddity"}));
  EXPECT_EQ(committed(0), 3);
}

TEST_F(exception_test, AShortageOfMemoryIsRetried) {
  start_throwing();
  produce(0, 1, "memory-once");
  produce(0, 2, "memory");
  advance(30s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::bad_alloc: std::bad_alloc");
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(committed(0), 2);
}

TEST_F(exception_test, ALongMessageIsCutBetweenCharacters) {
  start_throwing();
  produce(0, 1, "long");
  advance(30s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::runtime_error: " + std::string(511, 'x'));
}

TEST_F(exception_test, AnExceptionOfANestedTaskReachesTheProcessorThatAwaitsIt) {
  start_throwing();
  produce(0, 1, "nested");
  produce(0, 2, "caught");
  produce(0, 100, "nested");
  advance(30s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::out_of_range: nothing at 7");
  const auto page = registry.take_snapshot();
  EXPECT_EQ(page.value("millrace_records_skipped_total", {{"reason", "nothing at 7"}}), 1) << "caught";
  EXPECT_EQ(page.value("millrace_records_skipped_total", {{"reason", "100"}}), 1) << "nothing was thrown";
  EXPECT_EQ(committed(0), 3);
  EXPECT_EQ(alive, 0);
}

TEST_F(exception_test, NeighboursOfARecordThatThrowsAreProcessedMeanwhile) {
  start_throwing();
  produce(0, 1);
  produce(0, 2, "at-once");
  produce(0, 3);
  run();
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1, 3}));
  advance(1s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
  advance(1s);
  EXPECT_EQ(committed(0), 3);
}

TEST_F(exception_test, NoRecordOfTheKeyStartsBeforeOneThatThrowsHasEnded) {
  options.order = order_mode::key;
  start_throwing();
  produce(0, 1, "slept");
  produce(0, 2, "later");
  advance(30s);
  EXPECT_EQ(throwing::attempts, (std::vector<std::string>{"slept", "slept", "slept", "later"}));
  EXPECT_EQ(committed(0), 2);
}

TEST_F(exception_test, NothingOfAnAttemptThatThrewIsEmitted) {
  start_throwing();
  produce(0, 1, "emit-written");
  advance(30s);
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
}

TEST_F(exception_test, OfSeveralProcessorsOnlyTheOneThatThrewRunsAgain) {
  processor_set set{make<storing>(std::string("storing")), make<throwing>(std::string("throwing"))};
  start_with(set);
  assign({0});
  produce(0, 1, "at-once");
  advance(30s);
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{1})) << "the other is done, and is not run again";
  EXPECT_EQ(throwing::attempts.size(), 3U);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.processor"), "throwing");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(exception_test, FramesOfAttemptsThatThrewAreReleased) {
  start_throwing();
  const auto before = runtime::frame_stats().frames_live;
  for (const char* word : {"at-once", "slept", "nested", "written", "plain"}) produce(0, 1, word);
  advance(30s);
  EXPECT_EQ(sink.written_to("dead").size(), 5U);
  EXPECT_EQ(runtime::frame_stats().frames_live, before);
  EXPECT_EQ(engine_->in_flight_records(), 0U);
}

TEST_F(exception_test, AnAbandonedRecordMayThrow) {
  options.revoke_drain_timeout = 1s;
  database_delay = 5s;
  start_throwing();
  produce(0, 1, "written");
  run();
  revoke({0});
  advance(10s);
  EXPECT_TRUE(sink.written_to("dead").empty()) << "it is the next owner's";
  EXPECT_EQ(engine_->in_flight_records(), 0U);
  EXPECT_EQ(said.size(), 1U) << "it is reported all the same";
}

TEST_F(exception_test, EveryExceptionIsCountedByProcessorAndReportedWithItsRecord) {
  start_throwing({"first", "second"});
  EXPECT_EQ(registry.take_snapshot().value("millrace_processor_exceptions_total", {{"processor", "first"}}),
            0)
      << "there from the start, so that rate() sees the first";
  produce(0, 1);
  produce(0, 2, "at-once");
  run();
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said.front(),
            "first std::out_of_range processor_threw: processor 'first' on parcels/0 offset 1, attempt 1: "
            "std::out_of_range: nothing at 7");
  advance(30s);
  const auto page = registry.take_snapshot();
  EXPECT_EQ(page.value("millrace_processor_exceptions_total", {{"processor", "first"}}), 3);
  EXPECT_EQ(page.value("millrace_processor_exceptions_total", {{"processor", "second"}}), 3);
  EXPECT_EQ(page.value("millrace_errors_total", {{"stage", "process"}, {"error", "processor_threw"}}), 6);
}

TEST_F(exception_test, ExceptionsOpenNoBreaker) {
  options.breaker.ratio = 0.1;
  options.breaker.failures_min = 2;
  start_throwing();
  for (int i = 0; i < 50; ++i) produce(0, i, "at-once");
  run();
  EXPECT_EQ(registry.take_snapshot().value("millrace_breaker_openings_total", {{"dependency", "database"}}),
            0);
  advance(30s);
  EXPECT_EQ(sink.written_to("dead").size(), 50U);
}

TEST_F(exception_test, AsManyEmitsAsAllowedAreProduced) {
  start_with({make<emitting>()});
  assign({0});
  produce(0, 1'000);
  advance(2s);
  EXPECT_EQ(sink.written_to("sent").size(), 1'000U);
  EXPECT_EQ(engine_->counts().done, 1U);
}

TEST_F(exception_test, OneEmitTooManyMakesTheRecordADeadLetterAtOnce) {
  start_with({make<emitting>()});
  assign({0});
  produce(0, 1'001);
  produce(0, 2);
  run();
  advance(2s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "limit_exceeded");
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "more than 1000 emits (engine.emits_per_record_max)");
  EXPECT_EQ(dead_letter_header("millrace.dlq.attempts"), "1") << "it would emit as many again";
  EXPECT_EQ(sink.written_to("sent").size(), 2U) << "those of the other record";
  EXPECT_EQ(committed(0), 2);
}

TEST_F(exception_test, AnAbandonedRecordEmitsNothing) {
  options.revoke_drain_timeout = 1s;
  start_with({make<emitting>()});
  assign({0});
  produce(0, 2'000, "late");
  run();
  revoke({0});
  advance(100s);
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_TRUE(sink.written_to("dead").empty());
  EXPECT_EQ(engine_->in_flight_records(), 0U);
}

TEST_F(exception_test, AnEmitThatThrewIsNotProducedAlthoughTheProcessorCaughtTheException) {
  start_with({make<emitting>()});
  assign({0});
  produce(0, 1, "fragile");
  advance(30s);
  EXPECT_TRUE(sink.written_to("broken").empty());
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "std::runtime_error: cannot be encoded");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(exception_test, ADecoderThatThrowsMakesADeadLetter) {
  start_with({make<reading_fragile>()});
  assign({0});
  produce(0, 1);
  advance(2s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.stage"), "decode");
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"),
            "decoding threw: std::length_error: too long to hold");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(exception_test, ASchemaWhosePlanThrowsIsCompiledAgain) {
  constexpr std::int32_t other_id = 8;
  schemas.add(other_id, "throws");
  start_with({make<reading_fragile>()});
  assign({0});
  produce_bytes(0, framed_parcel(other_id, 1, "ok"));
  run();
  EXPECT_EQ(engine_->counts().in_flight, 1U) << "the record waits";
  EXPECT_EQ(
      registry.take_snapshot().value("millrace_errors_total", {{"stage", "schema"}, {"error", "internal"}}),
      1);
  advance(10s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.stage"), "decode") << "there is a plan now";
  EXPECT_EQ(committed(0), 1);
}

class refusing : public processor<parcel> {
 public:
  refusing() { throw std::invalid_argument("stoi"); }
  runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  any_statement insert_{std::string(insert_parcel)};
};

TEST(Build, NamesTheProcessorWhoseConstructorThrows) {
  const auto built = build({make<throwing>(std::string("good")), make<refusing>()});
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().to_string(),
            "config_invalid: the constructor of processor 'refusing' threw: std::invalid_argument: stoi");
}

TEST(Build, NamesThePlaceOfAFactoryThatThrowsOrReturnsNull) {
  const auto threw =
      build({make<throwing>(std::string("good")), []() -> std::unique_ptr<processor_base> { throw 7; }});
  ASSERT_FALSE(threw);
  EXPECT_EQ(threw.error().to_string(), "config_invalid: the factory of processor 2 threw: int");
  const auto nothing = build({[] { return std::unique_ptr<processor_base>(); }});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().to_string(), "config_invalid: the factory of processor 1 returned no processor");
  EXPECT_FALSE(build({processor_factory()}));
}

}  // namespace
}  // namespace millrace::engine

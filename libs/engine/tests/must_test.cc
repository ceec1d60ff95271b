// must(), all() and answers that nobody looked at, in the engine.
#include <fixtures/engine_fixture.h>

#include <millrace/stream/all.h>
#include <millrace/stream/must.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// Writes by the word of the parcel: "must", "returned" (the error, by hand), "ignored", "tested", "helper",
// "both", "plain", "skip-ignored", "dead-ignored", "explicit".
class writing : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel> p, stream::context ctx) override {
    if (p->word == "plain") stream::must(result<int>(error(errc::malformed, "not a number")));
    return work(this, std::move(p), ctx);
  }

 private:
  static runtime::task<stream::outcome> work(writing* self, record<parcel> p, stream::context ctx) {
    if (p->word.starts_with("emit")) ctx.emit(self->sent_, "key", *p);
    if (p->word == "helper") {
      co_await helper(self, p, ctx);
      co_return stream::outcome::done();
    }
    simulation::execute insert(ctx, self->insert_, {simulation::cell(p->number), simulation::cell(p->word)});
    if (p->word == "both") {
      simulation::execute again(ctx, self->insert_, {simulation::cell(p->number), simulation::cell("again")});
      co_await stream::must(stream::all(insert, again));
    } else if (p->word.ends_with("must")) {
      co_await stream::must(insert);
    } else {
      const auto written = co_await insert;
      if (p->word == "returned" && !written) co_return written.error();
      if (p->word == "tested" && !written) co_return stream::outcome::skipped("tested");
      if (p->word == "explicit") written.ignore();
      if (p->word == "once" && ctx.attempt() > 1) written.ignore();
    }
    if (p->word == "skip-ignored") co_return stream::outcome::skipped("not wanted");
    if (p->word == "dead-ignored") co_return stream::outcome::dead_letter("broken seal");
    co_return stream::outcome::done();
  }
  static runtime::task<void> helper(writing* self, record<parcel> p, stream::context ctx) {
    simulation::execute insert(ctx, self->insert_, {simulation::cell(p->number), simulation::cell(p->word)});
    co_await stream::must(insert);
  }

  any_statement insert_{std::string(insert_parcel)};
  output<parcel> sent_{"sent"};
};

class must_in_process_test : public record_engine_test {
 protected:
  must_in_process_test() {
    options.retry.attempts_max = 3;
    options.on_exception = [this](const processor_exception& thrown) {
      said.push_back(thrown.failure.to_string());
    };
    options.on_problem = [this](std::string_view event, const error& failure) {
      said.push_back(std::string(event) + " " + failure.message());
    };
  }
  void start_writing() {
    start_with({make<writing>()});
    assign({0});
  }
  // Every statement fails with this code.
  void refuse(errc code) {
    answer = [code](std::span<const simulation::cell>) -> result<std::vector<simulation::row>> {
      return error(code, "refused");
    };
    store.answer(insert_parcel, answer);
  }
  [[nodiscard]] double counted(std::string_view code) {
    return registry.take_snapshot()
        .value("millrace_errors_total", {{"stage", "process"}, {"error", std::string(code)}})
        .value_or(0);
  }

  std::vector<std::string> said;
  simulation::simulated_store::answer_function answer;
};

TEST_F(must_in_process_test, AnErrorThatMustMeetsIsThatOfAReturnedError) {
  for (const char* word : {"returned", "must", "helper", "both"}) {
    SCOPED_TRACE(word);
    refuse(errc::db_rejected);
    if (!engine_) start_writing();
    const auto before = sink.written_to("dead").size();
    produce(0, 1, word);
    advance(30s);
    ASSERT_EQ(sink.written_to("dead").size(), before + 1);
    const auto* dead = sink.written_to("dead").back();
    EXPECT_EQ(dead->header("millrace.dlq.code"), "db_rejected");
    EXPECT_EQ(dead->header("millrace.dlq.message"), "refused");
    EXPECT_EQ(dead->header("millrace.dlq.attempts"), "1") << "no retry helps";
  }
  EXPECT_EQ(counted("db_rejected"), 4);
  EXPECT_EQ(counted("processor_threw"), 0);
  EXPECT_EQ(registry.take_snapshot().value("millrace_processor_exceptions_total", {{"processor", "writing"}}),
            0);
  EXPECT_TRUE(said.empty()) << "no exception is reported";
  EXPECT_EQ(committed(0), 4);
}

TEST_F(must_in_process_test, ARetryableErrorThatMustMeetsIsRetried) {
  refuse(errc::db_timeout);
  start_writing();
  produce(0, 1, "must");
  run();
  EXPECT_EQ(engine_->counts().in_flight, 1U);
  store.answer(insert_parcel, [](std::span<const simulation::cell>) {
    return result<std::vector<simulation::row>>(std::vector<simulation::row>());
  });
  advance(30s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(must_in_process_test, NothingOfAnAttemptThatMustEndedIsEmitted) {
  refuse(errc::db_rejected);
  start_writing();
  produce(0, 1, "emit-must");
  advance(30s);
  EXPECT_TRUE(sink.written_to("sent").empty());
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
}

TEST_F(must_in_process_test, AnOutageThatMustMeetsOpensTheBreakerAndCostsNoRecord) {
  options.breaker.ratio = 0.5;
  options.breaker.failures_min = 5;
  refuse(errc::db_unavailable);
  start_writing();
  for (int i = 0; i < 20; ++i) produce(0, i, "must");
  advance(10s);
  EXPECT_GE(registry.take_snapshot().value("millrace_breaker_openings_total", {{"dependency", "database"}}),
            1);
  EXPECT_TRUE(sink.written_to("dead").empty());
  store.answer(insert_parcel, [](std::span<const simulation::cell>) {
    return result<std::vector<simulation::row>>(std::vector<simulation::row>());
  });
  advance(60s);
  EXPECT_EQ(engine_->counts().done, 20U);
  EXPECT_EQ(committed(0), 20);
}

TEST_F(must_in_process_test, AProcessFunctionThatIsNotACoroutineMayUseMust) {
  start_writing();
  produce(0, 1, "plain");
  advance(30s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "malformed");
  EXPECT_EQ(dead_letter_header("millrace.dlq.attempts"), "1");
  EXPECT_EQ(committed(0), 1);
}

TEST_F(must_in_process_test, AnIgnoredAnswerFailsTheAttemptAndThenMakesADeadLetter) {
  start_writing();
  produce(0, 1, "ignored");
  produce(0, 2, "must");
  run();
  EXPECT_EQ(engine_->counts().in_flight, 1U) << "it is retried: not done";
  EXPECT_EQ(engine_->counts().done, 1U) << "its neighbour";
  EXPECT_NE(committed(0), 2);
  advance(30s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "answer_ignored");
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"),
            "the answer of 'insert parcel' was not looked at: use `co_await must(...)` or test the result");
  EXPECT_EQ(dead_letter_header("millrace.dlq.attempts"), "3");
  EXPECT_EQ(counted("answer_ignored"), 3);
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said.front(),
            "answer_ignored processor 'writing' on parcels/0 offset 0, attempt 1: the answer of 'insert "
            "parcel' was "
            "not looked at: use `co_await must(...)` or test the result");
  EXPECT_EQ(committed(0), 2);
}

TEST_F(must_in_process_test, AnIgnoredAnswerOfAnEarlierAttemptIsForgotten) {
  start_writing();
  produce(0, 1, "once");
  advance(30s);
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(counted("answer_ignored"), 1);
  // The same call serves another record.
  produce(0, 2, "must");
  advance(1s);
  EXPECT_EQ(engine_->counts().done, 2U);
}

TEST_F(must_in_process_test, AnIgnoredAnswerOfAWriteThatFailedIsNotDone) {
  refuse(errc::db_rejected);
  start_writing();
  produce(0, 1, "emit-ignored");
  produce(0, 2, "skip-ignored");
  advance(30s);
  EXPECT_EQ(engine_->counts().done, 0U);
  EXPECT_EQ(engine_->counts().skipped, 0U) << "a skip would lose it as well";
  EXPECT_EQ(sink.written_to("dead").size(), 2U);
  EXPECT_TRUE(sink.written_to("sent").empty());
}

TEST_F(must_in_process_test, AnOutcomeThatKeepsTheRecordStaysWhatItIs) {
  start_writing();
  produce(0, 1, "dead-ignored");
  advance(30s);
  EXPECT_EQ(dead_letter_header("millrace.dlq.message"), "broken seal");
}

TEST_F(must_in_process_test, AnAnswerThatIsTestedOrDeclaredUnimportantIsNotIgnored) {
  start_writing();
  produce(0, 1, "returned");
  produce(0, 2, "tested");
  produce(0, 3, "explicit");
  advance(30s);
  EXPECT_EQ(engine_->counts().done, 3U);
  EXPECT_TRUE(sink.written_to("dead").empty());
}

}  // namespace
}  // namespace millrace::engine

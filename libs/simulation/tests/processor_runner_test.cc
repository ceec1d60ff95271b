#include <stdexcept>

#include <gtest/gtest.h>

#include <millrace/engine/output.h>
#include <millrace/runtime/wait.h>
#include <millrace/simulation/parcel.h>
#include <millrace/simulation/processor_runner.h>
#include <millrace/statement/metric.h>
#include <millrace/stream/must.h>

namespace millrace::simulation {
namespace {

using namespace std::chrono_literals;
using engine::parcel;

class plain_statement final : public statements::statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<statements::column>& parameters,
                     const std::vector<statements::column>&) override {
    if (parameters.size() != 1) return error(errc::db_type_mismatch, name() + " binds one value");
    return {};
  }
};

constexpr std::string_view select_owner = "SELECT owner FROM parcel WHERE number = ?";
constexpr std::string_view insert_receipt = "INSERT INTO receipt (number) VALUES (?)";

// Looks the owner up; without one the parcel is refused; otherwise writes a receipt and sends the parcel on.
class deliver final : public engine::processor<parcel> {
 public:
  explicit deliver(nanoseconds pause) : pause_(pause) {}

  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    co_await runtime::sleep_for(ctx.loop(), pause_);
    execute select(ctx, select_owner_, {cell(p->number)});
    const result<stream::rows_ref> owner = co_await select;
    if (!owner) co_return owner.error();
    if ((*owner)->row_count == 0) co_return stream::outcome::dead_letter("nobody owns it");
    const std::string name = split_cells((*owner)->cells).front().text();
    ctx.emit(onward_, name, *p);
    execute insert(ctx, insert_receipt_, {cell(p->number)});
    const result<stream::rows_ref> written = co_await insert;
    if (!written) co_return written.error();
    co_return stream::outcome::done();
  }

 private:
  nanoseconds pause_;
  plain_statement select_owner_{std::string(select_owner)};
  plain_statement insert_receipt_{std::string(insert_receipt)};
  engine::output<parcel> onward_{"onward"};
};

TEST(ProcessorRunner, ShowsWhatAProcessorDidWithARecord) {
  processor_runner<deliver> run(0ns);
  run.database().prime(select_owner, {{"ada"}});
  run.feed({7, "book"}, {.key = "k"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::done);
  ASSERT_EQ(run.executed(insert_receipt).size(), 1U);
  EXPECT_EQ(run.executed(insert_receipt).front().parameters.front().bigint(), 7);
  ASSERT_EQ(run.emitted().size(), 1U);
  EXPECT_EQ(run.emitted().front().topic, "onward");
  EXPECT_EQ(run.emitted().front().key, "ada");
}

TEST(ProcessorRunner, ShowsEmitsAsTheirStructs) {
  processor_runner<deliver> run(0ns);
  run.database().prime(select_owner, {{"ada"}});
  run.feed({7, "book"});
  const auto sent = run.emitted<parcel>("onward");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent.front()->number, 7);
  EXPECT_EQ(sent.front()->word, "book");
  EXPECT_EQ(sent.front().key, "ada");
  EXPECT_TRUE(run.emitted<parcel>("elsewhere").empty());
}

// A SELECT whose result is an owner and a weight.
class typed_statement final : public statements::statement_declaration {
 public:
  using statement_declaration::statement_declaration;
  result<void> check(const std::vector<statements::column>&,
                     const std::vector<statements::column>&) override {
    return {};
  }
  std::optional<std::vector<statements::column>> result_columns() const override {
    return std::vector<statements::column>{{"owner", "text or ascii"}, {"weight", "bigint or counter"}};
  }
};

class weighing final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    execute select(ctx, select_, {cell(p->number)});
    const result<stream::rows_ref> found = co_await select;
    if (!found) co_return found.error();
    co_return stream::outcome::done();
  }

 private:
  typed_statement select_{"SELECT owner, weight FROM parcel WHERE number = ?"};
};

constexpr std::string_view select_weight = "SELECT owner, weight FROM parcel WHERE number = ?";

TEST(ProcessorRunner, RefusesRowsPrimedForATextThatNoStatementHas) {
  processor_runner<weighing> run;
  run.database().prime("SELECT owner, wieght FROM parcel WHERE number = ?", {{"ada", std::int64_t{1}}});
  const auto prepared = run.prepare();
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code(), errc::db_invalid);
  EXPECT_NE(prepared.error().message().find("the nearest is '" + std::string(select_weight) + "'"),
            std::string::npos)
      << prepared.error().message();
}

TEST(ProcessorRunner, RefusesPrimedRowsThatTheStatementCannotRead) {
  const auto refused = [](std::vector<row> rows) {
    processor_runner<weighing> run;
    run.database().prime(select_weight, std::move(rows));
    const auto prepared = run.prepare();
    return prepared ? std::string("accepted") : prepared.error().message();
  };
  EXPECT_EQ(refused({{"ada", std::int64_t{1}}}), "accepted");
  EXPECT_EQ(refused({{std::nullopt, byte_buffer(8)}}), "accepted") << "null and bytes are of any type";
  EXPECT_NE(refused({{"ada"}}).find("has 1 cells, and the C++ type of its result 2"), std::string::npos);
  EXPECT_NE(refused({{"ada", std::int32_t{1}}}).find("cell 2 ('weight') of type int or date"),
            std::string::npos);
  EXPECT_NE(refused({{"ada", std::int64_t{1}}, {std::int64_t{1}, "ada"}}).find("cell 1 ('owner')"),
            std::string::npos);
}

TEST(ProcessorRunner, AComputedRowThatDoesNotFitFailsTheAttempt) {
  processor_runner<weighing> run;
  run.database().answer(select_weight, [](std::span<const cell>) {
    std::vector<row> rows;
    rows.push_back({"ada", "heavy"});
    return result<std::vector<row>>(rows);
  });
  run.feed({1, "book"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->code(), errc::db_type_mismatch);
}

TEST(SimulatedCell, HoldsTheValuesOfCql) {
  EXPECT_EQ(cell(timestamp(1'000ms)), cell(std::int64_t{1'000}));
  EXPECT_EQ(cell(uuid{}).bytes()->size(), 16U);
  EXPECT_EQ(*cell(millrace::decimal(100, 2)).bytes(),
            (byte_buffer{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{2}, std::byte{100}}));
  EXPECT_EQ(*cell(millrace::decimal(-1, 0)).bytes(),
            (byte_buffer{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0xFF}}));
  EXPECT_EQ(cell(millrace::decimal(200, 0)).bytes()->size(), 6U) << "200 needs a byte for its sign";
}

// Before its first wait or after it.
class throwing final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    if (p->word == "plain") throw std::invalid_argument("stoi");
    return work(this, std::move(p), ctx);
  }

 private:
  static runtime::task<stream::outcome> work(throwing* self, engine::record<parcel> p, stream::context ctx) {
    for (std::int64_t i = 0; i < p->number; ++i) ctx.emit(self->onward_, "k", *p);
    if (p->word == "book") co_await runtime::sleep_for(ctx.loop(), 1s);
    if (p->word != "fine") throw std::out_of_range("no such shelf");
    co_return stream::outcome::done();
  }

  engine::output<parcel> onward_{"onward"};
};

TEST(ProcessorRunner, ShowsAnExceptionAsTheErrorOfTheAttempt) {
  processor_runner<throwing> run;
  run.feed({1, "book"});
  EXPECT_FALSE(run.outcomes().front().has_value());
  run.advance(1s);
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->to_string(), "processor_threw: std::out_of_range: no such shelf");
  run.feed({1, "plain"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->to_string(), "processor_threw: std::invalid_argument: stoi");
  EXPECT_TRUE(run.emitted().empty());
}

// Writes a receipt: by must(), or without a look at the answer.
class careless final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    if (p->word == "plain") stream::must(result<int>(error(errc::malformed)));
    return work(this, std::move(p), ctx);
  }

 private:
  static runtime::task<stream::outcome> work(careless* self, engine::record<parcel> p, stream::context ctx) {
    ctx.emit(self->onward_, "k", *p);
    execute insert(ctx, self->insert_receipt_, {cell(p->number)});
    if (p->word == "must") {
      co_await stream::must(insert);
    } else {
      const auto written = co_await insert;
      if (p->word == "looked at" && !written) co_return written.error();
      if (p->word == "unimportant") written.ignore();
    }
    if (p->word == "skipped") co_return stream::outcome::skipped("known");
    co_return stream::outcome::done();
  }

  plain_statement insert_receipt_{std::string(insert_receipt)};
  engine::output<parcel> onward_{"onward"};
};

TEST(ProcessorRunner, ShowsTheErrorWithWhichMustEndsARecord) {
  processor_runner<careless> run;
  run.feed({1, "must"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::done);
  run.database().answer(insert_receipt, [](std::span<const cell>) {
    return result<std::vector<row>>(error(errc::db_overloaded));
  });
  run.feed({1, "must"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->code(), errc::db_overloaded);
  run.feed({1, "plain"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->code(), errc::malformed);
  EXPECT_EQ(run.emitted().size(), 1U);
}

TEST(ProcessorRunner, FailsARecordWhoseProcessorDidNotLookAtAnAnswer) {
  processor_runner<careless> run;
  for (const char* word : {"ignored", "skipped"}) {
    run.feed({1, word});
    ASSERT_EQ(run.last().what(), stream::outcome::kind::failed) << word;
    EXPECT_EQ(
        run.last().cause()->to_string(),
        "answer_ignored: the answer of 'insert receipt' was not looked at: use `co_await must(...)` or test "
        "the result");
  }
  EXPECT_TRUE(run.emitted().empty());
  run.feed({1, "looked at"});
  run.feed({1, "unimportant"});
  EXPECT_EQ(run.outcomes()[2]->what(), stream::outcome::kind::done);
  EXPECT_EQ(run.outcomes()[3]->what(), stream::outcome::kind::done);
}

TEST(ProcessorRunner, FailsARecordWithTooManyEmits) {
  processor_runner<throwing> run;
  run.feed({1'001, "fine"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->code(), errc::limit_exceeded);
  run.feed({1'000, "fine"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::done);
}

// By its word: emits with options, a tombstone, or what is refused.
class announcing final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    if (p->word == "options") {
      ctx.emit(news_, p.key(), *p,
               {.headers = {{"source", "web"}, {"trial", std::nullopt}},
                .timestamp = timestamp{9s},
                .partition = 3});
    }
    if (p->word == "plain") ctx.emit(news_, stream::no_key, *p);
    if (p->word == "erase") ctx.erase(news_, "k");
    if (p->word == "reserved") ctx.emit(news_, "k", *p, {.headers = {{"millrace-id", "mine"}}});
    co_return stream::outcome::done();
  }

 private:
  engine::output<parcel> news_{"news"};
};

TEST(ProcessorRunner, ShowsTheOptionsOfAnEmit) {
  processor_runner<announcing> run;
  run.feed({1, "options"}, {.key = "k", .created = timestamp{5s}});
  run.feed({2, "plain"}, {.created = timestamp{6s}});
  run.feed({3, "erase"}, {.created = timestamp{7s}});
  ASSERT_EQ(run.emitted().size(), 3U);
  const emitted_record& full = run.emitted()[0];
  EXPECT_EQ(full.key, "k");
  EXPECT_EQ(full.header("source"), "web");
  EXPECT_EQ(full.headers[1].second, std::nullopt);
  EXPECT_EQ(full.created, timestamp{9s});
  EXPECT_EQ(full.partition, 3);
  const emitted_record& plain = run.emitted()[1];
  EXPECT_EQ(plain.key, std::nullopt);
  EXPECT_TRUE(plain.value);
  EXPECT_EQ(plain.created, timestamp{6s}) << "that of the record";
  EXPECT_EQ(plain.partition, std::nullopt);
  EXPECT_EQ(run.emitted()[2].key, "k");
  EXPECT_EQ(run.emitted()[2].value, std::nullopt) << "a tombstone";
}

TEST(ProcessorRunner, FailsARecordWithARefusedOption) {
  processor_runner<announcing> run;
  run.feed({1, "reserved"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->code(), errc::produce_rejected);
  EXPECT_TRUE(run.emitted().empty());
}

// Passes tombstones on, but for those of protected keys.
class forgetting final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(engine::deletion p, stream::context ctx) override {
    if (p.key() && as_text(*p.key()) == "protected") co_return stream::outcome::dead_letter("protected");
    ctx.erase(forgotten_, p.key(), {.headers = {{"from", std::to_string(p.offset())}}});
    co_return stream::outcome::done();
  }

 private:
  engine::output<parcel> forgotten_{"forgotten"};
};

TEST(ProcessorRunner, FeedsATombstoneToDeleted) {
  processor_runner<forgetting> run;
  run.feed_tombstone({.offset = 42, .key = "v1", .created = timestamp{5s}});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::done);
  ASSERT_EQ(run.emitted().size(), 1U);
  EXPECT_EQ(run.emitted().front().key, "v1");
  EXPECT_EQ(run.emitted().front().value, std::nullopt);
  EXPECT_EQ(run.emitted().front().header("from"), "42");
  EXPECT_EQ(run.emitted().front().created, timestamp{5s});
  run.feed_tombstone({.key = "protected"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::dead_letter);
}

TEST(ProcessorRunner, AProcessorWithoutDeletedSkipsATombstone) {
  processor_runner<deliver> run(0ns);
  run.feed_tombstone({.key = "v1"});
  ASSERT_EQ(run.last().what(), stream::outcome::kind::skipped);
  EXPECT_EQ(run.last().cause()->message(), "tombstone");
}

TEST(ProcessorRunner, AnswersByTheParametersOfTheStatement) {
  processor_runner<deliver> run(0ns);
  run.database().answer(select_owner, [](std::span<const cell> parameters) {
    std::vector<row> rows;
    if (parameters.front().bigint() == 1) rows.push_back({"ada"});
    return result<std::vector<row>>(rows);
  });
  run.feed({1, "book"});
  run.feed({2, "lamp"});
  EXPECT_EQ(run.outcomes()[0]->what(), stream::outcome::kind::done);
  EXPECT_EQ(run.outcomes()[1]->what(), stream::outcome::kind::dead_letter);
}

TEST(ProcessorRunner, DiscardsTheEmitsOfAFailure) {
  processor_runner<deliver> run(0ns);
  run.database().prime(select_owner, {{"ada"}});
  run.database().answer(insert_receipt, [](std::span<const cell>) {
    return result<std::vector<row>>(error(errc::db_overloaded));
  });
  run.feed({1, "book"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::failed);
  EXPECT_EQ(run.last().cause()->code(), errc::db_overloaded);
  EXPECT_TRUE(run.emitted().empty());
}

TEST(ProcessorRunner, TimeAdvancesOnlyOnRequest) {
  processor_runner<deliver> run(10s);
  run.database().prime(select_owner, {{"ada"}});
  run.feed({1, "book"});
  run.advance(9s);
  EXPECT_FALSE(run.outcomes().front().has_value());
  run.advance(1s);
  EXPECT_TRUE(run.outcomes().front().has_value());
}

TEST(ProcessorRunner, DecodesTheBytesOfATopic) {
  processor_runner<deliver> run(0ns);
  run.database().prime(select_owner, {{"ada"}});
  const byte_buffer framed = engine::framed_parcel(1, 99, "box");
  ASSERT_TRUE(run.feed_bytes("parcel", bytes_view(framed).subspan(5)));
  EXPECT_EQ(run.executed(insert_receipt).front().parameters.front().bigint(), 99);
  EXPECT_FALSE(run.feed_bytes("parcel", bytes_view(framed).subspan(5, 4)))
      << "a truncated record does not decode";
  EXPECT_FALSE(run.feed_bytes("something else", bytes_view(framed).subspan(5)));
}

TEST(ProcessorRunner, AStatementThatDoesNotFitItsTableIsAnError) {
  processor_runner<deliver> run(0ns);
  run.database().describe(insert_receipt, {{"number", "bigint"}, {"at", "timestamp"}}, {});
  const result<void> prepared = run.prepare();
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().message(), "insert receipt binds one value");
}

// Counts, measures and sets.
class metering final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context) override {
    parcels_.with(p->word).add();
    weights_.observe(static_cast<std::uint64_t>(p->number));
    last_.set(static_cast<double>(p->number));
    co_return stream::outcome::done();
  }

 private:
  statements::counter parcels_{"parcels_total", "Parcels.", {"word"}};
  statements::size_histogram weights_{"parcels_weight_kilograms", "Weight of a parcel."};
  statements::gauge last_{"parcels_last_number", "Number of the last parcel."};
};

TEST(ProcessorRunner, ShowsTheMetricsOfTheProcessor) {
  processor_runner<metering> run;
  EXPECT_EQ(run.counted("parcels_total"), 0U);
  run.feed({7, "book"});
  run.feed({9, "book"});
  run.feed({5, "lamp"});
  EXPECT_EQ(run.counted("parcels_total"), 3U);
  EXPECT_EQ(run.counted("parcels_total", {{"word", "book"}}), 2U);
  EXPECT_EQ(run.counted("parcels_total", {{"word", "bike"}}), 0U);
  EXPECT_EQ(run.counted("parcels_weight_kilograms"), 3U);
  EXPECT_EQ(run.gauged("parcels_last_number"), 5);
}

TEST(ProcessorRunnerDeathTest, AMetricThatIsNotDeclaredAborts) {
  processor_runner<metering> run;
  EXPECT_DEATH(static_cast<void>(run.counted("parcel_total")), "declares a metric of that name");
  EXPECT_DEATH(static_cast<void>(run.counted("parcels_last_number")), "a gauge has a value");
}

// Logs before and after a wait, and fails.
class logging final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    ctx.log().debug("began");
    co_await ctx.sleep_for(1s);
    ctx.log().warn("too heavy", {{"number", p->number}, {"word", p->word}, {"share", 0.5}, {"new", true}});
    co_return error(errc::timed_out, "not now");
  }
};

TEST(ProcessorRunner, ShowsTheLinesThatTheProcessorLogged) {
  processor_runner<logging> run;
  run.feed({7, "book"}, {.offset = 41});
  ASSERT_EQ(run.logged().size(), 1U);
  EXPECT_EQ(run.logged()[0].level, stream::log_level::debug);
  run.advance(1s);
  ASSERT_EQ(run.logged().size(), 2U);
  const logged_line& line = run.logged()[1];
  EXPECT_EQ(line.level, stream::log_level::warning);
  EXPECT_EQ(line.message, "too heavy");
  EXPECT_EQ(line.offset, 41);
  EXPECT_EQ(line.field("number"), "7");
  EXPECT_EQ(line.field("word"), "book");
  EXPECT_EQ(line.field("share"), "0.5");
  EXPECT_EQ(line.field("new"), "true");
  EXPECT_EQ(line.field("old"), std::nullopt);
}

// Sends on what its typed key says.
class forwarding final : public engine::processor<parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<parcel> p, stream::context ctx) override {
    const parcel* key = parcels_.key(p);
    if (key == nullptr) co_return stream::outcome::skipped("null key");
    ctx.emit(sent_, *key, *p);
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(engine::deletion p, stream::context ctx) override {
    const parcel* key = parcels_.key(p);
    if (key == nullptr) co_return stream::outcome::skipped("null key");
    ctx.erase(sent_, *key);
    co_return stream::outcome::done();
  }

 private:
  engine::input<parcel, parcel> parcels_{"parcels"};
  engine::output<parcel, parcel> sent_{"sent"};
};

TEST(ProcessorRunner, ATypedKeyReachesTheProcessorAndItsEmits) {
  processor_runner<forwarding> run;
  run.feed({1, "a"});
  EXPECT_EQ(run.last().what(), stream::outcome::kind::skipped);
  run.set_key(parcel{7, "key"});
  run.feed({2, "b"});
  run.feed_tombstone();
  run.set_key(nullptr);
  run.feed_tombstone();
  EXPECT_EQ(run.last().what(), stream::outcome::kind::skipped);
  ASSERT_EQ(run.emitted().size(), 2U);
  byte_buffer key;
  ASSERT_TRUE(engine::value_traits<parcel>::encode({7, "key"}, key));
  for (const emitted_record& each : run.emitted()) EXPECT_EQ(each.key, std::string(as_text(key)));
  EXPECT_EQ(run.emitted().back().value, std::nullopt);
}

}  // namespace
}  // namespace millrace::simulation

// Tombstones in: processors that override deleted(), and those that do not.
#include <fixtures/engine_fixture.h>

#include <millrace/runtime/wait.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

// What the processors of these tests saw, in order: "process k", "deleted k".
struct sights {
  std::vector<std::string> seen;
  void note(std::string_view what, const record_handle& of) {
    seen.push_back(std::string(what) + " " + std::string(of.key() ? as_text(*of.key()) : "null"));
  }
};

// By its key: "fail" (once), "dead", "throw", "skip", "slow", "emit".
class deleting : public processor<parcel> {
 public:
  deleting(std::string called, sights* shared) : called_(std::move(called)), sights_(*shared) {}
  [[nodiscard]] std::string_view name() const override { return called_; }

  runtime::task<stream::outcome> process(record<parcel> p, stream::context) override {
    sights_.note("process", p);
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(deletion p, stream::context ctx) override {
    sights_.note("deleted", p);
    const std::string key(p.key() ? as_text(*p.key()) : std::string_view());
    if (key == "fail" && ctx.attempt() == 1) co_return error(errc::timed_out, "not now");
    if (key == "dead") co_return stream::outcome::dead_letter("cannot be deleted");
    if (key == "throw") throw std::out_of_range("no such key");
    if (key == "skip") co_return stream::outcome::skipped("never seen");
    if (key == "slow") co_await runtime::sleep_for(ctx.loop(), 5s);
    if (key == "emit") ctx.erase(gone_, p.key());
    sights_.note("gone", p);
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  sights& sights_;
  output<parcel> gone_{"gone"};
};

// Inherits the override.
class deleting_too final : public deleting {
 public:
  using deleting::deleting;
};

class hidden final : public processor<parcel> {
 public:
  runtime::task<stream::outcome> process(record<parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  runtime::task<stream::outcome> deleted(deletion, stream::context) override {
    co_return stream::outcome::skipped("by a private function");
  }
};

class deletion_test : public record_engine_test {
 protected:
  using names = std::vector<std::string>;

  [[nodiscard]] processor_factory deleter(const std::string& called = "deleting") {
    return make<deleting>(called, &shared);
  }
  void produce_tombstone(std::string_view key = "k") { produce_bytes(0, std::nullopt, key); }
  [[nodiscard]] std::optional<double> tombstones(const std::string& action) {
    return registry.take_snapshot().value("millrace_tombstones_total", {{"action", action}});
  }

  sights shared;
};

TEST_F(deletion_test, AProcessorThatOverridesDeletedGetsTombstonesWithoutASetting) {
  start_with({deleter()});
  assign({0});
  produce_tombstone("v1");
  produce(0, 7, "ok", "v2");
  produce_tombstone("emit");
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"deleted v1", "gone v1", "process v2", "deleted emit", "gone emit"}));
  EXPECT_EQ(engine_->counts().done, 3U);
  EXPECT_EQ(committed(0), 3);
  EXPECT_EQ(tombstones("processed"), 2);
  ASSERT_EQ(sink.written_to("gone").size(), 1U);
  EXPECT_EQ(as_text(*sink.written_to("gone").front()->key), "emit");
  EXPECT_EQ(sink.written_to("gone").front()->value, std::nullopt);
}

TEST_F(deletion_test, AnOverrideIsFoundInABaseClassAndWhereItIsPrivate) {
  EXPECT_TRUE(internal::overrides_deleted<deleting>());
  EXPECT_TRUE(internal::overrides_deleted<deleting_too>());
  EXPECT_TRUE(internal::overrides_deleted<hidden>());
  EXPECT_FALSE(internal::overrides_deleted<storing>());
  start_with({make<hidden>()});
  assign({0});
  produce_tombstone();
  advance(2s);
  EXPECT_EQ(
      registry.take_snapshot().value("millrace_records_skipped_total", {{"reason", "by a private function"}}),
      1);
}

TEST_F(deletion_test, WithoutAnOverrideTombstonesAreSkippedAndTheFirstOfATopicIsReported) {
  std::vector<std::string> reported;
  options.on_tombstone_skipped = [&](const skipped_tombstone& first) {
    reported.push_back(std::string(first.topic) + "/" + std::to_string(first.partition) + "@" +
                       std::to_string(first.offset));
  };
  start();
  assign({0});
  produce(0, 1);
  produce_tombstone();
  produce_tombstone();
  advance(2s);
  EXPECT_EQ(reported, names{"parcels/0@1"});
  EXPECT_EQ(engine_->counts().skipped, 2U);
  EXPECT_EQ(tombstones("skipped"), 2);
  EXPECT_EQ(committed(0), 3);
}

TEST_F(deletion_test, TheSettingSkipsTombstonesThoughAProcessorTakesThem) {
  options.tombstones = tombstone_policy::skip;
  start_with({deleter()});
  assign({0});
  produce_tombstone();
  advance(2s);
  EXPECT_TRUE(shared.seen.empty());
  EXPECT_EQ(engine_->counts().skipped, 1U);
}

TEST_F(deletion_test, AProcessorWithoutTheOverridePassesTheRecordOver) {
  start_with({make<storing>("storing"), deleter()});
  assign({0});
  produce_tombstone("v1");
  produce_tombstone("skip");
  advance(2s);
  EXPECT_TRUE(inserted().empty());
  EXPECT_EQ(shared.seen, (names{"deleted v1", "gone v1", "deleted skip"}));
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_records_skipped_total", {{"reason", "never seen"}}), 1)
      << "the reason of the processor that worked on it";
}

TEST_F(deletion_test, ATombstoneHasItsPlaceInTheOrderOfItsKey) {
  options.order = order_mode::key;
  start_with({deleter()});
  assign({0});
  produce_tombstone("slow");
  produce(0, 1, "ok", "slow");
  produce(0, 2, "ok", "other");
  produce_tombstone("slow");
  advance(20s);
  EXPECT_EQ(shared.seen, (names{"deleted slow", "process other", "gone slow", "process slow", "deleted slow",
                                "gone slow"}));
  EXPECT_EQ(committed(0), 4);
}

TEST_F(deletion_test, ATombstoneWaitsBehindARecordWhoseSchemaIsMissing) {
  schema_errors = {error(errc::registry_unavailable), error(errc::registry_unavailable)};
  start_with({deleter()});
  assign({0});
  produce(0, 1, "ok", "v1");
  produce_tombstone("v1");
  run();
  EXPECT_TRUE(shared.seen.empty());
  advance(5s);
  EXPECT_EQ(shared.seen, (names{"process v1", "deleted v1", "gone v1"}));
}

TEST_F(deletion_test, AFailedAttemptIsRetried) {
  start_with({deleter("first"), deleter("second")});
  assign({0});
  produce_tombstone("fail");
  advance(2s);
  EXPECT_EQ(shared.seen.size(), 6U) << "two attempts of each, and two that ended";
  EXPECT_EQ(engine_->counts().done, 1U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_retries_total"), 2);
}

TEST_F(deletion_test, TheDeadLetterOfATombstoneHasANullValue) {
  start_with({deleter()});
  assign({0});
  produce_tombstone("dead");
  advance(2s);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0]->value, std::nullopt);
  EXPECT_EQ(as_text(*letters[0]->key), "dead");
  EXPECT_EQ(letters[0]->header("millrace.dlq.message"), "cannot be deleted");
  EXPECT_EQ(letters[0]->header("millrace.dlq.processor"), "deleting");
  EXPECT_EQ(letters[0]->header("millrace.dlq.schema_id"), std::nullopt);
  EXPECT_EQ(letters[0]->header("millrace.dlq.value_dropped"), std::nullopt) << "a redrive would refuse it";
  EXPECT_EQ(committed(0), 1);
}

TEST_F(deletion_test, AnExceptionOfDeletedIsAnErrorOfTheAttempt) {
  options.retry.attempts_max = 2;
  start_with({deleter()});
  assign({0});
  produce_tombstone("throw");
  advance(5s);
  ASSERT_EQ(sink.written_to("dead").size(), 1U);
  EXPECT_EQ(sink.written_to("dead").front()->header("millrace.dlq.code"), "processor_threw");
  EXPECT_EQ(sink.written_to("dead").front()->header("millrace.dlq.attempts"), "2");
}

TEST_F(deletion_test, ARedrivenTombstoneRunsTheNamedProcessorOnly) {
  start_with({deleter("first"), deleter("second")});
  assign({0});
  simulation::simulated_record r;
  r.key = byte_buffer(1, std::byte{'k'});
  const bytes_view name = as_bytes("second");
  r.headers.emplace_back(redrive_processor_header, byte_buffer(name.begin(), name.end()));
  log.append({0, 0}, std::move(r));
  source->wake();
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"deleted k", "gone k"}));
  EXPECT_EQ(engine_->counts().done, 1U);
}

TEST_F(deletion_test, AHandleKeepsTheRecordAlive) {
  start_with({deleter()});
  assign({0});
  produce_tombstone("slow");
  run();
  lose({0});
  EXPECT_EQ(engine_->counts().abandoned, 1U);
  advance(10s);
  EXPECT_EQ(shared.seen, (names{"deleted slow", "gone slow"})) << "the key is read after the wait";
  EXPECT_EQ(engine_->status_now().in_flight_bytes, 0U);
}

TEST_F(deletion_test, TheMemoryOfTombstonesIsGivenBack) {
  start_with({deleter()});
  assign({0});
  for (int i = 0; i < 50; ++i) {
    produce(0, i, "ok", "v1");
    produce_tombstone("v1");
  }
  advance(10s);
  EXPECT_EQ(engine_->counts().done, 100U);
  EXPECT_EQ(engine_->status_now().in_flight_bytes, 0U);
}

// A factory of the user's does not know whether the class overrides deleted().
TEST_F(deletion_test, AProcessorOfAnotherFactoryTakesTombstones) {
  sights* const seen = &shared;
  start_with({[seen] { return std::make_unique<deleting>("made by hand", seen); }});
  assign({0});
  produce_tombstone("v1");
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"deleted v1", "gone v1"}));
}

}  // namespace
}  // namespace millrace::engine

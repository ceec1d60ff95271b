// Filters of records before they are decoded.
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;
using names = std::vector<std::string>;

struct sights {
  names seen;   // "who: word", of process() and deleted()
  names asked;  // "who: offset", of wants()
};

// Wants what a header says is for it; throws at the key "defect".
class picky : public processor<parcel> {
 public:
  picky(std::string called, sights* shared) : called_(std::move(called)), sights_(*shared) {}
  [[nodiscard]] std::string_view name() const override { return called_; }

  bool wants(const raw_record& record) const override {
    sights_.asked.push_back(called_ + ": " + std::to_string(record.offset()));
    if (record.key() && as_text(*record.key()) == "defect") throw std::out_of_range("no such key");
    return record.header("wanted-by") && as_text(*record.header("wanted-by")) == called_;
  }
  runtime::task<stream::outcome> process(record<parcel> p, stream::context) override {
    sights_.seen.push_back(called_ + ": " + std::string(p->word));
    co_return stream::outcome::done();
  }
  runtime::task<stream::outcome> deleted(deletion p, stream::context) override {
    sights_.seen.push_back(called_ + ": deleted " + std::string(as_text(*p.key())));
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  sights& sights_;
};

// Wants everything.
class noting final : public processor<parcel> {
 public:
  noting(std::string called, sights* shared) : called_(std::move(called)), sights_(*shared) {}
  [[nodiscard]] std::string_view name() const override { return called_; }
  runtime::task<stream::outcome> process(record<parcel> p, stream::context) override {
    sights_.seen.push_back(called_ + ": " + std::string(p->word));
    co_return stream::outcome::done();
  }

 private:
  std::string called_;
  sights& sights_;
};

class filter_test : public record_engine_test {
 protected:
  using headers = std::vector<std::pair<std::string, std::string>>;

  void begin(const processor_set& set) {
    start_with(set);
    assign({0});
  }
  void begin_noting() { begin({make<noting>(std::string("noting"), &shared)}); }
  void produce_with(std::string_view word, const headers& with, std::optional<std::string> key = "k") {
    simulation::simulated_record r;
    if (key) r.key = byte_buffer(as_bytes(*key).begin(), as_bytes(*key).end());
    r.value = framed_parcel(schema_id, 1, word);
    append(std::move(r), with);
  }
  void delete_with(const std::string& key, const headers& with) {
    simulation::simulated_record r;
    r.key = byte_buffer(as_bytes(key).begin(), as_bytes(key).end());
    append(std::move(r), with);
  }
  [[nodiscard]] double filtered(const std::string& processor, const std::string& reason) {
    return registry.take_snapshot()
        .value("millrace_records_filtered_total", {{"processor", processor}, {"reason", reason}})
        .value_or(0);
  }
  [[nodiscard]] double decoded() {
    return registry.take_snapshot().value("millrace_decoded_total").value_or(0);
  }

  sights shared;

 private:
  void append(simulation::simulated_record r, const headers& with) {
    for (const auto& [name, value] : with)
      r.headers.emplace_back(name, byte_buffer(as_bytes(value).begin(), as_bytes(value).end()));
    log.append({0, 0}, std::move(r), 0);
    if (source) source->wake();
  }
};

TEST_F(filter_test, RecordsThatAFilterRefusesAreCountedAndCommittedAndNotDecoded) {
  options.filters = {{.header = "region", .equals = "eu"}};
  begin_noting();
  produce_with("one", {{"region", "eu"}});
  produce_with("two", {{"region", "us"}});
  produce_with("three", {});
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"noting: one"}));
  EXPECT_EQ(decoded(), 1);
  EXPECT_EQ(filtered("noting", "header"), 2);
  EXPECT_EQ(engine_->counts().skipped, 2U);
  EXPECT_EQ(registry.take_snapshot().value("millrace_records_skipped_total", {{"reason", "filtered"}}), 2);
  EXPECT_EQ(committed(0), 3);
}

TEST_F(filter_test, HeadersAreComparedByPresenceAbsencePrefixAndValue) {
  options.filters = {
      {.header = "kind"}, {.header = "kind", .prefix = "or"}, {.header = "x-test", .absent = true}};
  begin_noting();
  produce_with("order", {{"kind", "order"}});
  produce_with("no kind", {});
  produce_with("other kind", {{"kind", "payment"}});
  produce_with("test", {{"kind", "order"}, {"x-test", "1"}});
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"noting: order"}));
}

TEST_F(filter_test, AnExcludingFilterAcceptsTheOthers) {
  options.filters = {{.header = "x-test", .exclude = true}, {.key_prefix = "tmp-", .exclude = true}};
  begin_noting();
  produce_with("real", {});
  produce_with("test", {{"x-test", "1"}});
  produce_with("temporary", {}, "tmp-1");
  produce_with("no key", {}, std::nullopt);
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"noting: real", "noting: no key"}));
  EXPECT_EQ(filtered("noting", "key_prefix"), 1);
}

TEST_F(filter_test, KeysAreComparedByPrefixAndANullKeyHasNone) {
  options.filters = {{.key_prefix = "eu-"}};
  begin_noting();
  produce_with("eu", {}, "eu-1");
  produce_with("us", {}, "us-1");
  produce_with("short", {}, "eu");
  produce_with("null", {}, std::nullopt);
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"noting: eu"}));
}

TEST_F(filter_test, ASchemaIdIsComparedBeforeItsSchemaIsRequested) {
  options.filters = {{.schema_ids = {schema_id}}};
  begin_noting();
  produce_bytes(0, framed_parcel(99, 1, "of an unknown schema"));
  produce(0, 1, "known");
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"noting: known"}));
  EXPECT_EQ(filtered("noting", "schema_id"), 1);
  EXPECT_EQ(engine_->status_now().schemas_missing, 0U);
}

TEST_F(filter_test, AnUnreadableValueIsNotHiddenByAFilterOfSchemas) {
  options.filters = {{.schema_ids = {schema_id}}};
  begin_noting();
  produce_bytes(0, byte_buffer(3, std::byte{9}));
  advance(2s);
  EXPECT_EQ(sink.written_to("dead").size(), 1U);
}

TEST_F(filter_test, ASampleHasAllRecordsOfAKeyAndIsTheSameInEveryProcess) {
  options.filters = {{.sample = 0.25}};
  begin_noting();
  for (int i = 0; i < 1'000; ++i) produce_with("r" + std::to_string(i), {}, "key-" + std::to_string(i / 2));
  advance(5s);
  std::map<std::string, int> of_key;
  for (const std::string& each : shared.seen)
    ++of_key[std::to_string(std::stoi(each.substr(each.find(": r") + 3)) / 2)];
  for (const auto& [key, count] : of_key) EXPECT_EQ(count, 2) << key;
  EXPECT_GT(of_key.size(), 90U);
  EXPECT_LT(of_key.size(), 160U);
  const names first = std::exchange(shared.seen, {});
  crash();
  log = simulation::simulated_log();
  log.add_topic("parcels", 4);
  options.seed = 99;
  begin_noting();
  for (int i = 0; i < 1'000; ++i) produce_with("r" + std::to_string(i), {}, "key-" + std::to_string(i / 2));
  advance(5s);
  EXPECT_EQ(std::set<std::string>(shared.seen.begin(), shared.seen.end()),
            std::set<std::string>(first.begin(), first.end()));
}

TEST_F(filter_test, ASampleOfNoneAndOfAll) {
  options.processors = {{.name = "none", .filters = {{.sample = 0}}},
                        {.name = "all", .filters = {{.sample = 1}}}};
  begin({make<noting>(std::string("none"), &shared), make<noting>(std::string("all"), &shared)});
  for (int i = 0; i < 50; ++i)
    produce_with("r", {}, i % 2 == 0 ? std::optional("k" + std::to_string(i)) : std::nullopt);
  advance(2s);
  EXPECT_EQ(shared.seen, names(50, "all: r"));
}

TEST_F(filter_test, EachProcessorHasItsOwnFilterAndARecordThatSomeWantIsDecodedOnce) {
  options.processors = {{.name = "eu", .filters = {{.key_prefix = "eu-"}}},
                        {.name = "us", .filters = {{.key_prefix = "us-"}}}};
  begin({make<noting>(std::string("eu"), &shared), make<noting>(std::string("us"), &shared),
         make<noting>(std::string("all"), &shared)});
  produce_with("one", {}, "eu-1");
  produce_with("two", {}, "us-1");
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"eu: one", "all: one", "us: two", "all: two"}));
  EXPECT_EQ(decoded(), 2);
  EXPECT_EQ(engine_->counts().done, 2U);
  EXPECT_EQ(filtered("eu", "key_prefix"), 1);
  EXPECT_EQ(filtered("us", "key_prefix"), 1);
  EXPECT_EQ(filtered("all", "key_prefix"), 0);
}

TEST_F(filter_test, ARecordThatNoProcessorWantsIsNotDecoded) {
  options.processors = {{.name = "eu", .filters = {{.key_prefix = "eu-"}}},
                        {.name = "us", .filters = {{.key_prefix = "us-"}}}};
  begin({make<noting>(std::string("eu"), &shared), make<noting>(std::string("us"), &shared)});
  produce_with("three", {}, "asia-1");
  advance(2s);
  EXPECT_EQ(decoded(), 0);
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(filter_test, AProcessorIsAskedOnceForEachRecord) {
  schema_errors = {error(errc::registry_unavailable)};
  begin({make<picky>(std::string("a"), &shared), make<picky>(std::string("b"), &shared)});
  produce_with("one", {{"wanted-by", "a"}});
  produce_with("two", {{"wanted-by", "b"}});
  produce_with("three", {{"wanted-by", "nobody"}});
  advance(5s);
  EXPECT_EQ(shared.seen, (names{"a: one", "b: two"}));
  EXPECT_EQ(shared.asked, (names{"a: 0", "b: 0", "a: 1", "b: 1", "a: 2", "b: 2"}))
      << "also when the record waits for its schema";
  EXPECT_EQ(filtered("a", "wants"), 2);
}

TEST_F(filter_test, AnOverrideOfWantsIsFound) {
  EXPECT_TRUE(internal::overrides_wants<picky>());
  EXPECT_FALSE(internal::overrides_wants<noting>());
}

TEST_F(filter_test, TombstonesAreFilteredLikeOtherRecords) {
  begin({make<picky>(std::string("a"), &shared)});
  delete_with("k1", {{"wanted-by", "a"}});
  delete_with("k2", {});
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"a: deleted k1"}));
  EXPECT_EQ(registry.take_snapshot().value("millrace_tombstones_total", {{"action", "processed"}}), 1);
  EXPECT_EQ(registry.take_snapshot().value("millrace_records_skipped_total", {{"reason", "filtered"}}), 1);
}

TEST_F(filter_test, AnExceptionOfWantsSendsTheRecordToTheDeadLetterTopic) {
  std::vector<std::string> thrown;
  options.on_exception = [&thrown](const processor_exception& each) {
    thrown.push_back(each.failure.message());
  };
  begin({make<picky>(std::string("a"), &shared), make<noting>(std::string("b"), &shared)});
  produce_with("one", {}, "defect");
  produce_with("two", {{"wanted-by", "a"}});
  advance(2s);
  EXPECT_EQ(shared.seen, (names{"a: two", "b: two"}));
  EXPECT_EQ(dead_letter_header("millrace.dlq.code"), "processor_threw");
  EXPECT_EQ(dead_letter_header("millrace.dlq.stage"), "intake");
  ASSERT_EQ(thrown.size(), 1U);
  EXPECT_NE(thrown.front().find("wants() of processor 'a' on parcels/0 offset 0"), std::string::npos)
      << thrown.front();
  EXPECT_EQ(committed(0), 2);
}

TEST_F(filter_test, ARecordThatIsTooLargeAndNotWantedIsNotADeadLetter) {
  options.record_bytes_max = 32;
  options.filters = {{.header = "x-test", .exclude = true}};
  begin_noting();
  produce_with(std::string(1'000, 'x'), {{"x-test", "1"}});
  advance(2s);
  EXPECT_TRUE(sink.written_to("dead").empty());
  EXPECT_EQ(committed(0), 1);
}

TEST(record_filter_check, AFilterHasOneCondition) {
  const auto why = [](const record_filter& filter) {
    const auto checked = check(filter);
    return checked ? std::string() : checked.error().message();
  };
  EXPECT_EQ(why({.header = "a"}), "");
  EXPECT_EQ(why({.header = "a", .equals = ""}), "");
  EXPECT_EQ(why({.sample = 1}), "");
  EXPECT_NE(why({}).find("has a condition"), std::string::npos);
  EXPECT_NE(why({.exclude = true}).find("has a condition"), std::string::npos);
  EXPECT_NE(why({.header = "a", .key_prefix = "b"}).find("one of"), std::string::npos);
  EXPECT_NE(why({.equals = "x", .key_prefix = "b"}).find("need the name of a header"), std::string::npos);
  EXPECT_NE(why({.header = "a", .equals = "x", .absent = true}).find("at most one of"), std::string::npos);
  EXPECT_NE(why({.sample = 1.5}).find("from 0 to 1"), std::string::npos);
  EXPECT_NE(why({.sample = std::numeric_limits<double>::quiet_NaN()}).find("from 0 to 1"), std::string::npos);
}

}  // namespace
}  // namespace millrace::engine

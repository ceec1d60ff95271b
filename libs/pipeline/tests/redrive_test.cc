// Records that were produced again from their dead letters, and the headers of dead letters.
#include "line_fixture.h"

namespace millrace::pipeline {
namespace {

using namespace std::chrono_literals;

class redrive_test : public line_test {
 protected:
  void produce_redriven(std::int64_t number, std::vector<std::pair<std::string, std::string>> headers,
                        std::string_view word = "ok") {
    testkit::simulated_record r;
    r.value = framed_parcel(schema_id, number, word);
    for (const auto& [name, value] : headers) {
      const bytes_view bytes = as_bytes(value);
      r.headers.emplace_back(name, byte_buffer(bytes.begin(), bytes.end()));
    }
    log.append({0, 0}, std::move(r));
    source->wake();
    advance(2s);
  }
};

TEST_F(redrive_test, OnlyTheProcessorThatIsNamedRuns) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_processor_header, "second"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41})) << "once, not twice";
  EXPECT_EQ(line_->counts().done, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(redrive_test, ItsDeadLetterNamesTheProcessorThatFailedAgainAndKeepsTheCount) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_processor_header, "second"}, {redrive_count_header, "1"}}, "dead");
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0]->header("millrace.dlq.processor"), "second");
  EXPECT_EQ(letters[0]->header(redrive_count_header), "1");
}

TEST_F(redrive_test, AProcessorThatIsNotHereMakesItASkippedRecord) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_processor_header, "third"}});
  EXPECT_TRUE(inserted().empty());
  EXPECT_EQ(line_->counts().skipped, 1U);
  EXPECT_EQ(committed(0), 1);
}

TEST_F(redrive_test, AnotherGroupsRecordIsSkipped) {
  start();
  assign({0});
  produce_redriven(41, {{redrive_group_header, "customs"}});
  EXPECT_EQ(line_->counts().skipped, 1U);
  produce_redriven(42, {{redrive_group_header, "post-office"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{42}));
  EXPECT_EQ(committed(0), 2);
}

TEST_F(redrive_test, WithoutThoseHeadersEveryProcessorRuns) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_count_header, "1"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41, 41}));
}

TEST_F(redrive_test, ALettersHeadersHaveTheNamesOfKafkaStreamsByOption) {
  options.dead_letter_headers = letter_headers::streams;
  start();
  assign({0});
  produce(0, 41, "dead");
  advance(2s);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  const testkit::produced_record& letter = *letters[0];
  EXPECT_EQ(letter.header("__streams.errors.exception"), "rejected");
  EXPECT_EQ(letter.header("__streams.errors.message"), "broken seal");
  EXPECT_EQ(letter.header("__streams.errors.stacktrace"), "stage process, processor storing, attempt 1");
  EXPECT_EQ(letter.header("__streams.errors.topic"), "parcels");
  EXPECT_EQ(letter.header("__streams.errors.partition"), "0");
  EXPECT_EQ(letter.header("__streams.errors.offset"), "0");
  EXPECT_EQ(letter.header("millrace.dlq.reason"), std::nullopt);
  EXPECT_EQ(letter.headers.front().first, "trace") << "the record's own headers come first, untouched";
}

TEST_F(redrive_test, BothSetsOfNamesAtOnce) {
  options.dead_letter_headers = letter_headers::both;
  start();
  assign({0});
  produce(0, 41, "dead");
  advance(2s);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0]->header("__streams.errors.message"), "broken seal");
  EXPECT_EQ(letters[0]->header("millrace.dlq.message"), "broken seal");
}

}  // namespace
}  // namespace millrace::pipeline

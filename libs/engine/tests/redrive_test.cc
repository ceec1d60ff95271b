// Records redriven from their dead letters, and the headers of dead letters.
#include <fixtures/engine_fixture.h>

namespace millrace::engine {
namespace {

using namespace std::chrono_literals;

class redrive_test : public record_engine_test {
 protected:
  void produce_redriven(std::int64_t number, const std::vector<std::pair<std::string, std::string>>& headers,
                        std::string_view word = "ok") {
    simulation::simulated_record r;
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

TEST_F(redrive_test, OnlyTheNamedProcessorRuns) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_processor_header, "second"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41})) << "once, not twice";
  EXPECT_EQ(engine_->counts().done, 1U);
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

TEST_F(redrive_test, AnUnknownProcessorMakesItADeadLetterAgain) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_processor_header, "third"}, {redrive_count_header, "2"}});
  produce_redriven(42, {{redrive_processor_header, "third"}, {redrive_group_header, "post-office"}});
  EXPECT_TRUE(inserted().empty());
  EXPECT_EQ(engine_->counts().skipped, 0U);
  EXPECT_EQ(engine_->counts().dead_lettered, 2U);
  EXPECT_EQ(committed(0), 2);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 2U) << "once each, though two processors are here";
  EXPECT_EQ(letters[0]->value, framed_parcel(schema_id, 41, "ok"));
  EXPECT_EQ(letters[0]->header("millrace.dlq.code"), "redrive_target_unknown");
  EXPECT_EQ(letters[0]->header("millrace.dlq.stage"), "intake");
  EXPECT_EQ(letters[0]->header("millrace.dlq.message"),
            "redriven for the processor 'third'; the processors of this application are 'first', 'second'");
  EXPECT_EQ(letters[0]->header("millrace.dlq.processor"), "third") << "the next redrive is not for all";
  EXPECT_EQ(letters[0]->header("millrace.dlq.group"), "post-office");
  EXPECT_EQ(letters[0]->header(redrive_count_header), "2") << "the guard against loops goes on counting";
}

TEST_F(redrive_test, TheOffsetWaitsForTheDeadLetterOfAnUnknownProcessor) {
  start();
  assign({0});
  hold_sink = true;
  produce_redriven(41, {{redrive_processor_header, "third"}});
  EXPECT_EQ(committed(0), std::nullopt);
  hold_sink = false;
}

TEST_F(redrive_test, RedrivenDeadLettersDoNotCountForTheDeadLetterRateLimit) {
  options.dead_letter_limit.ratio = 0.1;
  options.dead_letter_limit.dead_letters_min = 2;
  start();
  assign({0});
  for (std::int64_t number = 0; number < 10; ++number) {
    produce_redriven(number, {{redrive_processor_header, "third"}});
  }
  EXPECT_EQ(engine_->state(), engine_state::running) << "redriven dead letters do not count";
  EXPECT_EQ(engine_->counts().dead_lettered, 10U);
  for (std::int64_t number = 0; number < 2; ++number) {
    produce_redriven(number, {{redrive_processor_header, "storing"}}, "reject");
  }
  EXPECT_NE(engine_->state(), engine_state::running) << "the dead-letter rate limit still applies";
}

TEST_F(redrive_test, ARedrivenUndecodableRecordKeepsTheNameOfItsProcessor) {
  options.tombstones = tombstone_policy::dead_letter;
  start({"first", "second"});
  assign({0});
  simulation::simulated_record r;
  const bytes_view name = as_bytes("second");
  r.headers.emplace_back(redrive_processor_header, byte_buffer(name.begin(), name.end()));
  log.append({0, 0}, std::move(r));
  source->wake();
  advance(2s);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  EXPECT_EQ(letters[0]->header("millrace.dlq.message"), "tombstone");
  EXPECT_EQ(letters[0]->header("millrace.dlq.processor"), "second") << "'first' was done with it long ago";
}

TEST_F(redrive_test, ARecordOfAnotherKnownGroupIsSkipped) {
  options.other_groups = {"customs"};
  start();
  assign({0});
  produce_redriven(41, {{redrive_group_header, "customs"}});
  EXPECT_EQ(engine_->counts().skipped, 1U);
  produce_redriven(42, {{redrive_group_header, "post-office"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{42}));
  EXPECT_EQ(committed(0), 2);
  EXPECT_TRUE(sink.written_to("dead").empty()) << "a shared topic has no dead letters of a healthy group";
}

TEST_F(redrive_test, ARecordOfAnUnknownGroupBecomesADeadLetterAgainOfThatGroup) {
  options.other_groups = {"customs"};
  options.former_groups = {"mail-room"};
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_group_header, "stage-coach"}, {redrive_processor_header, "first"}});
  EXPECT_EQ(engine_->counts().skipped, 0U);
  EXPECT_TRUE(inserted().empty());
  EXPECT_EQ(committed(0), 1);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U) << "never a skip: the group may have been renamed";
  EXPECT_EQ(letters[0]->header("millrace.dlq.code"), "redrive_target_unknown");
  EXPECT_EQ(letters[0]->header("millrace.dlq.group"), "stage-coach") << "a redrive of this group refuses it";
  EXPECT_EQ(letters[0]->header("millrace.dlq.processor"), "first");
}

TEST_F(redrive_test, ARecordOfAnotherGroupIsSkippedWhateverProcessorItNames) {
  options.other_groups = {"customs"};
  start();
  assign({0});
  produce_redriven(41, {{redrive_group_header, "customs"}, {redrive_processor_header, "third"}});
  EXPECT_EQ(engine_->counts().skipped, 1U);
  EXPECT_TRUE(sink.written_to("dead").empty());
}

TEST_F(redrive_test, ARecordOfAFormerGroupIsProcessed) {
  options.former_groups = {"stage-coach", "mail-room"};
  start();
  assign({0});
  produce_redriven(41, {{redrive_group_header, "mail-room"}, {redrive_processor_header, "storing"}});
  produce_redriven(42, {{redrive_group_header, "mail-room"}, {redrive_processor_header, "third"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41}));
  EXPECT_EQ(engine_->counts().skipped, 0U);
  EXPECT_EQ(engine_->counts().dead_lettered, 1U);
}

TEST_F(redrive_test, WithoutThoseHeadersEveryProcessorRuns) {
  start({"first", "second"});
  assign({0});
  produce_redriven(41, {{redrive_count_header, "1"}});
  EXPECT_EQ(inserted(), (std::vector<std::int64_t>{41, 41}));
}

TEST_F(redrive_test, DeadLetterHeadersHaveTheNamesOfKafkaStreamsByOption) {
  options.dead_letter_headers = dead_letter_header_names::streams;
  start();
  assign({0});
  produce(0, 41, "dead");
  advance(2s);
  const auto letters = sink.written_to("dead");
  ASSERT_EQ(letters.size(), 1U);
  const simulation::produced_record& letter = *letters[0];
  EXPECT_EQ(letter.header("__streams.errors.exception"), "rejected");
  EXPECT_EQ(letter.header("__streams.errors.message"), "broken seal");
  EXPECT_EQ(letter.header("__streams.errors.stacktrace"), "stage process, processor storing, attempt 1");
  EXPECT_EQ(letter.header("__streams.errors.topic"), "parcels");
  EXPECT_EQ(letter.header("__streams.errors.partition"), "0");
  EXPECT_EQ(letter.header("__streams.errors.offset"), "0");
  EXPECT_EQ(letter.header("millrace.dlq.reason"), std::nullopt);
  EXPECT_EQ(letter.headers.front().first, "trace") << "the record's own headers come first, untouched";
}

TEST_F(redrive_test, DeadLetterHeadersHaveBothSetsOfNamesByOption) {
  options.dead_letter_headers = dead_letter_header_names::both;
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
}  // namespace millrace::engine

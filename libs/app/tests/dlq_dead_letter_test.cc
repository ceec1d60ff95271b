// The headers of dead letters, and the record of those redriven.
#include <sstream>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "commands/dlq/dead_letter.h"
#include "commands/dlq/pace.h"
#include "commands/dlq/redriven.h"
#include "commands/dlq/summary.h"

namespace millrace::app::dlq_commands {
namespace {

using namespace std::chrono_literals;

using headers = std::vector<std::pair<std::string, std::string>>;

// A record with these headers; owns what the view views.
class record {
 public:
  explicit record(headers all, std::int64_t offset = 0) : owned_(std::move(all)) {
    for (const auto& [name, value] : owned_) views_.push_back({name, as_bytes(value)});
    view.offset = offset;
    view.created = timestamp(milliseconds(1'700'000'000'250));
    view.headers = views_;
  }
  stream::record_view view;

 private:
  headers owned_;
  std::vector<stream::header_view> views_;
};

const headers by_a_processor{{"trace", "abc"},
                             {"millrace.redrive.count", "1"},
                             {"millrace.redrive.processor", "earlier"},
                             {"millrace.dlq.reason", "broken seal"},
                             {"millrace.dlq.code", "rejected"},
                             {"millrace.dlq.topic", "visits"},
                             {"millrace.dlq.partition", "3"},
                             {"millrace.dlq.offset", "77"},
                             {"millrace.dlq.processor", "enrich"},
                             {"millrace.dlq.group", "navigation"}};

std::string joined(const redrive_headers& headers) {
  std::string all;
  for (const auto& header : headers.all()) {
    all += std::string(header.name) + "=" + std::string(as_text(header.value.value())) + ";";
  }
  return all;
}

TEST(DlqDeadLetter, NamesReasonProcessorAndOrigin) {
  const record written(by_a_processor, 5);
  const dead_letter_record read = read_dead_letter(written.view);
  EXPECT_EQ(read.offset, 5);
  EXPECT_EQ(read.reason, "broken seal");
  EXPECT_EQ(read.processor, "enrich");
  EXPECT_EQ(read.topic + "/" + read.from_partition + "@" + read.from_offset, "visits/3@77");
  EXPECT_EQ(read.redrives, 1U);
  EXPECT_FALSE(read.value_dropped);
}

TEST(DlqDeadLetter, HeadersOfKafkaStreamsAreRead) {
  const record written({{"__streams.errors.exception", "db_timeout"},
                        {"__streams.errors.message", "no answer"},
                        {"__streams.errors.topic", "visits"},
                        {"__streams.errors.partition", "0"},
                        {"__streams.errors.offset", "9"}});
  const dead_letter_record read = read_dead_letter(written.view);
  EXPECT_EQ(read.reason, "db_timeout");
  EXPECT_EQ(read.topic + "/" + read.from_partition + "@" + read.from_offset, "visits/0@9");
  const record rejected(
      {{"__streams.errors.exception", "rejected"}, {"__streams.errors.message", "broken seal"}});
  EXPECT_EQ(read_dead_letter(rejected.view).reason, "broken seal");
}

TEST(DlqDeadLetter, ADeadLetterOfARedrivenRecordBelongsToTheGroupAndProcessorOfTheRedrive) {
  const record by_streams({{"millrace.redrive.group", "navigation"},
                           {"millrace.redrive.processor", "enrich"},
                           {"__streams.errors.topic", "visits"}});
  EXPECT_EQ(read_dead_letter(by_streams.view).group, "navigation");
  EXPECT_EQ(read_dead_letter(by_streams.view).processor, "enrich");
  EXPECT_EQ(read_dead_letter(record(by_a_processor).view).processor, "enrich") << "who failed last counts";
}

TEST(DlqDeadLetter, ProcessorsAreRenamedFromOldToNew) {
  const auto names = read_processor_names({"enrich=enricher", "a=b=c"});
  ASSERT_TRUE(names);
  EXPECT_EQ(*names, (processor_names{{"enrich", "enricher"}, {"a", "b=c"}}));
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"enrich"}, {"=enricher"}, {"enrich="}, {""}, {"a=b", "a=c"}}) {
    EXPECT_FALSE(read_processor_names(wrong)) << wrong.back();
  }
}

TEST(DlqDeadLetter, AnInvalidRedriveCountDoesNotResetTheLimit) {
  for (const std::string text : {"x", "", "-1", "1 ", "99999999999"}) {
    const record written(headers{{"millrace.redrive.count", text}});
    EXPECT_EQ(read_dead_letter(written.view).redrives, UINT32_MAX) << text;
  }
}

TEST(DlqDeadLetter, TheFilterMatchesAReasonOrACode) {
  const record written(by_a_processor);
  const dead_letter_record read = read_dead_letter(written.view);
  EXPECT_TRUE((dead_letter_filter{}).accepts(read));
  EXPECT_TRUE((dead_letter_filter{"broken seal", "enrich", "visits"}).accepts(read));
  EXPECT_TRUE((dead_letter_filter{"rejected", "", ""}).accepts(read));
  EXPECT_FALSE((dead_letter_filter{"broken", "", ""}).accepts(read));
  EXPECT_FALSE((dead_letter_filter{"", "last_seen", ""}).accepts(read));
  EXPECT_FALSE((dead_letter_filter{"", "", "other"}).accepts(read));
}

TEST(DlqDeadLetter, ARedriveRestoresTheHeadersAndNamesItsGroupAndProcessor) {
  const record written(by_a_processor);
  const dead_letter_record read = read_dead_letter(written.view);
  EXPECT_EQ(joined(redrive_headers(written.view, read, {read.group, read.processor})),
            "trace=abc;millrace.redrive.count=2;millrace.redrive.group=navigation;"
            "millrace.redrive.processor=enrich;");
  EXPECT_EQ(joined(redrive_headers(written.view, read, {})), "trace=abc;millrace.redrive.count=2;");
}

TEST(DlqSummary, CountsByReasonProcessorAndOrigin) {
  summary all;
  const record one(by_a_processor);
  all.add(read_dead_letter(one.view));
  all.add(read_dead_letter(one.view));
  const record other(headers{{"millrace.dlq.reason", "no schema"}});
  all.add(read_dead_letter(other.view));
  std::ostringstream out;
  all.print(out);
  EXPECT_EQ(all.dead_letters(), 3U);
  const std::string text = out.str();
  const auto most = text.find("2  broken seal  enrich     visits/3  2023-11-14T22:13:20.250Z");
  const auto least = text.find("1  no schema    -          -");
  ASSERT_NE(most, std::string::npos) << text;
  ASSERT_NE(least, std::string::npos) << text;
  EXPECT_LT(most, least);
}

TEST(DlqSummary, TheNumberOfKindsIsBounded) {
  summary all;
  for (std::size_t i = 0; i < summary::kinds_max + 10; ++i) {
    dead_letter_record one;
    one.reason = "reason " + std::to_string(i);
    all.add(one);
  }
  std::ostringstream out;
  all.print(out);
  EXPECT_NE(out.str().find("      10  (others)"), std::string::npos);
}

TEST(DlqPace, AllowsTheConfiguredRate) {
  pace ten(10, instant{0});
  std::size_t went = 0;
  for (std::int64_t ms = 0; ms < 3'000; ms += 10) {
    for (std::size_t n = ten.allowed(instant{ms * 1'000'000}); n > 0; --n) {
      ten.went();
      ++went;
    }
  }
  EXPECT_GE(went, 29U);
  EXPECT_LE(went, 31U);
}

TEST(DlqPace, ALongPauseAllowsNoBurst) {
  pace fast(1'000, instant{0});
  EXPECT_EQ(fast.allowed(instant{3'600'000'000'000}), 101U);
}

class redriven_test : public testing::Test {
 protected:
  static redriven from(std::int64_t offset, std::string metadata = {}) {
    return redriven("topic", {{0, 0}, offset, std::move(metadata)});
  }
};

TEST_F(redriven_test, RemainingDeadLettersHoldTheOffsetAndLaterRedrivesAreRemembered) {
  redriven first = from(-1);
  EXPECT_FALSE(first.news());
  std::vector<stream::offset_tracker::ticket> tickets;
  tickets.reserve(6);
  for (std::int64_t offset = 0; offset < 6; ++offset) tickets.push_back(*first.delivered(offset));
  first.sent(tickets[0]);
  first.sent(tickets[2]);
  first.sent(tickets[4]);
  const auto at = first.news();
  ASSERT_TRUE(at);
  EXPECT_EQ(at->offset, 1) << "record 1 stays";
  EXPECT_FALSE(first.news()) << "nothing new";

  redriven second = from(at->offset, at->metadata);
  std::vector<std::int64_t> again;
  for (std::int64_t offset = 1; offset < 6; ++offset) {
    if (second.delivered(offset)) again.push_back(offset);
  }
  EXPECT_EQ(again, (std::vector<std::int64_t>{1, 3, 5}));
}

TEST_F(redriven_test, RedrivesOfAnEarlierRunAreCommittedWithThoseOfThisRun) {
  redriven first = from(-1);
  std::vector<stream::offset_tracker::ticket> tickets;
  tickets.reserve(8);
  for (std::int64_t offset = 0; offset < 8; ++offset) tickets.push_back(*first.delivered(offset));
  first.sent(tickets[5]);
  const auto once = first.news();
  ASSERT_TRUE(once);
  redriven second = from(once->offset, once->metadata);
  const auto ticket = second.delivered(0);
  ASSERT_TRUE(ticket);
  second.sent(*ticket);
  const auto twice = second.news();
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->offset, 1);
  redriven third = from(twice->offset, twice->metadata);
  EXPECT_TRUE(third.delivered(4));
  EXPECT_FALSE(third.delivered(5));
}

TEST_F(redriven_test, ReportsWhenTheRangesExceedTheMetadata) {
  redriven all = from(-1);
  std::vector<stream::offset_tracker::ticket> tickets;
  tickets.reserve(20'000);
  for (std::int64_t offset = 0; offset < 20'000; ++offset) tickets.push_back(*all.delivered(offset));
  for (std::size_t i = 1; i < 1'000; i += 2) all.sent(tickets[i]);
  EXPECT_TRUE(all.news());
  EXPECT_FALSE(all.full());
  for (std::size_t i = 1'001; i < tickets.size(); i += 2) all.sent(tickets[i]);
  EXPECT_TRUE(all.news());
  EXPECT_TRUE(all.full());
}

}  // namespace
}  // namespace millrace::app::dlq_commands

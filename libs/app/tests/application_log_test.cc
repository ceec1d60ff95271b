#include "application_log.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

// The log of worker 3, whose lines are kept as logfmt without time.
class application_log_test : public testing::Test {
 protected:
  void warn(std::string_view message, std::initializer_list<log_field> fields = {},
            std::string_view processor = "review") {
    stream::record_log(&log_, processor, "orders", 5, 42).warn(message, fields);
  }

  manual_clock time_;
  std::vector<std::string> lines_;
  application_log log_{log_level::info, time_, 3, [this](log_level level, std::span<const log_field> fields) {
                         const std::string line =
                             format_line(log_format::logfmt, level, timestamp_micros(), "app", fields);
                         lines_.push_back(line.substr(line.find(' ') + 1));
                       }};
};

TEST_F(application_log_test, ALineHasTheProcessorAndThePlaceOfTheRecord) {
  warn("credit limit exceeded", {{"customer", std::string("c 1")}, {"limit", 500}});
  EXPECT_EQ(lines_,
            (std::vector<std::string>{
                "level=warning event=app message=\"credit limit exceeded\" processor=review topic=orders "
                "partition=5 offset=42 worker=3 customer=\"c 1\" limit=500 suppressed=0"}));
}

TEST_F(application_log_test, ALineBelowTheLevelIsNotMade) {
  const stream::record_log log(&log_, "review", "orders", 5, 42);
  log.debug("seen");
  EXPECT_FALSE(log.logs(log_level::debug));
  EXPECT_TRUE(log.logs(log_level::info));
  EXPECT_TRUE(lines_.empty());
  log.info("seen");
  log.error("lost");
  EXPECT_EQ(lines_.size(), 2U);
  EXPECT_TRUE(lines_[1].starts_with("level=error event=app message=lost ")) << lines_[1];
}

TEST_F(application_log_test, AMessageIsLoggedOnceInTenSecondsPerProcessorWithTheNumberSuppressed) {
  const std::uint64_t before = logged().suppressed;
  for (int i = 0; i < 4; ++i) warn("credit limit exceeded", {{"customer", i}});
  EXPECT_EQ(lines_.size(), 1U);
  EXPECT_EQ(logged().suppressed - before, 3U);
  warn("credit limit exceeded", {}, "score");
  warn("no such customer");
  EXPECT_EQ(lines_.size(), 3U) << "other kinds";
  time_.advance(10s);
  warn("credit limit exceeded", {{"customer", 9}});
  ASSERT_EQ(lines_.size(), 4U);
  EXPECT_NE(lines_[3].find("customer=9 suppressed=3"), std::string::npos) << lines_[3];
}

TEST_F(application_log_test, MessagesThatVaryDoNotFillTheLog) {
  for (int i = 0; i < 5'000; ++i) warn("customer " + std::to_string(i));
  EXPECT_EQ(lines_.size(), application_log::kinds_max + 1);
  time_.advance(10s);
  for (int i = 5'000; i < 10'000; ++i) warn("customer " + std::to_string(i));
  EXPECT_LE(lines_.size(), 2 * (application_log::kinds_max + 1));
}

TEST_F(application_log_test, AFieldTakesNoNameOfTheLine) {
  warn("odd", {{"offset", 1}, {"event", "x"}, {"two words=", 2}, {"", 3}});
  EXPECT_NE(lines_[0].find(" offset=42 worker=3 offset_=1 event_=x two_words_=2 _=3 suppressed=0"),
            std::string::npos)
      << lines_[0];
}

TEST_F(application_log_test, LongTextsAreCutBetweenCharacters) {
  std::string text(application_log::text_bytes_max - 1, 'x');
  text += "\xC3\xA9";
  warn("long", {{"text", text}});
  const std::string kept(application_log::text_bytes_max - 1, 'x');
  EXPECT_NE(lines_[0].find("text=" + kept + " suppressed"), std::string::npos) << lines_[0];
}

}  // namespace
}  // namespace millrace::app

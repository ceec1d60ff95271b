#include "log.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

constexpr timestamp_micros at{microseconds(1'767'225'600'123'456)};

std::string logfmt(std::initializer_list<log_field> fields) {
  return format_line(log_format::logfmt, log_level::warning, at, "source_error",
                     std::span(fields.begin(), fields.size()));
}

TEST(Log, AMessageHoldsTimeLevelEventAndFields) {
  EXPECT_EQ(logfmt({{"worker", 3}, {"seconds", 1.5}, {"fatal", false}, {"group", std::string("navigation")}}),
            "time=2026-01-01T00:00:00.123Z level=warning event=source_error worker=3 seconds=1.5 fatal=false "
            "group=navigation");
}

TEST(Log, TextThatCouldBreakAMessageIsQuoted) {
  EXPECT_EQ(logfmt({{"a", "two words"}, {"b", ""}, {"c", "x=y"}, {"d", "say \"no\"\n\x01"}}),
            "time=2026-01-01T00:00:00.123Z level=warning event=source_error a=\"two words\" b=\"\" c=\"x=y\" "
            "d=\"say \\\"no\\\"\\n\\x01\"");
}

TEST(Log, JsonHoldsTheSameWithItsTypes) {
  const log_field fields[] = {{"worker", 3}, {"seconds", 1.5}, {"text", "\xFF\"\n"}, {"fatal", true}};
  const std::string line = format_line(log_format::json, log_level::error, at, "failed", fields);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto read = nlohmann::json::parse(line);
  EXPECT_EQ(read["time"], "2026-01-01T00:00:00.123Z");
  EXPECT_EQ(read["level"], "error");
  EXPECT_EQ(read["event"], "failed");
  EXPECT_EQ(read["worker"], 3);
  EXPECT_EQ(read["seconds"], 1.5);
  EXPECT_EQ(read["fatal"], true);
  EXPECT_TRUE(read["text"].is_string());
}

TEST(Log, AKindIsLoggedOnceInTenSecondsWithTheNumberSuppressed) {
  log_limit limit;
  manual_clock time;
  EXPECT_EQ(limit.admit("source_error", "down", time.now()), 0U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.admit("source_error", "down", time.now()), std::nullopt);
  EXPECT_EQ(limit.admit("source_error", "gone", time.now()), 0U) << "another kind";
  EXPECT_EQ(limit.admit("commit_failed", "down", time.now()), 0U) << "another site";
  time.advance(10s);
  EXPECT_EQ(limit.admit("source_error", "down", time.now()), 3U);
  time.advance(10s);
  EXPECT_EQ(limit.admit("source_error", "down", time.now()), 0U);
}

TEST(Log, TheNumberOfRememberedKindsIsBounded) {
  log_limit limit;
  manual_clock time;
  for (std::size_t i = 0; i < 3 * log_limit::kinds_max; ++i) {
    EXPECT_EQ(limit.admit("site", std::to_string(i), time.now()), 0U);
  }
}

}  // namespace
}  // namespace millrace::app

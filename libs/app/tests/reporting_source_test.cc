#include "reporting_source.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/simulation/simulated_source.h>

namespace millrace::app {
namespace {

using namespace std::chrono_literals;

// Receives the events that an engine would receive.
class listener final : public stream::source_events {
 public:
  void on_record(const stream::record_view&) override { ++records; }
  void on_assigned(std::span<const stream::partition_id> partitions) override {
    assigned += partitions.size();
  }
  void on_revoked(std::span<const stream::partition_id>) override {}
  void on_lost(std::span<const stream::partition_id> partitions) override { lost += partitions.size(); }
  void on_committed(std::span<const stream::commit_result> results) override { answers += results.size(); }
  void on_source_error(const error&, bool fatal) override { ++(fatal ? fatal_errors : errors); }

  std::size_t records = 0;
  std::size_t assigned = 0;
  std::size_t lost = 0;
  std::size_t answers = 0;
  std::size_t errors = 0;
  std::size_t fatal_errors = 0;
};

class reporting : public testing::Test {
 protected:
  reporting() {
    log_.add_topic("parcels", 1);
    log_.append({0, 0}, simulation::simulated_record(), 1);
    simulation::simulated_source::options options;
    options.commit_fate_of = [this](stream::partition_id, std::int64_t) { return fate_; };
    auto behind = std::make_unique<simulation::simulated_source>(log_, loop_, options);
    behind_ = behind.get();
    source_ = std::make_unique<reporting_source>(
        std::move(behind), rate_limited_log(time_, [this](std::string_view event, const error& failure,
                                                          std::uint64_t suppressed) {
          lines_.push_back("event=" + std::string(event) + " error=\"" + failure.to_string() +
                           "\" suppressed=" + std::to_string(suppressed));
        }));
  }

  void poll() {
    loop_.run_pending();
    source_->poll(heard_, 10);
  }
  void fail(errc code, std::string message, bool fatal = false) {
    behind_->fail(error(code, std::move(message)), fatal);
    poll();
  }

  manual_clock time_;
  runtime::loop loop_{time_};
  simulation::simulated_log log_;
  simulation::commit_fate fate_;
  std::vector<std::string> lines_;
  std::unique_ptr<reporting_source> source_;
  simulation::simulated_source* behind_ = nullptr;
  listener heard_;
};

TEST_F(reporting, AnErrorIsLoggedAndForwardedToTheEngine) {
  fail(errc::broker_unavailable, "all brokers are down");
  EXPECT_EQ(lines_,
            std::vector<std::string>{
                R"(event=source_error error="broker_unavailable: all brokers are down" suppressed=0)"});
  EXPECT_EQ(heard_.errors, 1U);
}

TEST_F(reporting, FurtherErrorsOfAKindAreCountedAndLoggedTenSecondsLater) {
  for (int i = 0; i < 4; ++i) fail(errc::broker_unavailable, "down");
  time_.advance(10s);
  fail(errc::broker_unavailable, "still down");
  ASSERT_EQ(lines_.size(), 2U);
  EXPECT_EQ(lines_[1], R"(event=source_error error="broker_unavailable: still down" suppressed=3)");
  fail(errc::broker_unavailable, "down");
  EXPECT_EQ(lines_.size(), 2U);
  EXPECT_EQ(heard_.errors, 6U);
}

TEST_F(reporting, AnotherKindIsLoggedAtOnce) {
  fail(errc::broker_unavailable, "down");
  fail(errc::topic_not_found, "gone");
  EXPECT_EQ(lines_.size(), 2U);
}

TEST(RateLimitedLog, AnExceptionIsLoggedOncePerProcessorAndType) {
  manual_clock time;
  std::vector<std::string> lines;
  rate_limited_log log(
      time, [&lines](std::string_view event, const error& failure, std::uint64_t suppressed) {
        lines.push_back(std::string(event) + " " + failure.message() + " " + std::to_string(suppressed));
      });
  const error failure(errc::processor_threw, "std::out_of_range: at");
  log.note({"first", "std::out_of_range", failure});
  log.note({"first", "std::out_of_range", failure});
  log.note({"first", "std::bad_alloc", failure});
  log.note({"second", "std::out_of_range", failure});
  EXPECT_EQ(lines.size(), 3U);
  time.advance(10s);
  log.note({"first", "std::out_of_range", failure});
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines.back(), "processor_threw std::out_of_range: at 1");
}

TEST_F(reporting, AFatalErrorIsLeftToTheEngine) {
  fail(errc::broker_fenced, "twin", true);
  EXPECT_TRUE(lines_.empty());
  EXPECT_EQ(heard_.fatal_errors, 1U);
}

TEST_F(reporting, OnlyAFailedCommitIsLogged) {
  behind_->assign({{0, 0}});
  poll();
  const std::vector<stream::partition_offset> next{{{0, 0}, 1}};
  fate_.failure = error(errc::broker_unavailable, "the coordinator moved");
  source_->commit(next);
  poll();
  EXPECT_EQ(lines_,
            std::vector<std::string>{
                R"(event=commit_failed error="broker_unavailable: the coordinator moved" suppressed=0)"});
  fate_.failure = {};
  source_->commit(next);
  poll();
  EXPECT_EQ(lines_.size(), 1U);
  EXPECT_EQ(heard_.answers, 2U);
  EXPECT_EQ(heard_.assigned, 1U);
  EXPECT_EQ(heard_.records, 1U);
  behind_->lose({{0, 0}});
  poll();
  EXPECT_EQ(heard_.lost, 1U);
}

}  // namespace
}  // namespace millrace::app

#include <atomic>
#include <latch>
#include <thread>

#include <gtest/gtest.h>

#include <millrace/metrics/exposition.h>
#include <millrace/metrics/registry.h>
#include <millrace/metrics/table.h>

namespace millrace::metrics {
namespace {

using namespace std::chrono_literals;

class Registry : public testing::Test {
 protected:
  [[nodiscard]] std::optional<double> value(std::string_view name, label_filter filter = {}) {
    return counts_.take_snapshot().value(name, filter);
  }

  catalogue declared_;
  registry counts_{declared_};
  shard& one_ = counts_.add_shard();
  shard& two_ = counts_.add_shard();
  counter_family done_ =
      declared_.counter({.name = "millrace_done_total", .help = "h", .labels = {label::open("topic", 2)}});
  gauge_family depth_ =
      declared_.gauge({.name = "millrace_depth", .help = "h", .labels = {label::open("partition", 100)}});
  gauge_family oldest_ = declared_.gauge(
      {.name = "millrace_age_seconds", .help = "h", .unit = unit::seconds, .merge = merge::max});
};

TEST_F(Registry, TheSameLabelsAreTheSameCell) {
  EXPECT_EQ(&one_.counter(done_, {"a"}), &one_.counter(done_, {"a"}));
  EXPECT_NE(&one_.counter(done_, {"a"}), &one_.counter(done_, {"b"}));
  EXPECT_NE(&one_.counter(done_, {"a"}), &two_.counter(done_, {"a"}));
}

TEST_F(Registry, ShardsAddUpAndGaugesMergeAsDeclared) {
  one_.counter(done_, {"a"}).add(2);
  two_.counter(done_, {"a"}).add(3);
  two_.counter(done_, {"b"}).add(10);
  one_.gauge(depth_, {"0"}).set(1);
  two_.gauge(depth_, {"0"}).set(2);
  one_.gauge(oldest_).set(7);
  two_.gauge(oldest_).set(5);
  EXPECT_EQ(value("millrace_done_total", {{"topic", "a"}}), 5);
  EXPECT_EQ(value("millrace_done_total"), 15);
  EXPECT_EQ(value("millrace_depth"), 3);
  EXPECT_EQ(value("millrace_age_seconds"), 7);
}

TEST_F(Registry, ReferencesStayValidWhileCellsAreAdded) {
  gauge& first = one_.gauge(depth_, {"0"});
  for (int i = 1; i < 100; ++i) one_.gauge(depth_, {std::to_string(i)}).set(1);
  first.set(42);
  EXPECT_EQ(value("millrace_depth", {{"partition", "0"}}), 42);
  EXPECT_EQ(&first, &one_.gauge(depth_, {"0"}));
}

TEST_F(Registry, ValuesBeyondAnOpenLabelsBoundAreCountedAsOther) {
  for (const std::string_view topic : {"a", "b", "c", "d"}) one_.counter(done_, {topic}).add(1);
  EXPECT_EQ(value("millrace_done_total", {{"topic", "b"}}), 1);
  EXPECT_EQ(value("millrace_done_total", {{"topic", "c"}}), std::nullopt);
  EXPECT_EQ(value("millrace_done_total", {{"topic", "other"}}), 2);
}

TEST_F(Registry, ARetiredGaugeIsAbsentUntilItIsResolvedAgain) {
  one_.gauge(depth_, {"3"}).set(9);
  one_.retire(depth_, {"3"});
  EXPECT_EQ(value("millrace_depth"), std::nullopt);
  EXPECT_EQ(one_.gauge(depth_, {"3"}).value(), 0);
  EXPECT_EQ(value("millrace_depth"), 0);
}

TEST_F(Registry, GaugesAreAbsentUntilResolvedAndUnlabelledCountersStartAtZero) {
  (void)declared_.counter({.name = "millrace_stops_total", .help = "h"});
  EXPECT_EQ(value("millrace_stops_total"), 0);
  EXPECT_EQ(value("millrace_age_seconds"), std::nullopt);
}

TEST_F(Registry, HooksComputeValuesAtEachScrapeAndStopWhenDropped) {
  int runs = 0;
  {
    const scrape_hook hook = counts_.at_scrape([&](samples& out) {
      ++runs;
      out.set(oldest_, {}, 11);
      out.set(done_, {"a"}, 4);
    });
    one_.gauge(oldest_).set(3);
    one_.counter(done_, {"a"}).add(1);
    const snapshot now = counts_.take_snapshot();
    EXPECT_EQ(now.value("millrace_age_seconds"), 11);
    EXPECT_EQ(now.value("millrace_done_total"), 5);
  }
  EXPECT_EQ(value("millrace_done_total"), 1);
  EXPECT_EQ(runs, 1);
}

TEST_F(Registry, AMovedHookStaysRegisteredOnce) {
  int runs = 0;
  scrape_hook first = counts_.at_scrape([&](samples&) { ++runs; });
  scrape_hook second = std::move(first);
  (void)counts_.take_snapshot();
  EXPECT_EQ(runs, 1);
  second = scrape_hook();
  (void)counts_.take_snapshot();
  EXPECT_EQ(runs, 1);
}

using RegistryDeathTest = Registry;
TEST_F(RegistryDeathTest, WrongLabelsAbort) {
  const counter_family closed = declared_.counter(
      {.name = "millrace_closed_total", .help = "h", .labels = {label::closed("stage", {"decode"})}});
  EXPECT_DEATH((void)one_.counter(closed, {"encode"}), "closed label");
  EXPECT_DEATH((void)one_.counter(closed), "exactly its labels");
}

// One thread counts, resolves and retires while another scrapes: totals never fall and nothing is lost.
TEST_F(Registry, AScrapeReadsWhileAWorkerCounts) {
  const histogram_family took =
      declared_.histogram({.name = "millrace_took_seconds", .help = "h", .buckets = buckets::decode()});
  constexpr int scrapes = 100;
  std::latch both(2);
  std::atomic<bool> enough{false};
  std::uint64_t counted = 0;
  std::thread worker([&] {
    counter& done = one_.counter(done_, {"a"});
    histogram& time = one_.histogram(took);
    both.arrive_and_wait();
    for (; !enough; ++counted) {
      done.add();
      time.observe(nanoseconds(counted));
      if (counted % 256 == 0) one_.gauge(depth_, {std::to_string(counted % 64)}).set(1);
      if (counted % 512 == 0) one_.retire(depth_, {std::to_string(counted % 64)});
    }
  });
  both.arrive_and_wait();
  double seen = 0;
  for (int i = 0; i < scrapes; ++i) {
    const snapshot now = counts_.take_snapshot();
    const double total = now.value("millrace_done_total").value_or(0);
    EXPECT_GE(total, seen);
    seen = total;
    EXPECT_FALSE(to_text(now).empty());
  }
  enough = true;
  worker.join();
  EXPECT_EQ(value("millrace_done_total"), static_cast<double>(counted));
  EXPECT_EQ(counts_.take_snapshot().histogram("millrace_took_seconds").count(), counted);
}

TEST_F(Registry, ACounterOfAnOpenLabelIsFoundAgainAndBounded) {
  const counter_family what = declared_.counter(
      {.name = "millrace_by_topic_total", .help = "h", .labels = {label::open("topic", 2)}});
  counters_by_value by_topic(counts_.add_shard(), what);
  counter& first = by_topic.of("a");
  EXPECT_EQ(&by_topic.of("a"), &first);
  first.add();
  by_topic.of("b").add(2);
  by_topic.of("c").add(3);
  by_topic.of("d").add(4);
  const snapshot now = counts_.take_snapshot();
  EXPECT_EQ(now.value("millrace_by_topic_total", {{"topic", "a"}}), 1);
  EXPECT_EQ(now.value("millrace_by_topic_total", {{"topic", "b"}}), 2);
  EXPECT_EQ(now.value("millrace_by_topic_total", {{"topic", "other"}}), 7);
}

}  // namespace
}  // namespace millrace::metrics

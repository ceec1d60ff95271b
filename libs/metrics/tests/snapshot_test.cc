#include <gtest/gtest.h>

#include <millrace/metrics/registry.h>
#include <millrace/metrics/snapshot.h>

namespace millrace::metrics {
namespace {

using namespace std::chrono_literals;

class Snapshot : public testing::Test {
 protected:
  void took(std::string_view statement, nanoseconds time, int times = 1) {
    histogram& h = shard_.histogram(took_, {statement});
    for (int i = 0; i < times; ++i) h.observe(time);
  }

  catalogue declared_;
  registry counts_{declared_};
  shard& shard_ = counts_.add_shard();
  histogram_family took_ = declared_.histogram({.name = "millrace_took_seconds",
                                                .help = "h",
                                                .labels = {label::open("statement", 8)},
                                                .buckets = {10ms, 20ms, 40ms}});
};

TEST_F(Snapshot, QuantilesInterpolateInsideTheBucketAsPrometheusDoes) {
  took("a", 15ms, 10);  // all in (10 ms, 20 ms]
  const snapshot now = counts_.take_snapshot();
  EXPECT_DOUBLE_EQ(now.quantile("millrace_took_seconds", 0.5).value_or(-1), 0.015);
  EXPECT_DOUBLE_EQ(now.quantile("millrace_took_seconds", 1).value_or(-1), 0.020);
  EXPECT_DOUBLE_EQ(now.quantile("millrace_took_seconds", 0.1).value_or(-1), 0.011);
}

TEST_F(Snapshot, QuantilesOfTheFirstBucketStartAtZeroAndOfTheLastEndAtItsBound) {
  took("a", 1ms, 4);
  took("a", 1s, 4);
  const snapshot now = counts_.take_snapshot();
  EXPECT_DOUBLE_EQ(now.quantile("millrace_took_seconds", 0.25).value_or(-1), 0.005);
  EXPECT_DOUBLE_EQ(now.quantile("millrace_took_seconds", 0.99).value_or(-1), 0.040);
}

TEST_F(Snapshot, SeriesMergeOverLabelsThatTheFilterLeavesOut) {
  took("a", 5ms, 1);
  took("b", 30ms, 3);
  const snapshot now = counts_.take_snapshot();
  EXPECT_EQ(now.histogram("millrace_took_seconds").counts, (std::vector<std::uint64_t>{1, 0, 3, 0}));
  EXPECT_DOUBLE_EQ(now.histogram("millrace_took_seconds").sum, 0.095);
  EXPECT_EQ(now.histogram("millrace_took_seconds", {{"statement", "b"}}).count(), 3U);
}

TEST_F(Snapshot, AnEmptyHistogramHasNoQuantile) {
  EXPECT_EQ(counts_.take_snapshot().quantile("millrace_took_seconds", 0.5), std::nullopt);
  took("a", 5ms);
  EXPECT_EQ(counts_.take_snapshot().quantile("millrace_took_seconds", 0.5, {{"statement", "b"}}),
            std::nullopt);
  EXPECT_EQ(counts_.take_snapshot().quantile("millrace_nothing_seconds", 0.5), std::nullopt);
}

TEST_F(Snapshot, ADifferenceHoldsTheEventsBetweenAndTheLaterGauges) {
  counter& done = shard_.counter(declared_.counter({.name = "millrace_done_total", .help = "h"}));
  gauge& depth = shard_.gauge(declared_.gauge({.name = "millrace_depth", .help = "h"}));
  done.add(5);
  depth.set(3);
  took("a", 5ms, 100);
  const snapshot before = counts_.take_snapshot();
  done.add(2);
  depth.set(4);
  took("a", 30ms, 2);
  took("b", 30ms, 1);
  const snapshot window = counts_.take_snapshot().since(before);
  EXPECT_EQ(window.value("millrace_done_total"), 2);
  EXPECT_EQ(window.value("millrace_depth"), 4);
  EXPECT_EQ(window.histogram("millrace_took_seconds").counts, (std::vector<std::uint64_t>{0, 0, 3, 0}));
  EXPECT_NEAR(window.histogram("millrace_took_seconds").sum, 0.09, 1e-12);
}

using SnapshotDeathTest = Snapshot;
TEST_F(SnapshotDeathTest, AFilterNamesLabelsOfItsFamily) {
  took("a", 5ms);
  const snapshot now = counts_.take_snapshot();
  EXPECT_DEATH((void)now.histogram("millrace_took_seconds", {{"topic", "a"}}), "filter");
}

}  // namespace
}  // namespace millrace::metrics

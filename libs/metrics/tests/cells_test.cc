#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/metrics/catalogue.h>
#include <millrace/metrics/cells.h>

namespace millrace::metrics {
namespace {

using namespace std::chrono_literals;

TEST(Counter, AddsUpAndMirrorsForeignTotalsWithoutFalling) {
  counter c;
  c.add();
  c.add(4);
  EXPECT_EQ(c.total(), 5U);
  c.advance_to(9);
  c.advance_to(7);
  EXPECT_EQ(c.total(), 9U);
}

TEST(Counter, CountsTimeInNanosecondsAndIgnoresNegativeTime) {
  counter c;
  c.add(2us);
  c.add(-5us);
  EXPECT_EQ(c.total(), 2000U);
}

TEST(Gauge, IsSetAndMoved) {
  gauge g;
  g.set(2.5);
  g.add(-1);
  EXPECT_DOUBLE_EQ(g.value(), 1.5);
}

// The reference for the fast lookup.
std::size_t first_bound_not_below(const std::vector<std::uint64_t>& bounds, std::uint64_t value) {
  return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

void expect_lookup_is_right(const std::vector<std::uint64_t>& bounds, std::mt19937_64& random) {
  const bucket_layout layout(bounds);
  std::vector<std::uint64_t> values{0, 1, std::numeric_limits<std::uint64_t>::max()};
  for (const std::uint64_t bound : bounds) {
    values.insert(values.end(), {bound - 1, bound, bound + 1});
  }
  for (int i = 0; i < 500; ++i) values.push_back(random() >> (random() % 64));
  for (const std::uint64_t value : values) {
    ASSERT_EQ(layout.bucket_of(value), first_bound_not_below(bounds, value)) << value;
  }
}

TEST(BucketLayout, FindsTheFirstBoundThatIsNotBelowTheValue) {
  std::mt19937_64 random(7);
  expect_lookup_is_right({1}, random);
  expect_lookup_is_right({std::numeric_limits<std::uint64_t>::max() - 1}, random);
  expect_lookup_is_right(buckets::bytes(), random);
  std::vector<std::uint64_t> crowded(40);  // forty bounds inside one octave
  std::iota(crowded.begin(), crowded.end(), 64U);
  expect_lookup_is_right(crowded, random);
  for (const auto& durations : {buckets::decode(), buckets::request(), buckets::end_to_end()}) {
    std::vector<std::uint64_t> bounds;
    bounds.reserve(durations.size());
    for (const nanoseconds bound : durations) bounds.push_back(static_cast<std::uint64_t>(bound.count()));
    expect_lookup_is_right(bounds, random);
  }
  for (int round = 0; round < 200; ++round) {
    std::vector<std::uint64_t> bounds;
    for (std::size_t i = random() % 40; i < 40; ++i) bounds.push_back((random() >> (1 + random() % 62)) + 1);
    std::ranges::sort(bounds);
    bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
    expect_lookup_is_right(bounds, random);
  }
}

TEST(Histogram, CountsByInclusiveBoundAndKeepsTheSum) {
  const std::vector<std::uint64_t> bounds{1000, 2000};
  const bucket_layout layout(bounds);
  std::vector<std::atomic<std::uint64_t>> counts(layout.buckets());
  histogram h(layout, counts.data());
  for (const nanoseconds took :
       {nanoseconds(1000), nanoseconds(1001), nanoseconds(2000), nanoseconds(9000)}) {
    h.observe(took);
  }
  h.observe(-3ms);  // a clock ahead of ours
  EXPECT_EQ(h.count_in(0), 2U);
  EXPECT_EQ(h.count_in(1), 2U);
  EXPECT_EQ(h.count_in(2), 1U);
  EXPECT_DOUBLE_EQ(h.sum(), 13001.0);
}

TEST(Histogram, TheSumOfADeepBacklogDoesNotWrap) {
  const std::vector<std::uint64_t> bounds{1};
  const bucket_layout layout(bounds);
  std::vector<std::atomic<std::uint64_t>> counts(layout.buckets());
  histogram h(layout, counts.data());
  for (int i = 0; i < 10; ++i) h.observe(std::chrono::hours(24 * 365 * 100));
  EXPECT_NEAR(h.sum() / 1e9, 10.0 * 100 * 365 * 86400, 1e3);
}

}  // namespace
}  // namespace millrace::metrics

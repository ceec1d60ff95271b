#include <gtest/gtest.h>

#include <millrace/metrics/exposition_reader.h>

namespace millrace::metrics {
namespace {

constexpr std::string_view page =
    "# HELP done Records done.\n"
    "# TYPE done counter\n"
    "done{topic=\"a\"} 3\n"
    "done{topic=\"b\"} 4\n"
    "lag 17\n"
    "wait_bucket{le=\"0.1\"} 50\n"
    "wait_bucket{le=\"0.2\"} 100\n"
    "wait_bucket{le=\"+Inf\"} 100\n";

TEST(ExpositionReader, AValueIsTheSumOfTheSeriesThatCarryTheLabel) {
  const exposition parsed = exposition::parse(page);
  EXPECT_EQ(parsed.value("done"), 7);
  EXPECT_EQ(parsed.value("done", "topic=\"b\""), 4);
  EXPECT_EQ(parsed.value("lag"), 17);
  EXPECT_EQ(parsed.value("absent"), 0);
}

TEST(ExpositionReader, LabelValuesAreSorted) {
  EXPECT_EQ(exposition::parse(page).label_values("done", "topic"), (std::vector<std::string>{"a", "b"}));
}

TEST(ExpositionReader, AQuantileIsInterpolatedWithinItsBucket) {
  const exposed_histogram wait = exposition::parse(page).histogram("wait");
  EXPECT_EQ(wait.count(), 100);
  EXPECT_DOUBLE_EQ(wait.quantile(0.25).value(), 0.05);
  EXPECT_DOUBLE_EQ(wait.quantile(0.75).value(), 0.15);
}

TEST(ExpositionReader, TheDifferenceOfTwoPagesCoversTheTimeBetweenThem) {
  const exposed_histogram earlier = exposition::parse(
                                        "wait_bucket{le=\"0.1\"} 50\nwait_bucket{le=\"0.2\"} 50\n"
                                        "wait_bucket{le=\"+Inf\"} 50\n")
                                        .histogram("wait");
  const exposed_histogram since = exposition::parse(page).histogram("wait").since(earlier);
  EXPECT_EQ(since.count(), 50);
  EXPECT_DOUBLE_EQ(since.quantile(0.5).value(), 0.15);
  EXPECT_EQ(earlier.since(earlier).quantile(0.5), std::nullopt);
}

}  // namespace
}  // namespace millrace::metrics

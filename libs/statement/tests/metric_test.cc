// Metrics that a processor declares: rules of the declaration, label sets, sums over declarations and workers.
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <millrace/metrics/exposition.h>
#include <millrace/metrics/registry.h>
#include <millrace/statement/declarations.h>

namespace millrace::statements {
namespace {

using namespace std::chrono_literals;
using metrics::merge;

// What one processor declares.
struct order_metrics {
  counter orders{"orders_total", "Orders."};
  counter reviews{"orders_reviews_total", "Orders sent to review.", {"reason"}};
  gauge open{"orders_open", "Orders that wait for payment."};
  gauge oldest{"orders_oldest_seconds", "Age of the oldest order.", {}, merge::max};
  histogram pricing{"orders_pricing_seconds", "Time to price an order.", {}, {1ms, 10ms}};
  size_histogram lines{"orders_lines", "Lines of an order.", {"channel"}, {1, 10}};
};

class metric_test : public testing::Test {
 protected:
  // A processor of the next worker.
  order_metrics& worker() { return bound(registry_.add_shard()); }
  order_metrics& bound(metrics::shard& to) {
    declarations found;
    const declaration_scope scope(found);
    order_metrics& made = *all_.emplace_back(std::make_unique<order_metrics>());
    for (metric_declaration* each : found.metrics) each->bind(to);
    return made;
  }
  double value(std::string_view name, metrics::label_filter labels = {}) {
    return registry_.take_snapshot().value(name, labels).value_or(-1);
  }

  // The error of a declaration; empty when it is accepted.
  template <class Metric, class... Arguments>
  std::string refused(Arguments... arguments) {
    declarations found;
    const declaration_scope scope(found);
    const Metric one(arguments...);
    const auto declared = found.metrics.front()->declare(catalogue_);
    return declared ? "" : declared.error().message();
  }

  metrics::catalogue catalogue_;
  metrics::registry registry_{catalogue_};
  std::vector<std::unique_ptr<order_metrics>> all_;
};

TEST_F(metric_test, CountsOfEveryWorkerAndDeclarationAddUp) {
  metrics::shard& shared = registry_.add_shard();
  order_metrics& first = bound(shared);
  order_metrics& second = bound(shared);
  order_metrics& elsewhere = worker();
  first.orders.add();
  second.orders.add(2);
  elsewhere.orders.add(4);
  EXPECT_EQ(value("orders_total"), 7);
  for (order_metrics* each : {&first, &second, &elsewhere}) each->reviews.with("credit").add();
  elsewhere.reviews.with("address").add(5);
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "credit"}}), 3);
  EXPECT_EQ(value("orders_reviews_total"), 8);
}

TEST_F(metric_test, GaugesAreMergedAsDeclaredAlsoWithinOneWorker) {
  metrics::shard& shared = registry_.add_shard();
  order_metrics& first = bound(shared);
  order_metrics& second = bound(shared);
  order_metrics& elsewhere = worker();
  first.open.set(3);
  second.open.set(4);
  elsewhere.open.set(5);
  elsewhere.open.add(-1.5);
  EXPECT_EQ(value("orders_open"), 10.5);
  first.oldest.set(2);
  elsewhere.oldest.set(9);
  EXPECT_EQ(value("orders_oldest_seconds"), 9);
}

TEST_F(metric_test, HistogramsHoldDurationsOrWholeNumbers) {
  order_metrics& one = worker();
  one.pricing.observe(5ms);
  one.pricing.observe(1h);
  one.lines.with("web").observe(10);
  const metrics::snapshot now = registry_.take_snapshot();
  EXPECT_EQ(now.histogram("orders_pricing_seconds").counts, (std::vector<std::uint64_t>{0, 1, 1}));
  EXPECT_DOUBLE_EQ(now.histogram("orders_pricing_seconds").sum, 3600.005);
  EXPECT_EQ(now.histogram("orders_lines", {{"channel", "web"}}).counts,
            (std::vector<std::uint64_t>{0, 1, 0}));
}

TEST_F(metric_test, AHistogramWithoutBucketsTakesThoseOfTheConfiguration) {
  ASSERT_TRUE(catalogue_.set_bounds(metrics::scale::stage, {1ms, 2ms, 3ms}).ok());
  EXPECT_EQ((refused<histogram>("a_seconds", "h")), "");
  EXPECT_EQ(catalogue_.find("a_seconds")->buckets->bounds().size(), 3U);
  EXPECT_EQ((refused<size_histogram>("a_bytes", "h")), "");
  EXPECT_EQ(catalogue_.find("a_bytes")->buckets->bounds().front(), 64U);
  EXPECT_EQ((refused<size_histogram>("a_lines", "h")), "");
  EXPECT_EQ(catalogue_.find("a_lines")->buckets->bounds().front(), 1U);
}

// rate() does not see the first event of a series that appears with it.
TEST_F(metric_test, ALabelSetThatTheConstructorNamesIsShownFromTheStart) {
  declarations found;
  const declaration_scope scope(found);
  counter reviews("orders_reviews_total", "Orders sent to review.", {"reason"});
  counter_series& credit = reviews.with("credit");
  credit.add(100);
  found.metrics.front()->bind(registry_.add_shard());
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "credit"}}), 0) << "nothing counts before the start";
  credit.add();
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "credit"}}), 1);
}

TEST_F(metric_test, LabelSetsBeyondTheLimitOfTheProcessAreCountedAsOther) {
  order_metrics& first = worker();
  order_metrics& second = worker();
  for (int i = 0; i < 80; ++i) first.reviews.with("a" + std::to_string(i)).add();
  for (int i = 0; i < 80; ++i) second.reviews.with("b" + std::to_string(i)).add();
  for (int i = 0; i < 500; ++i) first.reviews.with("c" + std::to_string(i)).add();
  second.reviews.with("a7").add();
  EXPECT_EQ(value("orders_reviews_total"), 661) << "nothing is lost";
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "other"}}), 60 + 500);
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "b19"}}), 1);
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "b20"}}), -1);
  const metrics::snapshot now = registry_.take_snapshot();
  EXPECT_EQ(now.find("orders_reviews_total")->all.size(), label_sets_max + 1);
}

// Prometheus refuses a page that is not UTF-8.
TEST_F(metric_test, AValueOfALabelIsShortAndUtf8) {
  order_metrics& one = worker();
  one.reviews.with(std::string_view("caf\xC3\xA9 \xFF\xC3")).add();
  one.reviews.with(std::string(10'000, 'x')).add();
  one.reviews.with(std::string(20'000, 'x')).add();
  EXPECT_EQ(value("orders_reviews_total", {{"reason", "caf\xC3\xA9 ??"}}), 1);
  EXPECT_EQ(value("orders_reviews_total", {{"reason", std::string(label_value_bytes_max, 'x')}}), 2);
}

TEST_F(metric_test, AWrongNumberOfLabelValuesThrows) {
  order_metrics& one = worker();
  EXPECT_THROW(one.reviews.add(), std::invalid_argument);
  EXPECT_THROW(one.reviews.with("credit", "europe"), std::invalid_argument);
  EXPECT_THROW(one.orders.with("credit"), std::invalid_argument);
  try {
    one.reviews.add();
  } catch (const std::invalid_argument& thrown) {
    EXPECT_STREQ(thrown.what(),
                 "metric 'orders_reviews_total' has 1 labels (reason), and with() was given 0 values");
  }
}

TEST_F(metric_test, ADeclarationThatBreaksARuleIsRefusedWithTheRule) {
  const auto breaks = [](const std::string& message, std::string_view rule) {
    return message.find(rule) != std::string::npos ? "" : message + " does not have: " + std::string(rule);
  };
  EXPECT_EQ(breaks(refused<counter>("orders", "h"), "metric 'orders': a counter's name ends in _total"), "");
  EXPECT_EQ(breaks(refused<gauge>("orders_total", "h"), "ends in _total, and no other"), "");
  EXPECT_EQ(breaks(refused<counter>("Orders_total", "h"), "snake case"), "");
  EXPECT_EQ(breaks(refused<counter>("orders-total", "h"), "snake case"), "");
  EXPECT_EQ(breaks(refused<counter>("", "h"), "snake case"), "");
  EXPECT_EQ(breaks(refused<counter>("millrace_orders_total", "h"), "belong to the product"), "");
  EXPECT_EQ(breaks(refused<gauge>("process_orders", "h"), "belong to the product"), "");
  EXPECT_EQ(breaks(refused<counter>("orders_total", ""), "help text"), "");
  EXPECT_EQ(breaks(refused<counter>("orders_total", "two\nlines"), "control characters"), "");
  EXPECT_EQ(breaks(refused<counter>("orders_seconds_total", "h"), "use a histogram"), "");
  EXPECT_EQ(breaks(refused<histogram>("orders_time", "h"), "ends in _seconds"), "");
  EXPECT_EQ(breaks(refused<size_histogram>("orders_seconds", "h"), "histogram of durations"), "");
  EXPECT_EQ(breaks(refused<gauge>("orders_bucket", "h"), "belong to histograms"), "");
  using labels = std::vector<std::string>;
  EXPECT_EQ(breaks(refused<counter>("orders_total", "h", labels{"Reason"}), "label name"), "");
  EXPECT_EQ(breaks(refused<counter>("orders_total", "h", labels{"le"}), "not `le`"), "");
  EXPECT_EQ(breaks(refused<counter>("orders_total", "h", labels{"a", "a"}), "named once"), "");
  EXPECT_EQ(breaks(refused<counter>("orders_total", "h", labels(9, "a")), "too many labels"), "");
  using durations = std::vector<nanoseconds>;
  EXPECT_EQ(breaks(refused<histogram>("a_seconds", "h", labels{}, durations{2ms, 1ms}), "ascending"), "");
  EXPECT_EQ(breaks(refused<histogram>("a_seconds", "h", labels{}, durations{-1ms, 1ms}), "above 0"), "");
  EXPECT_EQ(breaks(refused<histogram>("a_seconds", "h", labels{}, durations(41, 1ms)), "1 to 40"), "");
  EXPECT_TRUE(catalogue_.families().empty());
}

TEST_F(metric_test, TwoDeclarationsOfOneNameMustAgree) {
  using labels = std::vector<std::string>;
  ASSERT_EQ((refused<gauge>("orders_open", "Open orders.", labels{"shop"})), "");
  EXPECT_EQ((refused<gauge>("orders_open", "Open orders.", labels{"shop"})), "");
  EXPECT_EQ((refused<gauge>("orders_open", "Orders.", labels{"shop"})),
            "metric 'orders_open': it is declared already, with the help text 'Open orders.'");
  EXPECT_EQ((refused<gauge>("orders_open", "Open orders.")),
            "metric 'orders_open': it is declared already, with the labels shop");
  EXPECT_EQ((refused<size_histogram>("orders_open", "Open orders.", labels{"shop"})),
            "metric 'orders_open': it is declared already, as a gauge");
  EXPECT_EQ((refused<gauge>("orders_open", "Open orders.", labels{"shop"}, merge::max)),
            "metric 'orders_open': it is declared already, with another merge of its values");
}

TEST_F(metric_test, TheCatalogueSaysWhichMetricsAreOfTheApplication) {
  ASSERT_EQ((refused<gauge>("orders_open", "Open orders.")), "");
  (void)catalogue_.gauge({.name = "millrace_open", .help = "h"});
  const std::string text = catalogue_.to_json();
  EXPECT_NE(text.find("\"Open orders.\", \"labels\": [], \"application\": true}"), std::string::npos) << text;
  EXPECT_EQ(text.find("application"), text.rfind("application"));
}

TEST(MetricDeathTest, AMetricOutsideAProcessorAborts) {
  EXPECT_DEATH(counter("orders_total", "Orders."), "members of a processor");
}

}  // namespace
}  // namespace millrace::statements

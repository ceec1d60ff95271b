#include <algorithm>

#include <gtest/gtest.h>

#include <millrace/base/errors.h>
#include <millrace/metrics/catalogue.h>

namespace millrace::metrics {
namespace {

using namespace std::chrono_literals;

TEST(Catalogue, DeclaringTheSameFamilyAgainYieldsTheSameFamily) {
  catalogue declared;
  const counter_spec spec{.name = "millrace_records_done_total", .help = "Records finished."};
  const counter_family first = declared.counter(spec);
  const counter_family second = declared.counter(spec);
  EXPECT_EQ(&*first, &*second);
  EXPECT_EQ(declared.families().size(), 1U);
  EXPECT_EQ(declared.find("millrace_records_done_total"), &*first);
  EXPECT_EQ(declared.find("millrace_records_gone_total"), nullptr);
}

TEST(Catalogue, AnApplicationMayUseEveryOtherPrefix) {
  catalogue declared;
  family wanted;
  wanted.name = "navigation_visits_total";
  wanted.help = "Visits.";
  const auto first = declared.declare_for_application(wanted);
  ASSERT_TRUE(first);
  EXPECT_TRUE((*first)->of_application);
  declared.seal();
  EXPECT_EQ(*declared.declare_for_application(wanted), *first) << "a known family may be declared again";
  wanted.name = "millrace_visits_total";
  EXPECT_EQ(declared.declare_for_application(wanted).error().code(), errc::config_invalid);
}

TEST(Catalogue, TheErrorLabelIsClosedOverTheErrorCodes) {
  const label errors = label::errors();
  EXPECT_EQ(errors.name, "error");
  EXPECT_EQ(errors.values.size(), errc_count);
  EXPECT_EQ(errors.values.front(), "truncated");
}

TEST(Catalogue, DefaultBucketsCoverTheMeasuredRange) {
  EXPECT_EQ(buckets::decode().front(), 250ns);
  EXPECT_EQ(buckets::request().front(), 50us);
  EXPECT_EQ(buckets::request().back(), 15s);
  EXPECT_EQ(buckets::end_to_end().back(), 60s);
  catalogue declared;  // each is accepted: ascending, and not too many
  int n = 0;
  for (const auto& bounds :
       {buckets::decode(), buckets::request(), buckets::end_to_end(), buckets::stage(), buckets::loop()}) {
    (void)declared.histogram(
        {.name = "millrace_set" + std::to_string(n++) + "_seconds", .help = "h", .buckets = bounds});
  }
  (void)declared.histogram(
      {.name = "millrace_size_bytes", .help = "h", .unit = unit::bytes, .buckets = buckets::bytes()});
  (void)declared.histogram({.name = "millrace_batch_records", .help = "h", .buckets = buckets::batch()});
  EXPECT_EQ(declared.families().size(), 7U);
}

TEST(Catalogue, TheDocumentNamesEveryFamilySortedWithItsLabelsAndBuckets) {
  catalogue declared;
  (void)declared.histogram({.name = "millrace_wait_seconds", .help = "Waiting.", .buckets = {1ms, 2ms}});
  (void)declared.counter({.name = "millrace_drops_total",
                          .help = "\"Dropped\".",
                          .labels = {label::closed("why", {"full", "late"}), label::open("topic", 3)}});
  EXPECT_EQ(
      declared.to_json(),
      "{\"metrics\": [\n"
      "  {\"name\": \"millrace_drops_total\", \"type\": \"counter\", \"unit\": \"\", \"help\": "
      "\"\\\"Dropped\\\".\", \"labels\": [{\"name\": \"why\", \"values\": [\"full\", \"late\"]}, "
      "{\"name\": \"topic\", \"values_max\": 3}]},\n"
      "  {\"name\": \"millrace_wait_seconds\", \"type\": \"histogram\", \"unit\": \"seconds\", \"help\": "
      "\"Waiting.\", \"labels\": [], \"buckets\": [0.001, 0.002]}\n]}\n");
}

TEST(Catalogue, TheBoundsOfAScaleCanBeReplacedBeforeItIsUsed) {
  catalogue declared;
  EXPECT_EQ(declared.bounds(scale::request), buckets::request());
  ASSERT_TRUE(declared.set_bounds(scale::request, {1ms, 1s}).ok());
  EXPECT_EQ(declared.bounds(scale::request), (std::vector<nanoseconds>{1ms, 1s}));
  EXPECT_EQ(declared.bounds(scale::decode), buckets::decode());
}

TEST(Catalogue, BoundsMustBePositiveAscendingAndNotTooMany) {
  catalogue declared;
  std::vector<nanoseconds> many;
  for (std::size_t i = 0; i <= histogram_bounds_max; ++i) many.emplace_back(i + 1);
  for (const auto& wrong : {std::vector<nanoseconds>{}, {0ns, 1ns}, {2ns, 1ns}, {1ns, 1ns}, many}) {
    EXPECT_FALSE(declared.set_bounds(scale::loop, wrong).ok());
  }
  EXPECT_EQ(declared.bounds(scale::loop), buckets::loop());
}

class NamingRulesDeathTest : public testing::Test {
 protected:
  void refuse_counter(counter_spec spec, const char* why) {
    if (spec.help.empty()) spec.help = "h";
    EXPECT_DEATH((void)declared_.counter(spec), why) << spec.name;
  }
  void refuse_gauge(gauge_spec spec, const char* why) {
    spec.help = "h";
    EXPECT_DEATH((void)declared_.gauge(spec), why) << spec.name;
  }
  catalogue declared_;
};

TEST_F(NamingRulesDeathTest, NamesFollowTheConventions) {
  refuse_counter({.name = "records_total"}, "starts with millrace_ or process_");
  refuse_counter({.name = "millrace_Records_total"}, "snake case");
  refuse_counter({.name = "millrace_records"}, "_total");
  refuse_gauge({.name = "millrace_records_total"}, "_total");
  refuse_gauge({.name = "millrace_lag_seconds"}, "unit");
  refuse_gauge({.name = "millrace_lag", .unit = unit::seconds}, "unit");
  refuse_counter({.name = "millrace_received_total", .unit = unit::bytes}, "unit");
  refuse_gauge({.name = "millrace_lag_count"}, "histograms");
}

TEST_F(NamingRulesDeathTest, LabelsAreBoundedAndNotReserved) {
  refuse_gauge({.name = "millrace_x", .labels = {label::open("le", 3)}}, "`le`");
  refuse_gauge({.name = "millrace_x", .labels = {label::open("__name", 3)}}, "label name");
  refuse_gauge({.name = "millrace_x", .labels = {label::open("topic", 0)}}, "closed or open");
  refuse_gauge({.name = "millrace_x", .labels = {label::open("a", 1), label::open("a", 1)}}, "named once");
}

TEST_F(NamingRulesDeathTest, ASecondDeclarationMustNotDiffer) {
  (void)declared_.counter({.name = "millrace_records_total", .help = "One."});
  refuse_counter({.name = "millrace_records_total", .help = "Two."}, "declared twice");
}

TEST_F(NamingRulesDeathTest, BoundsAreAscendingPositiveAndFew) {
  const auto declare = [&](std::vector<nanoseconds> bounds) {
    (void)declared_.histogram({.name = "millrace_x_seconds", .help = "h", .buckets = std::move(bounds)});
  };
  EXPECT_DEATH(declare({}), "1 to 40");
  EXPECT_DEATH(declare({2ms, 1ms}), "ascending");
  EXPECT_DEATH(declare({0ms, 1ms}), "positive");
  std::vector<nanoseconds> many;
  for (int i = 1; i <= 41; ++i) many.emplace_back(i);
  EXPECT_DEATH(declare(many), "1 to 40");
}

}  // namespace
}  // namespace millrace::metrics

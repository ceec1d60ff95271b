#include <gtest/gtest.h>

#include <millrace/base/errors.h>
#include <millrace/metrics/table.h>

namespace millrace::metrics {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view sides_of[] = {"left", "right"};
enum class side : std::uint8_t { left, right };
std::string_view to_string(side s) { return s == side::left ? "left" : "right"; }

struct parcel_metrics : table {
  using table::table;

  metrics::counter& received = counter({"millrace_parcels_received_total", "Parcels taken."});
  metrics::gauge& waiting = gauge({.name = "millrace_parcels_waiting", .help = "Parcels that wait."});
  metrics::histogram& transit =
      histogram({.name = "millrace_parcel_seconds", .help = "Time in transit.", .scale = scale::end_to_end});
  counters_by_value refused = counters({.name = "millrace_parcels_refused_total",
                                        .help = "Parcels refused, by reason.",
                                        .labels = {open("reason", 2)}});
  counters_by_value failures = counters(
      {.name = "millrace_parcel_failures_total", .help = "Failures, by error.", .labels = {errors()}});
  gauges_by_value belts = gauges({.name = "millrace_parcel_belt_speed",
                                  .help = "Speed of the belts, by side.",
                                  .labels = {closed("side", sides_of)},
                                  .merge = merge::max});
};

struct depot_metrics : table {
  using table::table;

  metrics::counter* stored = &counter(
      {.name = "millrace_depot_parcels_total", .help = "Parcels stored.", .labels = {open("depot", 8)}});
  metrics::gauge* full = &gauge({.name = "millrace_depot_full_ratio",
                                 .help = "Used share.",
                                 .unit = unit::ratio,
                                 .labels = {open("depot", 8)}});
  counters_by_value lost = counters(
      {.name = "millrace_depot_lost_total", .help = "Parcels lost.", .labels = {open("depot", 8), errors()}});
  void leave() { retire({full}); }
};

class table_test : public testing::Test {
 protected:
  std::optional<double> value(std::string_view name, label_filter filter = {}) {
    return counts_.take_snapshot().value(name, filter);
  }
  catalogue declared_;
  registry counts_{declared_};
  shard& cells_ = counts_.add_shard();
};

TEST_F(table_test, AMemberIsTheCellOfItsMetric) {
  parcel_metrics mine(&cells_);
  mine.received.add(3);
  mine.waiting.set(2);
  mine.transit.observe(20ms);
  EXPECT_EQ(value("millrace_parcels_received_total"), 3);
  EXPECT_EQ(value("millrace_parcels_waiting"), 2);
  EXPECT_EQ(counts_.take_snapshot().histogram("millrace_parcel_seconds").count(), 1U);
  EXPECT_EQ(declared_.find("millrace_parcel_seconds")->buckets->bounds().size(),
            buckets::end_to_end().size());
}

TEST_F(table_test, ALabelledCounterCountsByValueAndIsBounded) {
  parcel_metrics mine(&cells_);
  mine.refused("late");
  mine.refused("late");
  mine.refused("torn");
  mine.refused("wet");
  mine.failures(errc::timed_out);
  EXPECT_EQ(value("millrace_parcels_refused_total", {{"reason", "late"}}), 2);
  EXPECT_EQ(value("millrace_parcels_refused_total", {{"reason", "other"}}), 1);
  EXPECT_EQ(value("millrace_parcel_failures_total", {{"error", "timed_out"}}), 1);
}

TEST_F(table_test, ALabelledGaugeIsItsCell) {
  parcel_metrics mine(&cells_);
  mine.belts(side::right).set(4);
  EXPECT_EQ(value("millrace_parcel_belt_speed", {{"side", "right"}}), 4);
}

TEST_F(table_test, ATableOfOneDepotCountsUnderItsLabelAndRetiresItsGauges) {
  depot_metrics north(&cells_, "north");
  depot_metrics south(&cells_, "south");
  north.stored->add();
  north.full->set(0.5);
  south.full->set(0.25);
  north.lost(errc::timed_out);
  EXPECT_EQ(value("millrace_depot_parcels_total", {{"depot", "north"}}), 1);
  EXPECT_EQ(value("millrace_depot_lost_total", {{"depot", "north"}, {"error", "timed_out"}}), 1);
  north.leave();
  EXPECT_EQ(value("millrace_depot_full_ratio", {{"depot", "north"}}), std::nullopt);
  EXPECT_EQ(value("millrace_depot_full_ratio", {{"depot", "south"}}), 0.25);
}

TEST_F(table_test, OnlyTheFirstTableBuildsFamilies) {
  const parcel_metrics first(&cells_);
  const std::size_t built = declared_.families().size();
  EXPECT_EQ(built, 6U);
  declared_.seal();
  parcel_metrics second(&counts_.add_shard());
  second.received.add();
  EXPECT_EQ(declared_.families().size(), built);
  EXPECT_EQ(value("millrace_parcels_received_total"), 1);
}

TEST_F(table_test, CountingDeclaresNothing) {
  parcel_metrics mine(&cells_);
  const std::uint64_t declarations = declared_.declarations();
  for (int i = 0; i < 100; ++i) {
    mine.received.add();
    mine.failures(errc::timed_out);
    mine.refused(std::to_string(i));
  }
  EXPECT_EQ(declared_.declarations(), declarations);
}

TEST_F(table_test, ATableCanDeclareWithoutCounting) {
  const parcel_metrics declared(declared_);
  EXPECT_EQ(declared_.families().size(), 6U);
  EXPECT_EQ(value("millrace_parcels_waiting"), std::nullopt);
}

TEST(Table, WithoutAShardTheCellsAreTheOwnersAlone) {
  depot_metrics first(nullptr, "north");
  depot_metrics second(nullptr, "south");
  first.stored->add(2);
  first.full->set(1);
  first.lost(errc::timed_out);
  first.leave();
  EXPECT_EQ(first.stored->total(), 2U);
  EXPECT_EQ(second.stored->total(), 0U);
  depot_metrics moved = std::move(first);
  EXPECT_EQ(moved.stored->total(), 2U);
}

using TableDeathTest = table_test;

TEST_F(TableDeathTest, AFamilyThatComesAfterTheSealIsADefect) {
  const depot_metrics known(declared_);
  declared_.seal();
  EXPECT_DEATH(const parcel_metrics late(declared_), "before its catalogue is sealed");
}

TEST_F(TableDeathTest, ASecondDeclarationMustNotDiffer) {
  struct one : table {
    using table::table;
    metrics::gauge& depth = gauge({"millrace_depth", "One."});
  };
  struct two : table {
    using table::table;
    metrics::gauge& depth = gauge({"millrace_depth", "Two."});
  };
  const one first(declared_);
  EXPECT_DEATH(const two second(declared_), "declared twice");
}

}  // namespace
}  // namespace millrace::metrics

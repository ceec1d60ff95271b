#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <millrace/metrics/exposition.h>
#include <millrace/metrics/registry.h>

namespace millrace::metrics {
namespace {

using namespace std::chrono_literals;

class Exposition : public testing::Test {
 protected:
  [[nodiscard]] std::string page() { return to_text(counts_.take_snapshot()); }

  catalogue declared_;
  registry counts_{declared_};
  shard& shard_ = counts_.add_shard();
};

TEST_F(Exposition, WithoutDeclarationsThePageIsEmpty) { EXPECT_EQ(page(), ""); }

TEST_F(Exposition, HelpAndTypeComeOncePerFamilyAndEverythingIsSorted) {
  const auto done = declared_.counter({.name = "millrace_records_done_total",
                                       .help = "Records finished.",
                                       .labels = {label::open("topic", 4)}});
  const auto depth = declared_.gauge({.name = "millrace_queue_depth", .help = "Queued."});
  shard_.counter(done, {"b"}).add(2);
  shard_.counter(done, {"a"}).add(1);
  shard_.gauge(depth).set(-1.5);
  EXPECT_EQ(page(),
            "# HELP millrace_queue_depth Queued.\n"
            "# TYPE millrace_queue_depth gauge\n"
            "millrace_queue_depth -1.5\n"
            "# HELP millrace_records_done_total Records finished.\n"
            "# TYPE millrace_records_done_total counter\n"
            "millrace_records_done_total{topic=\"a\"} 1\n"
            "millrace_records_done_total{topic=\"b\"} 2\n");
}

TEST_F(Exposition, HelpEscapesBackslashAndNewlineLabelsAlsoQuotes) {
  const auto odd = declared_.gauge({.name = "millrace_odd",
                                    .help = "a\\b \"c\"\nd",
                                    .labels = {label::open("name", 4), label::open("more", 4)}});
  shard_.gauge(odd, {"x\\y\"z\nw", ""}).set(1);
  EXPECT_EQ(page(),
            "# HELP millrace_odd a\\\\b \"c\"\\nd\n"
            "# TYPE millrace_odd gauge\n"
            "millrace_odd{name=\"x\\\\y\\\"z\\nw\",more=\"\"} 1\n");
}

TEST_F(Exposition, HistogramsAreCumulativeInSecondsAndEndWithInf) {
  const auto took = declared_.histogram({.name = "millrace_decode_seconds",
                                         .help = "Decoding.",
                                         .labels = {label::open("schema", 4)},
                                         .buckets = {250ns, 1ms, 15s}});
  auto& h = shard_.histogram(took, {"7"});
  for (const nanoseconds one : {nanoseconds(250), nanoseconds(100), nanoseconds(2ms), nanoseconds(20s)})
    h.observe(one);
  EXPECT_EQ(page(),
            "# HELP millrace_decode_seconds Decoding.\n"
            "# TYPE millrace_decode_seconds histogram\n"
            "millrace_decode_seconds_bucket{schema=\"7\",le=\"2.5e-07\"} 2\n"
            "millrace_decode_seconds_bucket{schema=\"7\",le=\"0.001\"} 2\n"
            "millrace_decode_seconds_bucket{schema=\"7\",le=\"15\"} 3\n"
            "millrace_decode_seconds_bucket{schema=\"7\",le=\"+Inf\"} 4\n"
            "millrace_decode_seconds_sum{schema=\"7\"} 20.00200035\n"
            "millrace_decode_seconds_count{schema=\"7\"} 4\n");
}

TEST_F(Exposition, SizesAreExportedUnscaledAndUnlabelledFamiliesAtZero) {
  (void)declared_.histogram({.name = "millrace_batch_records", .help = "h", .buckets = {1, 1048576}});
  (void)declared_.counter({.name = "millrace_idle_seconds_total", .help = "h", .unit = unit::seconds});
  EXPECT_EQ(page(),
            "# HELP millrace_batch_records h\n"
            "# TYPE millrace_batch_records histogram\n"
            "millrace_batch_records_bucket{le=\"1\"} 0\n"
            "millrace_batch_records_bucket{le=\"1048576\"} 0\n"
            "millrace_batch_records_bucket{le=\"+Inf\"} 0\n"
            "millrace_batch_records_sum 0\n"
            "millrace_batch_records_count 0\n"
            "# HELP millrace_idle_seconds_total h\n"
            "# TYPE millrace_idle_seconds_total counter\n"
            "millrace_idle_seconds_total 0\n");
}

TEST(FormatNumber, IsShortAndRoundTrips) {
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(0.0005), "0.0005");
  EXPECT_EQ(format_number(0.0001), "0.0001");
  EXPECT_EQ(format_number(0.00005), "5e-05");
  EXPECT_EQ(format_number(0.1), "0.1");
  EXPECT_EQ(format_number(1e15), "1000000000000000");
  EXPECT_EQ(format_number(1e21), "1e+21");
  EXPECT_EQ(format_number(-12.25), "-12.25");
  EXPECT_EQ(format_number(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(format_number(-std::numeric_limits<double>::infinity()), "-Inf");
  EXPECT_EQ(format_number(std::nan("")), "NaN");
}

}  // namespace
}  // namespace millrace::metrics

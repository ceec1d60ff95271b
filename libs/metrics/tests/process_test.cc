#include <chrono>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/metrics/process.h>

namespace millrace::metrics {
namespace {

class ProcessMetrics : public testing::Test {
 protected:
  [[nodiscard]] double value(std::string_view name) {
    return counts_.take_snapshot().value(name).value_or(-1);
  }

  catalogue declared_;
  registry counts_{declared_};
  scrape_hook hook_ =
      add_process_metrics(counts_, {.version = "1.2.3", .millrace = "0.4.0", .revision = "abc"});
};

TEST_F(ProcessMetrics, ReportWhatTheKernelReports) {
  EXPECT_GT(value("process_cpu_seconds_total"), 0);
  EXPECT_GT(value("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(value("process_virtual_memory_bytes"), value("process_resident_memory_bytes"));
  EXPECT_GE(value("process_threads"), 1);
  EXPECT_GT(value("process_max_fds"), 0);
  EXPECT_GE(value("process_context_switches_total"), 0);
  const double now = static_cast<double>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  EXPECT_LT(value("process_start_time_seconds"), now + 2);
  EXPECT_GT(value("process_start_time_seconds"), now - 24 * 3600);
}

TEST_F(ProcessMetrics, CountOpenFileDescriptors) {
  const double before = value("process_open_fds");
  const int one_more = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(one_more, 0);
  EXPECT_EQ(value("process_open_fds"), before + 1);
  ::close(one_more);
}

TEST_F(ProcessMetrics, NameTheBuild) {
  const snapshot now = counts_.take_snapshot();
  EXPECT_EQ(
      now.value("millrace_build_info", {{"version", "1.2.3"}, {"millrace", "0.4.0"}, {"revision", "abc"}}),
      1.0);
}

}  // namespace
}  // namespace millrace::metrics

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include <millrace/metrics/cgroup.h>

namespace millrace::metrics {
namespace {

// The files of a cgroup in a temporary folder.
class Cgroup : public testing::Test {
 protected:
  Cgroup() {
    root_ = testing::TempDir() + "millrace-cgroup-" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~Cgroup() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = root_ + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::optional<double> value(std::string_view name) {
    const scrape_hook hook =
        add_cgroup_metrics(counts_, {.mount = root_ + "/mount", .membership = root_ + "/membership"});
    return counts_.take_snapshot().value(name);
  }

  cgroup_limits limits() const {
    return read_cgroup_limits({.mount = root_ + "/mount", .membership = root_ + "/membership"});
  }

  std::string root_;
  catalogue declared_;
  registry counts_{declared_};
};

TEST_F(Cgroup, Version2IsReadBelowTheGroupsPath) {
  write("membership", "0::/pods/one\n");
  write("mount/cgroup.controllers", "cpu memory\n");
  write("mount/pods/one/memory.current", "1048576\n");
  write("mount/pods/one/memory.max", "4194304\n");
  write("mount/pods/one/cpu.max", "150000 100000\n");
  write("mount/pods/one/cpu.stat", "usage_usec 9\nnr_periods 200\nnr_throttled 50\nthrottled_usec 2500000\n");
  EXPECT_EQ(value("millrace_cgroup_memory_bytes"), 1048576);
  EXPECT_EQ(value("millrace_cgroup_memory_limit_bytes"), 4194304);
  EXPECT_EQ(value("millrace_cgroup_cpu_limit_cores"), 1.5);
  EXPECT_EQ(value("millrace_cgroup_cpu_periods_total"), 200);
  EXPECT_EQ(value("millrace_cgroup_cpu_throttled_periods_total"), 50);
  EXPECT_EQ(value("millrace_cgroup_cpu_throttled_seconds_total"), 2.5);
}

TEST_F(Cgroup, UnlimitedResourcesAreAbsent) {
  write("membership", "0::/\n");
  write("mount/cgroup.controllers", "cpu memory\n");
  write("mount/memory.current", "1\n");
  write("mount/memory.max", "max\n");
  write("mount/cpu.max", "max 100000\n");
  EXPECT_EQ(value("millrace_cgroup_memory_bytes"), 1);
  EXPECT_EQ(value("millrace_cgroup_memory_limit_bytes"), std::nullopt);
  EXPECT_EQ(value("millrace_cgroup_cpu_limit_cores"), std::nullopt);
}

TEST_F(Cgroup, Version1IsReadAtTheMountWhenThePathIsThatOfTheHost) {
  write("membership", "4:cpu,cpuacct:/docker/1\n3:memory:/docker/1\n");
  write("mount/memory/memory.usage_in_bytes", "7\n");
  write("mount/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("mount/cpu/cpu.cfs_quota_us", "50000\n");
  write("mount/cpu/cpu.cfs_period_us", "100000\n");
  write("mount/cpu/cpu.stat", "nr_periods 2\nnr_throttled 1\nthrottled_time 500000000\n");
  EXPECT_EQ(value("millrace_cgroup_memory_bytes"), 7);
  EXPECT_EQ(value("millrace_cgroup_memory_limit_bytes"), std::nullopt);
  EXPECT_EQ(value("millrace_cgroup_cpu_limit_cores"), 0.5);
  EXPECT_EQ(value("millrace_cgroup_cpu_throttled_seconds_total"), 0.5);
}

TEST_F(Cgroup, WithoutCgroupsNothingIsReported) {
  EXPECT_EQ(value("millrace_cgroup_memory_bytes"), std::nullopt);
  EXPECT_EQ(value("millrace_cgroup_cpu_periods_total"), 0) << "a counter without labels is always there";
}

TEST_F(Cgroup, TheSmallestLimitOfTheGroupsAboveApplies) {
  write("membership", "0::/pods/one\n");
  write("mount/cgroup.controllers", "cpu memory\n");
  write("mount/pods/memory.max", "4194304\n");
  write("mount/pods/cpu.max", "150000 100000\n");
  write("mount/pods/one/memory.max", "max\n");
  write("mount/pods/one/cpu.max", "400000 100000\n");
  EXPECT_EQ(limits().memory_bytes, 4194304U);
  EXPECT_EQ(limits().cpus, 1.5);
}

TEST_F(Cgroup, LimitsOfVersion1AreReadInAContainerToo) {
  write("membership", "4:cpu,cpuacct:/docker/1\n3:memory:/docker/1\n");
  write("mount/memory/memory.limit_in_bytes", "536870912\n");
  write("mount/cpu/cpu.cfs_quota_us", "250000\n");
  write("mount/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limits().memory_bytes, 536870912U);
  EXPECT_EQ(limits().cpus, 2.5);
}

TEST_F(Cgroup, GroupsWithoutLimitsHaveNone) {
  EXPECT_EQ(limits().memory_bytes, std::nullopt) << "no cgroup";
  write("membership", "4:cpu,cpuacct:/\n3:memory:/\n");
  write("mount/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("mount/cpu/cpu.cfs_quota_us", "-1\n");
  write("mount/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(limits().memory_bytes, std::nullopt);
  EXPECT_EQ(limits().cpus, std::nullopt);
  write("membership", "0::/\n");
  write("mount/cgroup.controllers", "cpu memory\n");
  write("mount/memory.max", "max\n");
  write("mount/cpu.max", "max 100000\n");
  EXPECT_EQ(limits().memory_bytes, std::nullopt);
  EXPECT_EQ(limits().cpus, std::nullopt);
}

}  // namespace
}  // namespace millrace::metrics

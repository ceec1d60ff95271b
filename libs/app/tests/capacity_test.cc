#include "capacity.h"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

machine with(unsigned cpus, std::optional<double> quota, std::optional<std::uint64_t> memory = {}) {
  return {cpus, {quota, memory}};
}

TEST(Capacity, TheDefaultIsOneWorkerForEachCpuWithinTheQuota) {
  const engine_settings untouched;
  EXPECT_EQ(workers_of(untouched, with(8, std::nullopt), 0), 8U);
  EXPECT_EQ(workers_of(untouched, with(64, 2.0), 0), 2U);
  EXPECT_EQ(workers_of(untouched, with(64, 1.5), 0), 2U) << "a part of a CPU is rounded up";
  EXPECT_EQ(workers_of(untouched, with(4, 16.0), 0), 4U) << "the affinity mask limits, too";
  EXPECT_EQ(workers_of(untouched, with(64, 0.1), 0), 1U);
  EXPECT_EQ(workers_of(untouched, with(1024, std::nullopt), 0), 256U);
}

TEST(Capacity, TheDefaultIsAtMostOneWorkerForEachPartition) {
  EXPECT_EQ(workers_of({}, with(8, std::nullopt), 3), 3U);
  EXPECT_EQ(workers_of({}, with(2, std::nullopt), 3), 2U);
}

TEST(Capacity, AConfiguredNumberOfWorkersIsKept) {
  engine_settings configured;
  configured.workers = 6;
  EXPECT_EQ(workers_of(configured, with(2, 1.0), 3), 6U);
  const auto idle = idle_workers(configured, 4);
  ASSERT_TRUE(idle);
  EXPECT_NE(idle->find("2 workers are idle"), std::string::npos) << *idle;
  EXPECT_FALSE(idle_workers(configured, 6));
  EXPECT_FALSE(idle_workers({}, 1)) << "the default has no idle workers";
}

TEST(Capacity, AFewWorkersHaveTheDefaultsOfTheClients) {
  const client_memory each = client_memory_of({}, with(4, std::nullopt), 4);
  EXPECT_EQ(each.fetch_bytes_max, mib(64));
  EXPECT_EQ(each.producer_bytes_max, mib(64));
}

TEST(Capacity, ManyWorkersShareTheMemory) {
  const client_memory each = client_memory_of({}, with(64, std::nullopt), 64);
  EXPECT_EQ(each.fetch_bytes_max, mib(4)) << "engine.memory_max (256 MiB) over 64 workers";
  EXPECT_EQ(each.producer_bytes_max, mib(4));
  EXPECT_EQ(client_memory_of({}, with(256, std::nullopt), 256).fetch_bytes_max, kafka::fetch_bytes_least);
}

TEST(Capacity, TheDefaultsFitIntoTheMemoryOfTheCgroup) {
  app_config config;
  config.registry.emplace();
  const machine pod = with(64, 2.0, mib(512).bytes);
  const memory_plan plan = memory_plan_of(config, pod, 2);
  EXPECT_EQ(plan.prefetch, mib(64)) << "a quarter of the 256 MiB beside the records in flight";
  EXPECT_EQ(plan.producers, mib(64));
  EXPECT_EQ(plan.schemas, mib(64));
  EXPECT_EQ(plan.total(), mib(448));
  EXPECT_FALSE(excess_of(plan, pod));
}

TEST(Capacity, ConfiguredSizesAreKeptAndTheirExcessIsReported) {
  app_config config;
  config.kafka.fetch_bytes_max_set = mib(100);
  config.kafka.producer.queue_bytes_max = mib(50);
  const machine pod = with(4, 4.0, mib(512).bytes);
  const memory_plan plan = memory_plan_of(config, pod, 4);
  EXPECT_EQ(plan.prefetch, mib(400));
  EXPECT_EQ(plan.producers, mib(200));
  const auto excess = excess_of(plan, pod);
  ASSERT_TRUE(excess);
  EXPECT_NE(excess->find("may use 856MiB"), std::string::npos) << *excess;
  EXPECT_NE(excess->find("the memory limit of the cgroup is 512MiB"), std::string::npos) << *excess;
  EXPECT_FALSE(excess_of(plan, with(4, 4.0))) << "no limit";
}

TEST(Capacity, TooFewDescriptorsAreRefusedWithTheNumberThatIsNeeded) {
  machine small = with(2, std::nullopt);
  small.descriptors_max = 100;
  EXPECT_TRUE(has_enough_descriptors(small, 2));
  const result<void> refused = has_enough_descriptors(small, 3);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::limit_exceeded);
  EXPECT_NE(refused.error().message().find("needs at least 112"), std::string::npos)
      << refused.error().message();
}

TEST(Capacity, ThisMachineHasACpu) { EXPECT_GE(this_machine().cpus, 1U); }

}  // namespace
}  // namespace millrace::app

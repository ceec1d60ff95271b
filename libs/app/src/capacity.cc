#include "capacity.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include <sched.h>
#include <sys/resource.h>

#include <millrace/config/units.h>

namespace millrace::app {
namespace {

// With one worker and one broker, 54 were too few, and 83 enough (application_test.cc).
constexpr std::uint64_t descriptors_of_process = 64;
constexpr std::uint64_t descriptors_of_worker = 16;
constexpr unsigned workers_max = 256;  // the limit of `engine.workers`

unsigned cpus_of_affinity() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) return static_cast<unsigned>(CPU_COUNT(&mask));
  return std::thread::hardware_concurrency();  // more than 1,024 CPUs
}

byte_size share_of(const app_config& from, const machine& within, unsigned workers, byte_size most) {
  std::uint64_t all = from.engine.memory_max.bytes;
  if (const auto limit = within.limits.memory_bytes)
    all = std::min(all, (*limit - std::min(*limit, all)) / 4);
  return std::clamp(byte_size{all / workers}, kafka::fetch_bytes_least, most);
}

}  // namespace

machine this_machine() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return {std::max(cpus_of_affinity(), 1U), metrics::read_cgroup_limits(), files.rlim_cur};
}

unsigned workers_of(const engine_settings& from, const machine& within, std::size_t partitions) {
  if (from.workers != 0) return from.workers;
  std::size_t most = std::min(within.cpus, workers_max);
  if (within.limits.cpus) most = std::min(most, static_cast<std::size_t>(std::ceil(*within.limits.cpus)));
  if (partitions != 0) most = std::min(most, partitions);
  return static_cast<unsigned>(std::max<std::size_t>(most, 1));
}

client_memory client_memory_of(const app_config& from, const machine& within, unsigned workers) {
  const byte_size fetch = share_of(from, within, workers, kafka::consumer_config().fetch_bytes_max);
  const byte_size queue = share_of(from, within, workers, {kafka::producer_config().bytes_max});
  return {from.kafka.fetch_bytes_max_set.value_or(fetch),
          from.kafka.producer.queue_bytes_max.value_or(queue)};
}

memory_plan memory_plan_of(const app_config& from, const machine& within, unsigned workers) {
  const client_memory each = client_memory_of(from, within, workers);
  return {from.engine.memory_max,
          {each.fetch_bytes_max.bytes * workers},
          {each.producer_bytes_max.bytes * workers},
          from.registry ? from.registry->cached_bytes_max : byte_size{}};
}

result<void> has_enough_descriptors(const machine& within, unsigned workers) {
  const std::uint64_t least = descriptors_of_process + descriptors_of_worker * workers;
  if (within.descriptors_max >= least) return {};
  return error(errc::limit_exceeded, "the process may open " + std::to_string(within.descriptors_max) +
                                         " files, and with " + std::to_string(workers) +
                                         " worker(s) it needs at least " + std::to_string(least) +
                                         "; raise the limit (`ulimit -n`, `LimitNOFILE`)");
}

std::optional<std::string> excess_of(const memory_plan& plan, const machine& within) {
  const auto limit = within.limits.memory_bytes;
  if (!limit || plan.total().bytes <= *limit) return std::nullopt;
  return "the process may use " + config::to_text(plan.total()) + " (records in flight " +
         config::to_text(plan.in_flight) + ", prefetched records " + config::to_text(plan.prefetch) +
         ", producer queues " + config::to_text(plan.producers) + ", schemas " +
         config::to_text(plan.schemas) + "), and the memory limit of the cgroup is " +
         config::to_text(byte_size{*limit}) +
         "; lower `engine.memory_max`, `engine.workers`, `kafka.fetch_bytes_max`, "
         "`kafka.producer.queue_bytes_max` or `registry.cached_bytes_max`, or raise the limit";
}

std::optional<std::string> idle_workers(const engine_settings& from, std::size_t partitions) {
  if (from.workers <= partitions) return std::nullopt;
  return "`engine.workers` is " + std::to_string(from.workers) + " and the topics have " +
         std::to_string(partitions) + " partitions: " + std::to_string(from.workers - partitions) +
         " workers are idle";
}

}  // namespace millrace::app

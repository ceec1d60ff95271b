// The part of the machine that the process may use, and the most memory that it uses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <millrace/app/app_config.h>
#include <millrace/base/byte_size.h>
#include <millrace/base/result.h>
#include <millrace/metrics/cgroup.h>

namespace millrace::app {

// CPUs and memory of the process.
struct machine {
  unsigned cpus = 1;  // of the affinity mask
  metrics::cgroup_limits limits;
  std::uint64_t descriptors_max = 0;  // RLIMIT_NOFILE
};

[[nodiscard]] machine this_machine();

// The number of workers: `engine.workers`, or the CPUs within the quota of the cgroup, rounded up, but at most
// one for each partition that is read. 0 partitions: not known yet.
[[nodiscard]] unsigned workers_of(const engine_settings& from, const machine& within, std::size_t partitions);

// Memory of the Kafka clients of one worker: as configured, or what remains of the cgroup's memory.
struct client_memory {
  byte_size fetch_bytes_max;     // prefetched records
  byte_size producer_bytes_max;  // queued and in flight
};

// Without a configured size, all workers share `engine.memory_max`, or a quarter of the cgroup's memory beside it if
// that is less; one worker has at most the default of the clients.
[[nodiscard]] client_memory client_memory_of(const app_config& from, const machine& within, unsigned workers);

// The most memory that the parts with a limit use.
struct memory_plan {
  byte_size in_flight;  // records in flight, lookup caches within
  byte_size prefetch;   // of all workers
  byte_size producers;  // of all workers
  byte_size schemas;

  [[nodiscard]] byte_size total() const noexcept {
    return {in_flight.bytes + prefetch.bytes + producers.bytes + schemas.bytes};
  }
};

[[nodiscard]] memory_plan memory_plan_of(const app_config& from, const machine& within, unsigned workers);

// A sentence when the plan exceeds the memory of the cgroup.
[[nodiscard]] std::optional<std::string> excess_of(const memory_plan& plan, const machine& within);
// Whether the process may open as many files as that many workers and one broker need at least. With fewer it would
// start and reach nobody.
[[nodiscard]] result<void> has_enough_descriptors(const machine& within, unsigned workers);
// A sentence when more workers are configured than partitions are read.
[[nodiscard]] std::optional<std::string> idle_workers(const engine_settings& from, std::size_t partitions);

}  // namespace millrace::app

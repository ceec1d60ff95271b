// Limits of the cgroup of the process: memory against its limit, and CPU throttling, which raises latencies
// without any other sign. The metrics are read at each scrape. cgroup versions 1 and 2.
//
// Example:
//
//   metrics::catalogue declared;
//   metrics::registry counts(declared);
//   const metrics::scrape_hook limits = metrics::add_cgroup_metrics(counts);  // ends before `counts`
//
// Threads: any; the values are read on the scraping thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <millrace/metrics/registry.h>

namespace millrace::metrics {

struct cgroup_paths {
  std::string mount = "/sys/fs/cgroup";
  std::string membership = "/proc/self/cgroup";
};

// The limits under which the process runs. Without a value there is no limit, or it cannot be read.
struct cgroup_limits {
  std::optional<double> cpus;  // the quota in cores: 1.5
  std::optional<std::uint64_t> memory_bytes;
};

// Returns the smallest limits of the cgroup and of the groups above it that are visible to the process.
[[nodiscard]] cgroup_limits read_cgroup_limits(const cgroup_paths& paths = {});

// millrace_cgroup_memory_bytes, millrace_cgroup_memory_limit_bytes, millrace_cgroup_cpu_limit_cores,
// millrace_cgroup_cpu_periods_total, millrace_cgroup_cpu_throttled_periods_total,
// millrace_cgroup_cpu_throttled_seconds_total. A limit that is not set is left out. The hook must not outlive
// the registry.
scrape_hook add_cgroup_metrics(registry& to, cgroup_paths paths = {});
void declare_cgroup_metrics(catalogue& into);

}  // namespace millrace::metrics

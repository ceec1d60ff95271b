// Metrics of the process, with the names of the Prometheus client libraries, read from /proc at each scrape.
//
// Example:
//
//   metrics::catalogue declared;
//   metrics::registry counts(declared);
//   const metrics::scrape_hook process = metrics::add_process_metrics(
//       counts, {.version = "1.0.0", .millrace = "0.1.0", .revision = "unknown"});  // ends before `counts`
//
// Threads: any; the values are read on the scraping thread.
#pragma once

#include <string>

#include <millrace/metrics/registry.h>

namespace millrace::metrics {

struct build_info {
  std::string version;   // of the application
  std::string millrace;  // of the library
  std::string revision;  // of the source, or "unknown"
};

// process_cpu_seconds_total, process_resident_memory_bytes, process_virtual_memory_bytes, process_open_fds,
// process_max_fds, process_threads, process_start_time_seconds, process_context_switches_total and
// millrace_build_info{version,millrace,revision,compiler} 1. A value that cannot be read (no /proc) is left
// out. The hook must not outlive the registry.
scrape_hook add_process_metrics(registry& to, build_info build);
void declare_process_metrics(catalogue& into);

}  // namespace millrace::metrics

#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include <millrace/metrics/cgroup.h>

namespace millrace::metrics {
namespace {

// Version 1 writes "no limit" as the largest whole number of pages.
constexpr double no_limit_bytes = 9e18;

struct families {
  gauge_family memory, memory_limit, cpu_limit;
  counter_family periods, throttled_periods, throttled;
};

families declare(catalogue& in) {
  return {
      .memory = in.gauge({.name = "millrace_cgroup_memory_bytes",
                          .help = "Memory that the process's control group uses, page cache included.",
                          .unit = unit::bytes}),
      .memory_limit = in.gauge({.name = "millrace_cgroup_memory_limit_bytes",
                                .help = "Memory that the control group may use; absent without a limit.",
                                .unit = unit::bytes}),
      .cpu_limit = in.gauge({.name = "millrace_cgroup_cpu_limit_cores",
                             .help = "CPU time a second that the control group may use; absent without a "
                                     "limit."}),
      .periods = in.counter({.name = "millrace_cgroup_cpu_periods_total",
                             .help = "Periods in which the control group's CPU time was limited."}),
      .throttled_periods = in.counter({.name = "millrace_cgroup_cpu_throttled_periods_total",
                                       .help = "Of these, the periods in which it had to wait."}),
      .throttled = in.counter({.name = "millrace_cgroup_cpu_throttled_seconds_total",
                               .help = "Time that threads of the control group waited for the next period.",
                               .unit = unit::seconds}),
  };
}

std::optional<double> number_in(const std::string& file) {
  std::ifstream in(file);
  double value = 0;
  if (!(in >> value)) return std::nullopt;
  return value;
}

// "key value" lines.
std::optional<double> number_in(const std::string& file, std::string_view wanted) {
  std::ifstream in(file);
  std::string key;
  double value = 0;
  while (in >> key >> value) {
    if (key == wanted) return value;
  }
  return std::nullopt;
}

bool exists(const std::string& file) { return std::ifstream(file).good(); }

// Where a controller's files are: below the group's path, or at the mount, as a container without a view of
// the host sees its own group.
std::string folder(const std::string& mount, const std::string& path, std::string_view file) {
  std::string below = mount + (path == "/" ? "" : path);
  return exists(below + "/" + std::string(file)) ? below : mount;
}

// The group's path for a controller ("" of version 2), from lines "4:memory:/path".
std::optional<std::string> path_of(const std::string& membership, std::string_view controller) {
  std::ifstream in(membership);
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    if (controller.empty() && first + 1 == second) return line.substr(second + 1);
    for (std::string name; std::getline(names, name, ',');) {
      if (name == controller) return line.substr(second + 1);
    }
  }
  return std::nullopt;
}

template <typename Family>
void set(samples& to, const Family& what, std::optional<double> value) {
  if (value) to.set(what, {}, *value);
}

void sample_version_2(const families& what, const cgroup_paths& paths, samples& to) {
  const std::string path = path_of(paths.membership, "").value_or("/");
  const std::string memory = folder(paths.mount, path, "memory.current");
  set(to, what.memory, number_in(memory + "/memory.current"));
  set(to, what.memory_limit, number_in(memory + "/memory.max"));  // "max" is no number
  const std::string cpu = folder(paths.mount, path, "cpu.stat");
  std::ifstream limit(cpu + "/cpu.max");
  double quota = 0;
  double period = 0;
  if (limit >> quota >> period && period > 0) to.set(what.cpu_limit, {}, quota / period);
  set(to, what.periods, number_in(cpu + "/cpu.stat", "nr_periods"));
  set(to, what.throttled_periods, number_in(cpu + "/cpu.stat", "nr_throttled"));
  if (const auto waited = number_in(cpu + "/cpu.stat", "throttled_usec")) {
    to.set(what.throttled, {}, *waited / 1e6);
  }
}

void sample_version_1(const families& what, const cgroup_paths& paths, samples& to) {
  const std::string memory = folder(
      paths.mount + "/memory", path_of(paths.membership, "memory").value_or("/"), "memory.usage_in_bytes");
  set(to, what.memory, number_in(memory + "/memory.usage_in_bytes"));
  const auto limit = number_in(memory + "/memory.limit_in_bytes");
  if (limit && *limit < no_limit_bytes) to.set(what.memory_limit, {}, *limit);
  const std::string cpu =
      folder(paths.mount + "/cpu", path_of(paths.membership, "cpu").value_or("/"), "cpu.stat");
  const auto quota = number_in(cpu + "/cpu.cfs_quota_us");
  const auto period = number_in(cpu + "/cpu.cfs_period_us");
  if (quota && period && *quota > 0 && *period > 0) to.set(what.cpu_limit, {}, *quota / *period);
  set(to, what.periods, number_in(cpu + "/cpu.stat", "nr_periods"));
  set(to, what.throttled_periods, number_in(cpu + "/cpu.stat", "nr_throttled"));
  if (const auto waited = number_in(cpu + "/cpu.stat", "throttled_time")) {
    to.set(what.throttled, {}, *waited / 1e9);
  }
}

}  // namespace

void declare_cgroup_metrics(catalogue& into) { static_cast<void>(declare(into)); }

scrape_hook add_cgroup_metrics(registry& to, cgroup_paths paths) {
  const bool version_2 = exists(paths.mount + "/cgroup.controllers");
  return to.at_scrape([what = declare(to.declared()), version_2, paths = std::move(paths)](samples& out) {
    version_2 ? sample_version_2(what, paths, out) : sample_version_1(what, paths, out);
  });
}

}  // namespace millrace::metrics

#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include <millrace/metrics/cgroup.h>
#include <millrace/metrics/table.h>

namespace millrace::metrics {
namespace {

// Version 1 writes "no limit" as the largest whole number of pages.
constexpr double no_limit_bytes = 9e18;

struct families : table {
  using table::table;

  gauge_family memory =
      gauge_rows({"millrace_cgroup_memory_bytes",
                  "Memory charged to the cgroup of the process, including the page cache.", unit::bytes});
  gauge_family memory_limit =
      gauge_rows({"millrace_cgroup_memory_limit_bytes",
                  "Memory limit of the cgroup; absent if there is no limit.", unit::bytes});
  gauge_family cpu_limit = gauge_rows(
      {"millrace_cgroup_cpu_limit_cores", "CPU limit of the cgroup in cores; absent if there is no limit."});
  counter_family periods = counter_rows({"millrace_cgroup_cpu_periods_total",
                                         "CPU enforcement periods of the cgroup in which it was runnable."});
  counter_family throttled_periods =
      counter_rows({"millrace_cgroup_cpu_throttled_periods_total",
                    "CPU enforcement periods in which the cgroup was throttled."});
  counter_family throttled =
      counter_rows({"millrace_cgroup_cpu_throttled_seconds_total",
                    "Time for which threads of the cgroup were throttled.", unit::seconds});
};

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

// The folder of a controller's files: below the cgroup's path, or at the mount in a container without a view
// of the host.
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

// The group's folder, or the mount in a container without a view of the host, and the folders above it.
std::vector<std::string> ancestry(const std::string& mount, const std::string& path) {
  std::vector<std::string> all;
  std::string folder = mount + (path == "/" ? "" : path);
  if (!std::filesystem::is_directory(folder)) folder = mount;
  for (; folder.size() > mount.size(); folder.resize(folder.rfind('/'))) all.push_back(folder);
  all.push_back(mount);
  return all;
}

template <typename T>
void lower(std::optional<T>& limit, std::optional<T> other) {
  if (other && (!limit || *other < *limit)) limit = other;
}

std::optional<std::uint64_t> memory_limit_in(const std::string& file) {
  const auto limit = number_in(file);  // version 2 writes "max" without a limit
  if (!limit || *limit <= 0 || *limit >= no_limit_bytes) return std::nullopt;
  return static_cast<std::uint64_t>(*limit);
}

std::optional<double> quota_of_version_2(const std::string& folder) {
  std::ifstream limit(folder + "/cpu.max");
  double quota = 0;
  double period = 0;
  if (!(limit >> quota >> period) || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> quota_of_version_1(const std::string& folder) {
  const auto quota = number_in(folder + "/cpu.cfs_quota_us");
  const auto period = number_in(folder + "/cpu.cfs_period_us");
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return *quota / *period;
}

cgroup_limits limits_of_version_2(const cgroup_paths& paths) {
  cgroup_limits found;
  for (const std::string& folder : ancestry(paths.mount, path_of(paths.membership, "").value_or("/"))) {
    lower(found.memory_bytes, memory_limit_in(folder + "/memory.max"));
    lower(found.cpus, quota_of_version_2(folder));
  }
  return found;
}

cgroup_limits limits_of_version_1(const cgroup_paths& paths) {
  const auto folders = [&paths](const std::string& controller) {
    return ancestry(paths.mount + "/" + controller, path_of(paths.membership, controller).value_or("/"));
  };
  cgroup_limits found;
  for (const std::string& folder : folders("memory"))
    lower(found.memory_bytes, memory_limit_in(folder + "/memory.limit_in_bytes"));
  for (const std::string& folder : folders("cpu")) lower(found.cpus, quota_of_version_1(folder));
  return found;
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
  set(to, what.cpu_limit, quota_of_version_2(cpu));
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
  set(to, what.cpu_limit, quota_of_version_1(cpu));
  set(to, what.periods, number_in(cpu + "/cpu.stat", "nr_periods"));
  set(to, what.throttled_periods, number_in(cpu + "/cpu.stat", "nr_throttled"));
  if (const auto waited = number_in(cpu + "/cpu.stat", "throttled_time")) {
    to.set(what.throttled, {}, *waited / 1e9);
  }
}

bool is_version_2(const cgroup_paths& paths) { return exists(paths.mount + "/cgroup.controllers"); }

}  // namespace

void declare_cgroup_metrics(catalogue& into) { const families declared(into); }

cgroup_limits read_cgroup_limits(const cgroup_paths& paths) {
  return is_version_2(paths) ? limits_of_version_2(paths) : limits_of_version_1(paths);
}

scrape_hook add_cgroup_metrics(registry& to, cgroup_paths paths) {
  const bool version_2 = is_version_2(paths);
  return to.at_scrape([what = families(to.declared()), version_2, paths = std::move(paths)](samples& out) {
    version_2 ? sample_version_2(what, paths, out) : sample_version_1(what, paths, out);
  });
}

}  // namespace millrace::metrics

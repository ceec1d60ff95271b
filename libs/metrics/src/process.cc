#include <charconv>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

#include <millrace/metrics/process.h>
#include <millrace/metrics/table.h>

namespace millrace::metrics {
namespace {

#if defined(__clang__)
constexpr std::string_view compiler = "clang " __clang_version__;
#else
constexpr std::string_view compiler = "gcc " __VERSION__;
#endif

constexpr std::string_view switch_types[] = {"voluntary", "involuntary"};

struct families : table {
  using table::table;

  counter_family cpu =
      counter_rows({"process_cpu_seconds_total", "User and system CPU time.", unit::seconds});
  gauge_family resident = gauge_rows({"process_resident_memory_bytes", "Resident memory size.", unit::bytes});
  gauge_family virtual_size =
      gauge_rows({"process_virtual_memory_bytes", "Virtual memory size.", unit::bytes});
  gauge_family open_fds = gauge_rows({"process_open_fds", "Open file descriptors."});
  gauge_family max_fds = gauge_rows({"process_max_fds", "Limit of open file descriptors."});
  gauge_family threads = gauge_rows({"process_threads", "Threads of the process."});
  gauge_family started =
      gauge_rows({"process_start_time_seconds", "Unix time of the start of the process.", unit::seconds});
  counter_family switches = counter_rows(
      {"process_context_switches_total",
       "Context switches, by type: voluntary (the thread waited) or involuntary (it was preempted).",
       unit::none,
       {closed("type", switch_types)}});
  gauge_family build = gauge_rows(
      {.name = "millrace_build_info",
       .help = "Always 1. The labels identify the build of the application and of Millrace.",
       .labels = {open("version", 4), open("millrace", 4), open("revision", 4), open("compiler", 4)},
       .merge = merge::max});
};

// Fields of /proc/self/stat from the third on: the second, the program's name, may hold spaces (proc(5)).
struct process_stat {
  double threads = 0;
  double start_ticks = 0;
  double virtual_bytes = 0;
  double resident_pages = 0;
};

std::optional<process_stat> read_stat() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  process_stat stat;
  for (int number = 3; number <= 24 && fields >> field; ++number) {
    const auto value = [&] {
      double parsed = 0;
      std::from_chars(field.data(), field.data() + field.size(), parsed);
      return parsed;
    };
    if (number == 20) stat.threads = value();
    if (number == 22) stat.start_ticks = value();
    if (number == 23) stat.virtual_bytes = value();
    if (number == 24) stat.resident_pages = value();
  }
  return fields ? std::optional(stat) : std::nullopt;
}

// Exact since Linux 6.17, and before that as good as /proc/self/stat, whose number leaves out what the
// processors have not added up yet (proc(5)). smaps_rollup is exact everywhere, and takes 20 ms per GiB.
std::optional<double> resident_pages() {
  std::ifstream file("/proc/self/statm");
  double size = 0;
  double resident = 0;
  if (!(file >> size >> resident)) return std::nullopt;
  return resident;
}

std::optional<double> boot_time_seconds() {
  std::ifstream file("/proc/stat");
  std::string key;
  double seconds_since_epoch = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    if (words >> key >> seconds_since_epoch && key == "btime") return seconds_since_epoch;
  }
  return std::nullopt;
}

std::optional<double> count_open_fds() {
  std::error_code failed;
  double count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", failed), end; !failed && at != end;
       at.increment(failed)) {
    count += 1;
  }
  if (failed) return std::nullopt;
  return count - 1;  // the directory itself is open while it is read
}

void sample(const families& what, std::optional<double> boot, samples& to) {
  timespec spent{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) == 0) {
    to.set(what.cpu, {}, static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) / 1e9);
  }
  if (const auto stat = read_stat()) {
    const double pages = resident_pages().value_or(stat->resident_pages);
    to.set(what.resident, {}, pages * static_cast<double>(sysconf(_SC_PAGESIZE)));
    to.set(what.virtual_size, {}, stat->virtual_bytes);
    to.set(what.threads, {}, stat->threads);
    if (boot) {
      to.set(what.started, {}, *boot + stat->start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
    }
  }
  if (const auto fds = count_open_fds()) to.set(what.open_fds, {}, *fds);
  rlimit limit{};
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    to.set(what.switches, {"voluntary"}, static_cast<double>(used.ru_nvcsw));
    to.set(what.switches, {"involuntary"}, static_cast<double>(used.ru_nivcsw));
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) to.set(what.max_fds, {}, static_cast<double>(limit.rlim_cur));
}

}  // namespace

void declare_process_metrics(catalogue& into) { const families declared(into); }

scrape_hook add_process_metrics(registry& to, build_info build) {
  return to.at_scrape(
      [what = families(to.declared()), boot = boot_time_seconds(), build = std::move(build)](samples& out) {
        sample(what, boot, out);
        out.set(what.build, {build.version, build.millrace, build.revision, compiler}, 1);
      });
}

}  // namespace millrace::metrics

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

namespace millrace::metrics {
namespace {

#if defined(__clang__)
constexpr std::string_view compiler = "clang " __clang_version__;
#else
constexpr std::string_view compiler = "gcc " __VERSION__;
#endif

struct families {
  counter_family cpu;
  gauge_family resident, virtual_size, open_fds, max_fds, threads, started;
  counter_family switches;
  gauge_family build;
};

families declare(catalogue& in) {
  return {
      .cpu = in.counter({.name = "process_cpu_seconds_total",
                         .help = "User and system CPU time spent.",
                         .unit = unit::seconds}),
      .resident = in.gauge(
          {.name = "process_resident_memory_bytes", .help = "Resident memory size.", .unit = unit::bytes}),
      .virtual_size = in.gauge(
          {.name = "process_virtual_memory_bytes", .help = "Virtual memory size.", .unit = unit::bytes}),
      .open_fds = in.gauge({.name = "process_open_fds", .help = "Open file descriptors."}),
      .max_fds = in.gauge({.name = "process_max_fds", .help = "Limit of open file descriptors."}),
      .threads = in.gauge({.name = "process_threads", .help = "Threads of the process."}),
      .started = in.gauge({.name = "process_start_time_seconds",
                           .help = "Start of the process, seconds since 1970-01-01T00:00Z.",
                           .unit = unit::seconds}),
      .switches =
          in.counter({.name = "process_context_switches_total",
                      .help = "Context switches: voluntary ones wait, involuntary ones were preempted.",
                      .labels = {label::closed("type", {"voluntary", "involuntary"})}}),
      .build =
          in.gauge({.name = "millrace_build_info",
                    .help = "Always 1; the labels say which build runs: of the application, of Millrace.",
                    .labels = {label::open("version", 4), label::open("millrace", 4),
                               label::open("revision", 4), label::open("compiler", 4)},
                    .merge = merge::max}),
  };
}

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

void declare_process_metrics(catalogue& into) { static_cast<void>(declare(into)); }

scrape_hook add_process_metrics(registry& to, build_info build) {
  return to.at_scrape(
      [what = declare(to.declared()), boot = boot_time_seconds(), build = std::move(build)](samples& out) {
        sample(what, boot, out);
        out.set(what.build, {build.version, build.millrace, build.revision, compiler}, 1);
      });
}

}  // namespace millrace::metrics

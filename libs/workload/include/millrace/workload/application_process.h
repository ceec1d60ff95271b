// The application as a process of its own: start, stop, CPU time and memory. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include <millrace/base/result.h>

namespace millrace::workload {

struct process_usage {
  double cpu_seconds = 0;  // user and system
  std::uint64_t rss_bytes_max = 0;
};

class application_process {
 public:
  application_process() = default;
  application_process(const application_process&) = delete;
  application_process& operator=(const application_process&) = delete;
  // Kills the process if it still runs.
  ~application_process();

  // Starts this program again with `arguments`, in a process group of its own; its output goes to `log_file`.
  // The kernel kills the process when the calling thread ends. errc::io_error: the log cannot be written, or
  // fork failed.
  [[nodiscard]] result<void> start(const std::vector<std::string>& arguments, const std::string& log_file);
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void terminate() const;  // SIGTERM
  // Waits for the end and returns the exit code, or 128 + signal. Kills the process after `seconds_max`.
  int wait(int seconds_max);
  [[nodiscard]] process_usage usage() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

// A port of 127.0.0.1 on which no process listens now (0 on failure), and whether `port` is one.
[[nodiscard]] std::uint16_t free_port();
[[nodiscard]] bool is_free(std::uint16_t port);

}  // namespace millrace::workload

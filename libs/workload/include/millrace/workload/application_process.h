// The example application as a process of its own, watched from outside.
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
  // Kills what still runs.
  ~application_process();

  // Runs this program again with `arguments`, in a process group of its own; its messages go to `log_file`.
  // It is killed when the calling thread ends.
  [[nodiscard]] result<void> start(const std::vector<std::string>& arguments, const std::string& log_file);
  [[nodiscard]] bool running();
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void terminate() const;  // SIGTERM
  // Waits for the end; the exit code, or 128 + signal. After `seconds_max` the process is killed.
  int wait(int seconds_max);
  [[nodiscard]] process_usage usage() const;

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

// A port of 127.0.0.1 nobody listens on now; whether that is so of `port`.
[[nodiscard]] std::uint16_t free_port();
[[nodiscard]] bool is_free(std::uint16_t port);

}  // namespace millrace::workload

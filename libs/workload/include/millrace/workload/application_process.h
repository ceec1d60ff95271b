// The application as a process of its own: start, stop, CPU time and memory.
//
// Example:
//
//   workload::application_process process;
//   const auto started = process.start({"run", "--config", "config.yaml"}, "run.log");
//   if (!started) return started;
//   process.terminate();
//   const int exit_code = process.wait(30);
//   if (exit_code != 0) return error(errc::io_error, "exit code " + std::to_string(exit_code));
//
// Threads: an object belongs to one thread, which must outlive the process. free_port() and is_free() may be
// called from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include <millrace/base/result.h>

namespace millrace::workload {

// CPU time and memory of a process.
struct process_usage {
  double cpu_seconds = 0;  // user and system
  std::uint64_t rss_bytes_max = 0;
};

// One child process, or none.
class application_process {
 public:
  application_process() = default;
  application_process(const application_process&) = delete;
  application_process& operator=(const application_process&) = delete;
  // Kills the process if it still runs.
  ~application_process();

  // Starts this program again with `arguments`, in a process group of its own; its output goes to `log_file`.
  // The kernel kills the process when the calling thread ends. Returns errc::io_error when the
  // log cannot be written or fork fails.
  [[nodiscard]] result<void> start(const std::vector<std::string>& arguments, const std::string& log_file);
  // The same for another program. An empty `log_file`: the output goes where that of this process goes.
  // Errors: those of start(). A program that cannot be executed ends with exit code 127.
  [[nodiscard]] result<void> start_program(const std::string& program,
                                           const std::vector<std::string>& arguments,
                                           const std::string& log_file);
  // Returns whether the process runs.
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

// Return a port of 127.0.0.1 on which no process listens now (0 on failure), and whether `port` is one.
[[nodiscard]] std::uint16_t free_port();
[[nodiscard]] bool is_free(std::uint16_t port);

}  // namespace millrace::workload

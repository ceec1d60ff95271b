// Ends the process when the end of its parts takes too long: a client of a server that does not answer can
// wait in its destructor without a limit.
#pragma once

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>

#include <millrace/base/clock.h>

namespace millrace::app {

// From the construction on the process has `within` until the destructor; then it exits with `code`.
class exit_guard {
 public:
  exit_guard(int code, nanoseconds within) {
    try {
      thread_ = std::thread([this, code, within] { wait(code, within); });
    } catch (const std::system_error&) {
      thread_ = std::thread();  // without one nothing limits the end
    }
  }
  exit_guard(const exit_guard&) = delete;
  exit_guard& operator=(const exit_guard&) = delete;
  ~exit_guard() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void wait(int code, nanoseconds within) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, within, [this] { return over_; })) std::_Exit(code);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace millrace::app

// Reads the configuration again from time to time, on a thread of its own, so that secrets that were rotated take
// effect without a restart.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include <millrace/app/app_config.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>

namespace millrace::app {

class credential_renewal {
 public:
  // Returns the configuration of now. Thread-safe.
  using reader = std::function<result<app_config>()>;
  // Takes it up, on the renewal's thread. A failure means that a part of it was not.
  using receiver = std::function<result<void>(const app_config& now)>;
  // Receives the reason when renewals begin to fail or fail for another one, and nullptr when they succeed again.
  using observer = std::function<void(const error* why)>;

  static constexpr milliseconds interval_default{10'000};

  credential_renewal(reader read, observer report, milliseconds interval = interval_default);
  credential_renewal(const credential_renewal&) = delete;
  credential_renewal& operator=(const credential_renewal&) = delete;
  ~credential_renewal() { stop(); }

  // Starts the thread, once. errc::io_error when the system refuses it.
  [[nodiscard]] result<void> start(receiver apply);
  // Waits for a renewal that runs; none follows.
  void stop();
  // Reads it now, for a caller that cannot wait for the interval. Any thread, also without start().
  [[nodiscard]] result<app_config> read();

 private:
  void run();
  [[nodiscard]] result<void> renew();
  void note(const error* why);

  const reader read_;
  const observer report_;
  const milliseconds interval_;
  receiver apply_;
  std::mutex mutex_;     // guards stopping_
  std::mutex noting_;    // guards failing_, so that reports arrive in order
  std::string failing_;  // the reason that was reported; "": none
  bool stopping_ = false;
  std::condition_variable stop_;
  std::thread thread_;
};

}  // namespace millrace::app

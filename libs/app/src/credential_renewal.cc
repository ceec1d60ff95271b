#include "credential_renewal.h"

#include <exception>
#include <system_error>
#include <utility>

namespace millrace::app {

credential_renewal::credential_renewal(reader read, observer report, milliseconds interval)
    : read_(std::move(read)), report_(std::move(report)), interval_(interval) {}

result<void> credential_renewal::start(receiver apply) {
  apply_ = std::move(apply);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& refused) {
    return error(errc::io_error, std::string("the renewal of credentials: cannot start a thread: ") +
                                     refused.what() + "; raise the limit of threads of the process");
  }
  return {};
}

void credential_renewal::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

result<app_config> credential_renewal::read() {
  auto now = read_();
  if (!now) note(&now.error());
  return now;
}

void credential_renewal::run() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, interval_, [this] { return stopping_; })) {
    lock.unlock();
    const auto renewed = renew();
    note(renewed ? nullptr : &renewed.error());
    lock.lock();
  }
}

// Memory that runs out on this thread fails one renewal, which is repeated later.
result<void> credential_renewal::renew() {
  try {
    const auto now = read();
    if (!now) return now.error();
    return apply_(*now);
  } catch (const std::exception& refused) {
    return error(errc::io_error, std::string("the system refused a resource: ") + refused.what());
  }
}

void credential_renewal::note(const error* why) {
  const std::lock_guard lock(noting_);
  const std::string reason = why == nullptr ? std::string() : why->to_string();
  if (reason == failing_) return;
  failing_ = reason;
  report_(why);
}

}  // namespace millrace::app

// A command on its way from the admin thread to a worker and back. Either the worker takes it and answers, or
// the asker withdraws it and it never happens: what was reported as not done is not done later.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include <millrace/base/clock.h>
#include <millrace/engine/operator_command.h>

namespace millrace::app {

class command_request {
 public:
  using action = std::function<engine::command_answer(const engine::record_name& which,
                                                      engine::operator_command command)>;

  command_request(engine::record_name which, engine::operator_command command)
      : which_(std::move(which)), command_(command) {}

  // The asker. nullopt: withdrawn.
  [[nodiscard]] std::optional<engine::command_answer> wait(nanoseconds timeout) {
    std::unique_lock lock(mutex_);
    answered_.wait_for(lock, timeout, [this] { return answer_.has_value(); });
    withdrawn_ = !answer_;
    return answer_;
  }

  // The worker. The lock is held meanwhile: a caller whose timeout ends now waits for the answer.
  void answer(const action& act) {
    const std::lock_guard lock(mutex_);
    if (withdrawn_) return;
    answer_ = act(which_, command_);
    answered_.notify_one();
  }

 private:
  const engine::record_name which_;
  const engine::operator_command command_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::optional<engine::command_answer> answer_;
  bool withdrawn_ = false;
};

}  // namespace millrace::app

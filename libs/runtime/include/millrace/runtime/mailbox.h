// Messages from foreign threads (driver, librdkafka, admin) to a worker. A post takes a short mutex and wakes
// the loop only when the box was empty; the worker takes everything at once. All logic runs on the worker.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include <millrace/runtime/loop.h>

namespace millrace::runtime {

template <typename T>
class mailbox {
 public:
  // `messages_max` bounds the box: posting to a full one returns false. The loop must outlive the box.
  mailbox(loop& l, std::size_t messages_max) : loop_(l), messages_max_(messages_max) {}

  // Any thread. Returns false, and leaves the message untouched, when the box is full.
  [[nodiscard]] bool post(T&& message) {
    bool was_empty = false;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() >= messages_max_) return false;
      was_empty = waiting_.empty();
      waiting_.push_back(std::move(message));
    }
    if (was_empty) loop_.wake();
    return true;
  }

  // Worker thread. Replaces `messages` by what arrived, in order; its capacity is reused.
  void take(std::vector<T>& messages) {
    messages.clear();
    const std::lock_guard lock(mutex_);
    waiting_.swap(messages);
  }

 private:
  loop& loop_;
  std::size_t messages_max_;
  std::mutex mutex_;
  std::vector<T> waiting_;
};

}  // namespace millrace::runtime

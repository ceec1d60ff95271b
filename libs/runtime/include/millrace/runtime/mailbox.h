// Messages from other threads (driver, librdkafka, admin endpoint) to a worker. A post takes a short mutex
// and wakes the loop only when the mailbox was empty. The worker takes all messages at once, so that all
// logic runs on the worker.
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   runtime::mailbox<int> mailbox(loop, 100);
//   if (!mailbox.post(42)) return error(errc::limit_exceeded, "the mailbox is full");
//   std::vector<int> messages;
//   mailbox.take(messages);  // on the worker
//
// Threads: post() may be called from any thread, take() from the loop's thread only.
#pragma once

#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include <millrace/runtime/loop.h>

namespace millrace::runtime {

// A bounded queue of messages for one loop.
template <typename T>
class mailbox {
 public:
  // `messages_max` is the most messages that the mailbox holds. The loop must outlive the mailbox.
  mailbox(loop& l, std::size_t messages_max) : loop_(l), messages_max_(messages_max) {}

  // Any thread. Adds a message and returns true. Returns false, and leaves the message untouched, when the
  // mailbox is full.
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

  // The loop's thread. Replaces `messages` by the messages that arrived, in order; the capacity of the vector
  // is reused.
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

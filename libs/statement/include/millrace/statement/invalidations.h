// How a write in one worker reaches the lookup caches of all workers of the process, in bytes: a key is the
// cells of a lookup's parameters in wire form.
//
//   channel    one per lookup name: to whom a key is told
//   inbox      one per worker and lookup: what it has been told and has not read
//
// A key that was posted before a read of the inbox is seen by that read. Posting never waits for a reader:
// an inbox that is full forgets its keys and says "everything" instead.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>

namespace millrace::statements {

class invalidation_channel;

class invalidation_inbox {
 public:
  static constexpr std::size_t bytes_max = std::size_t{64} << 10U;

  // Joins the channel for its lifetime.
  explicit invalidation_inbox(invalidation_channel& of);
  invalidation_inbox(const invalidation_inbox&) = delete;
  invalidation_inbox& operator=(const invalidation_inbox&) = delete;
  ~invalidation_inbox();

  // Any thread.
  void post(bytes_view key);
  // The reader's thread; one load when there is nothing.
  [[nodiscard]] bool pending() const noexcept { return pending_.load(std::memory_order_acquire); }
  // The reader's thread: calls on_key(bytes_view) for each key, or on_everything() instead.
  template <typename Key, typename Everything>
  void read(Key on_key, Everything on_everything) {
    const bool everything = take();
    if (everything) return on_everything();
    for (bytes_view rest(taken_); !rest.empty();) {
      const std::size_t length = length_of(rest);
      on_key(rest.subspan(length_bytes, length));
      rest = rest.subspan(length_bytes + length);
    }
  }

 private:
  static constexpr std::size_t length_bytes = 4;
  [[nodiscard]] static std::size_t length_of(bytes_view rest) noexcept;
  // Swaps what was posted into taken_; true: everything.
  [[nodiscard]] bool take();

  invalidation_channel& channel_;
  std::atomic<bool> pending_{false};
  std::mutex mutex_;
  bool everything_ = false;
  byte_buffer posted_;  // keys, each behind its length
  byte_buffer taken_;   // the reader's
};

// Thread-safe.
class invalidation_channel {
 public:
  invalidation_channel() = default;
  invalidation_channel(const invalidation_channel&) = delete;
  invalidation_channel& operator=(const invalidation_channel&) = delete;

  // Tells every inbox. When it returns, no inbox reads on without having seen the key.
  void post(bytes_view key);

 private:
  friend class invalidation_inbox;
  void join(invalidation_inbox& inbox);
  void leave(invalidation_inbox& inbox);

  std::mutex mutex_;
  std::vector<invalidation_inbox*> inboxes_;
};

// The channels of a process, by the lookup's name. Thread-safe; outlives everything that uses a channel.
class invalidation_board {
 public:
  [[nodiscard]] invalidation_channel& channel(std::string_view lookup);

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<invalidation_channel>, std::less<>> channels_;
};

}  // namespace millrace::statements

// Invalidations: how a write in one worker reaches the lookup caches of all workers of the process. A key is
// the cells of a lookup's parameters in wire form.
//
//   object     exists once per      purpose
//   channel    lookup name          passes a posted key to every inbox
//   inbox      worker and lookup    keeps posted keys until its worker reads them
//
// A key that was posted before an inbox is read is seen by that read. Posting never waits for a reader: an
// inbox that is full drops its keys and reports "everything" instead.
//
// Example:
//
//   statements::invalidation_board board;
//   statements::invalidation_channel& profiles = board.channel("profiles");
//   statements::invalidation_inbox inbox(profiles);
//   profiles.post(as_bytes("v1"));
//   std::size_t keys = 0;
//   inbox.read([&](bytes_view) { ++keys; }, [] {});
//   invariant(keys == 1, "a posted key is seen by the next read");
//
// Threads: the board, channels and post() are thread-safe; an inbox is read by one thread.
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

// The keys that one worker has not read. Holds at most bytes_max bytes of keys.
class invalidation_inbox {
 public:
  static constexpr std::size_t bytes_max = std::size_t{64} << 10U;

  // Joins the channel for its lifetime. The channel must outlive it.
  explicit invalidation_inbox(invalidation_channel& of);
  invalidation_inbox(const invalidation_inbox&) = delete;
  invalidation_inbox& operator=(const invalidation_inbox&) = delete;
  ~invalidation_inbox();

  // Any thread: adds a key.
  void post(bytes_view key);
  // The reader's thread: true when there is something to read. Costs one atomic load.
  [[nodiscard]] bool pending() const noexcept { return pending_.load(std::memory_order_acquire); }
  // The reader's thread: calls on_key(bytes_view) for each key, or on_everything() instead when keys were
  // dropped.
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

// Passes keys to the inboxes that have joined. Thread-safe.
class invalidation_channel {
 public:
  invalidation_channel() = default;
  invalidation_channel(const invalidation_channel&) = delete;
  invalidation_channel& operator=(const invalidation_channel&) = delete;

  // Adds the key to every inbox. After it has returned, every read of an inbox has the key.
  void post(bytes_view key);

 private:
  friend class invalidation_inbox;
  void join(invalidation_inbox& inbox);
  void leave(invalidation_inbox& inbox);

  std::mutex mutex_;
  std::vector<invalidation_inbox*> inboxes_;
};

// The channels of a process by the lookup's name. Thread-safe. Outlives everything that uses a channel.
class invalidation_board {
 public:
  // Returns the channel of a lookup and creates it at the first call. The reference is valid as long as the
  // board.
  [[nodiscard]] invalidation_channel& channel(std::string_view lookup);

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<invalidation_channel>, std::less<>> channels_;
};

}  // namespace millrace::statements

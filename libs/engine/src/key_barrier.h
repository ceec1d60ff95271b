// Keeps records that share a key apart: one is running, the others queue behind it in log order. Keys are
// compared by 64-bit hash: a collision only makes two keys wait for each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::engine {

class envelope;

// Open addressing, at most half full; sized once for the records that may be in flight.
class key_barrier {
 public:
  explicit key_barrier(std::size_t records_max);

  // True: the caller may work on it now. False: it is queued, and leave() of its predecessor hands it out.
  [[nodiscard]] bool enter(envelope& e, std::uint64_t key_hash);
  // The successor, whose turn it is now; nullptr when there is none.
  [[nodiscard]] envelope* leave(envelope& e);
  [[nodiscard]] std::size_t keys() const noexcept { return keys_; }

 private:
  struct place {
    std::uint64_t hash = 0;
    envelope* tail = nullptr;  // nullptr: free
  };
  [[nodiscard]] std::size_t find(std::uint64_t hash) const noexcept;
  void erase(std::size_t at) noexcept;

  std::vector<place> places_;
  std::size_t mask_;
  std::size_t keys_ = 0;
};

// Never 0.
[[nodiscard]] std::uint64_t hash_key(std::uint64_t seed, const void* data, std::size_t bytes) noexcept;

}  // namespace millrace::engine

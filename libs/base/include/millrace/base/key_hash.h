// A seeded hash of short keys: a peer that chooses keys without knowing the seed cannot construct collisions.
//
// Example:
//
//   const std::byte key[] = {std::byte{1}, std::byte{2}};
//   invariant(key_hash(key, 7) == key_hash(key, 7), "one seed yields one hash");
//
// Threads: the function is pure and callable from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <millrace/base/bytes.h>

namespace millrace {
namespace internal {

__extension__ using wide = unsigned __int128;

[[nodiscard]] inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  const wide product = static_cast<wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

}  // namespace internal

// Returns the hash of a key: the multiply-and-fold of wyhash, 16 bytes per step. The last step may read bytes
// of the step before again.
[[nodiscard]] inline std::uint64_t key_hash(bytes_view key, std::uint64_t seed) noexcept {
  constexpr std::uint64_t p1 = 0xA0761D6478BD642FULL;
  constexpr std::uint64_t p2 = 0xE7037ED1A0B428DBULL;
  const std::byte* at = key.data();
  std::size_t left = key.size();
  const auto eight = [](const std::byte* from) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, sizeof word);
    return word;
  };
  std::uint64_t state = seed ^ internal::mixed(seed ^ p1, key.size() ^ p2);
  for (; left > 16; left -= 16, at += 16) state = internal::mixed(eight(at) ^ p1, eight(at + 8) ^ state);
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  if (left >= 8) {
    a = eight(at);
    b = eight(at + left - 8);
  } else if (left > 0) {
    std::memcpy(&a, at, left);
  }
  return internal::mixed(p2 ^ key.size(), internal::mixed(a ^ p2, b ^ state));
}

}  // namespace millrace

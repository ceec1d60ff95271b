// A seeded hash of short keys: whoever chooses keys without knowing the seed cannot choose collisions.
// Thread-safe.
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

// The multiply-and-fold of wyhash: 16 bytes a step, the last step reading over what was read before.
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

// FNV-1a, 64 bits: a checksum that is the same on every platform. Collisions are easy to construct: a hash
// table whose keys come from outside the process uses key_hash.h.
//
// Example:
//
//   fnv1a checksum;
//   checksum.add("a");
//   invariant(checksum.value() == 0xAF63DC4C8601EC8CULL, "the value is the same on every platform");
//
// Threads: an object belongs to one thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

// A checksum of everything that was added, in order.
class fnv1a {
 public:
  explicit fnv1a(std::uint64_t start = 0xCBF29CE484222325ULL) noexcept : value_(start) {}

  // Adds bytes. Two calls equal one call with the concatenation.
  void add(std::string_view bytes) noexcept {
    for (const char c : bytes) add_byte(static_cast<unsigned char>(c));
  }
  // Adds a number as eight bytes, lowest first.
  void add(std::uint64_t number) noexcept {
    for (unsigned shift = 0; shift < 64; shift += 8) add_byte((number >> shift) & 0xFFU);
  }
  // Returns the checksum so far.
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  void add_byte(std::uint64_t byte) noexcept { value_ = (value_ ^ byte) * 0x100000001B3ULL; }

  std::uint64_t value_;
};

}  // namespace millrace

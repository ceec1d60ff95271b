// FNV-1a, 64 bits: a checksum that is the same on every platform. Anybody can choose collisions: tables of
// keys that others choose use key_hash.h. One thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

class fnv1a {
 public:
  explicit fnv1a(std::uint64_t start = 0xCBF29CE484222325ULL) noexcept : value_(start) {}

  void add(std::string_view bytes) noexcept {
    for (const char c : bytes) add_byte(static_cast<unsigned char>(c));
  }
  // Eight bytes, lowest first.
  void add(std::uint64_t number) noexcept {
    for (unsigned shift = 0; shift < 64; shift += 8) add_byte((number >> shift) & 0xFFU);
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  void add_byte(std::uint64_t byte) noexcept { value_ = (value_ ^ byte) * 0x100000001B3ULL; }

  std::uint64_t value_;
};

}  // namespace millrace

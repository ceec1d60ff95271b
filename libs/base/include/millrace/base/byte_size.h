// A number of bytes, so that a limit in bytes is not mistaken for a count.
//
// Example:
//
//   const millrace::byte_size limit = millrace::mib(16);
//   millrace::invariant(limit.count() == 16'777'216, "sizes are in bytes");
//
// Threads: a plain value.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace millrace {

// A number of bytes.
struct byte_size {
  std::uint64_t bytes = 0;

  // For containers and buffers; the product runs on 64-bit machines only.
  [[nodiscard]] constexpr std::size_t count() const noexcept { return static_cast<std::size_t>(bytes); }
  friend constexpr auto operator<=>(byte_size, byte_size) = default;
};
// Return n KiB, MiB and GiB. A product above 2^64 - 1 bytes loses its upper bits.
[[nodiscard]] constexpr byte_size kib(std::uint64_t n) { return {n << 10U}; }
[[nodiscard]] constexpr byte_size mib(std::uint64_t n) { return {n << 20U}; }
[[nodiscard]] constexpr byte_size gib(std::uint64_t n) { return {n << 30U}; }

}  // namespace millrace

// Pseudo-random numbers from a seed (splitmix64): the same seed yields the same numbers on every platform.
// Not for secrets.
//
// Example:
//
//   random_source first(42);
//   random_source second(42);
//   invariant(first.next() == second.next(), "one seed yields one sequence");
//
// Threads: a `random_source` belongs to one thread. mixed_bits() is pure and callable from any thread.
#pragma once

#include <cstdint>

namespace millrace {

// Returns a number whose bits all depend on all bits of `x`.
[[nodiscard]] constexpr std::uint64_t mixed_bits(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

// A sequence of numbers that depends on the seed only.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}
  // Returns the next number, uniform over all values.
  [[nodiscard]] std::uint64_t next() noexcept {
    const std::uint64_t number = mixed_bits(state_);
    state_ += 0x9E3779B97F4A7C15ULL;
    return number;
  }
  // Returns the next number, uniform in [0, 1).
  [[nodiscard]] double fraction() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace millrace

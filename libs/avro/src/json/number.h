// Numbers of JSON: their text, and what it is worth as an integer, a binary float or an exact decimal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <millrace/base/bytes.h>

namespace millrace::avro {

// A number as it is written: digits × 10^exponent.
struct number_text {
  const std::uint8_t* begin = nullptr;
  const std::uint8_t* end = nullptr;
  std::uint64_t mantissa = 0;  // the digits; meaningful when `exact`
  std::int64_t exponent = 0;   // at most ±2^40, whatever is written
  bool negative = false;
  bool exact = true;     // the digits fit the mantissa
  bool integral = true;  // without fraction and exponent
};

// Reads the number at `p` by JSON's grammar and returns where it ends, or nullptr when it is not one.
[[nodiscard]] const std::uint8_t* scan_number(const std::uint8_t* p, const std::uint8_t* end,
                                              number_text& number) noexcept;

enum class number_fault : std::uint8_t { none, not_whole, out_of_range };

// The number as an integer: "1.0" and "1e3" are whole.
[[nodiscard]] number_fault to_integer(const number_text& number, std::int64_t& out) noexcept;
// The nearest binary float. out_of_range when it would be infinite.
[[nodiscard]] number_fault to_float64(const number_text& number, double& out) noexcept;
[[nodiscard]] number_fault to_float32(const number_text& number, float& out) noexcept;

inline constexpr std::size_t decimal_digits_max = 153;  // of at most 64 bytes, which decimal_view prints
inline constexpr std::int32_t decimal_scale_limit = 4096;

// An exact decimal. `unscaled` is big-endian two's complement, as short as it can be.
struct exact_decimal {
  byte_buffer unscaled;
  std::int32_t scale = 0;
  std::size_t digits = 0;  // of the unscaled value
};
// The unscaled value where it fits 64 bits, which is most of the time; nothing for any other number.
[[nodiscard]] std::optional<std::int64_t> to_small_decimal(const number_text& number,
                                                           std::int32_t scale) noexcept;
enum class decimal_fault : std::uint8_t { none, needs_more_scale, too_many_digits };
// With a given scale, or with the scale that the text has. Nothing is rounded.
[[nodiscard]] decimal_fault to_decimal(const number_text& number, std::optional<std::int32_t> scale,
                                       std::size_t digits_max, exact_decimal& out);

}  // namespace millrace::avro

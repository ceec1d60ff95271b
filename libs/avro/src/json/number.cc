#include "json/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "json/scan.h"

namespace millrace::avro {
namespace {

constexpr std::int64_t exponent_limit = std::int64_t{1} << 40U;
constexpr int mantissa_digits_max = 19;

// The value of the digits, right while there are at most 19, and how many they are, leading zeros not counted.
struct digit_run {
  std::uint64_t value;
  std::int64_t digits;
};

[[nodiscard]] inline const std::uint8_t* take_digits(const std::uint8_t* p, const std::uint8_t* end,
                                                     digit_run& run) noexcept {
  while (end - p >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, sizeof word);
    if (!are_digits8(word)) break;
    const std::uint64_t number = number_of8(word);
    if (run.digits != 0) {
      run.digits += 8;
    } else {
      for (std::uint64_t rest = number; rest != 0; rest /= 10) ++run.digits;
    }
    run.value = run.value * 100'000'000U + number;
    p += 8;
  }
  for (; p != end && is_digit(*p); ++p) {
    if (run.digits != 0 || *p != '0') ++run.digits;
    run.value = run.value * 10 + static_cast<std::uint64_t>(*p - '0');
  }
  return p;
}

// The digits of a number without leading and trailing zeros: value = digits × 10^exponent.
struct digit_list {
  std::string digits;
  std::int64_t exponent = 0;
};
[[nodiscard]] digit_list digits_of(const number_text& number) {
  digit_list out;
  out.exponent = number.exponent;
  for (const std::uint8_t* p = number.begin; p != number.end && *p != 'e' && *p != 'E'; ++p) {
    if (is_digit(*p) && !(out.digits.empty() && *p == '0')) out.digits.push_back(static_cast<char>(*p));
  }
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  return out;
}

template <class T>
[[nodiscard]] number_fault from_text(const number_text& number, T& out) noexcept {
  if (number.exact && number.mantissa == 0) {
    out = number.negative ? T{-0.0} : T{0.0};
    return number_fault::none;
  }
  const auto* first = reinterpret_cast<const char*>(number.begin);
  const auto* last = reinterpret_cast<const char*>(number.end);
  const auto read = std::from_chars(first, last, out);
  if (read.ec == std::errc::result_out_of_range || !std::isfinite(out)) {
    // Also of a number that is too small, which is a zero.
    std::int64_t digits_before = number.exponent;
    bool leading = true;
    for (const auto* p = number.begin; p != number.end && *p != 'e' && *p != 'E'; ++p) {
      leading = leading && !(*p >= '1' && *p <= '9');
      if (!leading && is_digit(*p)) ++digits_before;
    }
    if (digits_before > 0) return number_fault::out_of_range;
    out = number.negative ? T{-0.0} : T{0.0};
  }
  return number_fault::none;
}

}  // namespace

const std::uint8_t* scan_number(const std::uint8_t* p, const std::uint8_t* end,
                                number_text& number) noexcept {
  number = {};
  number.begin = p;
  number.negative = peek(p, end) == '-';
  if (number.negative) ++p;
  if (!is_digit(peek(p, end))) return nullptr;
  digit_run run{0, 0};
  if (*p == '0') {
    ++p;
    if (is_digit(peek(p, end))) return nullptr;
  } else {
    p = take_digits(p, end, run);
  }
  std::int64_t exponent = 0;
  if (peek(p, end) == '.') {
    number.integral = false;
    const std::uint8_t* const first = ++p;
    p = take_digits(p, end, run);
    if (p == first) return nullptr;
    exponent = first - p;
  }
  if ((peek(p, end) | 0x20U) == 'e') {
    number.integral = false;
    ++p;
    const bool negative = peek(p, end) == '-';
    if (negative || peek(p, end) == '+') ++p;
    if (!is_digit(peek(p, end))) return nullptr;
    std::int64_t written = 0;
    for (; p != end && is_digit(*p); ++p) written = std::min(written * 10 + (*p - '0'), exponent_limit);
    exponent += negative ? -written : written;
  }
  number.mantissa = run.value;
  number.exact = run.digits <= mantissa_digits_max;
  number.exponent = exponent;
  number.end = p;
  return p;
}

number_fault to_integer(const number_text& number, std::int64_t& out) noexcept {
  std::uint64_t magnitude = number.mantissa;
  if (!number.integral || !number.exact) {
    if (number.exact && number.mantissa == 0) {
      out = 0;
      return number_fault::none;
    }
    std::int64_t exponent = number.exponent;
    if (!number.exact) {
      // More than 19 digits: whole and small enough only when the rest are zeros.
      const digit_list list = digits_of(number);
      const auto count = static_cast<std::int64_t>(list.digits.size());
      if (list.exponent < 0) return number_fault::not_whole;
      if (count + list.exponent > mantissa_digits_max) return number_fault::out_of_range;
      magnitude = 0;
      for (const char digit : list.digits)
        magnitude = magnitude * 10 + static_cast<std::uint64_t>(digit - '0');
      exponent = list.exponent;
    }
    for (; exponent < 0; ++exponent) {
      if (magnitude % 10 != 0) return number_fault::not_whole;
      magnitude /= 10;
    }
    for (; exponent > 0; --exponent) {
      if (magnitude > std::uint64_t{1} << 63U) return number_fault::out_of_range;
      if (__builtin_mul_overflow(magnitude, std::uint64_t{10}, &magnitude)) return number_fault::out_of_range;
    }
  }
  constexpr std::uint64_t most = INT64_MAX;
  if (magnitude > most + (number.negative ? 1U : 0U)) return number_fault::out_of_range;
  out = static_cast<std::int64_t>(number.negative ? ~magnitude + 1U : magnitude);
  return number_fault::none;
}

// Exact operands and a power of ten that is exact: one correctly rounded operation (Clinger).
number_fault to_float64(const number_text& number, double& out) noexcept {
  static constexpr std::array<double, 23> powers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  constexpr std::uint64_t exact_max = std::uint64_t{1} << 53U;
  if (number.exact && number.mantissa <= exact_max && number.exponent >= -22 && number.exponent <= 22) {
    const auto magnitude = static_cast<double>(number.mantissa);
    const double value = number.exponent < 0 ? magnitude / powers[static_cast<std::size_t>(-number.exponent)]
                                             : magnitude * powers[static_cast<std::size_t>(number.exponent)];
    out = number.negative ? -value : value;
    return number_fault::none;
  }
  return from_text(number, out);
}

number_fault to_float32(const number_text& number, float& out) noexcept {
  static constexpr std::array<float, 11> powers = {1e0F, 1e1F, 1e2F, 1e3F, 1e4F, 1e5F,
                                                   1e6F, 1e7F, 1e8F, 1e9F, 1e10F};
  constexpr std::uint64_t exact_max = std::uint64_t{1} << 24U;
  if (number.exact && number.mantissa <= exact_max && number.exponent >= -10 && number.exponent <= 10) {
    const auto magnitude = static_cast<float>(number.mantissa);
    const float value = number.exponent < 0 ? magnitude / powers[static_cast<std::size_t>(-number.exponent)]
                                            : magnitude * powers[static_cast<std::size_t>(number.exponent)];
    out = number.negative ? -value : value;
    return number_fault::none;
  }
  return from_text(number, out);
}

std::optional<std::int64_t> to_small_decimal(const number_text& number, std::int32_t scale) noexcept {
  if (!number.exact) return std::nullopt;
  std::uint64_t magnitude = number.mantissa;
  std::int64_t zeros = number.exponent + scale;
  if (magnitude == 0) return 0;
  for (; zeros < 0; ++zeros) {
    if (magnitude % 10 != 0) return std::nullopt;
    magnitude /= 10;
  }
  for (; zeros > 0; --zeros) {
    if (__builtin_mul_overflow(magnitude, std::uint64_t{10}, &magnitude)) return std::nullopt;
  }
  if (magnitude > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(number.negative ? ~magnitude + 1U : magnitude);
}

decimal_fault to_decimal(const number_text& number, std::optional<std::int32_t> scale, std::size_t digits_max,
                         exact_decimal& out) {
  digit_list list = digits_of(number);
  const std::int64_t text_scale = std::clamp<std::int64_t>(-number.exponent, -exponent_limit, exponent_limit);
  const std::int64_t wanted = scale ? std::int64_t{*scale} : text_scale;
  if (!scale && (wanted > decimal_scale_limit || wanted < -decimal_scale_limit)) {
    return decimal_fault::too_many_digits;
  }
  out.scale = static_cast<std::int32_t>(wanted);
  out.digits = 0;
  out.unscaled.assign(1, std::byte{0});
  if (list.digits.empty()) return decimal_fault::none;
  const std::int64_t zeros = list.exponent + wanted;
  if (zeros < 0) return decimal_fault::needs_more_scale;
  const auto limit = static_cast<std::int64_t>(std::min(digits_max, decimal_digits_max));
  if (static_cast<std::int64_t>(list.digits.size()) + zeros > limit) return decimal_fault::too_many_digits;
  list.digits.append(static_cast<std::size_t>(zeros), '0');
  out.digits = list.digits.size();

  // Little-endian words of 32 bits: nine digits at a time.
  std::vector<std::uint32_t> words;
  for (std::size_t at = 0; at < list.digits.size();) {
    std::uint64_t carry = 0;
    std::uint64_t factor = 1;
    for (; at < list.digits.size() && factor < 1'000'000'000U; ++at) {
      carry = carry * 10 + static_cast<std::uint64_t>(list.digits[at] - '0');
      factor *= 10;
    }
    for (std::uint32_t& word : words) {
      carry += word * factor;
      word = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
    if (carry != 0) words.push_back(static_cast<std::uint32_t>(carry));
  }
  byte_buffer little(1 + words.size() * 4);  // a byte more, for the sign
  for (std::size_t i = 0; i < words.size() * 4; ++i) {
    little[i] = static_cast<std::byte>(words[i / 4] >> (8U * (i % 4)));
  }
  if (number.negative) {
    bool borrow = true;
    for (std::byte& byte : little) {
      byte = ~byte;
      if (borrow) {
        byte = static_cast<std::byte>(std::to_integer<unsigned>(byte) + 1U);
        borrow = byte == std::byte{0};
      }
    }
  }
  const std::byte fill = number.negative ? std::byte{0xFF} : std::byte{0};
  const auto sign_of = [](std::byte byte) { return (byte & std::byte{0x80}) != std::byte{0}; };
  while (little.size() > 1 && little.back() == fill &&
         sign_of(little[little.size() - 2]) == number.negative) {
    little.pop_back();
  }
  out.unscaled.assign(little.rbegin(), little.rend());
  return decimal_fault::none;
}

}  // namespace millrace::avro

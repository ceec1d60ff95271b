#include <algorithm>

#include <millrace/base/values.h>

namespace millrace {
namespace {

constexpr std::size_t decimal_bytes_max = 64;
constexpr std::int32_t decimal_scale_max = 4096;

[[nodiscard]] bool is_negative(bytes_view unscaled) noexcept {
  return !unscaled.empty() && (std::to_integer<unsigned>(unscaled[0]) & 0x80U) != 0;
}

// Decimal digits of the magnitude of a big-endian two's-complement number: long division by 10^9.
[[nodiscard]] std::string magnitude_digits(bytes_view unscaled) {
  std::vector<std::uint32_t> words((unscaled.size() + 3) / 4, 0);  // big-endian words
  const bool negative = is_negative(unscaled);
  const std::size_t pad = words.size() * 4 - unscaled.size();
  for (std::size_t i = 0; i < words.size() * 4; ++i) {
    std::uint32_t byte = i < pad ? 0U : std::to_integer<std::uint32_t>(unscaled[i - pad]);
    if (i < pad && negative) byte = 0xFFU;
    words[i / 4] = (words[i / 4] << 8U) | byte;
  }
  if (negative) {
    for (auto& word : words) word = ~word;
    for (auto word = words.rbegin(); word != words.rend(); ++word) {
      if (++*word != 0) break;
    }
  }
  std::string reversed;
  while (std::any_of(words.begin(), words.end(), [](std::uint32_t w) { return w != 0; })) {
    std::uint64_t remainder = 0;
    for (auto& word : words) {
      const std::uint64_t current = (remainder << 32U) | word;
      word = static_cast<std::uint32_t>(current / 1'000'000'000U);
      remainder = current % 1'000'000'000U;
    }
    for (int i = 0; i < 9; ++i) {
      reversed.push_back(static_cast<char>('0' + remainder % 10));
      remainder /= 10;
    }
  }
  while (!reversed.empty() && reversed.back() == '0') reversed.pop_back();
  std::reverse(reversed.begin(), reversed.end());
  return reversed.empty() ? "0" : reversed;
}

[[nodiscard]] int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool dash_at(std::size_t i) noexcept { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

std::string uuid::to_string() const {
  const std::string hex = to_hex(bytes);
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text.push_back('-');
    text.push_back(hex[i]);
  }
  return text;
}

result<uuid> uuid::parse(std::string_view text) {
  if (text.size() != 36) return error(errc::malformed, "a UUID has 36 characters");
  uuid parsed;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (dash_at(i)) {
      if (text[i] != '-') return error(errc::malformed, "a UUID has dashes after 8, 12, 16 and 20 digits");
      continue;
    }
    const int value = hex_value(text[i]);
    if (value < 0) return error(errc::malformed, "a UUID has hexadecimal digits only");
    auto& byte = parsed.bytes[nibble / 2];
    byte = static_cast<std::byte>(std::to_integer<int>(byte) * 16 + value);
    ++nibble;
  }
  return parsed;
}

result<std::int64_t> decimal_view::unscaled_int64() const {
  bytes_view digits = unscaled;
  const auto fill = static_cast<std::byte>(is_negative(digits) ? 0xFF : 0x00);
  while (digits.size() > 8 && digits[0] == fill && is_negative(digits.subspan(1)) == is_negative(unscaled)) {
    digits = digits.subspan(1);
  }
  if (digits.size() > 8) return error(errc::limit_exceeded, "the decimal does not fit 64 bits");
  std::uint64_t value = is_negative(unscaled) ? ~std::uint64_t{0} : 0;
  for (const std::byte b : digits) value = (value << 8U) | std::to_integer<std::uint64_t>(b);
  return static_cast<std::int64_t>(value);
}

result<std::string> decimal_view::to_string() const {
  if (unscaled.size() > decimal_bytes_max || scale > decimal_scale_max || scale < -decimal_scale_max) {
    return error(errc::limit_exceeded, "the decimal is too large to print");
  }
  std::string digits = magnitude_digits(unscaled);
  const bool negative = is_negative(unscaled);
  if (scale < 0 && digits != "0") digits.append(static_cast<std::size_t>(-scale), '0');
  if (scale > 0) {
    const auto places = static_cast<std::size_t>(scale);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    digits.insert(digits.size() - places, 1, '.');
  }
  if (negative) digits.insert(0, 1, '-');
  return digits;
}

}  // namespace millrace

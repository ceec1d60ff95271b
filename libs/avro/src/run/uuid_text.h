// The canonical text of a UUID to its 16 bytes: sixteen digits at a time where there is SSE2, else eight in
// one word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::avro {

inline constexpr std::size_t uuid_text_bytes = 36;

#if defined(__SSE2__)
// Sixteen hexadecimal digits → eight bytes, each in the low half of a 16-bit lane. `ok` loses the bytes that
// are no digit.
[[nodiscard]] inline __m128i parse_hex16(__m128i text, __m128i& ok) noexcept {
  const __m128i digit = _mm_sub_epi8(text, _mm_set1_epi8('0'));
  const __m128i letter = _mm_sub_epi8(_mm_or_si128(text, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
  const __m128i is_dead_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
  ok = _mm_and_si128(ok, _mm_or_si128(is_digit, is_dead_letter));
  const __m128i nibbles = _mm_or_si128(
      _mm_and_si128(is_digit, digit), _mm_and_si128(is_dead_letter, _mm_add_epi8(letter, _mm_set1_epi8(10))));
  return _mm_and_si128(_mm_or_si128(_mm_slli_epi16(nibbles, 4), _mm_srli_epi16(nibbles, 8)),
                       _mm_set1_epi16(0xFF));
}
#else
// Eight hexadecimal digits, first digit in the lowest byte → four bytes, first byte lowest. False: not
// digits.
[[nodiscard]] inline bool parse_hex8(std::uint64_t text, std::uint32_t& out) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101U;
  const std::uint64_t letter = (text >> 6U) & ones;  // 1 where the byte can only be a letter
  const std::uint64_t low = text & (0x0FU * ones);
  // '0'..'9' is 0x3_, 'A'.. is 0x4_, 'a'.. is 0x6_.
  const std::uint64_t high = (text | (letter * 0x20U)) & (0xF0U * ones);
  const bool high_ok = high == 0x30U * ones + letter * 0x30U;
  // Digits 0 to 9, letters 1 to 6.
  const bool low_ok = (((low + 6U * ones + letter * 3U) & (0x10U * ones)) == 0) &&
                      (((low + letter * 0x0FU) & (letter * 0x10U)) == letter * 0x10U);
  const std::uint64_t nibbles = low + letter * 9U;
  std::uint64_t pairs = ((nibbles << 4U) | (nibbles >> 8U)) & 0x00FF00FF00FF00FFU;
  pairs = (pairs | (pairs >> 8U)) & 0x0000FFFF0000FFFFU;
  out = static_cast<std::uint32_t>(pairs | (pairs >> 16U));
  return high_ok && low_ok;
}
#endif

// `text` has 36 bytes: 8-4-4-4-12 digits of either case.
[[nodiscard]] inline bool parse_uuid(const std::uint8_t* text, std::byte* out) noexcept {
  const auto four = [](const std::uint8_t* at) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, 4);
    return std::uint64_t{word};
  };
  const auto eight = [](const std::uint8_t* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    return word;
  };
#if defined(__SSE2__)
  const auto two = [](std::uint64_t low, std::uint64_t high) {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
  };
  __m128i ok = _mm_set1_epi8(-1);
  const __m128i first = parse_hex16(two(eight(text), four(text + 9) | (four(text + 14) << 32U)), ok);
  const __m128i second = parse_hex16(two(four(text + 19) | (four(text + 24) << 32U), eight(text + 28)), ok);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_packus_epi16(first, second));
  const bool digits = _mm_movemask_epi8(ok) == 0xFFFF;
#else
  std::uint32_t parts[4];
  const bool digits = parse_hex8(eight(text), parts[0]) &
                      parse_hex8(four(text + 9) | (four(text + 14) << 32U), parts[1]) &
                      parse_hex8(four(text + 19) | (four(text + 24) << 32U), parts[2]) &
                      parse_hex8(eight(text + 28), parts[3]);
  std::memcpy(out, parts, sizeof parts);
#endif
  return digits && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
}

}  // namespace millrace::avro

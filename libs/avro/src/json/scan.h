// The lexical parts of JSON text that is not trusted. Positions are passed and returned by value, so that they
// stay in registers; nothing at or behind `end` is read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::avro {

// A byte of the text, or 0 at its end; a 0 is no token of JSON.
[[nodiscard, gnu::always_inline]] inline std::uint8_t peek(const std::uint8_t* p,
                                                           const std::uint8_t* end) noexcept {
  return p != end ? *p : std::uint8_t{0};
}

[[nodiscard, gnu::always_inline]] inline bool is_space(std::uint8_t c) noexcept {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
[[nodiscard, gnu::always_inline]] inline const std::uint8_t* skip_space(const std::uint8_t* p,
                                                                        const std::uint8_t* end) noexcept {
  while (p != end && *p <= ' ' && is_space(*p)) ++p;
  return p;
}
[[nodiscard, gnu::always_inline]] inline bool is_digit(std::uint8_t c) noexcept {
  return static_cast<std::uint8_t>(c - '0') < 10;
}

// What ends a run of ordinary characters inside a string: a quote, a backslash or a control character.
[[nodiscard, gnu::always_inline]] inline bool is_special(std::uint8_t c) noexcept {
  return c < 0x20 || c == '"' || c == '\\';
}

#if defined(__SSE2__)
inline constexpr std::ptrdiff_t scan_width = 16;

struct scanned {
  std::uint32_t special;  // a bit per byte
  std::uint32_t high;     // of the bytes with their high bit set
};
[[nodiscard, gnu::always_inline]] inline scanned scan16(__m128i bytes) noexcept {
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const __m128i special = _mm_or_si128(_mm_or_si128(control, quote), backslash);
  return {static_cast<std::uint32_t>(_mm_movemask_epi8(special)),
          static_cast<std::uint32_t>(_mm_movemask_epi8(bytes))};
}
[[nodiscard, gnu::always_inline]] inline __m128i load16(const std::uint8_t* p) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
#endif

// The first special character at or behind `p`, or `end`. `high` gains a bit when a byte before it has its high
// bit set.
[[nodiscard]] inline const std::uint8_t* find_special(const std::uint8_t* p, const std::uint8_t* end,
                                                      std::uint32_t& high) noexcept {
#if defined(__SSE2__)
  for (; end - p >= scan_width; p += scan_width) {
    const scanned found = scan16(load16(p));
    if (found.special != 0) {
      high |= found.high & (found.special - 1U) & ~found.special;
      return p + __builtin_ctz(found.special);
    }
    high |= found.high;
  }
#endif
  for (; p != end && !is_special(*p); ++p) high |= *p & 0x80U;
  return p;
}

// The closing quote of the string whose first character is at `p`; nullptr when the text ends before it. Jumps
// over escapes without checking them.
[[nodiscard]] inline const std::uint8_t* find_quote(const std::uint8_t* p, const std::uint8_t* end) noexcept {
  std::uint32_t high = 0;
  while (true) {
    p = find_special(p, end, high);
    if (p == end) return nullptr;
    if (*p == '"') return p;
    const std::ptrdiff_t taken = *p == '\\' ? 2 : 1;
    if (end - p < taken) return nullptr;
    p += taken;
  }
}

// Eight decimal digits in one word, the first in the lowest byte.
[[nodiscard, gnu::always_inline]] inline bool are_digits8(std::uint64_t word) noexcept {
  return ((word & 0xF0F0F0F0F0F0F0F0U) | (((word + 0x0606060606060606U) & 0xF0F0F0F0F0F0F0F0U) >> 4U)) ==
         0x3333333333333333U;
}
[[nodiscard, gnu::always_inline]] inline std::uint64_t number_of8(std::uint64_t word) noexcept {
  word -= 0x3030303030303030U;
  word = (word * 10) + (word >> 8U);
  return (((word & 0x000000FF000000FFU) * 0x000F424000000064U) +
          (((word >> 16U) & 0x000000FF000000FFU) * 0x0000271000000001U)) >>
         32U;
}

}  // namespace millrace::avro

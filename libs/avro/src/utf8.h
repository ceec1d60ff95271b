// UTF-8, strict (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::avro {

[[nodiscard]] bool is_utf8_slow(const std::uint8_t* text, std::size_t size) noexcept;

// True when no byte of [text, text + size) has its high bit set. Reads up to `end`, never past it.
[[nodiscard]] inline bool is_ascii(const std::uint8_t* text, std::size_t size,
                                   const std::uint8_t* end) noexcept {
#if defined(__SSE2__)
  if (size <= 16 && static_cast<std::size_t>(end - text) >= 16) [[likely]] {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
    return (static_cast<std::uint32_t>(_mm_movemask_epi8(bytes)) & ((1U << size) - 1U)) == 0;
  }
  if (size >= 16) {
    __m128i seen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + size - 16));
    for (std::size_t i = 0; i + 16 < size; i += 16) {
      seen = _mm_or_si128(seen, _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i)));
    }
    return _mm_movemask_epi8(seen) == 0;
  }
#endif
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text + i, 8);
    seen |= word;
  }
  for (; i < size; ++i) seen |= text[i];
  return (seen & 0x8080808080808080U) == 0;
}

[[nodiscard]] inline bool is_utf8(const std::uint8_t* text, std::size_t size,
                                  const std::uint8_t* end) noexcept {
  return is_ascii(text, size, end) || is_utf8_slow(text, size);
}

}  // namespace millrace::avro

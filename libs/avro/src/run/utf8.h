// UTF-8, strict (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::avro {

[[nodiscard]] bool is_utf8_slow(const std::uint8_t* text, std::size_t size) noexcept;

#if defined(__SSE2__)
// Text of up to this many bytes is looked at with one pair of loads whatever its size, so that no branch
// depends on it.
inline constexpr std::size_t short_text_bytes = 32;

// The high bits of 16 and of 32 bytes, the first byte's lowest.
[[nodiscard, gnu::always_inline]] inline std::uint32_t high_bits16(const std::uint8_t* at) noexcept {
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
}
[[nodiscard, gnu::always_inline]] inline std::uint64_t high_bits(const std::uint8_t* at) noexcept {
  return high_bits16(at + 16) << 16U | high_bits16(at);
}
// The lowest `size` of 32 bits set.
inline constexpr auto low_bits = [] {
  std::array<std::uint32_t, short_text_bytes + 1> masks{};
  for (std::size_t i = 0; i <= short_text_bytes; ++i) {
    masks[i] = static_cast<std::uint32_t>((std::uint64_t{1} << i) - 1U);
  }
  return masks;
}();
// Of a short text, where 32 bytes from its start on may be read.
[[nodiscard, gnu::always_inline]] inline bool short_text_starts_ascii(const std::uint8_t* text,
                                                                      std::size_t size) noexcept {
  return ((high_bits16(text + 16) << 16U | high_bits16(text)) & low_bits.data()[size]) == 0;
}
// `behind` is the end of a short text; the 32 bytes before it may be read.
[[nodiscard, gnu::always_inline]] inline bool short_text_is_ascii(const std::uint8_t* behind,
                                                                  std::size_t size) noexcept {
  return high_bits(behind - short_text_bytes) << size >> short_text_bytes == 0;
}
#else
inline constexpr std::size_t short_text_bytes = 0;
[[nodiscard, gnu::always_inline]] inline bool short_text_starts_ascii(const std::uint8_t* /*text*/,
                                                                      std::size_t /*size*/) noexcept {
  return true;  // of no bytes
}
[[nodiscard, gnu::always_inline]] inline bool short_text_is_ascii(const std::uint8_t* /*behind*/,
                                                                  std::size_t /*size*/) noexcept {
  return true;  // of no bytes
}
#endif

// True when no byte of [text, text + size) has its high bit set. May read anything in [begin, end), never
// outside.
[[nodiscard]] inline bool is_ascii(const std::uint8_t* text, std::size_t size, const std::uint8_t* begin,
                                   const std::uint8_t* end) noexcept {
#if defined(__SSE2__)
  const std::uint8_t* const behind = text + size;
  if (size > short_text_bytes) {
    const auto load = [](const std::uint8_t* at) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    };
    __m128i seen = _mm_or_si128(load(behind - 32), load(behind - 16));
    for (; behind - text > 32; text += 32) {
      seen = _mm_or_si128(seen, _mm_or_si128(load(text), load(text + 16)));
    }
    return _mm_movemask_epi8(seen) == 0;
  }
  if (behind - begin >= 32) return short_text_is_ascii(behind, size);
  if (end - text >= 32) return (high_bits(text) & ((std::uint64_t{1} << size) - 1U)) == 0;
#else
  static_cast<void>(begin);
  static_cast<void>(end);
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

[[nodiscard]] inline bool is_utf8(const std::uint8_t* text, std::size_t size, const std::uint8_t* begin,
                                  const std::uint8_t* end) noexcept {
  return is_ascii(text, size, begin, end) || is_utf8_slow(text, size);
}
[[nodiscard]] inline bool is_utf8(const std::uint8_t* text, std::size_t size) noexcept {
  return is_utf8(text, size, text, text + size);
}

}  // namespace millrace::avro

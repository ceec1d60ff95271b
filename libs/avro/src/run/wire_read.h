// Reading Avro's primitives from memory that is not trusted. Positions are passed and returned by value, so
// that the interpreter can keep them in registers.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include <millrace/base/errors.h>

namespace millrace::avro {

inline constexpr const char* why_truncated = "the message ends inside a value";
inline constexpr const char* why_long_varint = "a number longer than its type";
inline constexpr const char* why_padded_varint = "a number encoded longer than needed";

// A number and where the next byte is; `next` is nullptr after a failure, and `why` says which.
struct varint {
  const std::uint8_t* next;
  std::uint64_t value;
};

// The error code that belongs to one of the reasons above.
[[nodiscard]] inline errc code_of(const char* why) noexcept {
  return why == why_truncated ? errc::truncated : errc::malformed;
}

// Why reading a varint at `p` failed.
[[nodiscard]] const char* why_bad_varint(const std::uint8_t* p, const std::uint8_t* end,
                                         bool strict) noexcept;

// Two bytes and more, at most 10; the caller has seen that the first has its high bit set.
[[nodiscard]] inline varint read_long_varint(const std::uint8_t* p, const std::uint8_t* end,
                                             bool strict) noexcept {
  std::uint64_t value = *p & 0x7FU;
  const std::uint8_t* const limit = end - p > 10 ? p + 10 : end;
  unsigned shift = 7;
  for (const std::uint8_t* at = p + 1; at < limit; ++at) {
    const std::uint64_t byte = *at;
    value |= (byte & 0x7FU) << shift;
    if (byte < 0x80) {
      if ((shift == 63 && byte > 1) || (byte == 0 && strict)) [[unlikely]]
        break;
      return {at + 1, value};
    }
    shift += 7;
  }
  return {nullptr, 0};
}

// One of any length, where speed does not matter.
[[nodiscard]] inline varint read_varint(const std::uint8_t* p, const std::uint8_t* end) noexcept {
  if (p == end) return {nullptr, 0};
  if (*p < 0x80) return {p + 1, *p};
  return read_long_varint(p, end, false);
}

[[nodiscard]] inline std::int64_t zigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1U));
}

// A word of up to 8 bytes of a varint, the first byte lowest, without what follows it: the 7 bits of each
// byte joined.
[[nodiscard]] inline std::uint64_t join_sevens(std::uint64_t word) noexcept {
  word = (word & 0x007F007F007F007FU) | ((word & 0x7F007F007F007F00U) >> 1U);
  word = (word & 0x00003FFF00003FFFU) | ((word & 0x3FFF00003FFF0000U) >> 2U);
  return (word & 0x000000000FFFFFFFU) | ((word & 0x0FFFFFFF00000000U) >> 4U);
}

// How many bytes a number takes: `last` has the high bits of the bytes that could end it, at least one of
// them unless the number is longer than the word.
[[nodiscard]] inline std::uint64_t number_bytes(std::uint64_t last) noexcept {
  return (static_cast<std::uint64_t>(__builtin_ctzll(last | (std::uint64_t{1} << 63U))) >> 3U) + 1U;
}

// The count or length that a varint of one byte says; more than any of one byte when it is negative or has
// more bytes.
[[nodiscard, gnu::always_inline]] inline std::uint64_t short_count(std::uint64_t first) noexcept {
  return std::rotr(first, 1);
}

inline constexpr std::uint64_t no_short_count = ~std::uint64_t{0};

template <class T>
[[nodiscard]] inline T load(const std::uint8_t* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// A number of up to 8 bytes, shortest form or not; 8 bytes can be read. `bytes` is 0 when it has more of
// them.
struct short_number {
  std::uint64_t bytes;
  std::uint64_t value;
};
[[nodiscard, gnu::always_inline]] inline short_number read_short_number(const std::uint8_t* at,
                                                                        bool strict) noexcept {
  const auto word = load<std::uint64_t>(at);
  const std::uint64_t ends = ~word & 0x8080808080808080U;
  const std::uint64_t kept = ends ^ (ends - 1U);
  const std::uint64_t number = word & kept;
  if (ends == 0 || (strict && number <= kept >> 8U)) return {0, 0};
  return {number_bytes(ends), join_sevens(number)};
}

}  // namespace millrace::avro

// The vocabulary of run(), interpreter.cc alone: what operations share, over its local variables (`p` and `end` of the
// message, `low` the first byte that may be read, `base`, `pc`, the frames) and its labels bad_varint and fail. Macros,
// because a function would keep `p` in memory.
#pragma once

#define CASE(name) do_##name
#define DISPATCH() goto* labels[static_cast<std::size_t>(pc->code)]
#define NEXT()  \
  do {          \
    ++pc;       \
    DISPATCH(); \
  } while (false)
#define FAIL(error_code, reason) \
  do {                           \
    failed_code = error_code;    \
    why = reason;                \
    goto fail;                   \
  } while (false)
// One byte and two are what lengths, counts, indexes and small numbers take; the rest is a call.
#define READ_VARINT(var)                                              \
  std::uint64_t var;                                                  \
  do {                                                                \
    if (p == end) [[unlikely]]                                        \
      goto bad_varint;                                                \
    var = *p;                                                         \
    if (var < 0x80) {                                                 \
      ++p;                                                            \
    } else if (end - p >= 2 && p[1] < 0x80 && p[1] != 0) {            \
      var = (var & 0x7FU) | (static_cast<std::uint64_t>(p[1]) << 7U); \
      p += 2;                                                         \
    } else {                                                          \
      const varint read = read_rest(p, end, strict);                  \
      if (read.next == nullptr) [[unlikely]]                          \
        goto bad_varint;                                              \
      var = read.value;                                               \
      p = read.next;                                                  \
    }                                                                 \
  } while (false)
#define READ_INT(value)                                            \
  const std::uint8_t* const value##_at = p;                        \
  READ_VARINT(value##_raw);                                        \
  if (value##_raw > UINT32_MAX || p - value##_at > 5) [[unlikely]] \
    FAIL(errc::malformed, why_long_varint);                        \
  const auto value = static_cast<std::int32_t>(zigzag(value##_raw))
#define READ_LENGTH(size)                                      \
  READ_VARINT(size##_raw);                                     \
  if ((size##_raw & 1U) != 0) [[unlikely]]                     \
    FAIL(errc::malformed, why_negative_length);                \
  const std::uint64_t size = size##_raw >> 1U;                 \
  if (size > static_cast<std::uint64_t>(end - p)) [[unlikely]] \
  FAIL(errc::truncated, why_truncated)
#define NEED(size)                                               \
  if (static_cast<std::uint64_t>(end - p) < (size)) [[unlikely]] \
  FAIL(errc::truncated, why_truncated)
// An index into the writer's branches or symbols.
#define READ_INDEX(index, count, reason)                                      \
  READ_VARINT(index##_raw);                                                   \
  if ((index##_raw & 1U) != 0 || (index##_raw >> 1U) >= (count)) [[unlikely]] \
    FAIL(errc::malformed, reason);                                            \
  const std::uint64_t index = index##_raw >> 1U
#define CHARGE(size)                                \
  do {                                              \
    output_left -= static_cast<std::int64_t>(size); \
    if (output_left < 0) [[unlikely]]               \
      FAIL(errc::limit_exceeded, why_too_large);    \
  } while (false)
// UTF-8 of [text, text + size).
#define CHECK_TEXT(text, size)                                                        \
  do {                                                                                \
    const std::uint8_t* const behind = (text) + (size);                               \
    if ((size) <= short_text_bytes && behind - low >= 32) [[likely]] {                \
      if (!short_text_is_ascii(behind, size) && !is_utf8_slow(text, size)) [[unlikely]] \
        FAIL(errc::invalid_utf8, why_no_utf8);                                        \
    } else if (!is_utf8(text, size, low, end)) [[unlikely]] {                         \
      FAIL(errc::invalid_utf8, why_no_utf8);                                          \
    }                                                                                 \
  } while (false)
#define PUSH(f)                               \
  if (top == frames_end) [[unlikely]]         \
    FAIL(errc::limit_exceeded, why_too_deep); \
  frame* const f = top++;                     \
  f->base = base

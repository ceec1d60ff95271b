// The vocabulary of run(), interpreter.cc alone: what operations share, over its local variables (`p` and
// `end` of the message, `low` the first byte that may be read, `base`, `pc`, the frames) and its labels
// bad_varint and fail. Macros, because a function would keep `p` in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <string_view>

#include "plan/code.h"
#include "plan/steps.h"
#include "run/utf8.h"
#include "run/wire_read.h"

namespace millrace::avro {
namespace {

constexpr std::size_t frames_max = 128;
constexpr std::ptrdiff_t roomy_bytes =
    short_text_bytes + 8;                          // an index, a length and a short text, or two numbers
constexpr std::uint64_t reserve_items_max = 4096;  // a plausible count is still only a claim

constexpr const char* why_negative_length = "a negative length";
constexpr const char* why_bad_boolean = "a boolean that is neither 0 nor 1";
constexpr const char* why_bad_branch = "a union branch that the writer's schema does not have";
constexpr const char* why_bad_symbol = "an enum symbol that the writer's schema does not have";
constexpr const char* why_bad_uuid = "not a UUID";
constexpr const char* why_bad_decimal = "not a big-decimal";
constexpr const char* why_bad_block = "an array or map block whose size is wrong";
constexpr const char* why_no_utf8 = "a string that is not UTF-8";
constexpr const char* why_no_branch = "this branch of the writer's union has no counterpart in the target";
constexpr const char* why_no_symbol = "this symbol of the writer's enum has no counterpart in the target";
constexpr const char* why_too_deep = "nested deeper than the limit";
constexpr const char* why_too_many = "more items of no bytes than the limit";
constexpr const char* why_too_large = "more decoded bytes than the limit";

// An owned map that has as many entries as it is to have, and few: more often than not they have the same
// keys, and then the entries stay, with the memory they own. At the first other key the map is read again
// from its start, into nothing.
struct map_revisit {
  const std::uint8_t* start;
  std::int64_t output_left;
  std::uint64_t zero_bytes_left;
  std::uint64_t seen;  // entries read so far, by their place
};
constexpr std::uint64_t revisited_entries_max = 8;

struct frame {
  std::byte* base;                // of what encloses the record or collection
  const op* resume;               // of a record: where to go on
  std::byte* items;               // first item; of an owned map: the map
  std::uint64_t done;             // items decoded when the current run ends
  std::uint64_t capacity;         // items that fit
  std::uint64_t in_block;         // items of the block behind the current run
  std::uint64_t run;              // items of the run, the current one included
  const std::uint8_t* block_end;  // where a sized block says it ends
  map_revisit* revisit;           // of an owned map; nullptr: it was cleared
};

[[gnu::noinline]] varint read_rest(const std::uint8_t* p, const std::uint8_t* end, bool strict) noexcept {
  return read_long_varint(p, end, strict);
}

// Memory for an array that is full: at least twice as large, with what it holds. nullptr: over the limit.
[[nodiscard]] std::byte* grow(frame& f, const loop& lp, arena& memory, std::int64_t& output_left) noexcept {
  const std::uint64_t capacity =
      std::max(f.done + std::min(f.in_block, reserve_items_max), std::uint64_t{2} * f.done);
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(capacity, std::uint64_t{lp.stride}, &bytes) ||
      bytes > static_cast<std::uint64_t>(std::max<std::int64_t>(output_left, 0))) {
    return nullptr;
  }
  output_left -= static_cast<std::int64_t>(bytes);
  auto* items = static_cast<std::byte*>(memory.allocate(bytes, lp.align));
  if (items == nullptr) return nullptr;
  if (f.done > 0) std::memcpy(items, f.items, f.done * lp.stride);
  if (lp.construct) lp.operations->construct(items + f.done * lp.stride, capacity - f.done);
  f.items = items;
  f.capacity = capacity;
  return items;
}

// Strings one after the other into [item, behind), as long as they are short of 8 KiB and UTF-8: where it
// stops, the operation `strings` goes on and finds out why. A function, for a loop with all of its values in
// registers.
struct strings_read {
  const std::uint8_t* next;
  std::byte* item;
};
[[nodiscard, gnu::noinline]] strings_read read_strings(const std::uint8_t* p, const std::uint8_t* end,
                                                       const std::uint8_t* low, const std::uint8_t* roomy,
                                                       std::byte* item, const std::byte* behind) noexcept {
  for (; item != behind && p < roomy; item += sizeof(std::string_view)) {
    const std::uint64_t size = short_count(p[0]);
    const std::uint8_t* const text = p + 1;
    if (size > short_text_bytes) break;
    if (!short_text_starts_ascii(text, size) && !is_utf8_slow(text, size)) break;
    new (item) std::string_view(reinterpret_cast<const char*>(text), size);
    p = text + size;
  }
  for (; item != behind && end - p >= 2; item += sizeof(std::string_view)) {
    std::uint64_t size = p[0];
    const std::uint8_t* text = p + 1;
    if (size >= 0x80) {
      if (p[1] >= 0x80 || p[1] == 0) break;
      size = (size & 0x7FU) | static_cast<std::uint64_t>(p[1]) << 7U;
      ++text;
    }
    if ((size & 1U) != 0) break;
    size >>= 1U;
    if (size > static_cast<std::uint64_t>(end - text)) break;
    const std::uint8_t* const after = text + size;
    if (size <= short_text_bytes && after - low >= 32) [[likely]] {
      if (!short_text_is_ascii(after, size) && !is_utf8_slow(text, size)) break;
    } else if (!is_utf8(text, size, low, end)) {
      break;
    }
    new (item) std::string_view(reinterpret_cast<const char*>(text), size);
    p = after;
  }
  return {p, item};
}

// Entries of a map of scalars into [item, ...), `count` at most: the key, then the union that `variant`
// reads. Stops at the first item off the fast path; `left` are then still to be read. A function for the
// reason above.
struct entries_read {
  const std::uint8_t* next;
  std::byte* item;
  std::uint64_t left;
};
[[nodiscard, gnu::noinline]] entries_read read_entries(const std::uint8_t* p, const std::uint8_t* roomy,
                                                       std::byte* item, const loop& lp, std::uint64_t count,
                                                       const op& variant,
                                                       const branch_target* branches) noexcept {
  const branch_target* const targets = branches + variant.a;
  const std::uint64_t stride = lp.stride;
  const std::uint64_t tag = variant.dst;
  const std::uint64_t payload = tag - variant.aux;
  const std::uint64_t branch_count = variant.b;
  for (; count != 0 && p < roomy; --count, item += stride) {
    const std::uint64_t key_size = short_count(p[0]);
    const std::uint8_t* const key = p + 1;
    if (key_size > short_text_bytes) break;
    const std::uint8_t* const at = key + key_size;
    if (at >= roomy) break;
    const std::uint64_t index = short_count(at[0]);
    if (index >= branch_count) break;
    const branch_target& target = targets[index];
    const scalar read = read_scalar(at, target.shape);
    if (!read.good || read.size > short_text_bytes) break;
    const std::uint8_t* const text = at + 2;
    if (!short_text_starts_ascii(key, key_size) && !is_utf8_slow(key, key_size)) break;
    if (!short_text_starts_ascii(text, read.size) && !is_utf8_slow(text, read.size)) break;
    new (item) std::string_view(reinterpret_cast<const char*>(key), key_size);
    item[tag] = static_cast<std::byte>(target.tag);
    store(item + payload, read.first);
    store(item + payload + 8, text);
    p = at + read.used;
  }
  return {p, item, count};
}

// Skips `left` lengths with their bytes and the 0 that ends them. nullptr: something else is there.
[[nodiscard, gnu::noinline]] const std::uint8_t* skip_lengths(const std::uint8_t* p, const std::uint8_t* end,
                                                              const std::uint8_t* roomy,
                                                              std::uint64_t left) noexcept {
  for (; left != 0 && p < roomy; --left) {
    const std::uint64_t size = short_count(p[0]);
    if (size > short_text_bytes) break;
    p += 1 + size;
  }
  for (; left != 0 && end - p >= 2; --left) {
    std::uint64_t size = p[0];
    const std::uint8_t* text = p + 1;
    if (size >= 0x80) {
      if (p[1] >= 0x80 || p[1] == 0) return nullptr;
      size = (size & 0x7FU) | static_cast<std::uint64_t>(p[1]) << 7U;
      ++text;
    }
    if ((size & 1U) != 0 || size >> 1U > static_cast<std::uint64_t>(end - text)) return nullptr;
    p = text + (size >> 1U);
  }
  return left == 0 && p != end && *p == 0 ? p + 1 : nullptr;
}

// Skips entries of a map of scalars, `left` at most, as read_entries() reads them.
struct entries_skipped {
  const std::uint8_t* next;
  std::uint64_t left;
};
[[nodiscard, gnu::noinline]] entries_skipped skip_entries(const std::uint8_t* p, const std::uint8_t* end,
                                                          const std::uint8_t* roomy, std::uint64_t left,
                                                          const op& scalar_union,
                                                          const branch_target* branches) noexcept {
  const branch_target* const targets = branches + scalar_union.a;
  const std::uint64_t branch_count = scalar_union.b;
  for (; left != 0 && p < roomy; --left) {
    const std::uint64_t key_size = short_count(p[0]);
    if (key_size > short_text_bytes) break;
    const std::uint8_t* const at = p + 1 + key_size;
    if (at >= roomy) break;
    const std::uint64_t index = short_count(at[0]);
    if (index >= branch_count) break;
    const std::uint64_t used = scalar_bytes(at, targets[index].shape);
    if (used - 1 >= static_cast<std::uint64_t>(end - at)) break;
    p = at + used;
  }
  return {p, left};
}

}  // namespace
}  // namespace millrace::avro

// NOLINTBEGIN(bugprone-macro-parentheses): arguments are names of variables, results are statements.
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
// Past a number, by a branch that is foreseen rather than by a length that the next read waits for.
#define ADVANCE(bytes)         \
  do {                         \
    if ((bytes) == 6) {        \
      p += 6;                  \
    } else if ((bytes) == 8) { \
      p += 8;                  \
    } else {                   \
      p += (bytes);            \
    }                          \
  } while (false)
#define CHARGE(size)                                \
  do {                                              \
    output_left -= static_cast<std::int64_t>(size); \
    if (output_left < 0) [[unlikely]]               \
      FAIL(errc::limit_exceeded, why_too_large);    \
  } while (false)
// UTF-8 of [text, text + size).
#define CHECK_TEXT(text, size)                                                          \
  do {                                                                                  \
    const std::uint8_t* const behind = (text) + (size);                                 \
    if ((size) <= short_text_bytes && behind - low >= 32) [[likely]] {                  \
      if (!short_text_is_ascii(behind, size) && !is_utf8_slow(text, size)) [[unlikely]] \
        FAIL(errc::invalid_utf8, why_no_utf8);                                          \
    } else if (!is_utf8(text, size, low, end)) [[unlikely]] {                           \
      FAIL(errc::invalid_utf8, why_no_utf8);                                            \
    }                                                                                   \
  } while (false)
// A text into a std::string.
#define READ_OWNED_TEXT(owner, checks)                                                                      \
  do {                                                                                                      \
    const std::uint64_t short_size = p < roomy ? short_count(p[0]) : no_short_count;                        \
    if (short_size <= short_text_bytes) [[likely]] {                                                        \
      ++p;                                                                                                  \
      if ((checks) && !short_text_starts_ascii(p, short_size) && !is_utf8_slow(p, short_size)) [[unlikely]] \
        FAIL(errc::invalid_utf8, why_no_utf8);                                                              \
      CHARGE(short_size);                                                                                   \
      assign_short(owner, p, short_size);                                                                   \
      p += short_size;                                                                                      \
    } else {                                                                                                \
      READ_LENGTH(size);                                                                                    \
      if ((checks) && !is_utf8(p, size, low, end)) [[unlikely]]                                             \
        FAIL(errc::invalid_utf8, why_no_utf8);                                                              \
      CHARGE(size);                                                                                         \
      (owner).assign(reinterpret_cast<const char*>(p), size);                                               \
      p += size;                                                                                            \
    }                                                                                                       \
  } while (false)
#define PUSH(f)                               \
  if (top == frames_end) [[unlikely]]         \
    FAIL(errc::limit_exceeded, why_too_deep); \
  frame* const f = top++;                     \
  f->base = base
// NOLINTEND(bugprone-macro-parentheses)

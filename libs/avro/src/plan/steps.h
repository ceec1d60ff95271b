// Steps of the interpreter that are rare or long, and how it stores what it reads.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include <millrace/base/values.h>

#include "plan/code.h"
#include "run/utf8.h"
#include "run/wire_read.h"

namespace millrace::avro {

struct two_words {
  const void* data;
  std::size_t size;
};
static_assert(sizeof(array_view<int>) == sizeof(two_words) && sizeof(map_view<int>) == sizeof(two_words));

template <class T>
[[gnu::always_inline]] inline void store(std::byte* at, const T& value) noexcept {
  std::memcpy(at, &value, sizeof(T));
}

inline void store_decimal(std::byte* at, const std::uint8_t* data, std::size_t size,
                          std::int32_t scale) noexcept {
  new (at) decimal_view{bytes_view(reinterpret_cast<const std::byte*>(data), size), scale};
}

// A text of up to 32 bytes, where 32 can be read: one copy of a constant size where the string has the room
// without memory of its own.
[[gnu::always_inline]] inline void assign_short(std::string& to, const std::uint8_t* text, std::size_t size) {
  constexpr std::size_t inline_bytes = 15;  // of libstdc++; elsewhere a matter of speed only
  const auto* const from = reinterpret_cast<const char*>(text);
  if (size <= inline_bytes) {
    to.assign(from, inline_bytes);
    to.resize(size);
  } else {
    to.assign(from, size);
  }
}

// A union's value by the shape of its branch. `at` is the index, in one byte; 8 bytes behind it can be read.
// What is known without the shape is computed beside loading it: the next value waits for `used`.
struct scalar {
  std::uint64_t first;  // of the two words that are stored
  std::uint64_t size;   // of a text
  std::uint64_t used;   // bytes, the index included
  bool good;            // false: the shape does not determine it
};
[[nodiscard, gnu::always_inline]] inline scalar read_scalar(const std::uint8_t* at,
                                                            const scalar_shape& shape) noexcept {
  const auto word = load<std::uint64_t>(at + 1);
  const std::uint64_t ends = ~word & 0x8080808080808080U;  // of bytes that could end a number
  const std::uint64_t number = join_sevens(word & (ends ^ (ends - 1U)));
  const std::uint64_t size = (word >> 1U) & shape.text;
  return {(word & shape.raw) | (static_cast<std::uint64_t>(zigzag(number)) & shape.number) | size, size,
          1U + shape.wire_bytes + (number_bytes(ends) & shape.number) + size,
          (ends & shape.last_bytes) != 0 && ((word & shape.bad_word) | (number & shape.bad_number)) == 0};
}

// How long the value is, the index included; 0: the shape does not determine it.
[[nodiscard, gnu::always_inline]] inline std::uint64_t scalar_bytes(const std::uint8_t* at,
                                                                    const scalar_shape& shape) noexcept {
  const auto word = load<std::uint64_t>(at + 1);
  const std::uint64_t ends = ~word & 0x8080808080808080U;
  const std::uint64_t last = ends & (ends - shape.more);
  const std::uint64_t number = join_sevens(word & (last ^ (last - 1U)));
  if ((last & shape.last_bytes) == 0) return 0;
  if (((word & shape.bad_word) | (number & shape.bad_number)) != 0) return 0;
  return 1U + shape.wire_bytes + (number_bytes(last) & shape.number) + ((word >> 1U) & shape.text);
}

// `count` ints of one or two bytes each, or none of them where `mask` is 0 instead of all ones: the same work
// for both. nullptr: one has more bytes. 2 * count bytes can be read.
[[nodiscard, gnu::always_inline]] inline const std::uint8_t* read_short_ints(const std::uint8_t* at,
                                                                             std::uint64_t mask,
                                                                             std::uint32_t count,
                                                                             std::byte* to) noexcept {
  std::uint64_t longer = 0;
  for (; count != 0; --count, to += sizeof(std::int32_t)) {
    const std::uint64_t two = at[0] >> 7U;
    const std::uint64_t second = at[1] & (0U - two);
    longer |= second;
    store(to, static_cast<std::int32_t>(zigzag((at[0] & 0x7FU) | (second << 7U))));
    at += (1U + two) & mask;
  }
  return (longer & mask & 0x80U) == 0 ? at : nullptr;
}

// What most of them are: whether each of the first `count` numbers of the word, 4 at most, has two bytes.
// Where `mask` is 0 instead of all ones nothing is tested.
[[nodiscard, gnu::always_inline]] inline bool two_bytes_each(std::uint64_t word, std::uint32_t count,
                                                             std::uint64_t mask) noexcept {
  const std::uint64_t asked = 0x8080808080808080U >> (64U - 16U * count) & mask;
  return ((word ^ 0x0080008000800080U) & asked) == 0;
}
[[gnu::always_inline]] inline void store_two_byte_ints(std::uint64_t word, std::uint32_t count,
                                                       std::byte* to) noexcept {
  for (; count != 0; --count, to += sizeof(std::int32_t), word >>= 16U) {
    store(to, static_cast<std::int32_t>(zigzag((word & 0x7FU) | ((word >> 1U) & 0x3F80U))));
  }
}

// The fields of a record of values, which the view at `view` then shows. nullptr: no memory left.
[[nodiscard]] inline std::byte* open_record(const point_target& target, arena& memory,
                                            std::byte* view) noexcept {
  void* const fields = memory.allocate(std::max(target.size, 1U), target.align);
  if (fields == nullptr) return nullptr;
  std::memcpy(fields, target.image, target.size);
  store(view, two_words{fields, target.count});
  return static_cast<std::byte*>(fields);
}

// The whole message as one value. False: not UTF-8 where it has to be.
[[nodiscard]] inline bool take_raw(const op& how, const std::uint8_t* p, const std::uint8_t* end,
                                   std::byte* to) {
  const auto size = static_cast<std::size_t>(end - p);
  const bytes_view bytes(reinterpret_cast<const std::byte*>(p), size);
  const auto as = static_cast<opcode>(how.a);
  if ((as == opcode::string || as == opcode::owned_string) && !is_utf8(p, size)) return false;
  if (as == opcode::string || as == opcode::string_unchecked) {
    new (to) std::string_view(as_text(bytes));
  } else if (as == opcode::bytes) {
    new (to) bytes_view(bytes);
  } else if (as == opcode::decimal) {
    store_decimal(to, p, size, static_cast<std::int32_t>(how.b));
  } else if (as == opcode::owned_bytes) {
    reinterpret_cast<byte_buffer*>(to)->assign(bytes.begin(), bytes.end());
  } else {
    reinterpret_cast<std::string*>(to)->assign(as_text(bytes));
  }
  return true;
}

}  // namespace millrace::avro

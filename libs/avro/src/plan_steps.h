// Steps of the interpreter that are rare or long, and how it stores what it reads.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include <millrace/base/values.h>

#include "plan_code.h"
#include "utf8.h"

namespace millrace::avro {

struct two_words {
  const void* data;
  std::size_t size;
};
static_assert(sizeof(array_view<int>) == sizeof(two_words) && sizeof(map_view<int>) == sizeof(two_words));

template <class T>
inline void store(std::byte* at, const T& value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

inline void store_decimal(std::byte* at, const std::uint8_t* data, std::size_t size,
                          std::int32_t scale) noexcept {
  new (at) decimal_view{bytes_view(reinterpret_cast<const std::byte*>(data), size), scale};
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

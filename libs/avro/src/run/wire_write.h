// Avro's primitive encodings, appended to a buffer.
#pragma once

#include <bit>
#include <cstring>

#include <millrace/base/bytes.h>

namespace millrace::avro {

static_assert(std::endian::native == std::endian::little,
              "fixed-width values are stored as they stand in memory");

inline void append(byte_buffer& out, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

inline void append_long(byte_buffer& out, std::int64_t value) {
  std::uint64_t rest = (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
  std::byte bytes[10];
  std::size_t size = 0;
  while (rest >= 0x80) {
    bytes[size++] = static_cast<std::byte>(rest | 0x80U);
    rest >>= 7U;
  }
  bytes[size++] = static_cast<std::byte>(rest);
  append(out, bytes, size);
}

template <class T>
inline void append_raw(byte_buffer& out, T value) {
  append(out, &value, sizeof value);
}

inline void append_bytes(byte_buffer& out, const void* data, std::size_t size) {
  append_long(out, static_cast<std::int64_t>(size));
  append(out, data, size);
}

}  // namespace millrace::avro

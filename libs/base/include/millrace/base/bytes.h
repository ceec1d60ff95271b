// Views of raw bytes and hexadecimal text.
//
// Example:
//
//   millrace::result<millrace::byte_buffer> key = millrace::from_hex("00 2a");
//   if (!key) return key.error();
//   const std::string text = millrace::to_hex(*key);  // "002a"
//
// Threads: the functions are pure and callable from any thread.
// Lifetime: a view owns nothing. It is valid as long as the bytes that it points into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace {

// A read-only view of bytes, and a buffer that owns its bytes.
using bytes_view = std::span<const std::byte>;
using byte_buffer = std::vector<std::byte>;

// The same memory seen as bytes or as text. Nothing is copied; the text is not checked for UTF-8.
[[nodiscard]] inline bytes_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(bytes_view bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Returns lower-case hexadecimal without separators. At most `bytes_max` bytes are shown, followed by "…"
// when bytes are left out.
[[nodiscard]] std::string to_hex(bytes_view bytes, std::size_t bytes_max = SIZE_MAX);
// Parses hexadecimal digits of either case and ignores white space. Returns errc::malformed for any other
// character and for an odd number of digits.
[[nodiscard]] result<byte_buffer> from_hex(std::string_view text);

}  // namespace millrace

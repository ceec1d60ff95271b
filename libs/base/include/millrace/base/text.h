// Text for messages, logs and encodings.
//
// Example:
//
//   invariant(hex_number(255, 4) == "00ff", "leading zeros are kept");
//   invariant(joined({"a", "b"}, ", ") == "a, b", "the separator stands between two texts");
//
// Threads: the functions are callable from any thread; a text that is appended to belongs to the caller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

inline constexpr std::string_view hex_digits = "0123456789abcdef";

// Appends the two lower-case digits of a byte. to_hex() of bytes.h converts whole buffers.
inline void append_hex(std::string& to, std::uint8_t byte) {
  to += hex_digits[byte >> 4U];
  to += hex_digits[byte & 15U];
}
// Returns the lowest `digits` hexadecimal digits of a number, highest first, with leading zeros.
[[nodiscard]] std::string hex_number(std::uint64_t value, std::size_t digits = 16);

// Returns the texts with the separator between each two.
[[nodiscard]] std::string joined(const std::vector<std::string>& texts, std::string_view separator);

// Returns the text with '?' in place of each byte that is not part of a UTF-8 character.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace millrace

#include <millrace/base/bytes.h>
#include <millrace/base/text.h>

namespace millrace {
namespace {

constexpr int digit_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string to_hex(bytes_view bytes, std::size_t bytes_max) {
  const bool cut = bytes.size() > bytes_max;
  if (cut) bytes = bytes.first(bytes_max);
  std::string text;
  text.reserve(bytes.size() * 2 + 3);
  for (const std::byte b : bytes) append_hex(text, std::to_integer<std::uint8_t>(b));
  if (cut) text.append("…");
  return text;
}

result<byte_buffer> from_hex(std::string_view text) {
  byte_buffer bytes;
  bytes.reserve(text.size() / 2);
  int high = -1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') continue;
    const int value = digit_value(c);
    if (value < 0) {
      return error(errc::malformed, "not a hexadecimal digit at position " + std::to_string(i));
    }
    if (high < 0) {
      high = value;
    } else {
      bytes.push_back(static_cast<std::byte>(high * 16 + value));
      high = -1;
    }
  }
  if (high >= 0) return error(errc::malformed, "an odd number of hexadecimal digits");
  return bytes;
}

}  // namespace millrace

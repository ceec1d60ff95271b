#include "json/base64.h"

#include <array>
#include <cstdint>

namespace millrace::avro {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 0xFF;
constexpr auto values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(no_digit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

}  // namespace

std::optional<std::size_t> decode_base64(std::string_view text, std::byte* out) noexcept {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') ++padding;
  const std::byte* const start = out;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    const std::size_t digits = last ? 4 - padding : 4;
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint32_t value = i < digits ? values[static_cast<unsigned char>(text[at + i])] : 0U;
      if (value == no_digit) return std::nullopt;
      word = word << 6U | value;
    }
    const std::size_t bytes = digits - 1;
    if (bytes < 3 && (word & (bytes == 1 ? 0xFFFFU : 0xFFU)) != 0) return std::nullopt;  // bits left over
    for (std::size_t i = 0; i < bytes; ++i) *out++ = static_cast<std::byte>(word >> (16U - 8U * i));
  }
  return static_cast<std::size_t>(out - start);
}

void append_base64(bytes_view bytes, std::string& out) {
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = bytes.size() - at < 3 ? bytes.size() - at : 3;
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      word = word << 8U | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out.push_back(i <= count ? alphabet[(word >> (18U - 6U * i)) & 0x3FU] : '=');
    }
  }
}

}  // namespace millrace::avro

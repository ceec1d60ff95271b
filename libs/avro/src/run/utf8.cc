#include "run/utf8.h"

namespace millrace::avro {
namespace {

[[nodiscard]] bool is_continuation(std::uint8_t byte) noexcept { return (byte & 0xC0U) == 0x80; }

}  // namespace

bool is_utf8_slow(const std::uint8_t* text, std::size_t size) noexcept {
  const std::uint8_t* const end = text + size;
  while (text != end) {
    if (end - text >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, text, 8);
      if ((word & 0x8080808080808080U) == 0) {
        text += 8;
        continue;
      }
    }
    const std::uint8_t lead = *text;
    if (lead < 0x80) {
      ++text;
      continue;
    }
    // Table 3-7 of the Unicode standard: the second byte's range depends on the first.
    std::uint8_t low = 0x80;
    std::uint8_t high = 0xBF;
    std::ptrdiff_t length = 0;
    if (lead >= 0xC2 && lead <= 0xDF) {
      length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      length = 3;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      length = 4;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return false;
    }
    if (end - text < length || text[1] < low || text[1] > high) return false;
    for (std::ptrdiff_t i = 2; i < length; ++i) {
      if (!is_continuation(text[i])) return false;
    }
    text += length;
  }
  return true;
}

}  // namespace millrace::avro

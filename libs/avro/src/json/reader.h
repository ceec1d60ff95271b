// One JSON document → Avro's binary form of its schema, in the arena. One pass, by the shapes.
//
// A function that reads appends the value to the output. A value may write `slack` bytes without looking; more
// needs room().
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include <millrace/avro/arena.h>
#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

#include "json/number.h"
#include "json/scan.h"
#include "json/scanner.h"
#include "json/shape.h"

namespace millrace::avro {

class json_reader : private json_scanner {
 public:
  json_reader(const json_code& code, arena& memory) : code_(code), memory_(memory) {}

  // The binary form, which lives in the arena.
  [[nodiscard]] result<bytes_view> read(bytes_view in);

 private:
  static constexpr std::ptrdiff_t slack = 64;

  // Where a field's bytes are in the output. `begin` may also be one of the two states below.
  struct segment {
    std::uint32_t begin;
    std::uint32_t end;
  };
  static constexpr std::uint32_t unseen = UINT32_MAX;
  static constexpr std::uint32_t assumed = UINT32_MAX - 1;  // the default stands in the output
  struct open_record {
    std::uint32_t begin = 0;     // of the record in the output
    std::uint32_t first = 0;     // of its segments
    std::uint32_t next = 0;      // the field whose place the end of the output is, while in order
    std::uint32_t expected = 0;  // the field that probably comes
    bool ordered = true;
    bool lacking = false;  // a field without default was passed
  };

  [[nodiscard]] at value(const json_shape& s, at p);
  // Structures; reader.cc.
  [[nodiscard]] at array(const json_shape& s, at p);
  [[nodiscard]] at map(const json_shape& s, at p);
  [[nodiscard]] at record(const json_shape& s, at p);
  [[nodiscard]] at field_name(const json_shape& s, std::uint32_t expected, at p, std::uint32_t& index);
  [[nodiscard]] at field(const json_shape& s, open_record& open, std::uint32_t index, at p);
  [[nodiscard]] bool open(const json_shape& s, open_record& open);
  [[nodiscard]] bool assume(const json_shape& s, open_record& open, std::uint32_t to);
  [[nodiscard]] at close(const json_shape& s, open_record& open, at p);
  [[nodiscard]] at assemble(const json_shape& s, const open_record& open, at p);
  [[nodiscard]] at duration(const json_shape& s, at p);
  [[nodiscard]] at optional(const json_shape& s, at p);
  [[nodiscard]] at union_of(const json_shape& s, at p);
  [[nodiscard]] at number_of_union(const json_shape& s, at p);
  [[nodiscard]] at symbol_of_union(const json_shape& s, at p);
  [[nodiscard]] at find_wrapped(const json_shape& s, at p, std::uint32_t& branch);
  [[nodiscard]] at wrapped(const json_shape& s, std::uint32_t branch, at p);
  [[nodiscard]] at tagged(const json_shape& s, at p);
  // Strings; reader_text.cc.
  [[nodiscard]] at long_string(at p);
  [[nodiscard]] at escaped_string(at p);
  [[nodiscard]] at text(at p, std::string_view& out);
  // Scalars; reader_value.cc.
  [[nodiscard]] at scalar(const json_shape& s, at p);
  [[nodiscard]] at number(const json_shape& s, at p, number_text& out);
  [[nodiscard]] at slow_integer(const json_shape& s, at p, std::int64_t low, std::int64_t high);
  [[nodiscard]] at real(const json_shape& s, at p);
  [[nodiscard]] bool put_real(const json_shape& s, const number_text& number, at p);
  [[nodiscard]] at time(const json_shape& s, at p);
  [[nodiscard]] at symbol(const json_shape& s, at p);
  [[nodiscard]] at uuid(const json_shape& s, at p);
  [[nodiscard]] at bytes(const json_shape& s, at p);
  [[nodiscard]] at decimal(const json_shape& s, at p);
  [[nodiscard]] bool put_decimal(const json_shape& s, const exact_decimal& number, at p);

  [[nodiscard]] at integer(const json_shape& s, at p, std::int64_t low, std::int64_t high) {
    const at first = p + (peek(p, end_) == '-' ? 1 : 0);
    at q = first;
    std::uint64_t magnitude = 0;
    for (int words = 0; words < 2 && end_ - q >= 8; ++words) {
      std::uint64_t word = 0;
      std::memcpy(&word, q, sizeof word);
      if (!are_digits8(word)) break;
      magnitude = magnitude * 100'000'000U + number_of8(word);
      q += 8;
    }
    constexpr std::ptrdiff_t digits_max = 18;
    for (; q != end_ && is_digit(*q) && q - first < digits_max; ++q) {
      magnitude = magnitude * 10 + static_cast<std::uint64_t>(*q - '0');
    }
    const std::uint8_t next = peek(q, end_);
    const bool plain = q != first && !is_digit(next) && next != '.' && (next | 0x20U) != 'e' &&
                       (*first != '0' || q == first + 1);
    const std::int64_t signed_value =
        first == p ? static_cast<std::int64_t>(magnitude) : -static_cast<std::int64_t>(magnitude);
    if (!plain || signed_value < low || signed_value > high) [[unlikely]]
      return slow_integer(s, p, low, high);
    put_long(signed_value);
    return q;
  }

  // Reads and writes a string; `p` is at its quote.
  [[nodiscard]] at string(at p) {
    ++p;
#if defined(__SSE2__)
    if (end_ - p >= scan_width) [[likely]] {
      const __m128i bytes = load16(p);
      const scanned found = scan16(bytes);
      const auto size = static_cast<std::uint32_t>(__builtin_ctz(found.special | 0x10000U));
      if (size < 16 && p[size] == '"' && (found.high & ((1U << size) - 1U)) == 0) [[likely]] {
        *out_ = static_cast<std::uint8_t>(2 * size);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out_ + 1), bytes);
        out_ += size + 1;
        return p + size + 1;
      }
    }
#endif
    return long_string(p);
  }

  void put_long(std::int64_t number) noexcept {
    std::uint64_t rest =
        (static_cast<std::uint64_t>(number) << 1U) ^ static_cast<std::uint64_t>(number >> 63);
    for (; rest >= 0x80; rest >>= 7U) *out_++ = static_cast<std::uint8_t>(rest | 0x80U);
    *out_++ = static_cast<std::uint8_t>(rest);
  }
  void put(const void* data, std::size_t size) noexcept {
    if (size != 0) std::memcpy(out_, data, size);
    out_ += size;
  }
  // Space for so many bytes, and the slack behind them.
  [[nodiscard]] bool room(std::size_t bytes) noexcept {
    return out_end_ - out_ >= static_cast<std::ptrdiff_t>(bytes) || grow(bytes);
  }
  [[nodiscard]] bool grow(std::size_t bytes) noexcept;
  [[nodiscard]] std::uint32_t written() const noexcept {
    return static_cast<std::uint32_t>(out_ - out_begin_);
  }
  // Writes a count of items at `begin`, where one byte was left for it, and the end of the block.
  [[nodiscard]] at end_block(std::uint32_t begin, std::uint64_t count, at p);

  // Failures; each returns nullptr.
  [[gnu::cold]] at too_large(at p);
  [[gnu::cold]] at mismatch(const json_shape& s, at p);
  [[gnu::cold]] at found(const json_shape& s, at p, std::string_view what);

  const json_code& code_;
  arena& memory_;
  std::uint8_t* out_begin_ = nullptr;
  std::uint8_t* out_ = nullptr;
  std::uint8_t* out_end_ = nullptr;  // the slack is behind it
  std::size_t output_max_ = 0;
  std::size_t work_left_ = 0;  // fields of records that were opened
  segment* segments_ = nullptr;
  std::uint32_t segments_used_ = 0;
  std::uint32_t segments_size_ = 0;
};

}  // namespace millrace::avro

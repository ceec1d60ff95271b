// Scalars of a document: numbers, instants, symbols, bytes, decimals.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "json/base64.h"
#include "json/reader.h"
#include "json/time_text.h"
#include "run/uuid_text.h"

namespace millrace::avro {
namespace {

constexpr std::array<std::int64_t, 19> powers_of_ten = [] {
  std::array<std::int64_t, 19> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// Big-endian two's complement, as short as it can be; returns the number of bytes at the end of `to`.
[[nodiscard]] std::size_t minimal_bytes(std::int64_t number, std::array<std::uint8_t, 8>& to) noexcept {
  std::size_t size = 1;
  for (std::int64_t rest = number; rest > 127 || rest < -128; rest >>= 8) ++size;
  auto word = static_cast<std::uint64_t>(number);
  for (std::size_t i = to.size(); i > 0; --i, word >>= 8U) to[i - 1] = static_cast<std::uint8_t>(word);
  return size;
}

// The bytes whose values are the text's code points; `to` has the text's size. False: others.
[[nodiscard]] bool from_latin1(std::string_view text, std::uint8_t* to, std::size_t& size) noexcept {
  size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto point = static_cast<std::uint8_t>(text[i]);
    if (point >= 0x80) {
      if (point > 0xC3) return false;
      point = static_cast<std::uint8_t>(point << 6U | (static_cast<std::uint8_t>(text[++i]) & 0x3FU));
    }
    to[size++] = point;
  }
  return true;
}

[[nodiscard]] int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
[[nodiscard]] bool from_hexadecimal(std::string_view text, std::uint8_t* to, std::size_t& size) noexcept {
  size = text.size() / 2;
  bool good = text.size() % 2 == 0;
  for (std::size_t i = 0; i < size; ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    good = good && high >= 0 && low >= 0;
    to[i] = static_cast<std::uint8_t>(static_cast<unsigned>(high) << 4U | static_cast<unsigned>(low));
  }
  return good;
}

[[nodiscard]] std::string_view form_name(json_bytes form) noexcept {
  switch (form) {
    case json_bytes::base64:
      return "a string that is not base64 with padding";
    case json_bytes::latin1:
      return "a string with a character above U+00FF";
    case json_bytes::hexadecimal:
      break;
  }
  return "a string that is not pairs of hexadecimal digits";
}

[[nodiscard]] std::string_view reason(time_fault fault) noexcept {
  switch (fault) {
    case time_fault::no_offset:
      return "a text without an offset from UTC, such as Z";
    case time_fault::has_offset:
      return "a text with an offset from UTC, which a local time does not have";
    case time_fault::out_of_range:
      return "a text out of range";
    case time_fault::none:
    case time_fault::malformed:
      break;
  }
  return "a text that is not one by RFC 3339";
}

}  // namespace

json_reader::at json_reader::scalar(const json_shape& s, at p) {
  switch (s.kind) {
    case shape_kind::null:
      if (end_ - p >= 4 && std::memcmp(p, "null", 4) == 0) return p + 4;
      return mismatch(s, p);
    case shape_kind::boolean: {
      const bool yes = peek(p, end_) == 't';
      const std::size_t size = yes ? 4 : 5;
      if (static_cast<std::size_t>(end_ - p) < size || std::memcmp(p, yes ? "true" : "false", size) != 0) {
        return mismatch(s, p);
      }
      *out_++ = yes ? 1 : 0;
      return p + size;
    }
    case shape_kind::float32:
    case shape_kind::float64:
      return real(s, p);
    case shape_kind::date:
    case shape_kind::time:
    case shape_kind::instant:
    case shape_kind::local_instant:
      return time(s, p);
    case shape_kind::uuid_text:
    case shape_kind::uuid_fixed:
      return uuid(s, p);
    case shape_kind::bytes:
    case shape_kind::fixed:
      return bytes(s, p);
    case shape_kind::decimal:
    case shape_kind::decimal_fixed:
    case shape_kind::big_decimal:
      return decimal(s, p);
    case shape_kind::enumeration:
      return symbol(s, p);
    case shape_kind::int32:
    case shape_kind::int64:
    case shape_kind::string:
    case shape_kind::duration:
    case shape_kind::array:
    case shape_kind::map:
    case shape_kind::record:
    case shape_kind::optional:
    case shape_kind::union_of:
      break;
  }
  return mismatch(s, p);  // none of them comes here
}

json_reader::at json_reader::number(const json_shape& s, at p, number_text& out) {
  if (token_of(peek(p, end_)) != token::number) return mismatch(s, p);
  const at behind = scan_number(p, end_, out);
  return behind != nullptr ? behind : found(s, p, "a number that JSON does not allow");
}

json_reader::at json_reader::slow_integer(const json_shape& s, at p, std::int64_t low, std::int64_t high) {
  number_text written;
  const at behind = number(s, p, written);
  if (behind == nullptr) return nullptr;
  std::int64_t value = 0;
  const number_fault fault = to_integer(written, value);
  if (fault == number_fault::not_whole) return found(s, p, "a number that is not whole");
  if (fault != number_fault::none || value < low || value > high) return found(s, p, "a number out of range");
  put_long(value);
  return behind;
}

bool json_reader::put_real(const json_shape& s, const number_text& number, at p) {
  const auto checked = [&](auto value, number_fault fault) {
    if (fault != number_fault::none) {
      static_cast<void>(found(s, p, "a number out of range"));
      return false;
    }
    put(&value, sizeof value);
    return true;
  };
  if (s.kind == shape_kind::float32) {
    float value = 0;
    const number_fault fault = to_float32(number, value);
    return checked(value, fault);
  }
  double value = 0;
  const number_fault fault = to_float64(number, value);
  return checked(value, fault);
}

json_reader::at json_reader::real(const json_shape& s, at p) {
  if (peek(p, end_) != '"') {
    number_text written;
    const at behind = number(s, p, written);
    return behind != nullptr && put_real(s, written, p) ? behind : nullptr;
  }
  if ((s.accepts & mask_of(token::text)) == 0) return mismatch(s, p);
  std::string_view name;
  const at behind = text(p, name);
  if (behind == nullptr) return nullptr;
  double value = 0;
  if (name == "NaN") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (name == "Infinity" || name == "-Infinity") {
    value = name[0] == '-' ? -HUGE_VAL : HUGE_VAL;
  } else {
    return found(s, p, "a string other than NaN, Infinity and -Infinity");
  }
  if (s.kind == shape_kind::float32) {
    const auto narrow = static_cast<float>(value);
    put(&narrow, sizeof narrow);
  } else {
    put(&value, sizeof value);
  }
  return behind;
}

json_reader::at json_reader::time(const json_shape& s, at p) {
  if (peek(p, end_) != '"' || (s.accepts & mask_of(token::text)) == 0) {
    return s.wide ? integer(s, p, INT64_MIN, INT64_MAX) : integer(s, p, INT32_MIN, INT32_MAX);
  }
  std::string_view written;
  const at behind = text(p, written);
  if (behind == nullptr) return nullptr;
  std::int64_t value = 0;
  time_fault fault = time_fault::none;
  if (s.kind == shape_kind::date) {
    fault = parse_date(written, value);
  } else if (s.kind == shape_kind::time) {
    fault = parse_time(written, s.digits, value);
  } else {
    fault = parse_instant(written, s.digits, s.kind == shape_kind::local_instant, value);
  }
  if (fault != time_fault::none) return found(s, p, reason(fault));
  put_long(value);
  return behind;
}

json_reader::at json_reader::symbol(const json_shape& s, at p) {
  if (peek(p, end_) != '"') return mismatch(s, p);
  std::string_view name;
  const at behind = text(p, name);
  if (behind == nullptr) return nullptr;
  std::uint32_t index = s.names.find(name);
  if (index == name_table::not_found) index = s.default_symbol;
  if (index == no_index) {
    return fail(errc::unresolvable, p,
                "expected a symbol of " + name_of(code_, s) + ", found another string");
  }
  put_long(index);
  return behind;
}

json_reader::at json_reader::uuid(const json_shape& s, at p) {
  if (peek(p, end_) != '"') return mismatch(s, p);
  std::string_view written;
  const at behind = text(p, written);
  if (behind == nullptr) return nullptr;
  std::array<std::byte, 16> id{};
  if (written.size() != uuid_text_bytes ||
      !parse_uuid(reinterpret_cast<const std::uint8_t*>(written.data()), id.data())) {
    return found(s, p, "a string of another form than 8-4-4-4-12 hexadecimal digits");
  }
  if (s.kind == shape_kind::uuid_fixed) {
    put(id.data(), id.size());
  } else {
    put_long(static_cast<std::int64_t>(written.size()));
    std::memmove(out_, written.data(), written.size());
    out_ += written.size();
  }
  return behind;
}

json_reader::at json_reader::bytes(const json_shape& s, at p) {
  if (peek(p, end_) != '"') return mismatch(s, p);
  std::string_view written;
  const at behind = text(p, written);
  if (behind == nullptr) return nullptr;
  constexpr std::size_t length_max = 10;
  if (!room(written.size() + 2 * length_max)) return too_large(p);
  std::uint8_t* const to = out_ + length_max;
  std::size_t size = 0;
  bool good = false;
  switch (code_.options.bytes) {
    case json_bytes::base64: {
      const auto decoded = decode_base64(written, reinterpret_cast<std::byte*>(to));
      good = decoded.has_value();
      size = decoded.value_or(0);
      break;
    }
    case json_bytes::latin1:
      good = from_latin1(written, to, size);
      break;
    case json_bytes::hexadecimal:
      good = from_hexadecimal(written, to, size);
      break;
  }
  if (!good) return found(s, p, form_name(code_.options.bytes));
  if (s.kind == shape_kind::fixed) {
    if (size != s.size) {
      return found(s, p, std::to_string(size) + " bytes instead of " + std::to_string(s.size));
    }
  } else {
    put_long(static_cast<std::int64_t>(size));
  }
  std::memmove(out_, to, size);
  out_ += size;
  return behind;
}

json_reader::at json_reader::decimal(const json_shape& s, at p) {
  number_text written;
  at behind = nullptr;
  if (peek(p, end_) == '"' && (s.accepts & mask_of(token::text)) != 0) {
    std::string_view characters;
    behind = text(p, characters);
    if (behind == nullptr) return nullptr;
    const auto* first = reinterpret_cast<at>(characters.data());
    const auto* last = first + characters.size();
    if (scan_number(first, last, written) != last) return found(s, p, "a string that is not a number");
  } else {
    behind = number(s, p, written);
    if (behind == nullptr) return nullptr;
  }
  if (s.kind == shape_kind::decimal) {
    const auto small = to_small_decimal(written, s.scale);
    const auto places = static_cast<std::size_t>(s.precision);
    if (small && (places >= powers_of_ten.size() ||
                  (*small < powers_of_ten[places] && *small > -powers_of_ten[places]))) {
      std::array<std::uint8_t, 8> unscaled{};
      const std::size_t size = minimal_bytes(*small, unscaled);
      put_long(static_cast<std::int64_t>(size));
      put(unscaled.data() + unscaled.size() - size, size);
      return behind;
    }
  }
  const bool own_scale = s.kind == shape_kind::big_decimal;
  exact_decimal exact;
  const decimal_fault fault =
      to_decimal(written, own_scale ? std::nullopt : std::optional(s.scale),
                 own_scale ? decimal_digits_max : static_cast<std::size_t>(s.precision), exact);
  if (fault == decimal_fault::needs_more_scale) {
    return found(s, p, "a number with more decimals than the scale of " + std::to_string(s.scale));
  }
  if (fault == decimal_fault::too_many_digits) {
    return found(s, p,
                 own_scale
                     ? "a number that is too large"
                     : "a number with more digits than the precision of " + std::to_string(s.precision));
  }
  return put_decimal(s, exact, p) ? behind : nullptr;
}

bool json_reader::put_decimal(const json_shape& s, const exact_decimal& number, at p) {
  const std::size_t size = number.unscaled.size();
  if (!room(size + s.size)) {
    static_cast<void>(too_large(p));
    return false;
  }
  if (s.kind == shape_kind::decimal_fixed) {
    if (size > s.size) {
      static_cast<void>(found(s, p, "a number of more bytes than the fixed has"));
      return false;
    }
    const bool negative = (number.unscaled[0] & std::byte{0x80}) != std::byte{0};
    std::memset(out_, negative ? 0xFF : 0, s.size - size);
    out_ += s.size - size;
    put(number.unscaled.data(), size);
    return true;
  }
  if (s.kind == shape_kind::big_decimal) {
    // The bytes hold a `bytes`, the unscaled value, and an `int`, the scale.
    const auto bytes_of = [](std::uint64_t zigzag) {
      std::size_t count = 1;
      for (; zigzag >= 0x80; zigzag >>= 7U) ++count;
      return count;
    };
    const auto scale = std::int64_t{number.scale};
    const auto scale_bits = static_cast<std::uint64_t>(scale < 0 ? -2 * scale - 1 : 2 * scale);
    put_long(static_cast<std::int64_t>(bytes_of(2 * size) + size + bytes_of(scale_bits)));
  }
  put_long(static_cast<std::int64_t>(size));
  put(number.unscaled.data(), size);
  if (s.kind == shape_kind::big_decimal) put_long(number.scale);
  return true;
}

}  // namespace millrace::avro

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include <millrace/base/bytes.h>
#include <millrace/base/values.h>

#include "cql_type.h"
#include "cql_wire.h"

namespace millrace::emulators::cql {
namespace {

using shape = literal::shape;

failure misfit(const literal& from, const type& of, std::string_view column) {
  static constexpr std::array<std::string_view, 11> names{
      "NULL", "STRING", "INTEGER", "FLOAT", "BOOLEAN", "UUID", "HEX", "LIST", "SET", "TUPLE", "NAME"};
  return invalid(fmt::format("Invalid {} constant ({}) for \"{}\" of type {}",
                             names[static_cast<std::size_t>(from.is)], from.text, column, to_string(of)));
}

std::string from_base_hex(std::string_view digits) {
  const result<byte_buffer> raw = from_hex(digits);
  return raw ? std::string(as_text(*raw)) : std::string();
}

constexpr std::size_t number_digits_max = 4'096;
constexpr int exponent_max = 100'000;

bool readable_number(std::string_view text) {
  return text.size() <= number_digits_max &&
         text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

// Minimal big-endian two's complement of a decimal integer of any length.
std::string varint_of(std::string_view digits) {
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  std::string big(1, '\0');  // little-endian magnitude
  for (const char digit : digits) {
    unsigned carry = static_cast<unsigned>(digit - '0');
    for (char& byte : big) {
      carry += static_cast<unsigned char>(byte) * 10U;
      byte = static_cast<char>(carry & 0xFFU);
      carry >>= 8U;
    }
    if (carry != 0) big.push_back(static_cast<char>(carry));
  }
  if ((static_cast<unsigned char>(big.back()) & 0x80U) != 0) big.push_back('\0');
  if (negative) {
    unsigned carry = 1;
    for (char& byte : big) {
      carry += static_cast<unsigned char>(~byte);
      byte = static_cast<char>(carry & 0xFFU);
      carry >>= 8U;
    }
  }
  std::reverse(big.begin(), big.end());
  const auto redundant = [](const std::string& raw) {
    const bool next_negative = (static_cast<unsigned char>(raw[1]) & 0x80U) != 0;
    return (raw[0] == '\0' && !next_negative) || (raw[0] == '\xff' && next_negative);
  };
  while (big.size() > 1 && redundant(big)) big.erase(0, 1);
  return big;
}

answer<std::string> decimal_of(const type& of, const literal& from, std::string_view column) {
  if (!readable_number(from.text)) return misfit(from, of, column);
  const std::size_t exponent_at = from.text.find_first_of("eE");
  std::string digits = from.text.substr(0, exponent_at);
  int exponent = 0;
  if (exponent_at != std::string::npos) {
    const char* first = from.text.data() + exponent_at + 1;
    if (*first == '+') ++first;
    const auto parsed = std::from_chars(first, from.text.data() + from.text.size(), exponent);
    if (parsed.ec != std::errc{} || exponent > exponent_max || exponent < -exponent_max)
      return misfit(from, of, column);
  }
  std::int32_t scale = -exponent;
  if (const std::size_t point = digits.find('.'); point != std::string::npos) {
    scale += static_cast<std::int32_t>(digits.size() - point - 1);
    digits.erase(point, 1);
  }
  std::string out;
  put_i32(out, scale);
  return out + varint_of(digits);
}

template <typename Int>
answer<std::string> integer_of(const type& of, const literal& from, std::string_view column) {
  Int number = 0;
  const char* first = from.text.data();
  const char* last = first + from.text.size();
  const auto parsed = std::from_chars(first, last, number);
  if (from.is != shape::integer || parsed.ec != std::errc{} || parsed.ptr != last)
    return misfit(from, of, column);
  std::string out;
  put_number(out, static_cast<std::make_unsigned_t<Int>>(number));
  return out;
}

bool time_of_day(int hour, int minute, double second) {
  return hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
}

// "2024-05-01", "2024-05-01 10:20[:30[.123]]" with 'T' or a space, then nothing, 'Z' or "+hh[:]mm".
bool parse_instant(const std::string& text, std::int64_t& milliseconds) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2u-%2u%n", &year, &month, &day, &used) != 3) return false;
  using namespace std::chrono;
  const year_month_day date{std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok()) return false;
  milliseconds = std::chrono::milliseconds(sys_days(date).time_since_epoch()).count();
  const char* rest = text.c_str() + used;
  if (*rest == '\0') return true;
  int hour = 0;
  int minute = 0;
  double second = 0;
  if (std::sscanf(rest, "%*1[T ]%2d:%2d%n:%lf%n", &hour, &minute, &used, &second, &used) < 2) return false;
  if (!time_of_day(hour, minute, second)) return false;
  milliseconds += (hour * 60LL + minute) * 60'000 + std::llround(second * 1000);
  rest += used;
  if (*rest == '\0' || std::strcmp(rest, "Z") == 0) return true;
  std::array<char, 2> way{};  // one character and its end
  if (std::sscanf(rest, "%1[+-]%2d%*1[:]%2d", way.data(), &hour, &minute) != 3 &&
      std::sscanf(rest, "%1[+-]%2d%2d", way.data(), &hour, &minute) != 3) {
    return false;
  }
  milliseconds -= (way[0] == '-' ? -1 : 1) * (hour * 60LL + minute) * 60'000;
  return true;
}

answer<std::string> temporal_of(const type& of, const literal& from, std::string_view column) {
  std::string out;
  if (of.id == type_id::timestamp && from.is == shape::integer)
    return integer_of<std::int64_t>(of, from, column);
  if (of.id == type_id::time && from.is == shape::integer) return integer_of<std::int64_t>(of, from, column);
  if (of.id == type_id::date && from.is == shape::integer) {
    put_u16(out, 0);
    std::uint32_t days = 0;
    std::from_chars(from.text.data(), from.text.data() + from.text.size(), days);
    out.clear();
    put_number(out, days);
    return out;
  }
  if (from.is != shape::text) return misfit(from, of, column);
  if (of.id == type_id::time) {
    int hour = 0;
    int minute = 0;
    double second = 0;
    if (std::sscanf(from.text.c_str(), "%2d:%2d:%lf", &hour, &minute, &second) != 3 ||
        !time_of_day(hour, minute, second)) {
      return invalid(fmt::format("Unable to coerce '{}' to a formatted time (long)", from.text));
    }
    put_i64(out, (hour * 60LL + minute) * 60'000'000'000 + std::llround(second * 1e9));
    return out;
  }
  std::int64_t milliseconds = 0;
  if (!parse_instant(from.text, milliseconds)) {
    return invalid(fmt::format("Unable to coerce '{}' to a formatted date (long)", from.text));
  }
  if (of.id == type_id::timestamp) {
    put_i64(out, milliseconds);
  } else {
    put_number(out, static_cast<std::uint32_t>(
                        (milliseconds - (milliseconds < 0 ? 86'399'999 : 0)) / 86'400'000 + 0x80000000LL));
  }
  return out;
}

answer<std::string> text_of(const type& of, const literal& from, std::string_view column) {
  if (from.is != shape::text) return misfit(from, of, column);
  if (of.id == type_id::inet) {
    std::array<char, 16> raw{};
    if (inet_pton(AF_INET, from.text.c_str(), raw.data()) == 1) return std::string(raw.data(), 4);
    if (inet_pton(AF_INET6, from.text.c_str(), raw.data()) == 1) return std::string(raw.data(), 16);
    return invalid(fmt::format("Unable to make inet address from '{}'", from.text));
  }
  if (verdict bad = validate(of, from.text)) return std::move(*bad);
  return from.text;
}

// The protocol's [unsigned vint] of a zig-zagged number.
void put_vint(std::string& out, std::int64_t number) {
  const std::uint64_t zigzag =
      (static_cast<std::uint64_t>(number) << 1U) ^ static_cast<std::uint64_t>(number >> 63U);
  const auto bits = static_cast<unsigned>(64 - std::countl_zero(zigzag | 1U));
  const unsigned extra = std::min(8U, (bits - 1) / 7);
  std::string raw;
  put_number(raw, zigzag);
  if (extra == 8) {
    out.push_back('\xff');
    out += raw;
    return;
  }
  raw.erase(0, 7 - extra);
  raw[0] = static_cast<char>(static_cast<unsigned char>(raw[0]) | (0xFFU << (8 - extra)));
  out += raw;
}

struct duration_unit {
  std::string_view name;
  std::size_t part;  // months, days, nanoseconds
  std::int64_t scale;
};
constexpr std::array duration_units{
    duration_unit{"y", 0, 12},
    duration_unit{"mo", 0, 1},
    duration_unit{"w", 1, 7},
    duration_unit{"d", 1, 1},
    duration_unit{"h", 2, 3'600'000'000'000},
    duration_unit{"m", 2, 60'000'000'000},
    duration_unit{"s", 2, 1'000'000'000},
    duration_unit{"ms", 2, 1'000'000},
    duration_unit{"us", 2, 1'000},
    duration_unit{"ns", 2, 1},
};

// Cassandra's short form: 1y2mo3w4d5h6m7s8ms9us10ns, the lexer delivers it as text.
answer<std::string> duration_of(const type& of, const literal& from, std::string_view column) {
  std::int64_t months = 0;
  std::int64_t days = 0;
  std::int64_t nanos = 0;
  const std::array parts{&months, &days, &nanos};
  const failure unreadable = invalid(fmt::format("Unable to convert '{}' to a duration", from.text));
  std::string_view rest = from.text;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  if (rest.empty()) return misfit(from, of, column);
  while (!rest.empty()) {
    std::int64_t number = 0;
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (parsed.ec != std::errc{}) return unreadable;
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - rest.data()));
    const std::size_t length = std::min(rest.find_first_of("0123456789"), rest.size());
    const std::string_view unit = rest.substr(0, length);
    const auto* found = std::find_if(duration_units.begin(), duration_units.end(),
                                     [unit](const auto& each) { return each.name == unit; });
    if (found == duration_units.end()) return unreadable;
    std::int64_t& part = *parts[found->part];
    std::int64_t scaled = 0;
    if (__builtin_mul_overflow(number, found->scale, &scaled) || __builtin_add_overflow(part, scaled, &part))
      return unreadable;
    rest.remove_prefix(length);
  }
  std::string out;
  for (const std::int64_t part : {months, days, nanos}) put_vint(out, negative ? -part : part);
  return out;
}

// {street: 'x', zip: 1}: the fields in the order of the type; those that are not written are null.
answer<std::string> fields_of(const type& of, const literal& from, std::string_view column) {
  const std::string type_name = quoted_name(of.name);
  if (from.is != shape::braces || (!from.pairs && !from.items.empty())) {
    return invalid(fmt::format("Invalid user type literal for {} of type {}", column, to_string(of)));
  }
  std::vector<const literal*> given(of.fields.size());
  for (std::size_t i = 0; i + 1 < from.items.size(); i += 2) {
    const literal& key = from.items[i];
    const auto found = std::find(of.fields.begin(), of.fields.end(), key.text);
    if (key.is != shape::name || found == of.fields.end()) {
      return invalid(fmt::format("Unknown field '{}' in value of user defined type {}", key.text, type_name));
    }
    given[static_cast<std::size_t>(found - of.fields.begin())] = &from.items[i + 1];
  }
  std::string out;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] == nullptr || given[i]->is == shape::null) {
      put_null(out);
      continue;
    }
    answer<std::string> part =
        encode(of.parameters[i], *given[i], fmt::format("{}.{}", column, of.fields[i]));
    if (!part) return part;
    put_bytes(out, *part);
  }
  return out;
}

answer<std::string> elements_of(const type& of, const literal& from, std::string_view column) {
  const bool fits = (of.id == type_id::list && from.is == shape::list) ||
                    (of.id == type_id::tuple && from.is == shape::tuple) ||
                    (of.id == type_id::set && from.is == shape::braces && !from.pairs) ||
                    (of.id == type_id::map && from.is == shape::braces && (from.pairs || from.items.empty()));
  if (!fits) {
    return invalid(fmt::format("Invalid literal for {} of type {}", column, to_string(of)));
  }
  if (of.id == type_id::tuple && from.items.size() > of.parameters.size()) {
    return invalid(fmt::format("Invalid tuple literal for {}: too many elements", column));
  }
  const std::size_t each = of.id == type_id::map ? 2 : 1;
  std::vector<std::pair<std::string, std::string>> parts;
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const type& element = of.id == type_id::tuple ? of.parameters[i] : of.parameters[i % each];
    if (from.items[i].is == shape::null) return invalid(fmt::format("Invalid null value for {}", column));
    answer<std::string> part = encode(element, from.items[i], column);
    if (!part) return part;
    if (i % each == 0)
      parts.emplace_back(std::move(*part), std::string());
    else
      parts.back().second = std::move(*part);
  }
  if (of.id == type_id::set || of.id == type_id::map) {
    const type& key = of.parameters[0];
    std::stable_sort(parts.begin(), parts.end(),
                     [&key](const auto& a, const auto& b) { return compare(key, a.first, b.first) < 0; });
    const auto same = [&key](const auto& a, const auto& b) { return compare(key, a.first, b.first) == 0; };
    parts.erase(std::unique(parts.begin(), parts.end(), same), parts.end());
  }
  std::string out;
  if (of.id != type_id::tuple) put_i32(out, static_cast<std::int32_t>(parts.size()));
  for (const auto& [first, second] : parts) {
    put_bytes(out, first);
    if (each == 2) put_bytes(out, second);
  }
  return out;
}

}  // namespace

answer<std::string> encode(const type& of, const literal& from, std::string_view column) {
  const bool numeric = from.is == shape::integer || from.is == shape::real;
  std::string out;
  switch (of.id) {
    case type_id::ascii:
    case type_id::text:
    case type_id::inet:
      return text_of(of, from, column);
    case type_id::bigint:
    case type_id::counter:
      return integer_of<std::int64_t>(of, from, column);
    case type_id::int_:
      return integer_of<std::int32_t>(of, from, column);
    case type_id::smallint:
      return integer_of<std::int16_t>(of, from, column);
    case type_id::tinyint:
      return integer_of<std::int8_t>(of, from, column);
    case type_id::timestamp:
    case type_id::date:
    case type_id::time:
      return temporal_of(of, from, column);
    case type_id::blob:
      if (from.is != shape::blob) return misfit(from, of, column);
      return from_base_hex(std::string_view(from.text).substr(2));
    case type_id::boolean:
      if (from.is != shape::boolean) return misfit(from, of, column);
      return std::string(1, from.text == "true" ? '\1' : '\0');
    case type_id::double_:
    case type_id::float_:
      if (!numeric) return misfit(from, of, column);
      if (of.id == type_id::double_)
        put_number(out, std::bit_cast<std::uint64_t>(std::strtod(from.text.c_str(), nullptr)));
      else
        put_number(out, std::bit_cast<std::uint32_t>(std::strtof(from.text.c_str(), nullptr)));
      return out;
    case type_id::decimal:
      return numeric ? decimal_of(of, from, column) : misfit(from, of, column);
    case type_id::varint:
      if (from.is != shape::integer || !readable_number(from.text)) return misfit(from, of, column);
      return varint_of(from.text);
    case type_id::uuid:
    case type_id::timeuuid: {
      if (from.is != shape::uuid) return misfit(from, of, column);
      const result<uuid> parsed = uuid::parse(from.text);
      if (!parsed) return misfit(from, of, column);
      out.assign(as_text(parsed->bytes));
      if (verdict bad = validate(of, out)) return std::move(*bad);
      return out;
    }
    case type_id::duration:
      return duration_of(of, from, column);
    case type_id::list:
    case type_id::set:
    case type_id::map:
    case type_id::tuple:
      return elements_of(of, from, column);
    case type_id::user:
      return fields_of(of, from, column);
  }
  return misfit(from, of, column);
}

}  // namespace millrace::emulators::cql

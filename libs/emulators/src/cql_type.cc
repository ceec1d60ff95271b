#include "cql_type.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "cql_wire.h"

namespace millrace::emulators::cql {
namespace {

struct named_type {
  std::string_view name;
  type_id id;
};

constexpr std::array scalars{
    named_type{"ascii", type_id::ascii},       named_type{"bigint", type_id::bigint},
    named_type{"blob", type_id::blob},         named_type{"boolean", type_id::boolean},
    named_type{"counter", type_id::counter},   named_type{"decimal", type_id::decimal},
    named_type{"double", type_id::double_},    named_type{"float", type_id::float_},
    named_type{"int", type_id::int_},          named_type{"timestamp", type_id::timestamp},
    named_type{"uuid", type_id::uuid},         named_type{"text", type_id::text},
    named_type{"varchar", type_id::text},      named_type{"varint", type_id::varint},
    named_type{"timeuuid", type_id::timeuuid}, named_type{"inet", type_id::inet},
    named_type{"date", type_id::date},         named_type{"time", type_id::time},
    named_type{"smallint", type_id::smallint}, named_type{"tinyint", type_id::tinyint},
    named_type{"duration", type_id::duration},
};

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    std::size_t extra = 0;
    std::uint32_t rune = 0;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    if ((lead & 0xE0U) == 0xC0) {
      extra = 1;
      rune = lead & 0x1FU;
    } else if ((lead & 0xF0U) == 0xE0) {
      extra = 2;
      rune = lead & 0x0FU;
    } else if ((lead & 0xF8U) == 0xF0) {
      extra = 3;
      rune = lead & 0x07U;
    } else {
      return false;
    }
    if (at + extra >= text.size()) return false;
    for (std::size_t i = 1; i <= extra; ++i) {
      const auto next = static_cast<unsigned char>(text[at + i]);
      if ((next & 0xC0U) != 0x80) return false;
      rune = (rune << 6U) | (next & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 4> least{0, 0x80, 0x800, 0x10000};
    if (rune < least[extra] || rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000)) return false;
    at += extra + 1;
  }
  return true;
}

verdict expect_size(std::string_view cell, std::size_t size, std::string_view what, bool or_empty = true) {
  if (cell.size() == size || (or_empty && cell.empty())) return {};
  return invalid(fmt::format("Expected {} or 0 byte {} ({})", size, what, cell.size()));
}

verdict validate_elements(const type& of, std::string_view cell) {
  wire_reader in(cell);
  const std::int32_t count = in.i32();
  const std::size_t each = of.id == type_id::map ? 2 : 1;
  if (!in.ok() || count < 0) {
    return invalid(fmt::format("Not enough bytes to read a {}", of.id == type_id::map ? "map" : "list"));
  }
  for (std::int32_t i = 0; i < count; ++i) {
    for (std::size_t part = 0; part < each; ++part) {
      const value element = in.cell();
      if (!in.ok()) return invalid(fmt::format("Not enough bytes to read a {}", to_string(of)));
      if (!element.present()) return invalid("null is not supported inside collections");
      if (verdict bad = validate(of.parameters[part], element.bytes)) return bad;
    }
  }
  if (in.left() != 0)
    return invalid(fmt::format("Unexpected extraneous bytes after {} value", to_string(of)));
  return {};
}

verdict validate_tuple(const type& of, std::string_view cell) {
  const bool user = of.id == type_id::user;
  wire_reader in(cell);
  for (std::size_t i = 0; i < of.parameters.size(); ++i) {
    // Fewer components than declared are a value from before the type had more.
    if (in.left() == 0) return {};
    const value element = in.cell();
    if (!in.ok()) {
      return invalid(user ? fmt::format("Not enough bytes to read {}th field {}", i, of.fields[i])
                          : fmt::format("Not enough bytes to read {}th component", i));
    }
    if (!element.present()) continue;
    if (verdict bad = validate(of.parameters[i], element.bytes)) return bad;
  }
  if (in.left() != 0)
    return invalid(fmt::format("Invalid remaining data after end of {} value", user ? "UDT" : "tuple"));
  return {};
}

verdict validate_duration(std::string_view cell) {
  std::size_t at = 0;
  for (int part = 0; part < 3; ++part) {
    if (at >= cell.size())
      return invalid(fmt::format("Expected at least 3 bytes for a duration ({})", cell.size()));
    const auto lead = static_cast<unsigned char>(cell[at]);
    at += 1 + static_cast<std::size_t>(std::countl_one(lead));
  }
  if (at != cell.size()) return invalid("The duration has the wrong number of bytes");
  return {};
}

verdict validate_time(std::string_view cell) {
  if (verdict bad = expect_size(cell, 8, "long for time", false)) return bad;
  const std::int64_t nanos = wire_reader(cell).i64();
  if (nanos < 0 || nanos >= 86'400'000'000'000)
    return invalid(fmt::format("Input long out of bounds: {}", nanos));
  return {};
}

int sign(auto left, auto right) { return left < right ? -1 : (right < left ? 1 : 0); }

int bytewise(std::string_view left, std::string_view right) {
  const int order = left.compare(right);  // char_traits<char> compares as unsigned char
  return order < 0 ? -1 : (order > 0 ? 1 : 0);
}

// Big-endian two's complement of any length.
int compare_varint(std::string_view left, std::string_view right) {
  const auto negative = [](std::string_view raw) {
    return (static_cast<unsigned char>(raw[0]) & 0x80U) != 0;
  };
  if (left.empty() || right.empty()) return sign(left.size(), right.size());
  if (negative(left) != negative(right)) return negative(left) ? -1 : 1;
  const char fill = negative(left) ? '\xff' : '\0';
  const auto strip = [fill](std::string_view raw) {
    while (raw.size() > 1 && raw[0] == fill) raw.remove_prefix(1);
    return raw;
  };
  const std::string_view a = strip(left);
  const std::string_view b = strip(right);
  if (a.size() != b.size()) return (a.size() < b.size()) != negative(left) ? -1 : 1;
  return bytewise(a, b);
}

template <typename F, typename Raw>
int compare_real(Raw left, Raw right) {
  const F a = std::bit_cast<F>(left);
  const F b = std::bit_cast<F>(right);
  if (a == a && b == b && a != b) return sign(a, b);
  return sign(left, right);
}

// Version-1 time, then the rest bytewise.
int compare_timeuuid(std::string_view left, std::string_view right) {
  const auto time = [](std::string_view raw) {
    std::string ordered;
    ordered.append(raw.substr(6, 2)).append(raw.substr(4, 2)).append(raw.substr(0, 4));
    ordered[0] = static_cast<char>(ordered[0] & 0x0F);
    return ordered;
  };
  if (const int order = bytewise(time(left), time(right)); order != 0) return order;
  return bytewise(left, right);
}

int compare_elements(const type& of, std::string_view left, std::string_view right) {
  wire_reader a(left);
  wire_reader b(right);
  const bool counted = of.collection();
  // A component behind the end is null.
  const auto next = [counted](wire_reader& in) { return !counted && in.left() == 0 ? value{} : in.cell(); };
  const std::int32_t a_count = counted ? a.i32() : static_cast<std::int32_t>(of.parameters.size());
  const std::int32_t b_count = counted ? b.i32() : a_count;
  const std::size_t each = of.id == type_id::map ? 2 : 1;
  for (std::int32_t i = 0; i < std::min(a_count, b_count); ++i) {
    for (std::size_t part = 0; part < each; ++part) {
      const value x = next(a);
      const value y = next(b);
      if (x.present() != y.present()) return x.present() ? 1 : -1;
      if (!x.present()) continue;
      const type& element = counted ? of.parameters[part] : of.parameters[static_cast<std::size_t>(i)];
      if (const int order = compare(element, x.bytes, y.bytes); order != 0) return order;
    }
  }
  return sign(a_count, b_count);
}

}  // namespace

type simple(type_id id) { return {id, false, {}}; }
type list_of(type element) { return {type_id::list, false, {std::move(element)}}; }
type set_of(type element) { return {type_id::set, false, {std::move(element)}}; }
type map_of(type key, type element) { return {type_id::map, false, {std::move(key), std::move(element)}}; }

type frozen(type of) {
  if (of.parameters.empty() && of.id != type_id::user) return of;
  of.frozen = true;
  for (type& each : of.parameters) each = frozen(std::move(each));
  return of;
}

bool refers_to(const type& of, std::string_view name) noexcept {
  if (of.id == type_id::user && of.name == name) return true;
  return std::any_of(of.parameters.begin(), of.parameters.end(),
                     [name](const type& each) { return refers_to(each, name); });
}

bool replace_user_type(type& in, const type& by) {
  if (in.id == type_id::user && in.name == by.name) {
    in = in.frozen ? frozen(by) : by;
    return true;
  }
  bool replaced = false;
  for (type& each : in.parameters) {
    const bool inside = replace_user_type(each, by);
    if (inside && in.frozen) each = frozen(std::move(each));
    replaced = replaced || inside;
  }
  return replaced;
}

std::string quoted_name(std::string_view name) {
  const bool plain =
      !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
  if (plain) return std::string(name);
  std::string out(1, '"');
  for (const char each : name) out.append(each == '"' ? 2 : 1, each);
  out.push_back('"');
  return out;
}

const type_id* scalar_named(std::string_view name) noexcept {
  const auto* found = std::find_if(scalars.begin(), scalars.end(),
                                   [name](const named_type& each) { return each.name == name; });
  return found == scalars.end() ? nullptr : &found->id;
}

std::string to_string(const type& of) {
  std::string text;
  for (const named_type& each : scalars) {
    if (each.id == of.id) return std::string(each.name);
  }
  if (of.id == type_id::user)
    return of.frozen ? "frozen<" + quoted_name(of.name) + ">" : quoted_name(of.name);
  text = of.id == type_id::list  ? "list<"
         : of.id == type_id::set ? "set<"
         : of.id == type_id::map ? "map<"
                                 : "tuple<";
  for (std::size_t i = 0; i < of.parameters.size(); ++i) {
    text.append(i == 0 ? "" : ", ").append(to_string(of.parameters[i]));
  }
  text.push_back('>');
  return of.frozen ? "frozen<" + text + ">" : text;
}

void put_option(std::string& out, const type& of) {
  put_u16(out, static_cast<std::uint16_t>(of.id));
  if (of.id == type_id::user) {
    put_string(out, of.keyspace);
    put_string(out, of.name);
  }
  if (of.id == type_id::tuple || of.id == type_id::user)
    put_u16(out, static_cast<std::uint16_t>(of.parameters.size()));
  for (std::size_t i = 0; i < of.parameters.size(); ++i) {
    if (of.id == type_id::user) put_string(out, of.fields[i]);
    put_option(out, of.parameters[i]);
  }
}

std::string complete(const type& of, std::string_view cell) {
  std::string out(cell);
  if (of.id != type_id::user || of.frozen) return out;
  wire_reader in(cell);
  std::size_t has = 0;
  for (; in.left() != 0; ++has) in.cell();
  for (; has < of.parameters.size(); ++has) put_null(out);
  return out;
}

bool no_parts(const type& of, std::string_view cell) {
  wire_reader in(cell);
  if (of.collection()) return in.i32() == 0;
  while (in.left() != 0) {
    if (in.cell().present()) return false;
  }
  return true;
}

verdict validate(const type& of, std::string_view cell) {
  switch (of.id) {
    case type_id::ascii:
      for (const char each : cell) {
        if ((static_cast<unsigned char>(each) & 0x80U) != 0) {
          return invalid(fmt::format("Invalid byte for ascii: {}", static_cast<int>(each)));
        }
      }
      return {};
    case type_id::text:
      return is_utf8(cell) ? verdict{} : verdict(invalid("String didn't validate."));
    case type_id::bigint:
    case type_id::counter:
      return expect_size(cell, 8, "long");
    case type_id::timestamp:
      return expect_size(cell, 8, "long for timestamp");
    case type_id::double_:
      return expect_size(cell, 8, "value for a double");
    case type_id::int_:
      return expect_size(cell, 4, "int");
    case type_id::float_:
      return expect_size(cell, 4, "value for a float");
    case type_id::date:
      return expect_size(cell, 4, "byte long for date", false);
    case type_id::smallint:
      return expect_size(cell, 2, "byte short", false);
    case type_id::tinyint:
      return expect_size(cell, 1, "byte for a byte", false);
    case type_id::boolean:
      return expect_size(cell, 1, "byte value");
    case type_id::uuid:
      return expect_size(cell, 16, "UUID should be");
    case type_id::timeuuid:
      if (verdict bad = expect_size(cell, 16, "TimeUUID should be")) return bad;
      if (!cell.empty() && (static_cast<unsigned char>(cell[6]) & 0xF0U) != 0x10) {
        return invalid("Invalid version for TimeUUID type.");
      }
      return {};
    case type_id::inet:
      if (cell.empty() || cell.size() == 4 || cell.size() == 16) return {};
      return invalid(fmt::format("Expected 4 or 16 byte inetaddress; got {}", cell.size()));
    case type_id::time:
      return validate_time(cell);
    case type_id::decimal:
      if (cell.empty() || cell.size() >= 4) return {};
      return invalid(fmt::format("Expected 0 or at least 4 bytes ({})", cell.size()));
    case type_id::duration:
      return validate_duration(cell);
    case type_id::varint:
    case type_id::blob:
      return {};
    case type_id::list:
    case type_id::set:
    case type_id::map:
      return validate_elements(of, cell);
    case type_id::tuple:
    case type_id::user:
      return validate_tuple(of, cell);
  }
  return {};
}

int compare(const type& of, std::string_view left, std::string_view right) {
  if (left.empty() || right.empty()) return sign(left.size(), right.size());
  wire_reader a(left);
  wire_reader b(right);
  switch (of.id) {
    case type_id::bigint:
    case type_id::counter:
    case type_id::time:
    case type_id::timestamp:
      return sign(a.i64(), b.i64());
    case type_id::int_:
      return sign(a.i32(), b.i32());
    case type_id::smallint:
      return sign(static_cast<std::int16_t>(a.u16()), static_cast<std::int16_t>(b.u16()));
    case type_id::tinyint:
      return sign(static_cast<std::int8_t>(a.u8()), static_cast<std::int8_t>(b.u8()));
    case type_id::double_:
      return compare_real<double>(a.i64(), b.i64());
    case type_id::float_:
      return compare_real<float>(a.i32(), b.i32());
    case type_id::varint:
      return compare_varint(left, right);
    case type_id::timeuuid:
      return compare_timeuuid(left, right);
    case type_id::list:
    case type_id::set:
    case type_id::map:
    case type_id::tuple:
    case type_id::user:
      return compare_elements(of, left, right);
    case type_id::ascii:
    case type_id::text:
    case type_id::blob:
    case type_id::boolean:
    case type_id::uuid:
    case type_id::inet:
    case type_id::date:
    case type_id::decimal:
    case type_id::duration:
      return bytewise(left, right);
  }
  return 0;
}

}  // namespace millrace::emulators::cql

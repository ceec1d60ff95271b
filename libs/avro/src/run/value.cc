#include <algorithm>
#include <cmath>

#include <millrace/avro/value.h>
#include <millrace/base/assert.h>

#include "run/wire_read.h"

namespace millrace::avro {
namespace {

[[nodiscard]] const schema_node& null_node() noexcept {
  static const schema_node node;
  return node;
}

[[nodiscard]] bool same_type(const schema_node& left, const schema_node& right) noexcept {
  return &left == &right || (left.type == right.type && left.name == right.name);
}

[[nodiscard]] bool equal_items(array_view<value> left, array_view<value> right) noexcept {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), equal);
}

[[nodiscard]] bool equal_numbers(double left, double right) noexcept {
  return left == right || (std::isnan(left) && std::isnan(right));
}

}  // namespace

value::value() noexcept : type_(&null_node()) {}
value::value(const schema_node& null) noexcept : type_(&null) { expect(schema_type::null); }
value::value(const schema_node& type, bool content) noexcept : type_(&type) {
  expect(schema_type::boolean);
  content_.boolean = content;
}
value::value(const schema_node& type, std::int32_t content) noexcept : type_(&type) {
  if (type.type == schema_type::enumeration) {
    invariant(content >= 0 && static_cast<std::size_t>(content) < type.symbols.size(),
              "a symbol of the enum");
  } else {
    expect(schema_type::int32);
  }
  content_.int32 = content;
}
value::value(const schema_node& type, std::int64_t content) noexcept : type_(&type) {
  expect(schema_type::int64);
  content_.number = content;
}
value::value(const schema_node& type, float content) noexcept : type_(&type) {
  expect(schema_type::float32);
  content_.float32 = content;
}
value::value(const schema_node& type, double content) noexcept : type_(&type) {
  expect(schema_type::float64);
  content_.float64 = content;
}
value::value(const schema_node& type, std::string_view content) noexcept : type_(&type) {
  expect(schema_type::string);
  content_.text = content;
}
value::value(const schema_node& type, bytes_view content) noexcept : type_(&type) {
  if (type.type == schema_type::fixed) {
    invariant(content.size() == type.size, "the bytes of a fixed are of its size");
  } else {
    expect(schema_type::bytes);
  }
  content_.bytes = content;
}
value::value(const schema_node& type, array_view<value> content) noexcept : type_(&type) {
  if (type.type == schema_type::record) {
    invariant(content.size() == type.fields.size(), "a record has a value for each field");
  } else {
    expect(schema_type::array);
  }
  content_.items = content;
}
value::value(const schema_node& type, map_view<value> content) noexcept : type_(&type) {
  expect(schema_type::map);
  content_.entries = content;
}

void value::expect(schema_type type) const noexcept {
  invariant(type_->type == type, "a value is read as its own type");
}

bool value::boolean() const noexcept {
  expect(schema_type::boolean);
  return content_.boolean;
}
std::int32_t value::int32() const noexcept {
  expect(schema_type::int32);
  return content_.int32;
}
std::int64_t value::int64() const noexcept {
  if (type_->type == schema_type::int32) return content_.int32;
  expect(schema_type::int64);
  return content_.number;
}
float value::float32() const noexcept {
  expect(schema_type::float32);
  return content_.float32;
}
double value::float64() const noexcept {
  if (type_->type == schema_type::float32) return static_cast<double>(content_.float32);
  expect(schema_type::float64);
  return content_.float64;
}
std::string_view value::text() const noexcept {
  expect(schema_type::string);
  return content_.text;
}
bytes_view value::bytes() const noexcept {
  if (type_->type != schema_type::fixed) expect(schema_type::bytes);
  return content_.bytes;
}

// A big-decimal's bytes hold a `bytes` (the unscaled value) and an `int` (the scale).
result<decimal_view> value::decimal() const {
  if (type_->logical == logical_type::decimal) return decimal_view{bytes(), type_->scale};
  invariant(type_->logical == logical_type::big_decimal, "a value is read as its own type");
  const auto* p = reinterpret_cast<const std::uint8_t*>(content_.bytes.data());
  const std::uint8_t* const end = p + content_.bytes.size();
  const varint size = read_varint(p, end);
  if (size.next != nullptr && (size.value & 1U) == 0 &&
      size.value / 2 <= static_cast<std::uint64_t>(end - size.next)) {
    const std::uint8_t* const digits_end = size.next + size.value / 2;
    const varint scale = read_varint(digits_end, end);
    if (scale.next == end && scale.value <= UINT32_MAX) {
      return decimal_view{{reinterpret_cast<const std::byte*>(size.next), size.value / 2},
                          static_cast<std::int32_t>(zigzag(scale.value))};
    }
  }
  return error(errc::malformed, "not a big-decimal");
}

std::int32_t value::symbol_index() const noexcept {
  expect(schema_type::enumeration);
  return content_.int32;
}
std::string_view value::symbol() const noexcept {
  return type_->symbols[static_cast<std::size_t>(symbol_index())];
}
array_view<value> value::items() const noexcept {
  expect(schema_type::array);
  return content_.items;
}
map_view<value> value::entries() const noexcept {
  expect(schema_type::map);
  return content_.entries;
}
array_view<value> value::fields() const noexcept {
  expect(schema_type::record);
  return content_.items;
}

const value* value::field(std::string_view name) const noexcept {
  if (type_->type != schema_type::record) return nullptr;
  for (std::size_t i = 0; i < type_->fields.size(); ++i) {
    if (type_->fields[i].name == name) return &content_.items[i];
  }
  return nullptr;
}

const value* value::find(std::string_view path) const noexcept {
  const value* at = this;
  while (at != nullptr) {
    const std::size_t dot = path.find('.');
    at = at->field(path.substr(0, dot));
    if (dot == std::string_view::npos) return at;
    path.remove_prefix(dot + 1);
  }
  return nullptr;
}

bool equal(const value& left, const value& right) noexcept {
  if (!same_type(left.type(), right.type())) return false;
  switch (left.type().type) {
    case schema_type::null:
      return true;
    case schema_type::boolean:
      return left.boolean() == right.boolean();
    case schema_type::int32:
    case schema_type::int64:
      return left.int64() == right.int64();
    case schema_type::float32:
    case schema_type::float64:
      return equal_numbers(left.float64(), right.float64());
    case schema_type::string:
      return left.text() == right.text();
    case schema_type::bytes:
    case schema_type::fixed:
      return as_text(left.bytes()) == as_text(right.bytes());
    case schema_type::enumeration:
      return left.symbol() == right.symbol();
    case schema_type::array:
      return equal_items(left.items(), right.items());
    case schema_type::record:
      return equal_items(left.fields(), right.fields());
    case schema_type::map:
      return std::equal(
          left.entries().begin(), left.entries().end(), right.entries().begin(), right.entries().end(),
          [](const auto& a, const auto& b) { return a.key == b.key && equal(a.value, b.value); });
    case schema_type::union_of:
      break;  // never of a value
  }
  return false;
}

type_descriptor describe<value>::type() {
  type_descriptor type = internal::describe_as<value>(type_kind::value);
  type.payload_offset = value::content_offset;
  return type;
}

}  // namespace millrace::avro

#include "run/value_encoder.h"

#include <algorithm>

#include "run/utf8.h"

namespace millrace::avro {
namespace {

// Whether a value of type `from` may stand where the schema has `to`.
[[nodiscard]] bool same_type(const schema_node& to, const schema_node& from) noexcept {
  return &to == &from || (to.type == from.type && unqualified(to.name) == unqualified(from.name) &&
                          (to.type != schema_type::fixed || to.size == from.size));
}

[[nodiscard]] bool fits(const schema_node& to, const schema_node& from) noexcept {
  return same_type(to, from) || (to.type == schema_type::int64 && from.type == schema_type::int32) ||
         (to.type == schema_type::float64 && from.type == schema_type::float32);
}

}  // namespace

std::size_t branch_of(const schema_node& type, const schema_node& from) noexcept {
  const auto& branches = type.branches;
  const auto find = [&](const auto& matches) {
    const auto found = std::find_if(branches.begin(), branches.end(), matches);
    return found == branches.end() ? no_branch : static_cast<std::size_t>(found - branches.begin());
  };
  std::size_t at = find([&](const schema_node* one) { return one == &from; });
  if (at == no_branch) {
    at = find([&](const schema_node* one) { return same_type(*one, from) && one->name == from.name; });
  }
  return at != no_branch ? at : find([&](const schema_node* one) { return fits(*one, from); });
}

bool value_encoder::fail(errc code, const char* why) {
  code_ = code;
  why_ = why;
  return false;
}

bool value_encoder::write(const schema_node& type, const value& datum) {
  if (type.type == schema_type::union_of) return write_union(type, datum);
  if (!fits(type, datum.type())) return fail(errc::unresolvable, "a value of another type than the schema's");
  switch (type.type) {
    case schema_type::null:
      return true;
    case schema_type::boolean: {
      const bool content = datum.boolean();
      out_.put(&content, 1);
      return true;
    }
    case schema_type::int32:
    case schema_type::int64:
      out_.put_long(datum.int64());
      return true;
    case schema_type::float32: {
      const float content = datum.float32();
      out_.put(&content, sizeof content);
      return true;
    }
    case schema_type::float64: {
      const double content = datum.float64();
      out_.put(&content, sizeof content);
      return true;
    }
    case schema_type::string:
      return write_text(datum.text());
    case schema_type::bytes:
      out_.put_bytes(datum.bytes().data(), datum.bytes().size());
      return true;
    case schema_type::fixed:
      out_.put(datum.bytes().data(), datum.bytes().size());
      return true;
    case schema_type::enumeration:
      return write_symbol(type, datum);
    case schema_type::array:
      return write_items(type, datum);
    case schema_type::map:
      return write_entries(type, datum);
    case schema_type::record:
      return write_record(type, datum);
    case schema_type::union_of:
      break;
  }
  return false;
}

bool value_encoder::write_union(const schema_node& type, const value& datum) {
  const std::size_t branch = branch_of(type, datum.type());
  if (branch == no_branch) return fail(errc::unresolvable, "a value of a type that the union does not have");
  out_.put_long(static_cast<std::int64_t>(branch));
  return write(*type.branches[branch], datum);
}

bool value_encoder::write_text(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  if (!is_utf8(bytes, text.size())) return fail(errc::invalid_utf8, "a string that is not UTF-8");
  out_.put_bytes(text.data(), text.size());
  return true;
}

bool value_encoder::write_symbol(const schema_node& type, const value& datum) {
  if (&type == &datum.type()) {
    out_.put_long(datum.symbol_index());
    return true;
  }
  const auto found = std::find(type.symbols.begin(), type.symbols.end(), datum.symbol());
  if (found == type.symbols.end())
    return fail(errc::unresolvable, "an enum symbol that the schema does not have");
  out_.put_long(found - type.symbols.begin());
  return true;
}

bool value_encoder::write_deeper(const schema_node& type, const value& datum) {
  if (depth_ >= depth_max_) return fail(errc::limit_exceeded, "nested deeper than the limit");
  ++depth_;
  const bool done = write(type, datum);
  --depth_;
  return done;
}

bool value_encoder::write_items(const schema_node& type, const value& datum) {
  const array_view<value> items = datum.items();
  if (!items.empty()) out_.put_long(static_cast<std::int64_t>(items.size()));
  for (const value& item : items) {
    if (!write_deeper(*type.item, item)) {
      path_.insert(0, "[]");
      return false;
    }
  }
  out_.put_long(0);
  return true;
}

bool value_encoder::write_entries(const schema_node& type, const value& datum) {
  const map_view<value> entries = datum.entries();
  if (!entries.empty()) out_.put_long(static_cast<std::int64_t>(entries.size()));
  for (const auto& [key, item] : entries) {
    if (!write_text(key) || !write_deeper(*type.item, item)) {
      path_.insert(0, "[]");
      return false;
    }
  }
  out_.put_long(0);
  return true;
}

bool value_encoder::write_record(const schema_node& type, const value& datum) {
  const bool same = &type == &datum.type();
  for (std::size_t i = 0; i < type.fields.size(); ++i) {
    const value* field = same ? &datum.fields()[i] : datum.field(type.fields[i].name);
    const bool done = field == nullptr ? fail(errc::unresolvable, "a record without this field")
                                       : write_deeper(*type.fields[i].type, *field);
    if (!done) {
      path_.insert(0, "." + type.fields[i].name);
      return false;
    }
  }
  return true;
}

}  // namespace millrace::avro

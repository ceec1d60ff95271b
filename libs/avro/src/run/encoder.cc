#include <millrace/avro/encoder.h>
#include <millrace/base/text.h>

#include "plan/compiler.h"
#include "plan/encode_code.h"
#include "run/byte_sink.h"
#include "run/utf8.h"
#include "run/value_encoder.h"
#include "run/wire_read.h"

namespace millrace::avro {
namespace {

constexpr std::size_t depth_cap = 128;

template <class T>
[[nodiscard]] T load_from(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

[[nodiscard]] std::int64_t varint_bytes(std::int64_t value) {
  std::int64_t bytes = 1;
  for (auto rest = static_cast<std::uint64_t>((value << 1) ^ (value >> 63)); rest >= 0x80; rest >>= 7U)
    ++bytes;
  return bytes;
}

[[nodiscard]] std::size_t uuid_to_text(const std::byte* bytes, char* text) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    const auto byte = std::to_integer<unsigned>(bytes[i]);
    text[at++] = hex_digits[byte >> 4U];
    text[at++] = hex_digits[byte & 0xFU];
  }
  return at;
}

// Walks the compiled tree over one value. Stops at the first failure, which it keeps.
class value_writer {
 public:
  value_writer(const encode_code& code, byte_sink& out) : code_(code), out_(out) {}

  [[nodiscard]] bool write(const encode_node& node, const std::byte* value) {
    switch (node.code) {
      case encode_op::nothing:
        return true;
      case encode_op::constant:
        out_.put(node.constant.data(), node.constant.size());
        return true;
      case encode_op::boolean:
        out_.put(value, 1);
        return true;
      case encode_op::from_int32:
        out_.put_long(load_from<std::int32_t>(value));
        return true;
      case encode_op::from_int64:
        out_.put_long(load_from<std::int64_t>(value));
        return true;
      case encode_op::days:
        return write_int32(node, load_from<std::int64_t>(value));
      case encode_op::raw:
        out_.put(value, node.size);
        return true;
      case encode_op::float_to_double: {
        const double wide = static_cast<double>(load_from<float>(value));
        out_.put(&wide, sizeof wide);
        return true;
      }
      case encode_op::string:
        return write_string(node, load_from<std::string_view>(value));
      case encode_op::owned_string:
        return write_string(node, *reinterpret_cast<const std::string*>(value));
      case encode_op::bytes:
        return write_bytes(load_from<bytes_view>(value));
      case encode_op::owned_bytes:
        return write_bytes(*reinterpret_cast<const byte_buffer*>(value));
      case encode_op::uuid_text: {
        char text[36];
        out_.put_bytes(text, uuid_to_text(value, text));
        return true;
      }
      case encode_op::decimal:
      case encode_op::decimal_fixed:
      case encode_op::big_decimal:
        return write_decimal(node, *reinterpret_cast<const decimal_view*>(value));
      case encode_op::symbol:
        return write_symbol(node, value);
      case encode_op::branch:
        out_.put_long(node.number);
        return write(child(node, 0), value);
      case encode_op::alternatives:
        return write_alternative(node, value);
      case encode_op::pointer:
        return write_pointer(node, value);
      case encode_op::record:
        return write_record(node, value);
      case encode_op::items:
        return write_items(node, value);
      case encode_op::entries:
        return write_items(node, value);
      case encode_op::owned_entries:
        return write_owned_entries(node, value);
      case encode_op::any_value:
        return write_any(node, value);
    }
    return false;
  }

  [[nodiscard]] error failure() const {
    const bool root = code_.nodes[code_.root].path == *path_ && inner_path_.starts_with('.');
    return {code_of_, (root ? inner_path_.substr(1) : *path_ + inner_path_) + ": " + why_};
  }

 private:
  [[nodiscard]] const encode_node& child(const encode_node& node, std::size_t i) const {
    return code_.nodes[node.children[i].node];
  }
  [[nodiscard]] bool fail(const encode_node& node, errc code, const char* why) {
    path_ = &node.path;
    code_of_ = code;
    why_ = why;
    return false;
  }
  [[nodiscard]] bool write_int32(const encode_node& node, std::int64_t value) {
    if (value < INT32_MIN || value > INT32_MAX)
      return fail(node, errc::unresolvable, "out of the range of an int");
    out_.put_long(value);
    return true;
  }
  [[nodiscard]] bool write_string(const encode_node& node, std::string_view text) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    if (!is_utf8(bytes, text.size())) {
      return fail(node, errc::invalid_utf8, "a string that is not UTF-8");
    }
    out_.put_bytes(text.data(), text.size());
    return true;
  }
  [[nodiscard]] bool write_bytes(bytes_view bytes) {
    out_.put_bytes(bytes.data(), bytes.size());
    return true;
  }
  [[nodiscard]] bool write_decimal(const encode_node& node, const decimal_view& value) {
    const bytes_view unscaled = value.unscaled;
    if (node.code == encode_op::big_decimal) {
      const auto size = static_cast<std::int64_t>(unscaled.size());
      out_.put_long(size + varint_bytes(size) + varint_bytes(value.scale));
      out_.put_bytes(unscaled.data(), unscaled.size());
      out_.put_long(value.scale);
      return true;
    }
    if (value.scale != node.number)
      return fail(node, errc::unresolvable, "a decimal of another scale than the schema's");
    if (node.code == encode_op::decimal) {
      constexpr std::byte zero{0};
      if (unscaled.empty()) {
        out_.put_bytes(&zero, 1);  // many readers choke on no bytes
      } else {
        out_.put_bytes(unscaled.data(), unscaled.size());
      }
      return true;
    }
    return write_fixed_decimal(node, unscaled);
  }
  [[nodiscard]] bool write_fixed_decimal(const encode_node& node, bytes_view unscaled) {
    const bool negative = !unscaled.empty() && (std::to_integer<unsigned>(unscaled[0]) & 0x80U) != 0;
    const std::byte sign = negative ? std::byte{0xFF} : std::byte{0};
    // Bytes that only repeat the sign may go.
    while (unscaled.size() > node.size && unscaled[0] == sign &&
           (unscaled.size() == 1 || ((unscaled[1] ^ sign) & std::byte{0x80}) == std::byte{0})) {
      unscaled = unscaled.subspan(1);
    }
    if (unscaled.size() > node.size)
      return fail(node, errc::unresolvable, "a decimal wider than the schema's fixed");
    for (std::size_t i = unscaled.size(); i < node.size; ++i) out_.put(&sign, 1);
    out_.put(unscaled.data(), unscaled.size());
    return true;
  }
  [[nodiscard]] bool write_symbol(const encode_node& node, const std::byte* value) {
    std::int32_t raw = 0;
    if (node.size == 1) raw = node.is_signed ? load_from<std::int8_t>(value) : load_from<std::uint8_t>(value);
    if (node.size == 2)
      raw = node.is_signed ? load_from<std::int16_t>(value) : load_from<std::uint16_t>(value);
    if (node.size == 4) raw = load_from<std::int32_t>(value);
    if (raw >= 0 && static_cast<std::size_t>(raw) < node.dense_symbols.size() &&
        node.dense_symbols[static_cast<std::size_t>(raw)] >= 0) {
      out_.put_long(node.dense_symbols[static_cast<std::size_t>(raw)]);
      return true;
    }
    const auto found = node.symbols.find(raw);
    if (found == node.symbols.end())
      return fail(node, errc::unresolvable, "an enum value without a symbol in the schema");
    out_.put_long(found->second);
    return true;
  }
  [[nodiscard]] bool write_alternative(const encode_node& node, const std::byte* value) {
    const std::size_t active = node.operations->active(value);
    if (active >= node.children.size()) return fail(node, errc::unresolvable, "a variant without a value");
    return write(child(node, active), value + node.children[active].offset);
  }
  [[nodiscard]] bool write_pointer(const encode_node& node, const std::byte* value) {
    const auto* pointee = load_from<const std::byte*>(value);
    if (pointee != nullptr) return write_deeper(node, child(node, 1), pointee);
    if (node.children[0].node == no_node) {
      return fail(node, errc::unresolvable, "a null pointer where the schema has no null");
    }
    return write(child(node, 0), value);
  }
  [[nodiscard]] bool write_deeper(const encode_node& at, const encode_node& node, const std::byte* value) {
    if (++depth_ > code_.depth_max) return fail(at, errc::limit_exceeded, "nested deeper than the limit");
    const bool done = write(node, value);
    --depth_;
    return done;
  }
  [[nodiscard]] bool write_record(const encode_node& node, const std::byte* value) {
    for (const encode_child& field : node.children) {
      if (!write(code_.nodes[field.node], value + field.offset)) return false;
    }
    return true;
  }
  [[nodiscard]] bool write_items(const encode_node& node, const std::byte* value) {
    const auto [items, count] = node.operations->items(value);
    if (count != 0) out_.put_long(static_cast<std::int64_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      const std::byte* item = items + i * node.size;
      if (node.code == encode_op::entries && !write_string(node, load_from<std::string_view>(item)))
        return false;
      if (!write_deeper(node, child(node, 0), item + node.children[0].offset)) return false;
    }
    out_.put_long(0);
    return true;
  }
  [[nodiscard]] bool write_any(const encode_node& node, const std::byte* value) {
    value_encoder encoder(out_, code_.depth_max - depth_);
    if (encoder.write(*node.schema, *reinterpret_cast<const avro::value*>(value))) return true;
    inner_path_ = encoder.path();
    return fail(node, encoder.code(), encoder.why());
  }
  [[nodiscard]] bool write_owned_entries(const encode_node& node, const std::byte* value) {
    struct walk {
      value_writer* self;
      const encode_node* node;
      bool good;
    } state{this, &node, true};
    const std::size_t count = node.operations->count(value);
    if (count != 0) out_.put_long(static_cast<std::int64_t>(count));
    node.operations->for_each(
        value, &state, [](void* context, std::string_view key, const std::byte* mapped) {
          auto& walk_state = *static_cast<walk*>(context);
          value_writer& self = *walk_state.self;
          walk_state.good = walk_state.good && self.write_string(*walk_state.node, key) &&
                            self.write_deeper(*walk_state.node, self.child(*walk_state.node, 0), mapped);
        });
    out_.put_long(0);
    return state.good;
  }

  const encode_code& code_;
  byte_sink& out_;
  std::size_t depth_ = 0;
  const std::string* path_ = nullptr;
  std::string inner_path_;  // from there on, inside a value of any schema
  errc code_of_ = errc::unresolvable;
  const char* why_ = "";
};

}  // namespace

result<schema> schema_of(const type_descriptor& type, const limits& limit) {
  if (type.schema_text.empty()) return derive_schema(type, limit);
  parse_options options;
  options.limits = limit;
  return schema::parse(type.schema_text, options);
}

result<encode_plan> encode_plan::compile(const schema& writer, const type_descriptor& source,
                                         const encode_options& options) {
  auto code = compile_encoder(writer, source, options.limits);
  if (!code) return code.error();
  (*code)->depth_max = std::min(options.limits.depth_max, depth_cap);
  (*code)->kept = writer;
  (*code)->raw_root = options.raw_root_bytes && writer.root().type == schema_type::bytes;
  return encode_plan(*std::move(code));
}

result<void> encode_plan::encode(const void* value, byte_buffer& out) const {
  const std::size_t before = out.size();
  __attribute__((uninitialized)) byte_sink sink(out);  // its constructor sets what matters
  value_writer writer(*code_, sink);
  if (!writer.write(code_->nodes[code_->root], static_cast<const std::byte*>(value))) {
    sink.abandon();
    return writer.failure();
  }
  sink.flush();
  if (code_->raw_root) {
    const auto* start = reinterpret_cast<const std::uint8_t*>(out.data()) + before;
    const varint length = read_varint(start, start + (out.size() - before));
    const auto at = out.begin() + static_cast<std::ptrdiff_t>(before);
    out.erase(at, at + (length.next - start));
  }
  return {};
}

}  // namespace millrace::avro

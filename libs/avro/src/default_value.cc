#include "default_value.h"

#include <algorithm>
#include <limits>

#include "schema_json.h"
#include "wire_write.h"

namespace millrace::avro {
namespace {

constexpr std::size_t default_steps_max = 100'000;

class default_encoder {
 public:
  default_encoder(const limits& limit, byte_buffer& out) : limit_(limit), out_(out), start_(out.size()) {}

  [[nodiscard]] result<void> encode(const schema_node& type, const json& value, std::size_t depth) {
    // Filled-in records can multiply without writing a byte, so steps are counted as well as bytes.
    if (++steps_ > default_steps_max || depth > limit_.schema_depth_max ||
        out_.size() - start_ > limit_.default_bytes_max) {
      return error(errc::limit_exceeded, "a default larger or deeper than the limit");
    }
    switch (type.type) {
      case schema_type::null:
        return value.is_null() ? result<void>() : mismatch(type, value);
      case schema_type::boolean:
        return encode_boolean(type, value);
      case schema_type::int32:
      case schema_type::int64:
        return encode_integer(type, value);
      case schema_type::float32:
      case schema_type::float64:
        return encode_float(type, value);
      case schema_type::bytes:
      case schema_type::fixed:
        return encode_bytes(type, value);
      case schema_type::string:
        return encode_string(type, value);
      case schema_type::enumeration:
        return encode_symbol(type, value);
      case schema_type::array:
        return encode_array(type, value, depth);
      case schema_type::map:
        return encode_map(type, value, depth);
      case schema_type::record:
        return encode_record(type, value, depth);
      case schema_type::union_of:
        return encode_union(type, value, depth);
    }
    return {};
  }

 private:
  [[nodiscard]] static error mismatch(const schema_node& type, const json& value) {
    const std::string_view name = type.is_named() ? std::string_view(type.name) : to_string(type.type);
    return {errc::schema_invalid, "the default is no " + std::string(name) + ": " + in_quotes(dump(value))};
  }

  [[nodiscard]] result<void> encode_boolean(const schema_node& type, const json& value) {
    if (!value.is_boolean()) return mismatch(type, value);
    out_.push_back(static_cast<std::byte>(value.get<bool>()));
    return {};
  }

  [[nodiscard]] result<void> encode_integer(const schema_node& type, const json& value) {
    if (!value.is_number_integer()) return mismatch(type, value);
    if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) return mismatch(type, value);
    const auto number = value.get<std::int64_t>();
    if (type.type == schema_type::int32 && (number < INT32_MIN || number > INT32_MAX))
      return mismatch(type, value);
    append_long(out_, number);
    return {};
  }

  [[nodiscard]] result<void> encode_float(const schema_node& type, const json& value) {
    double number = 0;
    if (value.is_number()) {
      number = value.get<double>();
    } else if (value == "NaN") {
      number = std::numeric_limits<double>::quiet_NaN();
    } else if (value == "Infinity" || value == "INF") {
      number = std::numeric_limits<double>::infinity();
    } else if (value == "-Infinity" || value == "-INF") {
      number = -std::numeric_limits<double>::infinity();
    } else {
      return mismatch(type, value);
    }
    if (type.type == schema_type::float32) {
      append_raw(out_, static_cast<float>(number));
    } else {
      append_raw(out_, number);
    }
    return {};
  }

  // "Values of default for bytes and fixed are JSON strings, where Unicode code points 0-255 are mapped to
  // unsigned 8-bit byte values 0-255."
  [[nodiscard]] result<void> encode_bytes(const schema_node& type, const json& value) {
    if (!value.is_string()) return mismatch(type, value);
    byte_buffer bytes;
    const auto& text = value.get_ref<const std::string&>();
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto point = static_cast<unsigned char>(text[i]);
      if (point >= 0x80) {
        if (point > 0xC3 || i + 1 == text.size()) return mismatch(type, value);
        point = static_cast<unsigned char>((point << 6U) | (static_cast<unsigned char>(text[++i]) & 0x3FU));
      }
      bytes.push_back(static_cast<std::byte>(point));
    }
    if (type.type == schema_type::fixed) {
      if (bytes.size() != type.size) return mismatch(type, value);
      append(out_, bytes.data(), bytes.size());
    } else {
      append_bytes(out_, bytes.data(), bytes.size());
    }
    return {};
  }

  [[nodiscard]] result<void> encode_string(const schema_node& type, const json& value) {
    if (!value.is_string()) return mismatch(type, value);
    const auto& text = value.get_ref<const std::string&>();
    append_bytes(out_, text.data(), text.size());
    return {};
  }

  [[nodiscard]] result<void> encode_symbol(const schema_node& type, const json& value) {
    const auto found = value.is_string() ? std::find(type.symbols.begin(), type.symbols.end(),
                                                     value.get_ref<const std::string&>())
                                         : type.symbols.end();
    if (found == type.symbols.end()) return mismatch(type, value);
    append_long(out_, found - type.symbols.begin());
    return {};
  }

  [[nodiscard]] result<void> encode_array(const schema_node& type, const json& value, std::size_t depth) {
    if (!value.is_array()) return mismatch(type, value);
    if (!value.empty()) append_long(out_, static_cast<std::int64_t>(value.size()));
    for (const json& item : value) {
      if (auto encoded = encode(*type.item, item, depth + 1); !encoded) return encoded;
    }
    append_long(out_, 0);
    return {};
  }

  [[nodiscard]] result<void> encode_map(const schema_node& type, const json& value, std::size_t depth) {
    if (!value.is_object()) return mismatch(type, value);
    if (!value.empty()) append_long(out_, static_cast<std::int64_t>(value.size()));
    for (const auto& [key, item] : value.items()) {
      append_bytes(out_, key.data(), key.size());
      if (auto encoded = encode(*type.item, item, depth + 1); !encoded) return encoded;
    }
    append_long(out_, 0);
    return {};
  }

  [[nodiscard]] result<void> encode_record(const schema_node& type, const json& value, std::size_t depth) {
    if (!value.is_object()) return mismatch(type, value);
    for (const schema_field& field : type.fields) {
      json filled;
      const auto given = value.find(field.name);
      if (given == value.end()) {
        if (!field.default_json) {
          return error(errc::schema_invalid, "the default of " + type.name + " lacks field " +
                                                 in_quotes(field.name) + ", which has no default of its own");
        }
        filled = json::parse(*field.default_json);
      }
      if (auto encoded = encode(*field.type, given == value.end() ? filled : *given, depth + 1); !encoded) {
        return encoded.error().in(field.name);
      }
    }
    return {};
  }

  [[nodiscard]] result<void> encode_union(const schema_node& type, const json& value, std::size_t depth) {
    for (std::size_t i = 0; i < type.branches.size(); ++i) {
      const std::size_t before = out_.size();
      append_long(out_, static_cast<std::int64_t>(i));
      auto encoded = encode(*type.branches[i], value, depth + 1);
      if (encoded || encoded.error().code() == errc::limit_exceeded) return encoded;
      out_.resize(before);
    }
    return error(errc::schema_invalid, "the default fits no branch of the union: " + in_quotes(dump(value)));
  }

  const limits& limit_;
  byte_buffer& out_;
  std::size_t start_;
  std::size_t steps_ = 0;
};

}  // namespace

result<void> encode_default(const schema_node& type, std::string_view json_text, const limits& limit,
                            byte_buffer& out) {
  auto value = parse_json(json_text, limit.schema_text_bytes_max, 4 * limit.schema_depth_max);
  if (!value) return value.error();
  return default_encoder(limit, out).encode(type, *value, 0);
}

}  // namespace millrace::avro

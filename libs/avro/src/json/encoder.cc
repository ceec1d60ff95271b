// JSON to Avro's binary form: defaults of fields, and data in Avro's JSON encoding.
#include "json/encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <millrace/avro/json.h>

#include "run/wire_write.h"
#include "schema/json.h"

namespace millrace::avro {
namespace {

constexpr std::size_t value_cost = 8;

enum class json_purpose { field_default, datum };

struct json_bounds {
  std::size_t depth_max;
  std::size_t bytes_max;
  bool first_branch_only = false;
};

// The two differ in what stands for a union's value (the bare value, or {"branch": value}), in whether fields
// may be missing, and in what an error may show.
class json_encoder {
 public:
  json_encoder(json_purpose purpose, const json_bounds& bounds, std::size_t& budget_left, byte_buffer& out)
      : purpose_(purpose), bounds_(bounds), budget_left_(budget_left), out_(out), start_(out.size()) {}

  [[nodiscard]] result<void> encode(const schema_node& type, const json& value, std::size_t depth) {
    if (budget_left_ < value_cost || depth > bounds_.depth_max || out_.size() - start_ > bounds_.bytes_max) {
      return error(errc::limit_exceeded, purpose_ == json_purpose::datum
                                             ? "a value larger or deeper than the limit"
                                             : "a default larger or deeper than the limit");
    }
    budget_left_ -= value_cost;
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
  [[nodiscard]] error mismatch(const schema_node& type, const json& value) const {
    const std::string name(type.is_named() ? std::string_view(type.name) : to_string(type.type));
    return refuse("the default is not of type " + name, "not of type " + name, value);
  }
  // Defaults are shown, data never.
  [[nodiscard]] error refuse(const std::string& of_default, const std::string& of_datum,
                             const json& value) const {
    if (purpose_ == json_purpose::datum) return {errc::malformed, of_datum};
    return {errc::schema_invalid, of_default + ": " + in_quotes(dump(value))};
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
      // What rounds to the largest float or less: the shortest text of the largest float is a larger double.
      const bool fits = !std::isfinite(number) || std::fabs(number) < 0x1.ffffffp+127;
      if (!fits) return mismatch(type, value);
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
      if (auto encoded = encode(*type.item, item, depth + 1); !encoded) return encoded.error().in("[]");
    }
    append_long(out_, 0);
    return {};
  }

  [[nodiscard]] result<void> encode_map(const schema_node& type, const json& value, std::size_t depth) {
    if (!value.is_object()) return mismatch(type, value);
    if (!value.empty()) append_long(out_, static_cast<std::int64_t>(value.size()));
    for (const auto& [key, item] : value.items()) {
      append_bytes(out_, key.data(), key.size());
      if (auto encoded = encode(*type.item, item, depth + 1); !encoded) return encoded.error().in("[]");
    }
    append_long(out_, 0);
    return {};
  }

  [[nodiscard]] result<void> encode_record(const schema_node& type, const json& value, std::size_t depth) {
    if (!value.is_object()) return mismatch(type, value);
    std::size_t used = 0;
    for (const schema_field& field : type.fields) {
      const auto given = value.find(field.name);
      if (given != value.end()) ++used;
      auto encoded = given != value.end() ? encode(*field.type, *given, depth + 1)
                                          : encode_missing(type, field, depth + 1);
      if (!encoded) return encoded.error().in(field.name);
    }
    if (purpose_ == json_purpose::datum && used != value.size())
      return error(errc::malformed, "a field that record " + type.name + " does not have");
    return {};
  }

  [[nodiscard]] result<void> encode_missing(const schema_node& type, const schema_field& field,
                                            std::size_t depth) {
    if (purpose_ == json_purpose::datum)
      return error(errc::malformed, "record " + type.name + " lacks this field");
    if (!field.default_json) {
      return error(errc::schema_invalid, "the default of " + type.name + " lacks field " +
                                             in_quotes(field.name) + ", which has no default of its own");
    }
    return encode(*field.type, json::parse(*field.default_json), depth);
  }

  [[nodiscard]] result<void> encode_union(const schema_node& type, const json& value, std::size_t depth) {
    if (purpose_ == json_purpose::datum) return encode_tagged(type, value, depth);
    const std::size_t allowed = bounds_.first_branch_only ? 1 : SIZE_MAX;
    for (std::size_t i = 0; i < std::min(type.branches.size(), allowed); ++i) {
      const std::size_t before = out_.size();
      append_long(out_, static_cast<std::int64_t>(i));
      auto encoded = encode(*type.branches[i], value, depth);
      if (encoded || encoded.error().code() == errc::limit_exceeded) return encoded;
      out_.resize(before);
    }
    return error(errc::schema_invalid, "the default fits no branch of the union: " + in_quotes(dump(value)));
  }

  // null, or an object whose only key names the branch.
  [[nodiscard]] result<void> encode_tagged(const schema_node& type, const json& value, std::size_t depth) {
    const bool tagged = value.is_object() && value.size() == 1;
    if (!tagged && !value.is_null())
      return error(errc::malformed, R"(neither null nor {"branch": value}, as a union's value has to be)");
    const std::string tag = tagged ? value.begin().key() : "null";
    for (std::size_t i = 0; i < type.branches.size(); ++i) {
      const schema_node& branch = *type.branches[i];
      if (branch_name(branch) != tag) continue;
      append_long(out_, static_cast<std::int64_t>(i));
      return encode(branch, tagged ? *value.begin() : value, depth);
    }
    return error(errc::malformed, "a branch that the union does not have");
  }

  json_purpose purpose_;
  json_bounds bounds_;
  std::size_t& budget_left_;
  byte_buffer& out_;
  std::size_t start_;
};

}  // namespace

std::string_view branch_name(const schema_node& branch) noexcept {
  return branch.is_named() ? std::string_view(branch.name) : to_string(branch.type);
}

result<void> encode_default(const schema_node& type, std::string_view json_text, const limits& limit,
                            std::size_t& budget_left, byte_buffer& out, bool first_branch_only) {
  auto value = parse_json(json_text, limit.schema_text_bytes_max, 4 * limit.schema_depth_max);
  if (!value) return value.error();
  const json_bounds bounds{limit.schema_depth_max, limit.default_bytes_max, first_branch_only};
  const std::size_t before = out.size();
  auto done = json_encoder(json_purpose::field_default, bounds, budget_left, out).encode(type, *value, 0);
  const std::size_t bytes = out.size() - before;
  budget_left -= std::min(budget_left, bytes);
  if (done && bytes > limit.default_bytes_max) {
    return error(errc::limit_exceeded,
                 "a default of more than " + std::to_string(limit.default_bytes_max) + " bytes");
  }
  return done;
}

result<void> encode_json(const schema& writer, std::string_view text, byte_buffer& out, const limits& limit) {
  // A level of the datum takes up to two of the text: a union's value has braces of its own.
  auto value = parse_json(text, limit.json_text_bytes_max, 2 * limit.depth_max + 2);
  if (!value) {
    if (value.error().code() == errc::limit_exceeded)
      return error(errc::limit_exceeded, "JSON text larger or deeper than the limit");
    return error(errc::malformed, "not JSON");
  }
  const std::size_t before = out.size();
  const json_bounds bounds{limit.depth_max, limit.json_text_bytes_max};
  std::size_t budget_left = SIZE_MAX;
  auto done = json_encoder(json_purpose::datum, bounds, budget_left, out).encode(writer.root(), *value, 0);
  if (!done) out.resize(before);
  return done;
}

}  // namespace millrace::avro

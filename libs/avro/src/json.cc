#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>

#include <millrace/avro/json.h>
#include <millrace/base/values.h>

#include "utf8.h"
#include "wire_read.h"

namespace millrace::avro {
namespace {

class json_reader {
 public:
  json_reader(bytes_view in, const limits& limit)
      : begin_(reinterpret_cast<const std::uint8_t*>(in.data())),
        p_(begin_),
        end_(begin_ + in.size()),
        limit_(limit),
        output_max_(limit.output_bytes_base + limit.output_bytes_per_byte * in.size()),
        zero_bytes_left_(limit.zero_byte_items_max) {}

  [[nodiscard]] bool read(const schema_node& node, std::string& out) {
    if (out.size() + elsewhere_ > output_max_)
      return fail(errc::limit_exceeded, "more decoded bytes than the limit");
    switch (node.type) {
      case schema_type::null:
        out += "null";
        return true;
      case schema_type::boolean:
        return read_boolean(out);
      case schema_type::int32:
        return read_int(node, out);
      case schema_type::int64:
        return read_long(node, out);
      case schema_type::float32:
        return read_float<float>(out);
      case schema_type::float64:
        return read_float<double>(out);
      case schema_type::string:
        return read_string(out);
      case schema_type::bytes:
        return read_bytes(node, out);
      case schema_type::fixed:
        return read_fixed(node, out);
      case schema_type::enumeration:
        return read_symbol(node, out);
      case schema_type::union_of: {
        std::uint64_t index = 0;
        if (!read_index(node.branches.size(), index)) return false;
        return read(*node.branches[index], out);
      }
      case schema_type::array:
        return read_array(node, out);
      case schema_type::map:
        return read_map(node, out);
      case schema_type::record:
        return read_record(node, out);
    }
    return false;
  }

  [[nodiscard]] std::size_t used() const { return static_cast<std::size_t>(p_ - begin_); }
  [[nodiscard]] error failure() const {
    return {code_, (path_.empty() ? std::string("the value") : path_) + ": " + why_ + ", at byte " +
                       std::to_string(used())};
  }

 private:
  [[nodiscard]] bool fail(errc code, const char* why) {
    code_ = code;
    why_ = why;
    return false;
  }
  [[nodiscard]] std::uint64_t left() const { return static_cast<std::uint64_t>(end_ - p_); }

  [[nodiscard]] bool read_varint(std::uint64_t& value) {
    if (p_ == end_) return fail(errc::truncated, why_truncated);
    if (*p_ < 0x80) {
      value = *p_++;
      return true;
    }
    const varint read = read_long_varint(p_, end_, false);
    if (read.next == nullptr) {
      const char* why = why_bad_varint(p_, end_, false);
      return fail(code_of(why), why);
    }
    value = read.value;
    p_ = read.next;
    return true;
  }
  [[nodiscard]] bool read_int32(std::int64_t& value) {
    const std::uint8_t* const at = p_;
    std::uint64_t raw = 0;
    if (!read_varint(raw)) return false;
    if (raw > UINT32_MAX || p_ - at > 5) return fail(errc::malformed, why_long_varint);
    value = zigzag(raw);
    return true;
  }
  [[nodiscard]] bool read_index(std::size_t count, std::uint64_t& index) {
    std::uint64_t raw = 0;
    if (!read_varint(raw)) return false;
    index = raw >> 1U;
    if ((raw & 1U) != 0 || index >= count)
      return fail(errc::malformed, "an index that the schema does not have");
    return true;
  }
  [[nodiscard]] bool read_span(bytes_view& span) {
    std::uint64_t raw = 0;
    if (!read_varint(raw)) return false;
    if ((raw & 1U) != 0) return fail(errc::malformed, "a negative length");
    return take(raw >> 1U, span);
  }
  [[nodiscard]] bool take(std::uint64_t size, bytes_view& span) {
    if (size > left()) return fail(errc::truncated, why_truncated);
    span = {reinterpret_cast<const std::byte*>(p_), size};
    p_ += size;
    return true;
  }

  static void quote(std::string_view text, std::string& out) {
    out.push_back('"');
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x",
                      static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += escaped;
      } else {
        out.push_back(c);
      }
    }
    out.push_back('"');
  }

  [[nodiscard]] bool read_boolean(std::string& out) {
    if (p_ == end_) return fail(errc::truncated, why_truncated);
    if (*p_ > 1) return fail(errc::malformed, "a boolean that is neither 0 nor 1");
    out += *p_++ == 1 ? "true" : "false";
    return true;
  }

  // "2025-10-09" for days since 1970; false when that has no four-digit year.
  [[nodiscard]] static bool date_text(std::int64_t days, std::string& out) {
    constexpr std::int64_t first = -719'528;  // 0000-01-01
    constexpr std::int64_t last = 2'932'896;  // 9999-12-31
    if (days < first || days > last) return false;
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
    char text[16];
    std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
    out += text;
    return true;
  }
  // "13:07:00.000" with `digits` of a second; `value` counts them.
  [[nodiscard]] static bool time_text(std::int64_t value, int digits, std::string& out) {
    std::int64_t per_second = 1;
    for (int i = 0; i < digits; ++i) per_second *= 10;
    if (value < 0 || value >= 86'400 * per_second) return false;
    const std::int64_t seconds = value / per_second;
    char text[32];
    std::snprintf(text, sizeof text, "%02d:%02d:%02d.%0*lld", static_cast<int>(seconds / 3600),
                  static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60), digits,
                  static_cast<long long>(value % per_second));
    out += text;
    return true;
  }
  static void instant_text(std::int64_t value, int digits, bool utc, std::string& out) {
    std::int64_t per_day = 86'400;
    for (int i = 0; i < digits; ++i) per_day *= 10;
    std::int64_t days = value / per_day;
    if (value % per_day < 0) --days;
    std::string text = "\"";
    if (date_text(days, text)) {
      text += 'T';
      static_cast<void>(time_text(value - days * per_day, digits, text));
      out += text + (utc ? "Z\"" : "\"");
    } else {
      out += std::to_string(value);
    }
  }
  static void number_text(logical_type logical, std::int64_t value, std::string& out) {
    std::string text = "\"";
    switch (logical) {
      case logical_type::date:
        out += date_text(value, text) ? text + '"' : std::to_string(value);
        return;
      case logical_type::time_millis:
        out += time_text(value, 3, text) ? text + '"' : std::to_string(value);
        return;
      case logical_type::time_micros:
        out += time_text(value, 6, text) ? text + '"' : std::to_string(value);
        return;
      case logical_type::timestamp_millis:
        instant_text(value, 3, true, out);
        return;
      case logical_type::timestamp_micros:
        instant_text(value, 6, true, out);
        return;
      case logical_type::timestamp_nanos:
        instant_text(value, 9, true, out);
        return;
      case logical_type::local_timestamp_millis:
        instant_text(value, 3, false, out);
        return;
      case logical_type::local_timestamp_micros:
        instant_text(value, 6, false, out);
        return;
      case logical_type::local_timestamp_nanos:
        instant_text(value, 9, false, out);
        return;
      case logical_type::none:
      case logical_type::decimal:
      case logical_type::big_decimal:
      case logical_type::uuid:
      case logical_type::duration:
        out += std::to_string(value);
        return;
    }
  }
  [[nodiscard]] bool read_int(const schema_node& node, std::string& out) {
    std::int64_t value = 0;
    if (!read_int32(value)) return false;
    number_text(node.logical, value, out);
    return true;
  }
  [[nodiscard]] bool read_long(const schema_node& node, std::string& out) {
    std::uint64_t raw = 0;
    if (!read_varint(raw)) return false;
    number_text(node.logical, zigzag(raw), out);
    return true;
  }
  template <class T>
  [[nodiscard]] bool read_float(std::string& out) {
    if (left() < sizeof(T)) return fail(errc::truncated, why_truncated);
    const T value = load<T>(p_);
    p_ += sizeof(T);
    if (std::isfinite(value)) {
      char text[40];
      const auto written = std::to_chars(text, text + sizeof text, value);
      out.append(text, written.ptr);
    } else {
      out += std::isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    }
    return true;
  }
  [[nodiscard]] bool read_text(std::string_view& text) {
    bytes_view span;
    if (!read_span(span)) return false;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(span.data());
    if (!is_utf8(bytes, span.size(), end_)) return fail(errc::invalid_utf8, "a string that is not UTF-8");
    text = as_text(span);
    return true;
  }
  [[nodiscard]] bool read_string(std::string& out) {
    std::string_view text;
    if (!read_text(text)) return false;
    quote(text, out);
    return true;
  }
  static void decimal_text(bytes_view unscaled, std::int32_t scale, std::string& out) {
    auto text = decimal_view{unscaled, scale}.to_string();
    out += '"' + (text ? *text : "0x" + to_hex(unscaled) + "E" + std::to_string(-std::int64_t{scale})) + '"';
  }
  [[nodiscard]] bool read_bytes(const schema_node& node, std::string& out) {
    bytes_view span;
    if (!read_span(span)) return false;
    if (node.logical == logical_type::decimal) {
      decimal_text(span, node.scale, out);
    } else if (node.logical == logical_type::big_decimal) {
      return read_big_decimal(span, out);
    } else {
      out += '"' + to_hex(span) + '"';
    }
    return true;
  }
  // The bytes hold a `bytes` (the unscaled value) and an `int` (the scale).
  [[nodiscard]] bool read_big_decimal(bytes_view span, std::string& out) {
    const std::uint8_t* const after = p_;
    const std::uint8_t* const whole = end_;
    p_ = reinterpret_cast<const std::uint8_t*>(span.data());
    end_ = after;
    bytes_view unscaled;
    std::int64_t scale = 0;
    if (!read_span(unscaled) || !read_int32(scale) || p_ != after)
      return fail(errc::malformed, "not a big-decimal");
    end_ = whole;
    decimal_text(unscaled, static_cast<std::int32_t>(scale), out);
    return true;
  }
  [[nodiscard]] bool read_fixed(const schema_node& node, std::string& out) {
    bytes_view span;
    if (!take(node.size, span)) return false;
    if (node.logical == logical_type::decimal) {
      decimal_text(span, node.scale, out);
    } else if (node.logical == logical_type::uuid) {
      uuid id;
      std::copy(span.begin(), span.end(), id.bytes.begin());
      out += '"' + id.to_string() + '"';
    } else if (node.logical == logical_type::duration) {
      const auto* at = reinterpret_cast<const std::uint8_t*>(span.data());
      out += R"({"months":)" + std::to_string(load<std::uint32_t>(at)) + R"(,"days":)" +
             std::to_string(load<std::uint32_t>(at + 4)) + R"(,"millis":)" +
             std::to_string(load<std::uint32_t>(at + 8)) + "}";
    } else {
      out += '"' + to_hex(span) + '"';
    }
    return true;
  }
  [[nodiscard]] bool read_symbol(const schema_node& node, std::string& out) {
    std::uint64_t index = 0;
    if (!read_index(node.symbols.size(), index)) return false;
    quote(node.symbols[index], out);
    return true;
  }

  // The next block's items; 0 ends the collection.
  [[nodiscard]] bool read_block(std::uint32_t wire_bytes_min, std::uint64_t& count) {
    std::uint64_t raw = 0;
    if (!read_varint(raw)) return false;
    count = raw >> 1U;
    if ((raw & 1U) != 0) {
      ++count;
      std::uint64_t size = 0;
      if (!read_varint(size)) return false;
      if ((size & 1U) != 0) return fail(errc::malformed, "an array or map block whose size is wrong");
    }
    if (wire_bytes_min == 0) {
      if (count > zero_bytes_left_)
        return fail(errc::limit_exceeded, "more items of no bytes than the limit");
      zero_bytes_left_ -= count;
    } else if (count > left() || count * wire_bytes_min > left()) {
      return fail(errc::truncated, why_truncated);
    }
    return true;
  }
  template <class Item>
  [[nodiscard]] bool read_blocks(std::uint32_t wire_bytes_min, const Item& item) {
    if (++depth_ > limit_.depth_max) return fail(errc::limit_exceeded, "nested deeper than the limit");
    for (;;) {
      std::uint64_t count = 0;
      if (!read_block(wire_bytes_min, count)) return false;
      if (count == 0) break;
      for (std::uint64_t i = 0; i < count; ++i) {
        if (!item()) return false;
      }
    }
    --depth_;
    return true;
  }
  [[nodiscard]] bool read_array(const schema_node& node, std::string& out) {
    const std::size_t before = path_.size();
    path_ += "[]";
    out += '[';
    bool first = true;
    const bool done = read_blocks(node.item->wire_bytes_min, [&] {
      if (!first) out += ',';
      first = false;
      return read(*node.item, out);
    });
    if (!done) return false;
    path_.resize(before);
    out += ']';
    return true;
  }
  [[nodiscard]] bool read_map(const schema_node& node, std::string& out) {
    const std::size_t before = path_.size();
    path_ += "[]";
    std::vector<std::pair<std::string_view, std::string>> entries;
    std::map<std::string_view, std::size_t> places;
    const std::size_t elsewhere_before = elsewhere_;
    const bool done = read_blocks(node.item->wire_bytes_min + 1, [&] {
      std::string_view key;
      std::string value;
      if (!read_text(key)) return false;
      elsewhere_ += out.size();
      if (!read(*node.item, value)) return false;
      elsewhere_ -= out.size();
      elsewhere_ += value.size() + key.size();
      const auto [at, added] = places.try_emplace(key, entries.size());
      if (added) entries.emplace_back(key, std::string());
      entries[at->second].second = std::move(value);
      return true;
    });
    if (!done) return false;
    path_.resize(before);
    elsewhere_ = elsewhere_before;
    out += '{';
    const char* comma = "";
    for (const auto& [key, value] : entries) {
      out += comma;
      quote(key, out);
      out += ':';
      out += value;
      comma = ",";
    }
    out += '}';
    return true;
  }
  [[nodiscard]] bool read_record(const schema_node& node, std::string& out) {
    if (++depth_ > limit_.depth_max) return fail(errc::limit_exceeded, "nested deeper than the limit");
    const std::size_t before = path_.size();
    out += '{';
    const char* comma = "";
    for (const schema_field& field : node.fields) {
      if (!path_.empty()) path_ += '.';
      path_ += field.name;
      out += comma;
      quote(field.name, out);
      out += ':';
      if (!read(*field.type, out)) return false;
      comma = ",";
      path_.resize(before);
    }
    out += '}';
    --depth_;
    return true;
  }

  const std::uint8_t* begin_;
  const std::uint8_t* p_;
  const std::uint8_t* end_;
  const limits& limit_;
  std::size_t output_max_;
  std::size_t elsewhere_ = 0;  // text held outside of the `out` at hand
  std::uint64_t zero_bytes_left_;
  std::size_t depth_ = 0;
  std::string path_;
  errc code_ = errc::malformed;
  const char* why_ = "";
};

}  // namespace

result<json_datum> decode_to_json(const schema& writer, bytes_view in, const limits& limit) {
  json_reader reader(in, limit);
  json_datum made;
  if (!reader.read(writer.root(), made.text)) return reader.failure();
  made.bytes_used = reader.used();
  return made;
}

}  // namespace millrace::avro

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include <millrace/avro/json.h>
#include <millrace/avro/plan.h>

#include "json/encoder.h"
#include "json/text.h"
#include "run/value_encoder.h"

namespace millrace::avro {
namespace {

class value_printer {
 public:
  value_printer(json_form form, std::size_t bytes_max, std::string& out)
      : form_(form), bytes_max_(bytes_max), out_(out) {}

  [[nodiscard]] result<void> print(const schema_node& type, const value& datum) {
    if (type.type == schema_type::union_of) return print_union(type, datum);
    switch (datum.type().type) {
      case schema_type::null:
        out_ += "null";
        break;
      case schema_type::boolean:
        out_ += datum.boolean() ? "true" : "false";
        break;
      case schema_type::int32:
      case schema_type::int64:
        append_number(is_plain() ? datum.type().logical : logical_type::none, datum.int64(), out_);
        break;
      case schema_type::float32:
        print_float(datum.float32());
        break;
      case schema_type::float64:
        print_float(datum.float64());
        break;
      case schema_type::string:
        append_quoted(datum.text(), out_);
        break;
      case schema_type::enumeration:
        append_quoted(datum.symbol(), out_);
        break;
      case schema_type::bytes:
      case schema_type::fixed:
        if (!is_plain() || !print_meaning(datum)) print_bytes(datum.bytes());
        break;
      case schema_type::array:
        return print_items(type, datum);
      case schema_type::map:
        return print_entries(type, datum);
      case schema_type::record:
        return print_fields(type, datum);
      case schema_type::union_of:
        break;  // never of a value
    }
    return bounded();
  }

 private:
  [[nodiscard]] bool is_plain() const { return form_ == json_form::plain; }
  [[nodiscard]] result<void> bounded() const {
    if (out_.size() > bytes_max_) return error(errc::limit_exceeded, "more JSON text than the limit");
    return {};
  }
  [[nodiscard]] static error foreign() {
    return {errc::unresolvable, "a value of another type than the schema's"};
  }

  [[nodiscard]] result<void> print_union(const schema_node& type, const value& datum) {
    const std::size_t index = branch_of(type, datum.type());
    if (index == no_branch) return foreign();
    const schema_node& branch = *type.branches[index];
    if (is_plain() || branch.type == schema_type::null) return print(branch, datum);
    out_ += '{';
    append_quoted(branch_name(branch), out_);
    out_ += ':';
    if (auto done = print(branch, datum); !done) return done;
    out_ += '}';
    return {};
  }

  template <class T>
  void print_float(T number) {
    if (!std::isfinite(number)) {
      out_ += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
      return;
    }
    if (number == 0 && std::signbit(number)) {
      out_ += "-0.0";  // "-0" is an integer to many parsers, and loses its sign
      return;
    }
    char text[40];
    const auto written = std::to_chars(text, text + sizeof text, number);
    out_.append(text, written.ptr);
  }

  // False: no form of its own.
  [[nodiscard]] bool print_meaning(const value& datum) {
    const bytes_view bytes = datum.bytes();
    switch (datum.type().logical) {
      case logical_type::decimal:
      case logical_type::big_decimal: {
        auto number = datum.decimal();
        if (number) append_decimal(*number, out_);
        return number.ok();
      }
      case logical_type::uuid: {
        uuid id;
        std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
        out_ += '"' + id.to_string() + '"';
        return true;
      }
      case logical_type::duration: {
        std::array<std::uint32_t, 3> parts{};
        std::memcpy(parts.data(), bytes.data(), sizeof parts);
        out_ += R"({"months":)" + std::to_string(parts[0]) + R"(,"days":)" + std::to_string(parts[1]) +
                R"(,"millis":)" + std::to_string(parts[2]) + "}";
        return true;
      }
      case logical_type::none:
      case logical_type::date:
      case logical_type::time_millis:
      case logical_type::time_micros:
      case logical_type::timestamp_millis:
      case logical_type::timestamp_micros:
      case logical_type::timestamp_nanos:
      case logical_type::local_timestamp_millis:
      case logical_type::local_timestamp_micros:
      case logical_type::local_timestamp_nanos:
        break;
    }
    return false;
  }
  void print_bytes(bytes_view bytes) {
    if (is_plain()) {
      out_ += '"' + to_hex(bytes) + '"';
      return;
    }
    std::string text;  // Latin-1 as UTF-8
    for (const std::byte byte : bytes) {
      const auto point = std::to_integer<unsigned>(byte);
      if (point >= 0x80) text.push_back(static_cast<char>(0xC0U | (point >> 6U)));
      text.push_back(static_cast<char>(point >= 0x80 ? 0x80U | (point & 0x3FU) : point));
    }
    append_quoted(text, out_);
  }

  [[nodiscard]] result<void> print_items(const schema_node& type, const value& datum) {
    if (type.type != schema_type::array) return foreign();
    out_ += '[';
    bool first = true;
    for (const value& item : datum.items()) {
      if (!first) out_ += ',';
      first = false;
      if (auto done = print(*type.item, item); !done) return done;
    }
    out_ += ']';
    return bounded();
  }
  [[nodiscard]] result<void> print_entries(const schema_node& type, const value& datum) {
    if (type.type != schema_type::map) return foreign();
    std::vector<const map_entry<value>*> kept;
    std::map<std::string_view, std::size_t> places;
    for (const auto& entry : datum.entries()) {
      const auto [at, added] = places.try_emplace(entry.key, kept.size());
      if (added) kept.push_back(nullptr);
      kept[at->second] = &entry;
    }
    out_ += '{';
    for (const auto* entry : kept) {
      if (entry != kept.front()) out_ += ',';
      append_quoted(entry->key, out_);
      out_ += ':';
      if (auto done = print(*type.item, entry->value); !done) return done;
    }
    out_ += '}';
    return bounded();
  }
  [[nodiscard]] result<void> print_fields(const schema_node& type, const value& datum) {
    if (type.type != schema_type::record || type.fields.size() != datum.fields().size()) return foreign();
    out_ += '{';
    for (std::size_t i = 0; i < type.fields.size(); ++i) {
      if (i != 0) out_ += ',';
      append_quoted(type.fields[i].name, out_);
      out_ += ':';
      if (auto done = print(*type.fields[i].type, datum.fields()[i]); !done) return done;
    }
    out_ += '}';
    return bounded();
  }

  json_form form_;
  std::size_t bytes_max_;
  std::string& out_;
};

}  // namespace

result<std::string> to_json(const schema& of, const value& datum, json_form form, const limits& limit) {
  std::string text;
  if (auto done = value_printer(form, limit.json_text_bytes_max, text).print(of.root(), datum); !done)
    return done.error();
  return text;
}

result<json_datum> decode_to_json(const schema& writer, bytes_view in, json_form form, const limits& limit) {
  plan_options options;
  options.limits = limit;
  auto plan = decoder<value>::compile(writer, options);
  if (!plan) return plan.error();
  arena memory;
  value datum;
  auto used = plan->decode(in, memory, datum);
  if (!used) return used.error();
  limits bounds = limit;
  bounds.json_text_bytes_max =
      std::min(limit.json_text_bytes_max, limit.output_bytes_base + limit.output_bytes_per_byte * in.size());
  auto text = to_json(writer, datum, form, bounds);
  if (!text) return text.error();
  return json_datum{*std::move(text), *used};
}

result<value> value_from_json(const schema& of, std::string_view text, arena& memory, const limits& limit) {
  byte_buffer encoded;
  if (auto done = encode_json(of, text, encoded, limit); !done) return done.error();
  plan_options options;
  options.limits = limit;
  auto plan = decoder<value>::compile(of, options);
  if (!plan) return plan.error();
  void* kept = memory.allocate(std::max<std::size_t>(encoded.size(), 1), 1);
  if (kept == nullptr) return error(errc::limit_exceeded, "no memory for the value");
  std::copy(encoded.begin(), encoded.end(), static_cast<std::byte*>(kept));
  value datum;
  auto used = plan->decode({static_cast<const std::byte*>(kept), encoded.size()}, memory, datum);
  if (!used) return used.error();
  return datum;
}

}  // namespace millrace::avro

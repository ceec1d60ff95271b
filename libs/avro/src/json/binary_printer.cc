#include "json/binary_printer.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include <millrace/base/assert.h>
#include <millrace/base/values.h>

#include "json/base64.h"
#include "json/scan.h"
#include "json/text.h"
#include "run/wire_read.h"

namespace millrace::avro {

result<void> binary_printer::print(bytes_view datum) {
  p_ = reinterpret_cast<const std::uint8_t*>(datum.data());
  end_ = p_ + datum.size();
  if (!value(code_.at(code_.root))) return error(failed_code_, std::move(failed_what_));
  invariant(p_ == end_, "the encoder wrote one datum");
  return {};
}

bool binary_printer::value(const json_shape& s) {
  if (out_.size() > code_.options.limits.json_text_bytes_max) {
    return fail(errc::limit_exceeded, "more JSON text than the limit");
  }
  switch (s.kind) {
    case shape_kind::array:
      return array(s);
    case shape_kind::map:
      return map(s);
    case shape_kind::record:
      return record(s);
    case shape_kind::optional:
    case shape_kind::union_of:
      return union_of(s);
    case shape_kind::decimal:
    case shape_kind::decimal_fixed:
    case shape_kind::big_decimal:
      return decimal(s);
    case shape_kind::null:
    case shape_kind::boolean:
    case shape_kind::int32:
    case shape_kind::int64:
    case shape_kind::float32:
    case shape_kind::float64:
    case shape_kind::string:
    case shape_kind::uuid_text:
    case shape_kind::uuid_fixed:
    case shape_kind::bytes:
    case shape_kind::fixed:
    case shape_kind::date:
    case shape_kind::time:
    case shape_kind::instant:
    case shape_kind::local_instant:
    case shape_kind::duration:
    case shape_kind::enumeration:
      break;
  }
  return scalar(s);
}

bool binary_printer::scalar(const json_shape& s) {
  switch (s.kind) {
    case shape_kind::null:
      out_ += "null";
      break;
    case shape_kind::boolean:
      out_ += take(1)[0] != std::byte{0} ? "true" : "false";
      break;
    case shape_kind::int32:
    case shape_kind::int64:
      number(take_long());
      break;
    case shape_kind::float32:
      real<float>();
      break;
    case shape_kind::float64:
      real<double>();
      break;
    case shape_kind::string:
    case shape_kind::uuid_text:
      text(as_text(take_bytes()));
      break;
    case shape_kind::uuid_fixed: {
      uuid id;
      std::memcpy(id.bytes.data(), take(s.size).data(), id.bytes.size());
      out_ += '"' + id.to_string() + '"';
      break;
    }
    case shape_kind::bytes:
      bytes(take_bytes());
      break;
    case shape_kind::fixed:
      bytes(take(s.size));
      break;
    case shape_kind::date:
    case shape_kind::time:
    case shape_kind::instant:
    case shape_kind::local_instant:
      time(s);
      break;
    case shape_kind::duration:
      for (const char* name : {R"({"months":)", R"(,"days":)", R"(,"millis":)"}) {
        out_ += name;
        number(load<std::uint32_t>(reinterpret_cast<const std::uint8_t*>(take(4).data())));
      }
      out_ += '}';
      break;
    case shape_kind::enumeration:
      out_ += s.symbols[static_cast<std::size_t>(take_long())];
      break;
    case shape_kind::decimal:
    case shape_kind::decimal_fixed:
    case shape_kind::big_decimal:
    case shape_kind::array:
    case shape_kind::map:
    case shape_kind::record:
    case shape_kind::optional:
    case shape_kind::union_of:
      break;  // none of them comes here
  }
  return true;
}

bool binary_printer::array(const json_shape& s) {
  out_ += '[';
  bool first = true;
  for (std::int64_t count = take_long(); count != 0; count = take_long()) {
    for (; count > 0; --count) {
      if (!first) out_ += ',';
      first = false;
      if (!value(code_.at(s.item))) return false;
    }
  }
  out_ += ']';
  return true;
}

bool binary_printer::map(const json_shape& s) {
  out_ += '{';
  bool first = true;
  for (std::int64_t count = take_long(); count != 0; count = take_long()) {
    for (; count > 0; --count) {
      if (!first) out_ += ',';
      first = false;
      text(as_text(take_bytes()));
      out_ += ':';
      if (!value(code_.at(s.item))) return false;
    }
  }
  out_ += '}';
  return true;
}

bool binary_printer::record(const json_shape& s) {
  out_ += '{';
  for (const json_field& field : s.fields) {
    if (&field != s.fields.data()) out_ += ',';
    out_ += field.quoted;
    out_ += ':';
    if (!value(code_.at(field.shape))) return false;
  }
  out_ += '}';
  return true;
}

bool binary_printer::union_of(const json_shape& s) {
  const json_branch& branch = s.branches[static_cast<std::size_t>(take_long())];
  const json_shape& of = code_.at(branch.shape);
  if (of.kind == shape_kind::null) {
    out_ += "null";
    return true;
  }
  if (code_.options.unions == json_unions::tagged) {
    out_ += '{' + branch.quoted + ':';
    if (!value(of)) return false;
    out_ += '}';
    return true;
  }
  const bool real = of.kind == shape_kind::float32 || of.kind == shape_kind::float64;
  return real ? real_of_union(s, branch) : value(of);
}

// A NaN or an infinity beside strings is a string only inside a wrapper.
bool binary_printer::real_of_union(const json_shape& s, const json_branch& branch) {
  const json_shape& of = code_.at(branch.shape);
  const bool wide = of.kind == shape_kind::float64;
  const double number = wide ? load<double>(p_) : static_cast<double>(load<float>(p_));
  if (std::isfinite(number) || (of.accepts & mask_of(token::text)) != 0) return value(of);
  if ((branch.plain & mask_of(token::text)) != 0) {
    return fail(errc::unresolvable,
                "a number that is not finite, in a union of " + name_of(code_, s) + ", has no JSON form");
  }
  out_ += '{' + branch.quoted + ':';
  if (!value(of)) return false;
  out_ += '}';
  return true;
}

bool binary_printer::decimal(const json_shape& s) {
  decimal_view number;
  number.scale = s.scale;
  if (s.kind == shape_kind::decimal_fixed) {
    number.unscaled = take(s.size);
  } else if (s.kind == shape_kind::decimal) {
    number.unscaled = take_bytes();
  } else {
    static_cast<void>(take_long());
    number.unscaled = take_bytes();
    number.scale = static_cast<std::int32_t>(take_long());
  }
  const auto written = number.to_string();
  if (!written) return fail(errc::unresolvable, written.error().message());
  const bool as_number =
      code_.options.decimals == json_decimals::number || (s.accepts & mask_of(token::text)) == 0;
  if (as_number) {
    out_ += *written;
  } else {
    out_ += '"' + *written + '"';
  }
  return true;
}

template <class T>
void binary_printer::real() {
  const T number = load<T>(reinterpret_cast<const std::uint8_t*>(take(sizeof(T)).data()));
  if (!std::isfinite(number)) {
    out_ += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return;
  }
  char written[40];
  const auto end = std::to_chars(written, written + sizeof written, number).ptr;
  const std::string_view shown(written, static_cast<std::size_t>(end - written));
  out_ += shown;
  // So that it is read as what it is, and keeps the sign of a zero.
  if (shown.find_first_of(".e") == std::string_view::npos) out_ += ".0";
}

void binary_printer::time(const json_shape& s) {
  const std::int64_t content = take_long();
  const bool as_text = code_.options.times == json_times::text && (s.accepts & mask_of(token::text)) != 0;
  append_number(as_text ? s.node->logical : logical_type::none, content, out_);
}

void binary_printer::bytes(bytes_view content) {
  switch (code_.options.bytes) {
    case json_bytes::base64:
      out_ += '"';
      append_base64(content, out_);
      out_ += '"';
      break;
    case json_bytes::hexadecimal:
      out_ += '"' + to_hex(content) + '"';
      break;
    case json_bytes::latin1: {
      std::string points;  // in UTF-8
      for (const std::byte byte : content) {
        const auto point = std::to_integer<unsigned>(byte);
        if (point >= 0x80) points.push_back(static_cast<char>(0xC0U | (point >> 6U)));
        points.push_back(static_cast<char>(point >= 0x80 ? 0x80U | (point & 0x3FU) : point));
      }
      text(points);
      break;
    }
  }
}

void binary_printer::text(std::string_view content) {
  const auto* at = reinterpret_cast<const std::uint8_t*>(content.data());
  const auto* const end = at + content.size();
  out_ += '"';
  while (at != end) {
    std::uint32_t ignored = 0;
    const std::uint8_t* const special = find_special(at, end, ignored);
    out_.append(reinterpret_cast<const char*>(at), static_cast<std::size_t>(special - at));
    if (special == end) break;
    constexpr std::string_view hex = "0123456789abcdef";
    switch (*special) {
      case '"':
      case '\\':
        out_ += {'\\', static_cast<char>(*special)};
        break;
      case '\n':
        out_ += "\\n";
        break;
      case '\r':
        out_ += "\\r";
        break;
      case '\t':
        out_ += "\\t";
        break;
      default:
        out_ += {'\\', 'u', '0', '0', hex[*special >> 4U], hex[*special & 0xFU]};
    }
    at = special + 1;
  }
  out_ += '"';
}

void binary_printer::number(std::int64_t content) {
  char written[24];
  const auto end = std::to_chars(written, written + sizeof written, content).ptr;
  out_.append(written, end);
}

std::int64_t binary_printer::take_long() {
  const varint read = read_varint(p_, end_);
  invariant(read.next != nullptr, "the encoder wrote a whole number");
  p_ = read.next;
  return zigzag(read.value);
}

bytes_view binary_printer::take(std::size_t size) {
  invariant(static_cast<std::size_t>(end_ - p_) >= size, "the encoder wrote the whole value");
  const bytes_view taken(reinterpret_cast<const std::byte*>(p_), size);
  p_ += size;
  return taken;
}

bool binary_printer::fail(errc code, std::string what) {
  failed_code_ = code;
  failed_what_ = std::move(what);
  return false;
}

}  // namespace millrace::avro

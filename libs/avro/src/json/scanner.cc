#include "json/scanner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "json/number.h"
#include "json/scan.h"
#include "json/shape.h"
#include "run/utf8.h"

namespace millrace::avro {
namespace {

constexpr std::size_t nesting_max = 2 * 128 + 2;  // whatever the limits are

constexpr const char* why_half_pair = "half of a surrogate pair in a string";

[[nodiscard]] int hex_digit(std::uint8_t c) noexcept {
  if (is_digit(c)) return c - '0';
  const auto lower = static_cast<std::uint8_t>(c | 0x20U);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The four digits at `p`, which can be read; negative when they are not.
[[nodiscard]] std::int32_t hex4(const std::uint8_t* p) noexcept {
  std::int32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

[[nodiscard]] std::uint8_t* put_utf8(std::uint8_t* to, std::uint32_t point) noexcept {
  if (point < 0x80) {
    *to++ = static_cast<std::uint8_t>(point);
  } else if (point < 0x800) {
    *to++ = static_cast<std::uint8_t>(0xC0U | point >> 6U);
    *to++ = static_cast<std::uint8_t>(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    *to++ = static_cast<std::uint8_t>(0xE0U | point >> 12U);
    *to++ = static_cast<std::uint8_t>(0x80U | (point >> 6U & 0x3FU));
    *to++ = static_cast<std::uint8_t>(0x80U | (point & 0x3FU));
  } else {
    *to++ = static_cast<std::uint8_t>(0xF0U | point >> 18U);
    *to++ = static_cast<std::uint8_t>(0x80U | (point >> 12U & 0x3FU));
    *to++ = static_cast<std::uint8_t>(0x80U | (point >> 6U & 0x3FU));
    *to++ = static_cast<std::uint8_t>(0x80U | (point & 0x3FU));
  }
  return to;
}

}  // namespace

void json_scanner::start(bytes_view in, std::size_t depth_max) {
  begin_ = reinterpret_cast<at>(in.data());
  end_ = begin_ + in.size();
  depth_max_ = std::min(nesting_max, depth_max);
}

error json_scanner::failure() const {
  return {failed_code_, "$" + path_ + ": byte " + std::to_string(failed_at_) + ": " + failed_what_};
}

json_scanner::at json_scanner::too_deep(at p) {
  return fail(errc::limit_exceeded, p,
              "brackets inside each other deeper than the limit of " + std::to_string(depth_max_));
}

json_scanner::at json_scanner::skip_scalar(at p) {
  const auto literal = [&](std::string_view word) {
    return static_cast<std::size_t>(end_ - p) >= word.size() && std::memcmp(p, word.data(), word.size()) == 0
               ? p + word.size()
               : nullptr;
  };
  at behind = nullptr;
  switch (token_of(peek(p, end_))) {
    case token::text:
      return skip_string(p);
    case token::number: {
      number_text ignored;
      behind = scan_number(p, end_, ignored);
      break;
    }
    case token::null:
      behind = literal("null");
      break;
    case token::boolean:
      behind = *p == 't' ? literal("true") : literal("false");
      break;
    case token::array:
    case token::object:
    case token::none:
      break;
  }
  return behind != nullptr ? behind : unexpected(p, "a value");
}

json_scanner::at json_scanner::skip(at p) {
  std::array<bool, nesting_max> objects;  // what is open, the outermost first
  std::size_t open = 0;
  bool wants_key = false;
  while (true) {
    if (wants_key) {
      if (peek(p, end_) != '"') return unexpected(p, "a key in quotes");
      p = skip_string(p);
      if (p == nullptr) return nullptr;
      p = skip_space(p, end_);
      if (peek(p, end_) != ':') return unexpected(p, "':'");
      p = skip_space(p + 1, end_);
    }
    const std::uint8_t first = peek(p, end_);
    if (first == '{' || first == '[') {
      if (depth_ + open >= depth_max_) return too_deep(p);
      objects[open++] = wants_key = first == '{';
      p = skip_space(p + 1, end_);
      if (peek(p, end_) != (wants_key ? '}' : ']')) continue;
    } else {
      p = skip_scalar(p);
      if (p == nullptr) return nullptr;
      if (open == 0) return p;
      p = skip_space(p, end_);
    }
    while (open != 0 && peek(p, end_) == (objects[open - 1] ? '}' : ']')) {
      if (--open == 0) return p + 1;
      p = skip_space(p + 1, end_);
    }
    if (peek(p, end_) != ',') return unexpected(p, objects[open - 1] ? "',' or '}'" : "',' or ']'");
    wants_key = objects[open - 1];
    p = skip_space(p + 1, end_);
  }
}

json_scanner::at json_scanner::unescape(at p, std::uint8_t*& to) {
  while (true) {
    std::uint32_t high = 0;
    const at q = find_special(p, end_, high);
    const auto size = static_cast<std::size_t>(q - p);
    if (high != 0 && !is_utf8(p, size, begin_, end_)) return fail(errc::invalid_utf8, p, why_not_utf8);
    if (size != 0) std::memcpy(to, p, size);
    to += size;
    if (q == end_) return fail(errc::truncated, q, why_cut_off);
    if (*q == '"') return q + 1;
    if (*q != '\\') return fail(errc::malformed, q, why_control);
    std::uint32_t point = 0;
    p = escape(q, point);
    if (p == nullptr) return nullptr;
    to = put_utf8(to, point);  // shorter than the escape
  }
}

json_scanner::at json_scanner::escape(at p, std::uint32_t& point) {
  if (end_ - p < 2) return fail(errc::truncated, end_, why_cut_off);
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
      point = p[1];
      return p + 2;
    case 'b':
      point = '\b';
      return p + 2;
    case 'f':
      point = '\f';
      return p + 2;
    case 'n':
      point = '\n';
      return p + 2;
    case 'r':
      point = '\r';
      return p + 2;
    case 't':
      point = '\t';
      return p + 2;
    case 'u':
      break;
    default:
      return fail(errc::malformed, p, "an escape that JSON does not have");
  }
  constexpr std::ptrdiff_t escape_bytes = 6;
  if (end_ - p < escape_bytes) return fail(errc::truncated, end_, why_cut_off);
  const std::int32_t first = hex4(p + 2);
  if (first < 0) return fail(errc::malformed, p, R"(\u without four hexadecimal digits)");
  point = static_cast<std::uint32_t>(first);
  if (point < 0xD800 || point > 0xDFFF) return p + escape_bytes;
  if (point > 0xDBFF) return fail(errc::invalid_utf8, p, why_half_pair);
  const at low = p + escape_bytes;
  if (end_ - low < escape_bytes || low[0] != '\\' || low[1] != 'u') {
    return fail(errc::invalid_utf8, p, why_half_pair);
  }
  const std::int32_t second = hex4(low + 2);
  if (second < 0xDC00 || second > 0xDFFF) return fail(errc::invalid_utf8, p, why_half_pair);
  point = 0x10000 + ((point - 0xD800) << 10U) + (static_cast<std::uint32_t>(second) - 0xDC00);
  return low + escape_bytes;
}

json_scanner::at json_scanner::skip_string(at p) {
  ++p;
  while (true) {
    std::uint32_t high = 0;
    const at q = find_special(p, end_, high);
    if (high != 0 && !is_utf8(p, static_cast<std::size_t>(q - p), begin_, end_)) {
      return fail(errc::invalid_utf8, p, why_not_utf8);
    }
    if (q == end_) return fail(errc::truncated, q, why_cut_off);
    if (*q == '"') return q + 1;
    if (*q != '\\') return fail(errc::malformed, q, why_control);
    std::uint32_t ignored = 0;
    p = escape(q, ignored);
    if (p == nullptr) return nullptr;
  }
}

json_scanner::at json_scanner::fail(errc code, at where, std::string what) {
  failed_code_ = code;
  failed_at_ = static_cast<std::size_t>(where - begin_);
  failed_what_ = std::move(what);
  path_.clear();
  return nullptr;
}
json_scanner::at json_scanner::unexpected(at p, std::string_view wanted) {
  if (p == end_)
    return fail(errc::truncated, p, "the document ends where " + std::string(wanted) + " is expected");
  return fail(errc::malformed, p, "expected " + std::string(wanted));
}
json_scanner::at json_scanner::inside(std::string_view step) {
  path_.insert(0, step);
  return nullptr;
}

}  // namespace millrace::avro

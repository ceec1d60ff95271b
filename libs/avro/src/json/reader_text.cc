// Strings of a document.
#include "json/reader.h"
#include "run/utf8.h"

namespace millrace::avro {

// Behind the opening quote.
json_reader::at json_reader::long_string(at p) {
  std::uint32_t high = 0;
  const at q = find_special(p, end_, high);
  if (q == end_) return fail(errc::truncated, q, why_cut_off);
  if (*q == '\\') return escaped_string(p);
  if (*q != '"') return fail(errc::malformed, q, why_control);
  const auto size = static_cast<std::size_t>(q - p);
  if (high != 0 && !is_utf8(p, size, begin_, end_)) return fail(errc::invalid_utf8, p, why_not_utf8);
  if (!room(size + 10)) return too_large(p);
  put_long(static_cast<std::int64_t>(size));
  put(p, size);
  return q + 1;
}

json_reader::at json_reader::escaped_string(at p) {
  const at quote = find_quote(p, end_);
  if (quote == nullptr) return fail(errc::truncated, end_, why_cut_off);
  const auto raw = static_cast<std::size_t>(quote - p);
  constexpr std::size_t length_max = 10;
  if (!room(raw + 2 * length_max)) return too_large(p);
  std::uint8_t* const text_at = out_ + length_max;
  std::uint8_t* text_end = text_at;
  p = unescape(p, text_end);
  if (p == nullptr) return nullptr;
  const auto size = static_cast<std::size_t>(text_end - text_at);
  put_long(static_cast<std::int64_t>(size));
  std::memmove(out_, text_at, size);
  out_ += size;
  return p;
}

// The characters of the string at `p`: a view of the document, or of the room behind the output, where it
// stays until more than the string's own size is written.
json_reader::at json_reader::text(at p, std::string_view& out) {
  ++p;
  std::uint32_t high = 0;
  const at q = find_special(p, end_, high);
  if (q != end_ && *q == '"') [[likely]] {
    const auto size = static_cast<std::size_t>(q - p);
    if (high != 0 && !is_utf8(p, size, begin_, end_)) return fail(errc::invalid_utf8, p, why_not_utf8);
    out = {reinterpret_cast<const char*>(p), size};
    return q + 1;
  }
  const at quote = find_quote(p, end_);
  if (quote == nullptr) return fail(errc::truncated, end_, why_cut_off);
  const auto raw = static_cast<std::size_t>(quote - p);
  constexpr std::size_t gap = 32;  // for a length and a branch in front of what is written
  if (!room(2 * (raw + gap))) return too_large(p);
  std::uint8_t* const text_at = out_ + raw + gap;
  std::uint8_t* text_end = text_at;
  p = unescape(p, text_end);
  out = {reinterpret_cast<const char*>(text_at), static_cast<std::size_t>(text_end - text_at)};
  return p;
}

}  // namespace millrace::avro

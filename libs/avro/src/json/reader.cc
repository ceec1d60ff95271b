// Structures of a document: records, maps, arrays, unions, and what is skipped.
#include "json/reader.h"

#include <algorithm>
#include <array>

namespace millrace::avro {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::size_t positions_max = UINT32_MAX / 4;  // of the output, so that 32 bits hold them

[[nodiscard]] bool is_object(shape_kind kind) noexcept {
  return kind == shape_kind::record || kind == shape_kind::map || kind == shape_kind::duration;
}

}  // namespace

result<bytes_view> json_reader::read(bytes_view in) {
  const limits& limit = code_.options.limits;
  if (in.size() > limit.json_text_bytes_max) {
    return error(errc::limit_exceeded, "a document of " + std::to_string(in.size()) +
                                           " bytes; the limit is " +
                                           std::to_string(limit.json_text_bytes_max));
  }
  start(in, 2 * limit.depth_max + 2);
  output_max_ = std::min(positions_max, limit.output_bytes_base + limit.output_bytes_per_byte * in.size());
  work_left_ = output_max_;
  at p = begin_;
  if (as_text(in).starts_with(byte_order_mark)) p += byte_order_mark.size();
  p = skip_space(p, end_);
  if (grow(std::min(in.size(), output_max_))) {
    p = value(code_.at(code_.root), p);
  } else {
    p = too_large(p);
  }
  if (p != nullptr) {
    p = skip_space(p, end_);
    if (p == end_) return bytes_view(reinterpret_cast<const std::byte*>(out_begin_), written());
    p = fail(errc::trailing_bytes, p, std::to_string(end_ - p) + " bytes behind the document");
  }
  return failure();
}

json_reader::at json_reader::value(const json_shape& s, at p) {
  if (out_ > out_end_ && !grow(0)) [[unlikely]]
    return too_large(p);
  switch (s.kind) {
    case shape_kind::string:
      return peek(p, end_) == '"' ? string(p) : mismatch(s, p);
    case shape_kind::int32:
      return integer(s, p, INT32_MIN, INT32_MAX);
    case shape_kind::int64:
      return integer(s, p, INT64_MIN, INT64_MAX);
    case shape_kind::optional:
      return optional(s, p);
    case shape_kind::record:
      return record(s, p);
    case shape_kind::array:
      return array(s, p);
    case shape_kind::map:
      return map(s, p);
    case shape_kind::union_of:
      return union_of(s, p);
    case shape_kind::duration:
      return duration(s, p);
    case shape_kind::null:
    case shape_kind::boolean:
    case shape_kind::float32:
    case shape_kind::float64:
    case shape_kind::uuid_text:
    case shape_kind::uuid_fixed:
    case shape_kind::bytes:
    case shape_kind::fixed:
    case shape_kind::decimal:
    case shape_kind::decimal_fixed:
    case shape_kind::big_decimal:
    case shape_kind::date:
    case shape_kind::time:
    case shape_kind::instant:
    case shape_kind::local_instant:
    case shape_kind::enumeration:
      break;
  }
  return scalar(s, p);
}

json_reader::at json_reader::end_block(std::uint32_t begin, std::uint64_t count, at p) {
  constexpr std::uint64_t one_byte_max = 63;
  if (count <= one_byte_max) [[likely]] {
    out_begin_[begin] = static_cast<std::uint8_t>(2 * count);
  } else {
    if (!room(2 * slack)) return too_large(p);
    std::uint8_t* const items = out_begin_ + begin + 1;
    const auto size = static_cast<std::size_t>(out_ - items);
    std::size_t more = 0;
    for (std::uint64_t rest = 2 * count; rest >= 0x80; rest >>= 7U) ++more;
    std::memmove(items + more, items, size);
    out_ = items - 1;
    put_long(static_cast<std::int64_t>(count));
    out_ += size;
  }
  if (out_ > out_end_ && !grow(0)) return too_large(p);
  *out_++ = 0;
  return p;
}

json_reader::at json_reader::array(const json_shape& s, at p) {
  if (peek(p, end_) != '[') return mismatch(s, p);
  if (!enter(p)) return nullptr;
  const std::uint32_t begin = written();
  *out_++ = 0;
  p = skip_space(p + 1, end_);
  if (peek(p, end_) == ']') {
    --depth_;
    return p + 1;
  }
  const json_shape& item = code_.at(s.item);
  for (std::uint64_t count = 1;; ++count) {
    p = value(item, p);
    if (p == nullptr) return inside('[' + std::to_string(count - 1) + ']');
    p = skip_space(p, end_);
    const std::uint8_t next = peek(p, end_);
    if (next == ']') {
      --depth_;
      return end_block(begin, count, p + 1);
    }
    if (next != ',') return unexpected(p, "',' or ']'");
    p = skip_space(p + 1, end_);
  }
}

json_reader::at json_reader::map(const json_shape& s, at p) {
  if (peek(p, end_) != '{') return mismatch(s, p);
  if (!enter(p)) return nullptr;
  const std::uint32_t begin = written();
  *out_++ = 0;
  p = skip_space(p + 1, end_);
  if (peek(p, end_) == '}') {
    --depth_;
    return p + 1;
  }
  const json_shape& item = code_.at(s.item);
  for (std::uint64_t count = 1;; ++count) {
    if (peek(p, end_) != '"') return unexpected(p, "a key in quotes");
    if (out_ > out_end_ && !grow(0)) return too_large(p);
    p = string(p);
    if (p == nullptr) return nullptr;
    p = skip_space(p, end_);
    if (peek(p, end_) != ':') return unexpected(p, "':'");
    p = value(item, skip_space(p + 1, end_));
    if (p == nullptr) return inside(".*");
    p = skip_space(p, end_);
    const std::uint8_t next = peek(p, end_);
    if (next == '}') {
      --depth_;
      return end_block(begin, count, p + 1);
    }
    if (next != ',') return unexpected(p, "',' or '}'");
    p = skip_space(p + 1, end_);
  }
}

json_reader::at json_reader::record(const json_shape& s, at p) {
  if (peek(p, end_) != '{') return mismatch(s, p);
  if (!enter(p)) return nullptr;
  open_record now;
  if (!open(s, now)) return too_large(p);
  p = skip_space(p + 1, end_);
  if (peek(p, end_) == '}') return close(s, now, p + 1);
  while (true) {
    std::uint32_t index = 0;
    p = field_name(s, now.expected, p, index);
    if (p == nullptr) return nullptr;
    p = index != name_table::not_found ? field(s, now, index, p) : skip(p);
    if (p == nullptr) return nullptr;
    p = skip_space(p, end_);
    const std::uint8_t next = peek(p, end_);
    if (next == '}') return close(s, now, p + 1);
    if (next != ',') return unexpected(p, "',' or '}'");
    p = skip_space(p + 1, end_);
  }
}

// Returns the position of the value.
json_reader::at json_reader::field_name(const json_shape& s, std::uint32_t expected, at p,
                                        std::uint32_t& index) {
  bool found = false;
  if (expected < s.fields.size()) [[likely]] {
    const json_field& field = s.fields[expected];
    const std::size_t size = field.quoted.size();
    if (size <= 16 && end_ - p >= 16) [[likely]] {
      std::uint64_t words[2];
      std::memcpy(words, p, sizeof words);
      found = (((words[0] ^ field.words[0]) & field.masks[0]) |
               ((words[1] ^ field.words[1]) & field.masks[1])) == 0;
    } else {
      found = static_cast<std::size_t>(end_ - p) >= size && std::memcmp(p, field.quoted.data(), size) == 0;
    }
    index = expected;
    if (found) p += size;
  }
  if (!found) {
    if (peek(p, end_) != '"') return unexpected(p, "the name of a field in quotes");
    std::string_view name;
    p = text(p, name);
    if (p == nullptr) return nullptr;
    index = s.names.find(name);
  }
  p = skip_space(p, end_);
  if (peek(p, end_) != ':') return unexpected(p, "':'");
  return skip_space(p + 1, end_);
}

json_reader::at json_reader::field(const json_shape& s, open_record& now, std::uint32_t index, at p) {
  const json_field& of = s.fields[index];
  if (segments_[now.first + index].begin < assumed) [[unlikely]] {
    return fail(errc::malformed, p, "the field " + of.quoted + " is given twice");
  }
  if (index != now.next) {
    if (index < now.next) {
      now.ordered = false;
    } else if (now.ordered && !assume(s, now, index)) {
      return too_large(p);
    }
  }
  const std::uint32_t begin = written();
  p = value(code_.at(of.shape), p);
  if (p == nullptr) return inside('.' + std::string(of.name()));
  segments_[now.first + index] = {begin, written()};
  now.expected = index + 1;
  if (now.ordered) now.next = index + 1;
  return p;
}

bool json_reader::open(const json_shape& s, open_record& now) {
  const auto fields = static_cast<std::uint32_t>(s.fields.size());
  if (fields > work_left_) return false;
  work_left_ -= fields;
  if (segments_size_ - segments_used_ < fields) {
    constexpr std::uint32_t segments_min = 64;
    const std::uint32_t size = std::max(2 * (segments_used_ + fields), segments_min);
    auto* const larger = static_cast<segment*>(memory_.allocate(size * sizeof(segment), alignof(segment)));
    if (larger == nullptr) return false;
    if (segments_used_ != 0) std::memcpy(larger, segments_, segments_used_ * sizeof(segment));
    segments_ = larger;
    segments_size_ = size;
  }
  now.begin = written();
  now.first = segments_used_;
  segments_used_ += fields;
  if (fields != 0) std::memset(segments_ + now.first, 0xFF, fields * sizeof(segment));
  return true;
}

// Writes what stands for the missing fields in front of field `to`. One of them that comes later ends the
// order.
bool json_reader::assume(const json_shape& s, open_record& now, std::uint32_t to) {
  for (; now.next < to; ++now.next) {
    const json_field& of = s.fields[now.next];
    if (!of.has_default) {
      now.lacking = true;
      continue;
    }
    if (!room(of.missing.size())) return false;
    put(of.missing.data(), of.missing.size());
    segments_[now.first + now.next].begin = assumed;
  }
  return true;
}

json_reader::at json_reader::close(const json_shape& s, open_record& now, at p) {
  const auto fields = static_cast<std::uint32_t>(s.fields.size());
  if (now.ordered && !assume(s, now, fields)) return too_large(p);
  if (!now.ordered || now.lacking) [[unlikely]] {
    p = assemble(s, now, p);
    if (p == nullptr) return nullptr;
  }
  segments_used_ -= fields;
  --depth_;
  return p;
}

// Puts the fields into the order of the schema.
json_reader::at json_reader::assemble(const json_shape& s, const open_record& now, at p) {
  const segment* const segments = segments_ + now.first;
  std::size_t size = 0;
  for (std::size_t i = 0; i < s.fields.size(); ++i) {
    const bool given = segments[i].begin < assumed;
    if (!given && !s.fields[i].has_default) {
      return fail(errc::malformed, p - 1,
                  "the field " + s.fields[i].quoted + " is missing and has no default");
    }
    size += given ? segments[i].end - segments[i].begin : s.fields[i].missing.size();
  }
  if (!room(size)) return too_large(p);
  std::uint8_t* const start = out_;
  for (std::size_t i = 0; i < s.fields.size(); ++i) {
    if (segments[i].begin < assumed) {
      put(out_begin_ + segments[i].begin, segments[i].end - segments[i].begin);
    } else {
      put(s.fields[i].missing.data(), s.fields[i].missing.size());
    }
  }
  std::memmove(out_begin_ + now.begin, start, size);
  out_ = out_begin_ + now.begin + size;
  return p;
}

json_reader::at json_reader::duration(const json_shape& s, at p) {
  if (peek(p, end_) != '{') return mismatch(s, p);
  if (!enter(p)) return nullptr;
  static constexpr std::array<std::string_view, 3> names = {"months", "days", "millis"};
  std::array<std::uint32_t, 3> parts{};
  std::array<bool, 3> seen{};
  p = skip_space(p + 1, end_);
  for (bool more = peek(p, end_) != '}'; more;) {
    if (peek(p, end_) != '"') return unexpected(p, "the name of a part in quotes");
    std::string_view name;
    const at name_at = p;
    p = text(p, name);
    if (p == nullptr) return nullptr;
    const auto part = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    p = skip_space(p, end_);
    if (peek(p, end_) != ':') return unexpected(p, "':'");
    p = skip_space(p + 1, end_);
    if (part == names.size()) {
      p = skip(p);
      if (p == nullptr) return nullptr;
    } else {
      if (seen[part]) return fail(errc::malformed, name_at, "a part of the duration is given twice");
      number_text written;
      const at behind = number(s, p, written);
      if (behind == nullptr) return inside('.' + std::string(names[part]));
      std::int64_t count = 0;
      if (to_integer(written, count) != number_fault::none || count < 0 || count > UINT32_MAX) {
        static_cast<void>(found(s, p, "a number that is not between 0 and 4294967295"));
        return inside('.' + std::string(names[part]));
      }
      parts[part] = static_cast<std::uint32_t>(count);
      seen[part] = true;
      p = behind;
    }
    p = skip_space(p, end_);
    const std::uint8_t next = peek(p, end_);
    if (next != ',' && next != '}') return unexpected(p, "',' or '}'");
    more = next == ',';
    if (more) p = skip_space(p + 1, end_);
  }
  --depth_;
  put(parts.data(), sizeof parts);
  return p + 1;
}

json_reader::at json_reader::optional(const json_shape& s, at p) {
  const std::uint8_t first = peek(p, end_);
  if (first == 'n') {
    if (end_ - p < 4 || std::memcmp(p, "null", 4) != 0) return mismatch(s, p);
    *out_++ = s.null_index;
    return p + 4;
  }
  if (code_.options.unions == json_unions::tagged) return tagged(s, p);
  const json_shape& item = code_.at(s.item);
  if (first == '{') {
    std::uint32_t found = no_index;
    const at wrapped_at = find_wrapped(s, p, found);
    if (wrapped_at == nullptr) return nullptr;
    if (found != no_index) return wrapped(s, found, wrapped_at);
  }
  if ((item.accepts & mask_of(token_of(first))) == 0) return mismatch(s, p);
  *out_++ = s.value_index;
  return value(item, p);
}

json_reader::at json_reader::union_of(const json_shape& s, at p) {
  const std::uint8_t first = peek(p, end_);
  if (code_.options.unions == json_unions::tagged) return tagged(s, p);
  const token one = token_of(first);
  if (one == token::none) return mismatch(s, p);
  if (one == token::number) return number_of_union(s, p);
  if (one == token::object) {
    std::uint32_t found = no_index;
    const at wrapped_at = find_wrapped(s, p, found);
    if (wrapped_at == nullptr) return nullptr;
    if (found != no_index) return wrapped(s, found, wrapped_at);
  }
  if (one == token::text && s.choice.several_enums) return symbol_of_union(s, p);
  const std::uint32_t branch = s.choice.by_token[static_cast<std::size_t>(one)];
  if (branch == no_index) return mismatch(s, p);
  put_long(branch);
  return value(code_.at(s.branches[branch].shape), p);
}

json_reader::at json_reader::number_of_union(const json_shape& s, at p) {
  const union_choice& choice = s.choice;
  std::uint32_t branch = choice.by_token[static_cast<std::size_t>(token::number)];
  if (branch == no_index) return mismatch(s, p);
  if (choice.int32 == no_index && choice.int64 == no_index && choice.float32 == no_index &&
      choice.float64 == no_index) {
    put_long(branch);  // a date, a time, an instant or a decimal
    return value(code_.at(s.branches[branch].shape), p);
  }
  number_text written;
  const at behind = number(s, p, written);
  if (behind == nullptr) return nullptr;
  const std::uint32_t real_branch = choice.float64 != no_index ? choice.float64 : choice.float32;
  std::int64_t whole = 0;
  const bool try_whole = written.integral || real_branch == no_index;
  const number_fault fault = try_whole ? to_integer(written, whole) : number_fault::not_whole;
  if (fault == number_fault::none) {
    const bool small = whole >= INT32_MIN && whole <= INT32_MAX;
    branch = small && choice.int32 != no_index ? choice.int32 : choice.int64;
    if (branch != no_index) {
      put_long(branch);
      put_long(whole);
      return behind;
    }
  }
  if (real_branch == no_index) {
    return found(s, p,
                 fault == number_fault::not_whole ? "a number that is not whole" : "a number out of range");
  }
  put_long(real_branch);
  return put_real(code_.at(s.branches[real_branch].shape), written, p) ? behind : nullptr;
}

json_reader::at json_reader::symbol_of_union(const json_shape& s, at p) {
  std::string_view name;
  const at behind = text(p, name);
  if (behind == nullptr) return nullptr;
  for (std::uint32_t i = 0; i < s.branches.size(); ++i) {
    const json_shape& branch = code_.at(s.branches[i].shape);
    const std::uint32_t known =
        branch.kind == shape_kind::enumeration ? branch.names.find(name) : name_table::not_found;
    if (known == name_table::not_found) continue;
    put_long(i);
    put_long(known);
    return behind;
  }
  return fail(errc::unresolvable, p, "expected a symbol of " + name_of(code_, s) + ", found another string");
}

// Where an object is {"branch": value}: the branch, and the position of the value. Else no branch.
json_reader::at json_reader::find_wrapped(const json_shape& s, at p, std::uint32_t& branch) {
  branch = no_index;
  at q = skip_space(p + 1, end_);
  const auto left = static_cast<std::size_t>(end_ - q);
  bool may_be_plain = false;
  std::uint32_t named = no_index;
  for (std::uint32_t i = 0; i < s.branches.size(); ++i) {
    const json_branch& one = s.branches[i];
    const shape_kind kind = code_.at(one.shape).kind;
    may_be_plain = may_be_plain || is_object(kind);
    if (named == no_index && kind != shape_kind::null && left > one.quoted.size() &&
        std::memcmp(q, one.quoted.data(), one.quoted.size()) == 0) {
      named = i;
    }
  }
  if (named == no_index) return p;
  q = skip_space(q + s.branches[named].quoted.size(), end_);
  if (peek(q, end_) != ':') return p;
  q = skip_space(q + 1, end_);
  if ((s.branches[named].plain & mask_of(token_of(peek(q, end_)))) != 0) return p;
  if (may_be_plain) {
    // A record, of which only this field is unknown, has others.
    at behind = skip(q);
    if (behind == nullptr) return nullptr;
    behind = skip_space(behind, end_);
    if (peek(behind, end_) == ',') return p;
  }
  branch = named;
  return q;
}

// `p` is at the value inside the braces.
json_reader::at json_reader::wrapped(const json_shape& s, std::uint32_t branch, at p) {
  if (!enter(p)) return nullptr;
  put_long(branch);
  p = value(code_.at(s.branches[branch].wrapped), p);
  if (p == nullptr) return inside('.' + s.branches[branch].quoted);
  p = skip_space(p, end_);
  if (peek(p, end_) != '}') return unexpected(p, "'}' behind the value of a union");
  --depth_;
  return p + 1;
}

json_reader::at json_reader::tagged(const json_shape& s, at p) {
  const std::uint8_t first = peek(p, end_);
  if (first == 'n') {
    for (std::uint32_t i = 0; i < s.branches.size(); ++i) {
      if (code_.at(s.branches[i].shape).kind != shape_kind::null) continue;
      put_long(i);
      return value(code_.at(s.branches[i].shape), p);
    }
  }
  if (first != '{') return mismatch(s, p);
  p = skip_space(p + 1, end_);
  if (peek(p, end_) != '"') return unexpected(p, "the name of a branch in quotes");
  std::string_view name;
  const at name_at = p;
  p = text(p, name);
  if (p == nullptr) return nullptr;
  for (std::uint32_t i = 0; i < s.branches.size(); ++i) {
    const std::string& quoted = s.branches[i].quoted;
    if (quoted.size() != name.size() + 2 || quoted.compare(1, name.size(), name) != 0) continue;
    if (code_.at(s.branches[i].shape).kind == shape_kind::null) break;
    p = skip_space(p, end_);
    if (peek(p, end_) != ':') return unexpected(p, "':'");
    return wrapped(s, i, skip_space(p + 1, end_));
  }
  return fail(errc::malformed, name_at, "expected a branch of " + name_of(code_, s) + ", found another name");
}

bool json_reader::grow(std::size_t bytes) noexcept {
  const std::size_t used = out_begin_ != nullptr ? written() : 0;
  const std::size_t wanted = used + bytes;
  if (wanted > output_max_) return false;
  const std::size_t size =
      std::min(std::max(2 * used, wanted) + static_cast<std::size_t>(slack), output_max_);
  auto* const larger =
      static_cast<std::uint8_t*>(memory_.allocate(size + 2 * static_cast<std::size_t>(slack), 1));
  if (larger == nullptr) return false;
  if (used != 0) std::memcpy(larger, out_begin_, used);
  out_begin_ = larger;
  out_ = larger + used;
  out_end_ = larger + size;
  return true;
}

json_reader::at json_reader::too_large(at p) {
  return fail(errc::limit_exceeded, p, "the decoded value needs more memory than the limit");
}
json_reader::at json_reader::mismatch(const json_shape& s, at p) {
  const token one = token_of(peek(p, end_));
  const std::string_view rest(reinterpret_cast<const char*>(p), static_cast<std::size_t>(end_ - p));
  const bool cut_off = (one == token::null && !rest.starts_with("null")) ||
                       (one == token::boolean && !rest.starts_with("true") && !rest.starts_with("false"));
  return found(s, p, to_string(cut_off ? token::none : one));
}
json_reader::at json_reader::found(const json_shape& s, at p, std::string_view what) {
  if (p == end_)
    return fail(errc::truncated, p, "the document ends where " + name_of(code_, s) + " is expected");
  return fail(errc::malformed, p, "expected " + name_of(code_, s) + ", found " + std::string(what));
}

}  // namespace millrace::avro

// The text is "mr1." and, in base64url, eight bytes of check and then, per range, two LEB128 numbers: the
// unfinished offsets before it, less one but for the first, and its length less one.
// The check covers the topic, the committed offset and the ranges.
#include <algorithm>

#include <millrace/base/assert.h>
#include <millrace/base/fnv1a.h>
#include <millrace/stream/finished_map.h>
#include <millrace/stream/mutations.h>

namespace millrace::stream {
namespace {

constexpr std::string_view prefix = "mr1.";
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t check_bytes = 8;
constexpr std::size_t varint_bytes_max = 10;

std::size_t text_bytes(std::size_t bytes) noexcept { return prefix.size() + (bytes * 4 + 2) / 3; }

std::uint64_t check_of(std::string_view topic_id, std::int64_t committed, std::string_view ranges) noexcept {
  fnv1a d;
  d.add(topic_id.size());
  d.add(topic_id);
  d.add(static_cast<std::uint64_t>(committed));
  d.add(ranges);
  return d.value();
}

void append_varint(std::uint64_t number, std::string& into) {
  for (; number >= 0x80U; number >>= 7U) into.push_back(static_cast<char>((number & 0x7FU) | 0x80U));
  into.push_back(static_cast<char>(number));
}

std::optional<std::uint64_t> take_varint(std::string_view& from) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < varint_bytes_max && i < from.size(); ++i) {
    const auto byte = static_cast<unsigned char>(from[i]);
    number |= static_cast<std::uint64_t>(byte & 0x7FU) << (7 * i);
    if ((byte & 0x80U) != 0) continue;
    from.remove_prefix(i + 1);
    return number;
  }
  return std::nullopt;
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text.push_back(alphabet[(bits >> (count - 6)) & 0x3FU]);
  }
  if (count > 0) text.push_back(alphabet[(bits << (6 - count)) & 0x3FU]);
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>((bits >> count) & 0xFFU));
  }
  return bytes;
}

}  // namespace

std::string encode_finished(std::string_view topic_id, std::int64_t committed,
                            std::span<const offset_range> ranges, std::size_t bytes_max) {
  std::string body;
  std::int64_t before = committed - 1;  // the last offset that is accounted for
  for (const offset_range& r : ranges) {
    invariant(r.first > before && r.last >= r.first,
              "finished ranges ascend and leave something between them");
    const std::size_t length = body.size();
    append_varint(static_cast<std::uint64_t>(r.first - before - 1), body);
    append_varint(static_cast<std::uint64_t>(r.last - r.first), body);
    if (text_bytes(check_bytes + body.size()) > bytes_max) {
      body.resize(length);
      break;
    }
    before = r.last + 1;  // unfinished, or it would be part of the range
  }
  if (text_bytes(check_bytes) > bytes_max) return {};
  const std::uint64_t check = check_of(topic_id, committed, body);
  std::string bytes;
  for (unsigned shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(check >> shift));
  return std::string(prefix) + to_base64(bytes + body);
}

std::optional<std::vector<offset_range>> decode_finished(std::string_view text, std::string_view topic_id,
                                                         std::int64_t committed) {
  if (!text.starts_with(prefix) || text.size() > commit_metadata_bytes_max || committed < 0)
    return std::nullopt;
  const std::optional<std::string> bytes = from_base64(text.substr(prefix.size()));
  if (!bytes || bytes->size() < check_bytes) return std::nullopt;
  std::uint64_t check = 0;
  for (std::size_t i = 0; i < check_bytes; ++i) {
    check |= static_cast<std::uint64_t>(static_cast<unsigned char>((*bytes)[i])) << (8 * i);
  }
  std::string_view body = std::string_view(*bytes).substr(check_bytes);
  const bool ours =
      check == check_of(topic_id, committed, body) || mutated(mutation::remember_under_any_offset);
  if (!ours) return std::nullopt;
  std::vector<offset_range> ranges;
  std::int64_t before = committed - 1;
  while (!body.empty()) {
    const std::optional<std::uint64_t> gap = take_varint(body);
    const std::optional<std::uint64_t> more = gap ? take_varint(body) : std::nullopt;
    if (!more) return std::nullopt;
    offset_range r;
    // A text that passes its check may still have been made by hand.
    if (__builtin_add_overflow(before, *gap, &r.first) || __builtin_add_overflow(r.first, 1, &r.first) ||
        __builtin_add_overflow(r.first, *more, &r.last) || __builtin_add_overflow(r.last, 1, &before)) {
      return std::nullopt;
    }
    ranges.push_back(r);
  }
  return ranges;
}

void finished_before::append_beyond(std::int64_t offset, std::vector<offset_range>& ranges) const {
  if (mutated(mutation::forget_what_was_not_delivered)) return;
  for (std::size_t i = next_; i < ranges_.size(); ++i) {
    offset_range r = ranges_[i];
    if (r.last <= offset) continue;
    r.first = std::max(r.first, offset + 1);
    if (!ranges.empty() && ranges.back().last + 1 >= r.first) {
      ranges.back().last = r.last;
    } else {
      ranges.push_back(r);
    }
  }
}

}  // namespace millrace::stream

// Compressed bodies (section 5 of the specification): lz4 with the length of the body before it, big-endian;
// snappy in its own form.
#include <algorithm>
#include <cstring>

#include <lz4.h>
#include <snappy-c.h>

#include <millrace/base/assert.h>
#include <millrace/cql/cell.h>

#include "frames.h"

namespace millrace::cql::frames {
namespace {

// A scratch that is larger is released after so many bodies that did not need it.
constexpr std::size_t scratch_kept = std::size_t{1} << 20;
constexpr std::uint32_t small_before_release = 64;

constexpr std::size_t lz4_length_bytes = 4;
// What one byte can stand for: in lz4 a byte of a length is 255; in snappy three bytes copy at most 64.
constexpr std::size_t lz4_expansion_max = 255;
constexpr std::size_t snappy_expansion_max = 22;

constexpr std::size_t flags_at = 1;
constexpr std::size_t length_at = 5;

const char* text_of(bytes_view bytes) noexcept { return reinterpret_cast<const char*>(bytes.data()); }
char* text_of(std::span<std::byte> bytes) noexcept { return reinterpret_cast<char*>(bytes.data()); }

error malformed(std::string_view why) {
  return {errc::db_protocol, "a compressed answer cannot be read: " + std::string(why)};
}

// Bytes of the result; 0: it is not smaller.
std::size_t compress_lz4(bytes_view body, std::span<std::byte> to) noexcept {
  cql::internal::put_number(to.data(), static_cast<std::int32_t>(body.size()));
  const std::span<std::byte> block = to.subspan(lz4_length_bytes);
  const int made = LZ4_compress_default(text_of(body), text_of(block), static_cast<int>(body.size()),
                                        static_cast<int>(block.size()));
  return made <= 0 ? 0 : lz4_length_bytes + static_cast<std::size_t>(made);
}
std::size_t compress_snappy(bytes_view body, std::span<std::byte> to) noexcept {
  std::size_t size = to.size();
  const auto made = snappy_compress(text_of(body), body.size(), text_of(to), &size);
  return made == SNAPPY_OK && size < body.size() ? size : 0;
}

// The length that a compressed body announces; nullopt: there is none.
std::optional<std::size_t> announced(compression by, bytes_view body) noexcept {
  std::size_t size = 0;
  switch (by) {
    case compression::lz4: {
      if (body.size() < lz4_length_bytes) return std::nullopt;
      const auto length = cql::internal::number_at<std::int32_t>(body.data());
      return length < 0 ? std::nullopt : std::optional(static_cast<std::size_t>(length));
    }
    case compression::snappy:
      if (snappy_uncompressed_length(text_of(body), body.size(), &size) != SNAPPY_OK) return std::nullopt;
      return size;
    case compression::none:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(compression by) noexcept {
  switch (by) {
    case compression::none:
      return "none";
    case compression::lz4:
      return "lz4";
    case compression::snappy:
      return "snappy";
  }
  return "unknown";
}

std::span<std::byte> compressor::room(std::size_t bytes) {
  if (bytes > scratch_kept) {
    small_since_ = 0;
  } else if (scratch_.size() > scratch_kept && ++small_since_ >= small_before_release) {
    scratch_ = byte_buffer();
  }
  if (scratch_.size() < bytes) {
    scratch_.clear();  // nothing of it is needed
    scratch_.resize(bytes);
  }
  return std::span(scratch_).first(bytes);
}

void compressor::compress(byte_buffer& frames, std::size_t frame) {
  invariant(frames.size() >= frame + header_bytes, "a frame has a header");
  if (by_ == compression::none || frames.size() - frame < header_bytes + compressed_body_min) return;
  const bytes_view body = bytes_view(frames).subspan(frame + header_bytes);
  std::size_t made = 0;
  std::span<std::byte> to;
  if (by_ == compression::lz4) {
    // One byte less than the body: what does not fit is not smaller.
    to = room(body.size() - 1);
    made = compress_lz4(body, to);
  } else {
    to = room(snappy_max_compressed_length(body.size()));
    made = compress_snappy(body, to);
  }
  if (made == 0) return;
  std::memcpy(frames.data() + frame + header_bytes, to.data(), made);
  frames.resize(frame + header_bytes + made);
  frames[frame + flags_at] |= std::byte{flag_compressed};
  cql::internal::put_number(frames.data() + frame + length_at, static_cast<std::int32_t>(made));
}

result<bytes_view> compressor::decompress(bytes_view body) {
  const auto size = announced(by_, body);
  if (!size) return malformed("it does not say how long it is");
  if (*size > std::size_t{body_bytes_max}) return malformed("it is longer than a frame can be");
  const std::size_t expansion_max = by_ == compression::lz4 ? lz4_expansion_max : snappy_expansion_max;
  if (*size / expansion_max > body.size()) return malformed("it claims more than it can hold");
  if (*size == 0) return bytes_view();
  const std::span<std::byte> to = room(*size);
  std::size_t made = to.size();
  bool whole = false;
  if (by_ == compression::lz4) {
    const bytes_view block = body.subspan(lz4_length_bytes);
    const int read = LZ4_decompress_safe(text_of(block), text_of(to), static_cast<int>(block.size()),
                                         static_cast<int>(to.size()));
    whole = read >= 0 && static_cast<std::size_t>(read) == *size;
  } else {
    whole = snappy_uncompress(text_of(body), body.size(), text_of(to), &made) == SNAPPY_OK && made == *size;
  }
  if (!whole) return malformed("it is damaged");
  return bytes_view(to);
}

}  // namespace millrace::cql::frames

#include "cql_compression.h"

#include <cstring>
#include <limits>

#include <lz4.h>
#include <snappy-c.h>

#include <millrace/base/assert.h>

#include "cql_wire.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::size_t lz4_prefix_bytes = sizeof(std::int32_t);
constexpr std::size_t flags_at = 1;
constexpr std::size_t length_at = 5;

bool decompress_lz4(std::string_view body, std::size_t bytes_max, std::string& out) {
  wire_reader in(body);
  const std::int32_t length = in.i32();
  if (!in.ok() || length < 0 || static_cast<std::size_t>(length) > bytes_max) return false;
  const std::string_view block = in.take(in.left());
  out.resize(static_cast<std::size_t>(length));
  if (block.size() > std::numeric_limits<int>::max()) return false;
  return LZ4_decompress_safe(block.data(), out.data(), static_cast<int>(block.size()), length) == length;
}

bool decompress_snappy(std::string_view body, std::size_t bytes_max, std::string& out) {
  std::size_t length = 0;
  if (snappy_uncompressed_length(body.data(), body.size(), &length) != SNAPPY_OK || length > bytes_max)
    return false;
  out.resize(length);
  return snappy_uncompress(body.data(), body.size(), out.data(), &length) == SNAPPY_OK;
}

std::string compress_lz4(std::string_view body) {
  std::string out;
  put_i32(out, static_cast<std::int32_t>(body.size()));
  const int bound = LZ4_compressBound(static_cast<int>(body.size()));
  out.resize(lz4_prefix_bytes + static_cast<std::size_t>(bound));
  const int written =
      LZ4_compress_default(body.data(), out.data() + lz4_prefix_bytes, static_cast<int>(body.size()), bound);
  invariant(written > 0, "LZ4 compresses into a buffer of its bound");
  out.resize(lz4_prefix_bytes + static_cast<std::size_t>(written));
  return out;
}

std::string compress_snappy(std::string_view body) {
  std::string out(snappy_max_compressed_length(body.size()), '\0');
  std::size_t written = out.size();
  const snappy_status done = snappy_compress(body.data(), body.size(), out.data(), &written);
  invariant(done == SNAPPY_OK, "Snappy compresses into a buffer of its bound");
  out.resize(written);
  return out;
}

}  // namespace

bool decompress(compressor with, std::string_view body, std::size_t bytes_max, std::string& out) {
  switch (with) {
    case compressor::none:
      return false;
    case compressor::lz4:
      return decompress_lz4(body, bytes_max, out);
    case compressor::snappy:
      return decompress_snappy(body, bytes_max, out);
  }
  return false;
}

void compress_frame(compressor with, std::string& frames, std::size_t begun) {
  const std::size_t body_at = begun + frame_header_bytes;
  if (with == compressor::none || frames.size() <= body_at) return;
  const std::string_view body = std::string_view(frames).substr(body_at);
  const std::string small = with == compressor::lz4 ? compress_lz4(body) : compress_snappy(body);
  frames.replace(body_at, std::string::npos, small);
  frames[begun + flags_at] =
      static_cast<char>(static_cast<unsigned char>(frames[begun + flags_at]) | flag_compressed);
  std::string length;
  put_i32(length, static_cast<std::int32_t>(small.size()));
  std::memcpy(frames.data() + begun + length_at, length.data(), length.size());
}

}  // namespace millrace::emulators::cql

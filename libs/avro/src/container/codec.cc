#include "container/codec.h"

#include <algorithm>
#include <bit>
#include <limits>

#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

namespace millrace::avro {
namespace {

constexpr std::size_t first_output_bytes = std::size_t{64} << 10;

[[nodiscard]] error too_large(std::size_t bytes_max) {
  return {errc::limit_exceeded, "the block expands to more than " + std::to_string(bytes_max) + " bytes"};
}
[[nodiscard]] error not_of(container_codec codec, std::string_view why) {
  return {errc::malformed,
          "the block is not " + std::string(to_string(codec)) + " data: " + std::string(why)};
}
[[nodiscard]] error failed(container_codec codec, std::string_view why) {
  return {errc::internal,
          "the block could not be compressed by " + std::string(to_string(codec)) + ": " + std::string(why)};
}

// Room for more output: twice what there was, never more than the limit. False when there is no more to give.
[[nodiscard]] bool grow(byte_buffer& out, std::size_t bytes_max) {
  if (out.size() >= bytes_max) return false;
  out.resize(std::min(bytes_max, std::max(out.size() * 2, first_output_bytes)));
  return true;
}

class null_codec final : public block_codec {
 public:
  result<void> compress(bytes_view block, byte_buffer& out) override {
    out.assign(block.begin(), block.end());
    return {};
  }
  result<void> expand(bytes_view stored, std::size_t bytes_max, byte_buffer& out) override {
    if (stored.size() > bytes_max) return too_large(bytes_max);
    out.assign(stored.begin(), stored.end());
    return {};
  }
};

// RFC 1951 without the zlib header.
class deflate_codec final : public block_codec {
 public:
  explicit deflate_codec(int level) : level_(level) {}
  ~deflate_codec() override {
    if (inflating_) inflateEnd(&inflate_);
    if (deflating_) deflateEnd(&deflate_);
  }

  result<void> compress(bytes_view block, byte_buffer& out) override {
    const int ready = deflating_ ? deflateReset(&deflate_)
                                 : deflateInit2(&deflate_, level_, Z_DEFLATED, -MAX_WBITS, memory_level,
                                                Z_DEFAULT_STRATEGY);
    if (ready != Z_OK) return failed(container_codec::deflate, zError(ready));
    deflating_ = true;
    out.resize(deflateBound(&deflate_, static_cast<uLong>(block.size())));
    feed(deflate_, block);
    deflate_.next_out = reinterpret_cast<Bytef*>(out.data());
    deflate_.avail_out = static_cast<uInt>(out.size());
    if (const int end = ::deflate(&deflate_, Z_FINISH); end != Z_STREAM_END)
      return failed(container_codec::deflate, zError(end));
    out.resize(deflate_.total_out);
    return {};
  }

  result<void> expand(bytes_view stored, std::size_t bytes_max, byte_buffer& out) override {
    const int ready = inflating_ ? inflateReset(&inflate_) : inflateInit2(&inflate_, -MAX_WBITS);
    if (ready != Z_OK) return not_of(container_codec::deflate, zError(ready));
    inflating_ = true;
    feed(inflate_, stored);
    out.clear();
    std::size_t used = 0;
    for (;;) {
      if (used == out.size() && !grow(out, bytes_max)) {
        // The output is full to the limit: only the end of the data may follow.
        Bytef beyond = 0;
        inflate_.next_out = &beyond;
        inflate_.avail_out = 1;
        const int end = ::inflate(&inflate_, Z_NO_FLUSH);
        if (end == Z_STREAM_END && inflate_.avail_out == 1) break;
        return too_large(bytes_max);
      }
      inflate_.next_out = reinterpret_cast<Bytef*>(out.data() + used);
      inflate_.avail_out = static_cast<uInt>(out.size() - used);
      const int end = ::inflate(&inflate_, Z_NO_FLUSH);
      used = out.size() - inflate_.avail_out;
      if (end == Z_STREAM_END) break;
      if (end == Z_BUF_ERROR || (end == Z_OK && inflate_.avail_in == 0 && inflate_.avail_out > 0))
        return not_of(container_codec::deflate, "it ends early");
      if (end != Z_OK) return not_of(container_codec::deflate, zError(end));
    }
    // Bytes after the end are let be: Avro for Python leaves three of zlib's checksum there.
    out.resize(used);
    return {};
  }

 private:
  static constexpr int memory_level = 8;  // zlib's default

  static void feed(z_stream& stream, bytes_view in) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream.avail_in = static_cast<uInt>(in.size());
  }

  int level_;
  bool inflating_ = false;
  bool deflating_ = false;
  z_stream inflate_{};
  z_stream deflate_{};
};

// Snappy's own form, then the CRC-32 of the records, big-endian.
class snappy_codec final : public block_codec {
 public:
  result<void> compress(bytes_view block, byte_buffer& out) override {
    std::size_t size = snappy_max_compressed_length(block.size());
    out.resize(size + checksum_bytes);
    const auto made = snappy_compress(text_of(block), block.size(), text_of(out), &size);
    if (made != SNAPPY_OK) return failed(container_codec::snappy, "the library refused it");
    out.resize(size + checksum_bytes);
    const std::uint32_t sum = checksum(block);
    for (unsigned i = 0; i < checksum_bytes; ++i) out[size + i] = static_cast<std::byte>(sum >> (24 - 8 * i));
    return {};
  }

  result<void> expand(bytes_view stored, std::size_t bytes_max, byte_buffer& out) override {
    if (stored.size() < checksum_bytes) return not_of(container_codec::snappy, "it ends early");
    const bytes_view body = stored.first(stored.size() - checksum_bytes);
    std::size_t size = 0;
    if (snappy_uncompressed_length(text_of(body), body.size(), &size) != SNAPPY_OK)
      return not_of(container_codec::snappy, "no length at its front");
    if (size > bytes_max) return too_large(bytes_max);
    // Three bytes make at most 64.
    if (size / expansion_max > body.size())
      return not_of(container_codec::snappy, "it claims more than it can hold");
    out.resize(size);
    if (snappy_uncompress(text_of(body), body.size(), text_of(out), &size) != SNAPPY_OK)
      return not_of(container_codec::snappy, "it is damaged");
    std::uint32_t wanted = 0;
    for (const std::byte part : stored.last(checksum_bytes))
      wanted = (wanted << 8U) | std::to_integer<std::uint32_t>(part);
    if (wanted != checksum(out)) return not_of(container_codec::snappy, "its checksum is wrong");
    return {};
  }

 private:
  static constexpr std::size_t checksum_bytes = 4;
  static constexpr std::size_t expansion_max = 32;

  static char* text_of(byte_buffer& bytes) { return reinterpret_cast<char*>(bytes.data()); }
  static const char* text_of(bytes_view bytes) { return reinterpret_cast<const char*>(bytes.data()); }
  static std::uint32_t checksum(bytes_view bytes) {
    return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  }
};

class zstandard_codec final : public block_codec {
 public:
  explicit zstandard_codec(int level) : level_(level) {}

  result<void> compress(bytes_view block, byte_buffer& out) override {
    if (compressing_ == nullptr) compressing_.reset(ZSTD_createCCtx());
    if (compressing_ == nullptr) return failed(container_codec::zstandard, "no memory");
    out.resize(ZSTD_compressBound(block.size()));
    const std::size_t made =
        ZSTD_compressCCtx(compressing_.get(), out.data(), out.size(), block.data(), block.size(), level_);
    if (ZSTD_isError(made) != 0) return failed(container_codec::zstandard, ZSTD_getErrorName(made));
    out.resize(made);
    return {};
  }

  result<void> expand(bytes_view stored, std::size_t bytes_max, byte_buffer& out) override {
    if (auto ready = start(bytes_max); !ready) return ready;
    out.clear();
    ZSTD_inBuffer in{stored.data(), stored.size(), 0};
    std::size_t used = 0;
    std::size_t hint = 1;  // 0: a frame has ended
    while (in.pos < in.size || hint != 0) {
      if (used == out.size() && !grow(out, bytes_max)) return full(in, hint, bytes_max);
      ZSTD_outBuffer to{out.data() + used, out.size() - used, 0};
      const std::size_t in_before = in.pos;
      hint = ZSTD_decompressStream(expanding_.get(), &to, &in);
      if (ZSTD_isError(hint) != 0) return not_of(container_codec::zstandard, ZSTD_getErrorName(hint));
      used += to.pos;
      if (hint != 0 && in.pos == in.size && in.pos == in_before && to.pos == 0)
        return not_of(container_codec::zstandard, "it ends early");
    }
    out.resize(used);
    return {};
  }

 private:
  struct free_context {
    void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  };

  // The window is memory too: no larger than the largest block.
  [[nodiscard]] result<void> start(std::size_t bytes_max) {
    if (expanding_ == nullptr) expanding_.reset(ZSTD_createDCtx());
    if (expanding_ == nullptr) return not_of(container_codec::zstandard, "no memory");
    const auto bounds = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax);
    const int log = std::clamp(static_cast<int>(std::bit_width(bytes_max)), bounds.lowerBound,
                               std::min(bounds.upperBound, window_log_max));
    ZSTD_DCtx_reset(expanding_.get(), ZSTD_reset_session_and_parameters);
    ZSTD_DCtx_setParameter(expanding_.get(), ZSTD_d_windowLogMax, log);
    return {};
  }

  // The output is full to the limit: only the end of the data may follow.
  [[nodiscard]] result<void> full(ZSTD_inBuffer& in, std::size_t hint, std::size_t bytes_max) {
    std::byte beyond{};
    while (in.pos < in.size || hint != 0) {
      ZSTD_outBuffer to{&beyond, 1, 0};
      const std::size_t in_before = in.pos;
      hint = ZSTD_decompressStream(expanding_.get(), &to, &in);
      if (ZSTD_isError(hint) != 0) return not_of(container_codec::zstandard, ZSTD_getErrorName(hint));
      if (to.pos != 0 || (hint != 0 && in.pos == in_before)) return too_large(bytes_max);
    }
    return {};
  }

  static constexpr int window_log_max = 27;

  int level_;
  std::unique_ptr<ZSTD_CCtx, free_context> compressing_;
  std::unique_ptr<ZSTD_DCtx, free_context> expanding_;
};

struct codec_name {
  container_codec codec;
  std::string_view name;
};
constexpr codec_name codec_names[] = {{container_codec::null, "null"},
                                      {container_codec::deflate, "deflate"},
                                      {container_codec::snappy, "snappy"},
                                      {container_codec::zstandard, "zstandard"}};

[[nodiscard]] error no_level(container_codec codec, const char* range) {
  return {errc::config_invalid, "the codec " + std::string(to_string(codec)) + " has " + range};
}

}  // namespace

std::string_view to_string(container_codec codec) noexcept {
  for (const auto& [known, name] : codec_names) {
    if (known == codec) return name;
  }
  return "";
}

result<container_codec> container_codec_of(std::string_view name) {
  std::string all;
  for (const auto& [codec, known] : codec_names) {
    if (known == name) return codec;
    all += (all.empty() ? "" : ", ") + std::string(known);
  }
  std::string shown;
  for (const char c : name.substr(0, 40)) shown.push_back(c >= ' ' && c < 0x7F ? c : '?');
  return error(errc::unsupported, "unknown codec '" + shown + "', expected one of " + all);
}

result<std::unique_ptr<block_codec>> make_block_codec(container_codec codec, std::optional<int> level) {
  constexpr int zstandard_level_max = 19;
  constexpr int deflate_level_max = 9;
  constexpr int zstandard_level = 3;  // the library's default
  switch (codec) {
    case container_codec::null:
      if (level) return no_level(codec, "no levels");
      return std::make_unique<null_codec>();
    case container_codec::deflate:
      if (level && (*level < 1 || *level > deflate_level_max)) return no_level(codec, "levels 1 to 9");
      return std::make_unique<deflate_codec>(level.value_or(Z_DEFAULT_COMPRESSION));
    case container_codec::snappy:
      if (level) return no_level(codec, "no levels");
      return std::make_unique<snappy_codec>();
    case container_codec::zstandard:
      if (level && (*level < 1 || *level > zstandard_level_max)) return no_level(codec, "levels 1 to 19");
      return std::make_unique<zstandard_codec>(level.value_or(zstandard_level));
  }
  return error(errc::internal);
}

}  // namespace millrace::avro

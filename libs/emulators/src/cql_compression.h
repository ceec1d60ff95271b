// Compressed frames, as section 5 of native_protocol_v4.spec has them: the body only. LZ4's is preceded by its
// uncompressed length, a big-endian [int]; Snappy's format holds its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::emulators::cql {

enum class compressor : std::uint8_t { none, lz4, snappy };

// The flag in a frame's header.
inline constexpr std::uint8_t flag_compressed = 0x01;

// Replaces `out` by the uncompressed body; false when it is malformed or longer than `bytes_max`.
[[nodiscard]] bool decompress(compressor with, std::string_view body, std::size_t bytes_max,
                              std::string& out);
// Compresses the body of the frame that begins at `begun` and sets its flag. An empty body stays as it is.
void compress_frame(compressor with, std::string& frames, std::size_t begun);

}  // namespace millrace::emulators::cql

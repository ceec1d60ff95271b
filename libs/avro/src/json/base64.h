// Base64 (RFC 4648, section 4): the standard alphabet, with padding.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <millrace/base/bytes.h>

namespace millrace::avro {

// Writes at most 3 bytes per 4 characters to `out` and returns how many; nothing when the text is not base64
// in its only form. `out` may not overlap the text.
[[nodiscard]] std::optional<std::size_t> decode_base64(std::string_view text, std::byte* out) noexcept;
void append_base64(bytes_view bytes, std::string& out);

}  // namespace millrace::avro

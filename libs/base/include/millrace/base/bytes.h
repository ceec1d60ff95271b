// Views on raw bytes. A view owns nothing: it is valid as long as what it points into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace {

using bytes_view = std::span<const std::byte>;
using byte_buffer = std::vector<std::byte>;

[[nodiscard]] inline bytes_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(bytes_view bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hexadecimal, no separators; at most `bytes_max` bytes, then "…".
[[nodiscard]] std::string to_hex(bytes_view bytes, std::size_t bytes_max = SIZE_MAX);
// Accepts upper and lower case and ignores white space. errc::malformed on anything else or an odd digit
// count.
[[nodiscard]] result<byte_buffer> from_hex(std::string_view text);

}  // namespace millrace

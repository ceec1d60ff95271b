// "wt1." and the number in hexadecimal, then a space when a finished map follows.
#include <charconv>

#include <millrace/stream/write_clock.h>

namespace millrace::stream {
namespace {

constexpr std::string_view prefix = "wt1.";
constexpr std::size_t digits_max = 16;

}  // namespace

std::string encode_write_floor(std::int64_t last_us) {
  char digits[digits_max];
  const auto written = std::to_chars(digits, digits + digits_max, static_cast<std::uint64_t>(last_us), 16);
  return std::string(prefix) + std::string(digits, written.ptr);
}

std::optional<std::int64_t> take_write_floor(std::string_view& metadata) noexcept {
  if (!metadata.starts_with(prefix)) return std::nullopt;
  const std::size_t end = metadata.find(' ');
  const std::string_view digits = metadata.substr(0, end).substr(prefix.size());
  std::int64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || value < 0)
    return std::nullopt;
  metadata.remove_prefix(end == std::string_view::npos ? metadata.size() : end + 1);
  return value;
}

}  // namespace millrace::stream

#include "bound_values.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <millrace/base/values.h>

namespace millrace::app {
namespace {

using nlohmann::ordered_json;

std::string hexadecimal(bytes_view bytes) { return "0x" + to_hex(bytes); }

// Big-endian two's complement of 1, 2, 4 or 8 bytes.
std::int64_t integer_of(bytes_view bytes) {
  std::uint64_t raw = (std::to_integer<std::uint8_t>(bytes.front()) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
  for (const std::byte b : bytes) raw = raw << 8U | std::to_integer<std::uint64_t>(b);
  return static_cast<std::int64_t>(raw);
}

struct number_type {
  std::string_view name;
  std::size_t bytes;
};
constexpr number_type integers[] = {
    {"tinyint", 1}, {"smallint", 2}, {"int", 4}, {"bigint", 8}, {"counter", 8}};

// Milliseconds since 1970, as ISO 8601.
std::string instant_text(std::int64_t milliseconds) {
  const std::int64_t whole = milliseconds / 1'000 - (milliseconds % 1'000 < 0 ? 1 : 0);
  constexpr std::int64_t year_10000 = 253'402'300'800;
  if (whole < -year_10000 || whole >= year_10000) return std::to_string(milliseconds) + " ms";
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(whole)),
                     milliseconds - whole * 1'000);
}

ordered_json value_of(const std::string& type, bytes_view cell) {
  if (type == "text" || type == "varchar" || type == "ascii") return shown(cell);
  for (const number_type& each : integers) {
    if (type == each.name && cell.size() == each.bytes) return integer_of(cell);
  }
  if (type == "boolean" && cell.size() == 1) return cell.front() != std::byte{0};
  if (type == "float" && cell.size() == sizeof(float))
    return std::bit_cast<float>(static_cast<std::uint32_t>(integer_of(cell)));
  if (type == "double" && cell.size() == sizeof(double)) return std::bit_cast<double>(integer_of(cell));
  if (type == "timestamp" && cell.size() == sizeof(std::int64_t)) return instant_text(integer_of(cell));
  if ((type == "uuid" || type == "timeuuid") && cell.size() == sizeof(uuid::bytes)) {
    uuid value;
    std::memcpy(value.bytes.data(), cell.data(), cell.size());
    return value.to_string();
  }
  return hexadecimal(cell);
}

bool hides(const std::vector<std::string>& redact, const std::string& column) {
  return std::any_of(redact.begin(), redact.end(), [&column](const std::string& path) {
    const std::size_t dot = path.rfind('.');
    return column == path || (dot != std::string::npos && column == path.substr(dot + 1));
  });
}

}  // namespace

std::string shown(bytes_view bytes) {
  const std::string_view text = as_text(bytes);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable ? std::string(text) : hexadecimal(bytes);
}

ordered_json bound_values(const engine::followed_binding& of, const std::vector<std::string>& redact) {
  ordered_json out = ordered_json::object();
  bytes_view left = of.cells;
  for (const statements::column& column : of.parameters) {
    constexpr std::size_t length_bytes = 4;
    if (left.size() < length_bytes) break;
    const std::int64_t length = integer_of(left.first(length_bytes));
    left = left.subspan(length_bytes);
    if (length > static_cast<std::int64_t>(left.size())) break;
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(length, 0));
    ordered_json value = redacted;
    if (!hides(redact, column.name)) {
      if (length < 0)
        value = length == -1 ? ordered_json(nullptr) : ordered_json("unset");
      else
        value = value_of(column.type, left.first(size));
    }
    left = left.subspan(size);
    // `WHERE day >= ? AND day < ?` names a column twice.
    std::string name = column.name;
    while (out.contains(name)) name += '\'';
    out.emplace(std::move(name), std::move(value));
  }
  return out;
}

}  // namespace millrace::app

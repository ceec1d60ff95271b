// Texts of dates, times and instants (RFC 3339) as the numbers that Avro's logical types hold.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::avro {

enum class time_fault : std::uint8_t { none, malformed, no_offset, has_offset, out_of_range };

// "2025-10-09": days since 1970-01-01.
[[nodiscard]] time_fault parse_date(std::string_view text, std::int64_t& days) noexcept;
// "13:07:00.25" with `digits` of a second (3, 6 or 9). More digits are cut off.
[[nodiscard]] time_fault parse_time(std::string_view text, int digits, std::int64_t& value) noexcept;
// "2025-10-09T13:07:00Z", "2025-10-09T15:07:00.25+02:00". A local one has no offset.
[[nodiscard]] time_fault parse_instant(std::string_view text, int digits, bool local,
                                       std::int64_t& value) noexcept;

}  // namespace millrace::avro

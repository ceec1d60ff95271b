// The usual text forms of logical types.
#include "json/text.h"

#include <chrono>
#include <cstdio>

#include <millrace/base/values.h>

namespace millrace::avro {
namespace {

// "2025-10-09" for days since 1970; false when that has no four-digit year.
[[nodiscard]] bool date_text(std::int64_t days, std::string& out) {
  constexpr std::int64_t first = -719'528;  // 0000-01-01
  constexpr std::int64_t last = 2'932'896;  // 9999-12-31
  if (days < first || days > last) return false;
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  char text[16];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  out += text;
  return true;
}
// "13:07:00.000" with `digits` of a second; `value` counts them.
[[nodiscard]] bool time_text(std::int64_t value, int digits, std::string& out) {
  std::int64_t per_second = 1;
  for (int i = 0; i < digits; ++i) per_second *= 10;
  if (value < 0 || value >= 86'400 * per_second) return false;
  const std::int64_t seconds = value / per_second;
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%0*lld", static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60), digits,
                static_cast<long long>(value % per_second));
  out += text;
  return true;
}
void instant_text(std::int64_t value, int digits, bool utc, std::string& out) {
  std::int64_t per_day = 86'400;
  for (int i = 0; i < digits; ++i) per_day *= 10;
  std::int64_t days = value / per_day;
  std::int64_t in_day = value % per_day;
  if (in_day < 0) {
    --days;
    in_day += per_day;
  }
  std::string text = "\"";
  if (date_text(days, text)) {
    text += 'T';
    static_cast<void>(time_text(in_day, digits, text));
    out += text + (utc ? "Z\"" : "\"");
  } else {
    out += std::to_string(value);
  }
}

}  // namespace

void append_quoted(std::string_view text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escaped;
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_number(logical_type logical, std::int64_t value, std::string& out) {
  std::string text = "\"";
  switch (logical) {
    case logical_type::date:
      out += date_text(value, text) ? text + '"' : std::to_string(value);
      return;
    case logical_type::time_millis:
      out += time_text(value, 3, text) ? text + '"' : std::to_string(value);
      return;
    case logical_type::time_micros:
      out += time_text(value, 6, text) ? text + '"' : std::to_string(value);
      return;
    case logical_type::timestamp_millis:
      instant_text(value, 3, true, out);
      return;
    case logical_type::timestamp_micros:
      instant_text(value, 6, true, out);
      return;
    case logical_type::timestamp_nanos:
      instant_text(value, 9, true, out);
      return;
    case logical_type::local_timestamp_millis:
      instant_text(value, 3, false, out);
      return;
    case logical_type::local_timestamp_micros:
      instant_text(value, 6, false, out);
      return;
    case logical_type::local_timestamp_nanos:
      instant_text(value, 9, false, out);
      return;
    case logical_type::none:
    case logical_type::decimal:
    case logical_type::big_decimal:
    case logical_type::uuid:
    case logical_type::duration:
      out += std::to_string(value);
      return;
  }
}

void append_decimal(const decimal_view& value, std::string& out) {
  auto text = value.to_string();
  out += '"' +
         (text ? *text : "0x" + to_hex(value.unscaled) + "E" + std::to_string(-std::int64_t{value.scale})) +
         '"';
}

}  // namespace millrace::avro

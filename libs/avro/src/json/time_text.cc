#include "json/time_text.h"

#include <chrono>
#include <optional>

namespace millrace::avro {
namespace {

constexpr std::int64_t seconds_per_day = 86'400;

[[nodiscard]] bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

// Cuts exactly `count` digits off the front.
[[nodiscard]] std::optional<int> take_digits(std::string_view& text, std::size_t count) noexcept {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}
[[nodiscard]] bool take(std::string_view& text, char wanted) noexcept {
  if (text.empty() || text[0] != wanted) return false;
  text.remove_prefix(1);
  return true;
}

[[nodiscard]] std::optional<std::int64_t> take_date(std::string_view& text) noexcept {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

// hh:mm:ss and a fraction; units of 10^-digits seconds.
[[nodiscard]] std::optional<std::int64_t> take_time(std::string_view& text, int digits) noexcept {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  std::int64_t value = *hour * 3600 + *minute * 60 + *second;
  const bool fraction = take(text, '.');
  if (fraction && (text.empty() || !is_digit(text[0]))) return std::nullopt;
  for (int i = 0; i < digits; ++i) {
    value *= 10;
    if (fraction && !text.empty() && is_digit(text[0])) {
      value += text[0] - '0';
      text.remove_prefix(1);
    }
  }
  while (fraction && !text.empty() && is_digit(text[0])) text.remove_prefix(1);
  return value;
}

[[nodiscard]] std::optional<std::int64_t> take_offset(std::string_view& text) noexcept {
  if (take(text, 'Z') || take(text, 'z')) return 0;
  const bool negative = take(text, '-');
  if (!negative && !take(text, '+')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = (*hours * 60 + *minutes) * 60;
  return negative ? -seconds : seconds;
}

}  // namespace

time_fault parse_date(std::string_view text, std::int64_t& days) noexcept {
  const auto date = take_date(text);
  if (!date || !text.empty()) return time_fault::malformed;
  days = *date;
  return time_fault::none;
}

time_fault parse_time(std::string_view text, int digits, std::int64_t& value) noexcept {
  const auto time = take_time(text, digits);
  if (!time) return time_fault::malformed;
  if (!text.empty())
    return take_offset(text) && text.empty() ? time_fault::has_offset : time_fault::malformed;
  value = *time;
  return time_fault::none;
}

time_fault parse_instant(std::string_view text, int digits, bool local, std::int64_t& value) noexcept {
  const auto date = take_date(text);
  if (!date || text.empty() || (text[0] != 'T' && text[0] != 't' && text[0] != ' ')) {
    return time_fault::malformed;
  }
  text.remove_prefix(1);
  const auto time = take_time(text, digits);
  if (!time) return time_fault::malformed;
  std::int64_t offset = 0;
  if (text.empty()) {
    if (!local) return time_fault::no_offset;
  } else {
    const auto written = take_offset(text);
    if (!written || !text.empty()) return time_fault::malformed;
    if (local) return time_fault::has_offset;
    offset = *written;
  }
  std::int64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  using wide = __int128;
  const wide instant = wide{*date * seconds_per_day - offset} * unit + *time;
  if (instant < INT64_MIN || instant > INT64_MAX) return time_fault::out_of_range;
  value = static_cast<std::int64_t>(instant);
  return time_fault::none;
}

}  // namespace millrace::avro

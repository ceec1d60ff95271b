#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include <millrace/config/units.h>

namespace millrace::config {
namespace {

struct named_unit {
  std::string_view name;
  std::int64_t worth;
};

constexpr std::array<named_unit, 8> durations{{{"ns", 1},
                                               {"us", 1'000},
                                               {"µs", 1'000},
                                               {"ms", 1'000'000},
                                               {"s", 1'000'000'000},
                                               {"m", 60'000'000'000},
                                               {"h", 3'600'000'000'000},
                                               {"d", 86'400'000'000'000}}};
constexpr std::array<named_unit, 9> sizes{{{"B", 1},
                                           {"KiB", std::int64_t{1} << 10},
                                           {"MiB", std::int64_t{1} << 20},
                                           {"GiB", std::int64_t{1} << 30},
                                           {"TiB", std::int64_t{1} << 40},
                                           {"kB", 1'000},
                                           {"MB", 1'000'000},
                                           {"GB", 1'000'000'000},
                                           {"TB", 1'000'000'000'000}}};

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads "1.5" exactly, as a whole number and its digits after the point. 18 digits are enough for either.
struct exact_number {
  std::int64_t digits = 0;
  int after_point = 0;
};
std::optional<exact_number> take_number(std::string_view& text) {
  exact_number number;
  std::size_t used = 0;
  std::size_t digits = 0;
  bool point = false;
  for (; used < text.size(); ++used) {
    const char c = text[used];
    if (c == '.' && !point && digits > 0) {
      point = true;
    } else if (is_digit(c) && digits < 18) {
      number.digits = number.digits * 10 + (c - '0');
      number.after_point += point ? 1 : 0;
      ++digits;
    } else {
      break;
    }
  }
  if (digits == 0 || text[used - 1] == '.' || (used < text.size() && is_digit(text[used])))
    return std::nullopt;
  text.remove_prefix(used);
  return number;
}

const named_unit* take_unit(std::string_view& text, std::span<const named_unit> units) {
  const named_unit* longest = nullptr;
  for (const named_unit& unit : units) {
    if (text.starts_with(unit.name) && (longest == nullptr || unit.name.size() > longest->name.size()))
      longest = &unit;
  }
  if (longest != nullptr) text.remove_prefix(longest->name.size());
  return longest;
}

// number × worth, when that is a whole number that fits.
std::optional<std::int64_t> scaled(exact_number number, std::int64_t worth) {
  using wide = __int128;
  wide product = static_cast<wide>(number.digits) * worth;
  for (int i = 0; i < number.after_point; ++i) {
    if (product % 10 != 0) return std::nullopt;
    product /= 10;
  }
  if (product > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(product);
}

error not_a_duration() { return {errc::config_invalid, "a duration such as 250ms, 15s or 5m"}; }
error not_a_size() { return {errc::config_invalid, "a size such as 64MiB, 512KiB or 4096"}; }

// The largest unit that divides the value.
std::string exact_text(std::int64_t value, std::span<const named_unit> units) {
  const named_unit* best = units.data();
  for (const named_unit& unit : units) {
    if (value % unit.worth == 0 && unit.worth > best->worth) best = &unit;
  }
  return std::to_string(value / best->worth) + std::string(best->name);
}

}  // namespace

result<nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return nanoseconds(0);
  if (text.empty()) return not_a_duration();
  std::int64_t total = 0;
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return not_a_duration();
    const named_unit* unit = take_unit(text, durations);
    if (unit == nullptr) return not_a_duration();
    const auto part = scaled(*number, unit->worth);
    if (!part || *part > std::numeric_limits<std::int64_t>::max() - total) return not_a_duration();
    total += *part;
  }
  return nanoseconds(total);
}

result<byte_size> parse_byte_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return not_a_size();
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::int64_t worth = 1;
  if (!text.empty()) {
    const named_unit* unit = take_unit(text, sizes);
    if (unit == nullptr || !text.empty()) return not_a_size();
    worth = unit->worth;
  }
  const auto bytes = scaled(*number, worth);
  if (!bytes) return not_a_size();
  return byte_size{static_cast<std::uint64_t>(*bytes)};
}

std::string to_text(nanoseconds duration) {
  if (duration.count() == 0) return "0s";
  // Up to minutes; µs is spelt us, which every keyboard has.
  static constexpr std::array<named_unit, 5> shown{
      {durations[0], durations[1], durations[3], durations[4], durations[5]}};
  return exact_text(duration.count(), shown);
}

std::string to_text(byte_size size) {
  static constexpr std::array<named_unit, 5> shown{{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]}};
  if (size.bytes == 0) return "0B";
  return exact_text(static_cast<std::int64_t>(size.bytes), shown);
}

}  // namespace millrace::config

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <millrace/base/assert.h>
#include <millrace/base/decimal.h>

namespace millrace {
namespace {

__extension__ using wide = __int128;
__extension__ using unsigned_wide = unsigned __int128;

constexpr wide power_of_ten(int exponent) noexcept {
  wide power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}
// Not a decimal: the first number with more digits.
constexpr wide too_large = power_of_ten(decimal::digits_max);

constexpr bool fits(wide unscaled) noexcept { return unscaled < too_large && unscaled > -too_large; }

error beyond_digits() {
  return {errc::limit_exceeded, "a decimal has at most " + std::to_string(decimal::digits_max) + " digits"};
}

// nullopt: too many digits.
std::optional<wide> scaled_up(wide value, std::int64_t places) noexcept {
  if (value == 0) return 0;
  if (places > decimal::digits_max) return std::nullopt;
  const wide limit = too_large / power_of_ten(static_cast<int>(places));
  if (value >= limit || value <= -limit) return std::nullopt;
  return value * power_of_ten(static_cast<int>(places));
}

error not_a_decimal(std::string_view text) {
  return {errc::malformed,
          "'" + std::string(text.substr(0, 64)) + "' is not a decimal such as 12.50 or 1.5e-7"};
}

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

decimal::decimal(wide unscaled, std::int32_t scale, int) noexcept : scale_(scale) {
  auto rest = static_cast<unsigned_wide>(unscaled);
  for (std::size_t i = bytes_.size(); i-- > 0; rest >>= 8U)
    bytes_[i] = static_cast<std::byte>(static_cast<unsigned>(rest & 0xFFU));
  // The sign bit stays.
  const std::byte fill = unscaled < 0 ? std::byte{0xFF} : std::byte{0};
  begin_ = 0;
  while (begin_ < bytes_.size() - 1 && bytes_[begin_] == fill &&
         (bytes_[begin_ + 1U] & std::byte{0x80}) == (fill & std::byte{0x80})) {
    ++begin_;
  }
}

decimal::decimal(std::int64_t unscaled, std::int32_t scale) noexcept
    : decimal(static_cast<wide>(unscaled), scale, 0) {
  invariant(scale <= scale_max && scale >= -scale_max, "a decimal has a scale from -4096 to 4096");
}

result<decimal> decimal::made(wide unscaled, std::int64_t scale) {
  if (!fits(unscaled)) return beyond_digits();
  if (scale > scale_max || scale < -scale_max)
    return error(errc::limit_exceeded, "a decimal has a scale from -4096 to 4096");
  return decimal(unscaled, static_cast<std::int32_t>(scale), 0);
}

decimal::wide decimal::unscaled() const noexcept {
  unsigned_wide value = 0;
  for (const std::byte b : bytes_) value = (value << 8U) | std::to_integer<unsigned>(b);
  return static_cast<wide>(value);
}

result<decimal> decimal::parse(std::string_view text) {
  const auto malformed = [text] { return not_a_decimal(text); };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  wide value = 0;
  std::int64_t scale = 0;
  std::size_t digits = 0;
  bool fraction = false;
  while (!rest.empty() && (is_digit(rest[0]) || (rest[0] == '.' && !fraction))) {
    const char c = rest[0];
    rest.remove_prefix(1);
    if (c == '.') {
      fraction = true;
      continue;
    }
    ++digits;
    scale += fraction ? 1 : 0;
    if (value >= too_large / 10) return beyond_digits();
    value = value * 10 + (c - '0');
  }
  if (digits == 0) return malformed();
  if (!rest.empty()) {
    if (rest[0] != 'e' && rest[0] != 'E') return malformed();
    rest.remove_prefix(1);
    if (rest.starts_with('+') && rest.size() > 1 && is_digit(rest[1])) rest.remove_prefix(1);
    std::int32_t exponent = 0;
    const auto [end, failed] = std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
    if (failed != std::errc() || end != rest.data() + rest.size()) return malformed();
    scale -= exponent;
  }
  return made(negative ? -value : value, scale);
}

result<decimal> decimal::of(const decimal_view& view) {
  bytes_view bytes = view.unscaled;
  const bool negative = !bytes.empty() && (bytes[0] & std::byte{0x80}) != std::byte{0};
  const std::byte fill = negative ? std::byte{0xFF} : std::byte{0};
  while (bytes.size() > 16 && bytes[0] == fill) bytes = bytes.subspan(1);
  if (bytes.size() > 16) return beyond_digits();
  unsigned_wide value = negative ? ~unsigned_wide{0} : 0;
  for (const std::byte b : bytes) value = (value << 8U) | std::to_integer<unsigned>(b);
  // A leading byte that was left out said more than the one behind it.
  if ((static_cast<wide>(value) < 0) != negative) return beyond_digits();
  return made(static_cast<wide>(value), view.scale);
}

int decimal::sign() const noexcept {
  const wide value = unscaled();
  return value == 0 ? 0 : value < 0 ? -1 : 1;
}

std::string decimal::to_string() const {
  const result<std::string> text = view().to_string();
  invariant(text.ok(), "a decimal is within the limits of its text");
  return *text;
}

double decimal::to_double() const noexcept {
  const std::string digits =
      decimal(unscaled(), 0, 0).to_string() + "e" + std::to_string(-static_cast<std::int64_t>(scale_));
  double value = 0;
  // Out of range: 0 or infinity, as strtod has it.
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failed == std::errc::result_out_of_range) value = scale_ > 0 ? 0.0 : sign() * HUGE_VAL;
  return value;
}

result<decimal> decimal::rescaled(std::int32_t scale) const {
  const std::int64_t more = static_cast<std::int64_t>(scale) - scale_;
  if (more >= 0) {
    const std::optional<wide> value = scaled_up(unscaled(), more);
    return value ? made(*value, scale) : result<decimal>(beyond_digits());
  }
  wide value = unscaled();
  const auto lost = [&] {
    return error(errc::unresolvable, to_string() + " has no exact value with scale " + std::to_string(scale) +
                                         "; round it before");
  };
  if (value == 0) return made(0, scale);
  if (-more > digits_max) return lost();
  const wide divisor = power_of_ten(static_cast<int>(-more));
  if (value % divisor != 0) return lost();
  return made(value / divisor, scale);
}

result<decimal> decimal::rounded(std::int32_t scale) const {
  const std::int64_t fewer = static_cast<std::int64_t>(scale_) - scale;
  if (fewer <= 0) return rescaled(scale);
  // Half of the divisor has more digits than any value.
  if (fewer > digits_max) return made(0, scale);
  const wide divisor = power_of_ten(static_cast<int>(fewer));
  const wide value = unscaled();
  const wide rest = value % divisor;
  const wide away = value < 0 ? -1 : 1;
  const bool up = (rest < 0 ? -rest : rest) >= divisor - divisor / 2;
  return made(value / divisor + (up ? away : 0), scale);
}

result<decimal> decimal::plus(const decimal& other) const {
  const std::int32_t scale = std::max(scale_, other.scale_);
  const result<decimal> a = rescaled(scale);
  if (!a) return a;
  const result<decimal> b = other.rescaled(scale);
  if (!b) return b;
  wide sum = 0;
  if (__builtin_add_overflow(a->unscaled(), b->unscaled(), &sum)) return beyond_digits();
  return made(sum, scale);
}

result<decimal> decimal::minus(const decimal& other) const {
  return plus(decimal(-other.unscaled(), other.scale_, 0));
}

std::strong_ordering decimal::compare(const decimal& a, const decimal& b) noexcept {
  if (const auto signs = a.sign() <=> b.sign(); signs != 0) return signs;
  const wide left = a.unscaled();
  const wide right = b.unscaled();
  const auto of = [](wide x, wide y) {
    return x < y   ? std::strong_ordering::less
           : y < x ? std::strong_ordering::greater
                   : std::strong_ordering::equal;
  };
  const std::int64_t more = static_cast<std::int64_t>(b.scale_) - a.scale_;
  // The one with the smaller scale gets as many places; when they do not fit, it is the larger in magnitude.
  const auto beyond = [](wide which) {
    return which < 0 ? std::strong_ordering::less : std::strong_ordering::greater;
  };
  if (more >= 0) {
    const std::optional<wide> scaled = scaled_up(left, more);
    return scaled ? of(*scaled, right) : beyond(left);
  }
  const std::optional<wide> scaled = scaled_up(right, -more);
  return scaled ? of(left, *scaled) : 0 <=> beyond(right);
}

}  // namespace millrace

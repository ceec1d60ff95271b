// decimal: an exact decimal that owns its digits, for code that computes one. Records, rows and parameters hold the view,
// decimal_view (values.h); a decimal converts to it.
//
// Example:
//
//   const decimal price(1'250, 2);                          // 12.50
//   const result<decimal> paid = decimal::parse("12.5");
//   if (!paid) return paid.error();
//   invariant(price == *paid && price.to_string() == "12.50", "trailing zeros do not change the value");
//   const result<decimal> cents = price.rescaled(0);
//   invariant(!cents, "12.50 has no exact value without decimal places");
//   invariant(*decimal(1'250, 2).rescaled(4) == price && decimal(-5, 1) < price, "values are compared, not digits");
//   const decimal_view view = price;                        // for an emit, a parameter, a cell
//   invariant(*view.unscaled_int64() == 1'250, "the view has the digits of its decimal");
//
// A decimal has at most 38 digits (the precision of SQL's and Parquet's widest decimals) and a scale from -4096 to
// 4096; its value is unscaled × 10^-scale. It is 40 bytes and never allocates.
//
// Avro's decimal on bytes or fixed has the scale of the schema: rescaled() converts to it, and fails instead of
// rounding. CQL's decimal keeps the scale of the value.
//
// Threads: a plain value.
// Lifetime: a view is valid as long as its decimal is neither changed nor destroyed. A temporary lives to the end of the
// full expression, which is enough for ctx.emit(...) and for binding a statement that is awaited there.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>
#include <millrace/base/values.h>

namespace millrace {

class decimal {
 public:
  static constexpr int digits_max = 38;
  static constexpr std::int32_t scale_max = 4'096;

  // Zero, with scale 0.
  decimal() noexcept : decimal(0, 0) {}
  // unscaled × 10^-scale: decimal(1'250, 2) is 12.50. A scale out of range breaks an invariant.
  decimal(std::int64_t unscaled, std::int32_t scale) noexcept;

  // Parses "12.50", "-0.5", "+3", ".5", "1e3", "1.5E-7". The scale is the number of decimal places minus the exponent.
  // Errors: errc::malformed for any other text; errc::limit_exceeded beyond the limits above.
  [[nodiscard]] static result<decimal> parse(std::string_view text);
  // Copies a view, with its scale. Returns errc::limit_exceeded for more digits than a decimal has.
  [[nodiscard]] static result<decimal> of(const decimal_view& view);

  // The view; the shortest bytes that Avro and CQL have for the value.
  [[nodiscard]] decimal_view view() const noexcept {
    return {{bytes_.data() + begin_, bytes_.size() - begin_}, scale_};
  }
  operator decimal_view() const noexcept { return view(); }  // NOLINT(google-explicit-constructor)

  // The number of decimal places; negative: of zeros before the point.
  [[nodiscard]] std::int32_t scale() const noexcept { return scale_; }
  // -1, 0 or 1.
  [[nodiscard]] int sign() const noexcept;
  // The unscaled value. Returns errc::limit_exceeded when it does not fit 64 bits.
  [[nodiscard]] result<std::int64_t> unscaled_int64() const { return view().unscaled_int64(); }
  // The exact text: "12.50". Its length grows with the scale.
  [[nodiscard]] std::string to_string() const;
  // The nearest double, for display and statistics.
  [[nodiscard]] double to_double() const noexcept;

  // The same value with another scale. Errors: errc::unresolvable when decimal places other than zeros would be lost;
  // errc::limit_exceeded when the digits do not fit.
  [[nodiscard]] result<decimal> rescaled(std::int32_t scale) const;
  // The value rounded half away from zero to a scale. Returns errc::limit_exceeded when the digits do not fit.
  [[nodiscard]] result<decimal> rounded(std::int32_t scale) const;
  // Exact; the scale is the larger of the two. Returns errc::limit_exceeded when the digits do not fit.
  [[nodiscard]] result<decimal> plus(const decimal& other) const;
  [[nodiscard]] result<decimal> minus(const decimal& other) const;

  // By value: 12.5 == 12.50.
  friend std::strong_ordering operator<=>(const decimal& a, const decimal& b) noexcept {
    return compare(a, b);
  }
  friend bool operator==(const decimal& a, const decimal& b) noexcept { return compare(a, b) == 0; }

 private:
  __extension__ using wide = __int128;

  decimal(wide unscaled, std::int32_t scale, int) noexcept;
  [[nodiscard]] static result<decimal> made(wide unscaled, std::int64_t scale);
  [[nodiscard]] wide unscaled() const noexcept;
  [[nodiscard]] static std::strong_ordering compare(const decimal& a, const decimal& b) noexcept;

  std::array<std::byte, 16> bytes_{};  // big-endian two's complement
  std::uint8_t begin_ = 15;            // of the shortest form
  std::int32_t scale_ = 0;
};

}  // namespace millrace

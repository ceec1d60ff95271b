// Value types that several libraries share: generated structs, parameters of statements and rows use them.
// Instants are std::chrono types on the epoch of the system clock (UTC).
//
// Example:
//
//   const auto id = millrace::uuid::parse("123e4567-e89b-12d3-a456-426614174000");
//   if (!id) return id.error();
//   const std::string text = id->to_string();
//
// Threads: the types are plain values. The functions are pure and callable from any thread.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace {

// Milliseconds since 1970-01-01T00:00Z: Avro timestamp-millis, CQL timestamp.
using timestamp = std::chrono::sys_time<std::chrono::milliseconds>;
// Microseconds since 1970-01-01T00:00Z: Avro timestamp-micros, CQL write timestamps.
using timestamp_micros = std::chrono::sys_time<std::chrono::microseconds>;
// Nanoseconds since 1970-01-01T00:00Z: Avro timestamp-nanos.
using timestamp_nanos = std::chrono::sys_time<std::chrono::nanoseconds>;

// A UUID (RFC 9562); bytes in network order.
struct uuid {
  std::array<std::byte, 16> bytes{};

  friend auto operator<=>(const uuid&, const uuid&) = default;
  // Returns the canonical text in lower case: 8-4-4-4-12 digits.
  [[nodiscard]] std::string to_string() const;
  // Parses the canonical form in either case. Returns errc::malformed for any other text.
  [[nodiscard]] static result<uuid> parse(std::string_view text);
};

// An exact decimal: unscaled × 10^-scale. `unscaled` is a view of a big-endian two's-complement integer (Avro
// bytes or fixed, CQL varint); an empty view means 0. The decimal is valid as long as the bytes that it
// views.
struct decimal_view {
  bytes_view unscaled;
  std::int32_t scale = 0;

  // Returns the unscaled value, or errc::limit_exceeded when it does not fit 64 bits.
  [[nodiscard]] result<std::int64_t> unscaled_int64() const;
  // Returns the exact decimal text, for example "123.45". Returns errc::limit_exceeded for more than 64
  // unscaled bytes.
  [[nodiscard]] result<std::string> to_string() const;
};

}  // namespace millrace

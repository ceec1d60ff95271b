// Value types that more than one library speaks of: they appear in generated structs, in statements'
// parameters and in rows. Instants are std::chrono types on the system clock's epoch (UTC).
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

// RFC 9562 UUID, bytes in network order.
struct uuid {
  std::array<std::byte, 16> bytes{};

  friend auto operator<=>(const uuid&, const uuid&) = default;
  // Canonical text, lower case: 8-4-4-4-12.
  [[nodiscard]] std::string to_string() const;
  // Accepts the canonical form in either case, nothing else. errc::malformed otherwise.
  [[nodiscard]] static result<uuid> parse(std::string_view text);
};

// An exact decimal: unscaled × 10^-scale. `unscaled` is a big-endian two's-complement view (Avro bytes/fixed,
// CQL varint); empty means 0. Valid as long as the bytes it views.
struct decimal_view {
  bytes_view unscaled;
  std::int32_t scale = 0;

  // The unscaled value. errc::limit_exceeded when it does not fit 64 bits.
  [[nodiscard]] result<std::int64_t> unscaled_int64() const;
  // "123.45". Values over 64 bits are rendered exactly too, up to 64 unscaled bytes; errc::limit_exceeded
  // beyond.
  [[nodiscard]] result<std::string> to_string() const;
};

}  // namespace millrace

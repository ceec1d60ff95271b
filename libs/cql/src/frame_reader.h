// Reads the notations of the CQL native protocol (section 3 of its specification) in place.
//
// Threads: a reader belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <millrace/base/bytes.h>
#include <millrace/cql/cell.h>

#include "frames.h"

namespace millrace::cql::frames {

// Reads past the end yield zeros and empty views, and are remembered.
class frame_reader {
 public:
  explicit frame_reader(bytes_view from) noexcept : rest_(from) {}

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bytes_view rest() const noexcept { return rest_; }
  void fail() noexcept {
    failed_ = true;
    rest_ = {};
  }

  template <typename T>
  [[nodiscard]] T number() noexcept {
    if (rest_.size() < sizeof(T)) {
      fail();
      return T{0};
    }
    const T value = cql::internal::number_at<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  // An [int] that counts or measures; a negative one is malformed.
  [[nodiscard]] std::uint32_t count() noexcept {
    const auto value = number<std::int32_t>();
    if (value >= 0) return static_cast<std::uint32_t>(value);
    fail();
    return 0;
  }
  bytes_view take(std::size_t size) noexcept {
    if (size > rest_.size()) {
      fail();
      return {};
    }
    const bytes_view taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::string_view string() noexcept { return as_text(short_bytes()); }
  bytes_view short_bytes() noexcept { return take(number<std::uint16_t>()); }
  // Empty when null.
  bytes_view bytes() noexcept {
    const auto size = number<std::int32_t>();
    return size < 0 ? bytes_view{} : take(static_cast<std::size_t>(size));
  }

 private:
  bytes_view rest_;
  bool failed_ = false;
};

// Reads what precedes the message of an answer (section 2.2).
void read_extras(const header& of, frame_reader& in, extras& into) noexcept;

// Passes over the descriptions of `count` columns.
void skip_columns(frame_reader& in, bool one_table, std::uint32_t count) noexcept;

// More columns than any table has: a larger number is malformed.
inline constexpr std::uint32_t columns_max = 65'535;

}  // namespace millrace::cql::frames

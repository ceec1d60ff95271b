// Reads values that are bound to a statement. Unlike a cell of an answer, such a value may also be unset.
//
// Threads: a reader belongs to one thread.
#pragma once

#include <cstdint>

#include <millrace/base/bytes.h>
#include <millrace/cql/cell.h>

namespace millrace::cql {

struct bound_value {
  enum class state : std::uint8_t { value, null, unset };
  state is = state::null;
  bytes_view bytes = {};  // of a value
};

// The bytes must outlive the reader.
class bound_reader {
 public:
  explicit bound_reader(bytes_view values) noexcept : rest_(values) {}

  // Reads the next value. Returns false when the bytes do not hold one.
  [[nodiscard]] bool next(bound_value& to) noexcept {
    if (rest_.size() < sizeof(std::int32_t)) return false;
    const auto length = internal::number_at<std::int32_t>(rest_.data());
    rest_ = rest_.subspan(sizeof length);
    to.bytes = {};
    if (length < 0) {
      to.is = length == null_length ? bound_value::state::null : bound_value::state::unset;
      return length == null_length || length == unset_length;
    }
    if (rest_.size() < static_cast<std::size_t>(length)) return false;
    to.is = bound_value::state::value;
    to.bytes = rest_.first(static_cast<std::size_t>(length));
    rest_ = rest_.subspan(static_cast<std::size_t>(length));
    return true;
  }
  [[nodiscard]] bytes_view rest() const noexcept { return rest_; }

 private:
  bytes_view rest_;
};

}  // namespace millrace::cql

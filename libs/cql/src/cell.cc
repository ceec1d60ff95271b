#include <algorithm>

#include <millrace/cql/cell.h>

namespace millrace::cql {
namespace {

constexpr std::int64_t epoch_day = std::int64_t{1} << 31;
constexpr nanoseconds day = std::chrono::hours(24);

}  // namespace

cell_buffer::cell_buffer(cell_buffer&& other) noexcept
    : size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, inline_bytes)),
      heap_(std::move(other.heap_)) {
  if (!heap_) std::memcpy(inline_.data(), other.inline_.data(), size_);
}

void cell_buffer::reserve_more(std::size_t bytes) {
  const std::size_t wanted = std::max(2 * capacity_, size_ + bytes);
  std::unique_ptr<std::byte[]> grown(new std::byte[wanted]);
  std::memcpy(grown.get(), data(), size_);
  heap_ = std::move(grown);
  capacity_ = wanted;
}

void cell_buffer::close_cell(std::size_t opened) {
  const std::int32_t length = checked_length(size_ - opened);
  std::byte* at = data() + opened - 4;
  for (unsigned k = 0; k < 4; ++k) {
    at[k] = static_cast<std::byte>(static_cast<std::uint32_t>(length) >> (24U - 8U * k));
  }
}

bool cell_reader::next(std::optional<bytes_view>& cell) noexcept {
  if (rest_.size() < 4) return false;
  const auto length = internal::number_at<std::int32_t>(rest_.data());
  rest_ = rest_.subspan(4);
  if (length < 0) {
    cell.reset();
    return length == null_length;
  }
  if (rest_.size() < static_cast<std::size_t>(length)) return false;
  cell = rest_.first(static_cast<std::size_t>(length));
  rest_ = rest_.subspan(static_cast<std::size_t>(length));
  return true;
}

std::string_view describe(cell_fault fault) noexcept {
  switch (fault) {
    case cell_fault::none:
      return "readable";
    case cell_fault::null:
      return "null, and the C++ type is not std::optional";
    case cell_fault::malformed:
      return "not a value of its type";
    case cell_fault::too_large:
      return "too large for the C++ type";
  }
  return "unreadable";
}

cell_fault codec<timestamp>::decode(std::optional<bytes_view> cell, timestamp& to) noexcept {
  std::int64_t count = 0;
  const cell_fault fault = internal::decode_number(cell, count);
  to = timestamp(milliseconds(count));
  return fault;
}

void codec<std::chrono::sys_days>::encode(cell_buffer& to, std::chrono::sys_days value) {
  const std::int64_t days = value.time_since_epoch().count();
  to.append_number_cell(
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(days + epoch_day, 0, std::int64_t{UINT32_MAX})));
}

cell_fault codec<std::chrono::sys_days>::decode(std::optional<bytes_view> cell,
                                                std::chrono::sys_days& to) noexcept {
  std::uint32_t days = 0;
  const cell_fault fault = internal::decode_number(cell, days);
  to = std::chrono::sys_days(std::chrono::days(static_cast<std::int32_t>(std::int64_t{days} - epoch_day)));
  return fault;
}

cell_fault codec<nanoseconds>::decode(std::optional<bytes_view> cell, nanoseconds& to) noexcept {
  std::int64_t count = 0;
  const cell_fault fault = internal::decode_number(cell, count);
  if (fault == cell_fault::none && (count < 0 || count >= day.count())) return cell_fault::malformed;
  to = nanoseconds(count);
  return fault;
}

cell_fault codec<uuid>::decode(std::optional<bytes_view> cell, uuid& to) noexcept {
  if (internal::absent(cell)) return cell_fault::null;
  if (cell->size() != to.bytes.size()) return cell_fault::malformed;
  std::copy(cell->begin(), cell->end(), to.bytes.begin());
  return cell_fault::none;
}

cell_fault codec<inet_address>::decode(std::optional<bytes_view> cell, inet_address& to) noexcept {
  if (internal::absent(cell)) return cell_fault::null;
  if (cell->size() != 4 && cell->size() != 16) return cell_fault::malformed;
  to = {};
  to.size = static_cast<std::uint8_t>(cell->size());
  std::copy(cell->begin(), cell->end(), to.bytes.begin());
  return cell_fault::none;
}

void codec<varint_view>::encode(cell_buffer& to, varint_view value) {
  constexpr std::byte zero{0};
  to.append_cell(value.unscaled.empty() ? bytes_view(&zero, 1) : value.unscaled);
}

cell_fault codec<varint_view>::decode(std::optional<bytes_view> cell, varint_view& to) noexcept {
  if (internal::absent(cell)) return cell_fault::null;
  to.unscaled = *cell;
  return cell_fault::none;
}

void codec<varint>::encode(cell_buffer& to, varint value) {
  std::array<std::byte, 8> bytes{};
  for (unsigned k = 0; k < 8; ++k) {
    bytes[k] = static_cast<std::byte>(static_cast<std::uint64_t>(value.value) >> (56U - 8U * k));
  }
  // A leading byte goes when the next one carries the same sign.
  std::size_t skip = 0;
  while (skip < 7) {
    const bool negative = (bytes[skip + 1] & std::byte{0x80}) != std::byte{0};
    if (bytes[skip] != (negative ? std::byte{0xFF} : std::byte{0})) break;
    ++skip;
  }
  to.append_cell(bytes_view(bytes).subspan(skip));
}

cell_fault codec<varint>::decode(std::optional<bytes_view> cell, varint& to) {
  varint_view view;
  if (const cell_fault fault = codec<varint_view>::decode(cell, view); fault != cell_fault::none)
    return fault;
  const auto value = decimal_view{view.unscaled, 0}.unscaled_int64();
  if (!value) return cell_fault::too_large;
  to.value = *value;
  return cell_fault::none;
}

void codec<decimal_view>::encode(cell_buffer& to, decimal_view value) {
  const std::size_t opened = to.open_cell();
  to.append_number(value.scale);
  if (value.unscaled.empty())
    to.append_number(std::int8_t{0});
  else
    to.append(value.unscaled);
  to.close_cell(opened);
}

cell_fault codec<decimal_view>::decode(std::optional<bytes_view> cell, decimal_view& to) noexcept {
  if (internal::absent(cell)) return cell_fault::null;
  if (cell->size() < 5) return cell_fault::malformed;
  to.scale = internal::number_at<std::int32_t>(cell->data());
  to.unscaled = cell->subspan(4);
  return cell_fault::none;
}

}  // namespace millrace::cql

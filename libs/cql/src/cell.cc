#include <algorithm>
#include <limits>

#include <millrace/cql/cell.h>

namespace millrace::cql {
namespace {

constexpr std::int64_t epoch_day = std::int64_t{1} << 31;
constexpr nanoseconds day = std::chrono::hours(24);

// Small numbers of either sign become small unsigned ones.
std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t bits) {
  return static_cast<std::int64_t>(bits >> 1U) ^ -static_cast<std::int64_t>(bits & 1U);
}
bool fits_int32(std::int64_t value) {
  return value >= std::numeric_limits<std::int32_t>::min() &&
         value <= std::numeric_limits<std::int32_t>::max();
}

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
  internal::put_number(data() + opened - sizeof length, length);
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
  internal::put_number(bytes.data(), value.value);
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

namespace internal {

void append_vint(cell_buffer& to, std::uint64_t value) {
  // Seven bits a byte, except that the ninth byte carries eight.
  const auto bits = static_cast<std::size_t>(std::bit_width(value | 1U));
  const std::size_t size = std::min((bits + 6) / 7, vint_bytes_max);
  std::array<std::byte, vint_bytes_max> bytes{};
  for (std::size_t k = size; k-- > 0; value >>= 8U) bytes[k] = static_cast<std::byte>(value & 0xFFU);
  bytes[0] |= static_cast<std::byte>(~(0xFFU >> (size - 1)) & 0xFFU);
  to.append(bytes_view(bytes).first(size));
}

std::optional<std::uint64_t> take_vint(bytes_view& from) noexcept {
  if (from.empty()) return std::nullopt;
  const auto first = std::to_integer<std::uint8_t>(from[0]);
  const auto others = static_cast<std::size_t>(std::countl_one(first));
  if (from.size() < 1 + others) return std::nullopt;
  std::uint64_t value = others < 8 ? first & (0xFFU >> others) : 0;
  for (std::size_t k = 1; k <= others; ++k) value = value << 8U | std::to_integer<std::uint64_t>(from[k]);
  from = from.subspan(1 + others);
  return value;
}

}  // namespace internal

void codec<duration>::encode(cell_buffer& to, const duration& value) {
  const std::size_t opened = to.open_cell();
  internal::append_vint(to, zigzag(value.months));
  internal::append_vint(to, zigzag(value.days));
  internal::append_vint(to, zigzag(value.nanoseconds));
  to.close_cell(opened);
}

cell_fault codec<duration>::decode(std::optional<bytes_view> cell, duration& to) noexcept {
  if (internal::absent(cell)) return cell_fault::null;
  bytes_view rest = *cell;
  std::array<std::int64_t, 3> parts{};
  for (std::int64_t& part : parts) {
    const auto bits = internal::take_vint(rest);
    if (!bits) return cell_fault::malformed;
    part = unzigzag(*bits);
  }
  if (!rest.empty() || !fits_int32(parts[0]) || !fits_int32(parts[1])) return cell_fault::malformed;
  to = {static_cast<std::int32_t>(parts[0]), static_cast<std::int32_t>(parts[1]), parts[2]};
  return cell_fault::none;
}

}  // namespace millrace::cql

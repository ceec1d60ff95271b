#include <algorithm>
#include <array>
#include <bit>

#include <arpa/inet.h>

#include <millrace/base/assert.h>
#include <millrace/simulation/cell.h>

namespace millrace::simulation {
namespace {

// CQL counts days from this one on.
constexpr std::uint32_t day_of_1970 = std::uint32_t{1} << 31U;

template <typename Unsigned>
byte_buffer big_endian(Unsigned value) {
  byte_buffer bytes(sizeof value);
  for (std::size_t i = 0; i < sizeof value; ++i) {
    bytes[sizeof value - 1 - i] = static_cast<std::byte>(value & 0xFFU);
    value = static_cast<Unsigned>(value >> (sizeof value > 1 ? 8U : 0U));
  }
  return bytes;
}

template <typename Unsigned>
Unsigned from_big_endian(const std::optional<byte_buffer>& bytes) {
  invariant(bytes && bytes->size() == sizeof(Unsigned), "a cell is read as the type it was written as");
  Unsigned value = 0;
  for (const std::byte b : *bytes)
    value = static_cast<Unsigned>((std::uint64_t{value} << 8U) | std::to_integer<std::uint64_t>(b));
  return value;
}

void append(const byte_buffer& bytes, byte_buffer& into) {
  into.insert(into.end(), bytes.begin(), bytes.end());
}

// The number of elements, and the cells behind it.
std::vector<cell> counted(const std::optional<byte_buffer>& bytes, std::size_t cells_each) {
  invariant(bytes && bytes->size() >= 4, "a collection is read as one");
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < 4; ++i) count = (count << 8U) | std::to_integer<std::uint32_t>((*bytes)[i]);
  std::vector<cell> all = split_cells(bytes_view(*bytes).subspan(4));
  invariant(all.size() == count * cells_each, "a collection is read as the kind it was written as");
  return all;
}

}  // namespace

cell::cell(std::string_view text)
    : cell(byte_buffer(as_bytes(text).begin(), as_bytes(text).end()), "text or ascii") {}
cell::cell(std::int64_t bigint)
    : cell(big_endian(static_cast<std::uint64_t>(bigint)), "bigint or counter or timestamp or time") {}
cell::cell(std::int32_t number) : cell(big_endian(static_cast<std::uint32_t>(number)), "int or date") {}
cell::cell(std::int16_t number) : cell(big_endian(static_cast<std::uint16_t>(number)), "smallint") {}
cell::cell(std::int8_t number) : cell(byte_buffer(1, static_cast<std::byte>(number)), "tinyint") {}
cell::cell(double number) : cell(big_endian(std::bit_cast<std::uint64_t>(number)), "double") {}
cell::cell(float number) : cell(big_endian(std::bit_cast<std::uint32_t>(number)), "float") {}
cell::cell(bool yes) : cell(byte_buffer(1, yes ? std::byte{1} : std::byte{0}), "boolean") {}
cell::cell(const millrace::uuid& id)
    : cell(byte_buffer(id.bytes.begin(), id.bytes.end()), "uuid or timeuuid") {}
cell::cell(millrace::timestamp at)
    : cell(big_endian(static_cast<std::uint64_t>(at.time_since_epoch().count())), "timestamp") {}
cell::cell(std::chrono::sys_days day)
    : cell(big_endian(day_of_1970 + static_cast<std::uint32_t>(day.time_since_epoch().count())), "date") {}
cell::cell(const decimal_view& number)
    : cell(big_endian(static_cast<std::uint32_t>(number.scale)), "decimal") {
  if (number.unscaled.empty()) bytes_->push_back(std::byte{0});
  bytes_->insert(bytes_->end(), number.unscaled.begin(), number.unscaled.end());
}

cell cell::time_of_day(nanoseconds since_midnight) {
  return {big_endian(static_cast<std::uint64_t>(since_midnight.count())), "time"};
}

cell cell::varint(std::int64_t number) {
  const millrace::decimal shortest(number, 0);
  const bytes_view bytes = shortest.view().unscaled;
  return {byte_buffer(bytes.begin(), bytes.end()), "varint"};
}

cell cell::inet(std::string_view address) {
  const std::string text(address);
  std::array<std::byte, 16> bytes{};
  const bool is_v4 = ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1;
  const bool is_v6 = !is_v4 && ::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1;
  invariant(is_v4 || is_v6, "inet() takes the text of an IPv4 or IPv6 address");
  return {byte_buffer(bytes.begin(), bytes.begin() + (is_v4 ? 4 : 16)), "inet"};
}

cell cell::list(const std::vector<cell>& elements) {
  byte_buffer bytes = big_endian(static_cast<std::uint32_t>(elements.size()));
  for (const cell& each : elements) each.append_to(bytes);
  return {std::move(bytes)};
}

cell cell::map(const std::vector<std::pair<cell, cell>>& entries) {
  byte_buffer bytes = big_endian(static_cast<std::uint32_t>(entries.size()));
  for (const auto& [key, value] : entries) {
    key.append_to(bytes);
    value.append_to(bytes);
  }
  return {std::move(bytes)};
}

cell cell::tuple(const std::vector<cell>& fields) {
  byte_buffer bytes;
  for (const cell& each : fields) each.append_to(bytes);
  return {std::move(bytes)};
}

std::string cell::text() const {
  invariant(bytes_.has_value(), "a null cell has no text");
  return std::string(as_text(*bytes_));
}
std::int64_t cell::bigint() const {
  return static_cast<std::int64_t>(from_big_endian<std::uint64_t>(bytes_));
}
std::int32_t cell::int32() const { return static_cast<std::int32_t>(from_big_endian<std::uint32_t>(bytes_)); }
std::int16_t cell::int16() const { return static_cast<std::int16_t>(from_big_endian<std::uint16_t>(bytes_)); }
std::int8_t cell::int8() const { return static_cast<std::int8_t>(from_big_endian<std::uint8_t>(bytes_)); }
double cell::float64() const { return std::bit_cast<double>(from_big_endian<std::uint64_t>(bytes_)); }
float cell::float32() const { return std::bit_cast<float>(from_big_endian<std::uint32_t>(bytes_)); }
bool cell::boolean() const { return from_big_endian<std::uint8_t>(bytes_) != 0; }

millrace::uuid cell::uuid() const {
  invariant(bytes_ && bytes_->size() == 16, "a uuid cell is read as one");
  millrace::uuid id;
  std::copy(bytes_->begin(), bytes_->end(), id.bytes.begin());
  return id;
}

millrace::timestamp cell::timestamp() const { return millrace::timestamp(milliseconds(bigint())); }

std::chrono::sys_days cell::date() const {
  const std::uint32_t day = from_big_endian<std::uint32_t>(bytes_) - day_of_1970;
  return std::chrono::sys_days(std::chrono::days(static_cast<std::int32_t>(day)));
}

nanoseconds cell::time_of_day() const { return nanoseconds(bigint()); }

millrace::decimal cell::decimal() const {
  invariant(bytes_ && bytes_->size() >= 5, "a decimal cell is read as one");
  std::uint32_t scale = 0;
  for (std::size_t i = 0; i < 4; ++i) scale = (scale << 8U) | std::to_integer<std::uint32_t>((*bytes_)[i]);
  const auto value =
      millrace::decimal::of({bytes_view(*bytes_).subspan(4), static_cast<std::int32_t>(scale)});
  invariant(value.ok(), "a decimal cell has at most 38 digits");
  return *value;
}

std::int64_t cell::varint() const {
  invariant(bytes_ && !bytes_->empty(), "a varint cell is read as one");
  const auto value = decimal_view{*bytes_, 0}.unscaled_int64();
  invariant(value.ok(), "a varint cell is read as 64 bits");
  return *value;
}

std::string cell::inet() const {
  invariant(bytes_ && (bytes_->size() == 4 || bytes_->size() == 16), "an inet cell is read as one");
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(bytes_->size() == 4 ? AF_INET : AF_INET6, bytes_->data(), text.data(), text.size());
  return text.data();
}

std::vector<cell> cell::elements() const { return counted(bytes_, 1); }

std::vector<std::pair<cell, cell>> cell::entries() const {
  const std::vector<cell> all = counted(bytes_, 2);
  std::vector<std::pair<cell, cell>> made;
  for (std::size_t i = 0; i < all.size(); i += 2) made.emplace_back(all[i], all[i + 1]);
  return made;
}

std::vector<cell> cell::fields() const {
  invariant(bytes_.has_value(), "a null cell has no fields");
  return split_cells(*bytes_);
}

void cell::append_to(byte_buffer& cells) const {
  append(big_endian(is_null() ? std::uint32_t{0xFFFFFFFF} : static_cast<std::uint32_t>(bytes_->size())),
         cells);
  if (!is_null()) append(*bytes_, cells);
}

std::vector<cell> split_cells(bytes_view cells) {
  std::vector<cell> all;
  while (!cells.empty()) {
    invariant(cells.size() >= 4, "cells are in wire form");
    std::uint32_t raw = 0;
    for (std::size_t i = 0; i < 4; ++i) raw = (raw << 8U) | static_cast<std::uint32_t>(cells[i]);
    cells = cells.subspan(4);
    const auto length = static_cast<std::int32_t>(raw);
    if (length < 0) {
      all.emplace_back(std::nullopt);
      continue;
    }
    invariant(cells.size() >= static_cast<std::size_t>(length), "cells are in wire form");
    const bytes_view bytes = cells.first(static_cast<std::size_t>(length));
    all.emplace_back(byte_buffer(bytes.begin(), bytes.end()));
    cells = cells.subspan(static_cast<std::size_t>(length));
  }
  return all;
}

}  // namespace millrace::simulation

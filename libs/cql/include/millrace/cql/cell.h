// The cell codec: C++ values to and from cells of the CQL native protocol (v4, section 6).
//
// Example:
//
//   cql::cell_buffer cells;
//   cql::codec<std::int32_t>::encode(cells, 42);
//   cql::cell_reader reader(cells.view());
//   std::optional<bytes_view> cell;
//   std::int32_t number = 0;
//   if (!reader.next(cell)) return error(errc::db_protocol, "no cell");
//   const cql::cell_fault fault = cql::codec<std::int32_t>::decode(cell, number);
//   invariant(fault == cql::cell_fault::none && number == 42, "the value is read back");
//
// Types:
//
//   C++                                        CQL
//   bool                                       boolean
//   int8_t, int16_t, int32_t                   tinyint, smallint, int
//   int64_t                                    bigint, counter
//   float, double                              float, double
//   std::string, std::string_view              text, varchar, ascii
//   byte_buffer, bytes_view                    blob
//   timestamp (milliseconds)                   timestamp
//   std::chrono::sys_days                      date
//   nanoseconds (since midnight)               time
//   uuid                                       uuid, timeuuid
//   inet_address                               inet
//   decimal_view                               decimal
//   varint, varint_view                        varint
//   cql::duration                              duration
//   std::vector<T>                             list<T>, set<T>
//   std::map<K, V>, std::vector<pair<K, V>>    map<K, V>
//   std::set<T>, std::tuple, std::array, udt   see composite.h
//   std::optional<T>                           T or null
//   or_unset<T>                                T or "leave the column unchanged"; parameters only
//
// A null parameter is a deletion: the database keeps a tombstone for it. `tombstone` states the intent;
// or_unset<std::optional<T>> takes a value, `tombstone` or `unset`, which writes nothing.
//
// CQL stores an empty collection as null, so null decodes as an empty one; any other null needs
// std::optional. An empty cell of a type without an empty value (Cassandra allows it for most types) reads as
// null.
//
// An application adds a type by a specialisation of codec<T>.
//
// Threads: the functions are pure and callable from any thread; a buffer or reader belongs to one thread.
// Lifetime: decoded views (string_view, bytes_view, decimal_view, varint_view) point into the cell.
// Errors: decode() returns a cell_fault; statements report it as errc::unresolvable or errc::db_protocol.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/values.h>
#include <millrace/cql/type.h>

namespace millrace::cql {

// Lengths of the cells null and unset.
inline constexpr std::int32_t null_length = -1;
inline constexpr std::int32_t unset_length = -2;

namespace internal {

// The bytes in the other order: one instruction, which compilers do not make of a loop over the bytes.
template <std::unsigned_integral Bits>
[[nodiscard]] constexpr Bits swapped(Bits bits) noexcept {
  if constexpr (sizeof(Bits) == 8) return __builtin_bswap64(bits);
  if constexpr (sizeof(Bits) == 4) return __builtin_bswap32(bits);
  if constexpr (sizeof(Bits) == 2) return __builtin_bswap16(bits);
  if constexpr (sizeof(Bits) == 1) return bits;
}
// Big-endian, as everything in the protocol.
template <std::integral Int>
[[nodiscard]] Int number_at(const std::byte* from) noexcept {
  static_assert(std::endian::native == std::endian::little && sizeof(Int) <= 8);
  std::make_unsigned_t<Int> bits = 0;
  std::memcpy(&bits, from, sizeof bits);
  return static_cast<Int>(swapped(bits));
}
template <std::integral Int>
void put_number(std::byte* to, Int value) noexcept {
  static_assert(std::endian::native == std::endian::little && sizeof(Int) <= 8);
  const auto bits = swapped(static_cast<std::make_unsigned_t<Int>>(value));
  std::memcpy(to, &bits, sizeof bits);
}

}  // namespace internal

// A buffer of cells. It grows like a vector; small rows need no allocation.
class cell_buffer {
 public:
  cell_buffer() = default;
  cell_buffer(cell_buffer&& other) noexcept;
  cell_buffer& operator=(cell_buffer&&) = delete;
  cell_buffer(const cell_buffer&) = delete;
  cell_buffer& operator=(const cell_buffer&) = delete;
  ~cell_buffer() = default;

  [[nodiscard]] bytes_view view() const noexcept { return {data(), size_}; }
  void append(bytes_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(grow(bytes.size()), bytes.data(), bytes.size());
  }
  template <std::integral Int>
  void append_number(Int value) {
    internal::put_number(grow(sizeof(Int)), value);
  }
  void append_null() { append_number(null_length); }
  void append_unset() { append_number(unset_length); }
  template <std::integral Int>
  void append_number_cell(Int value) {
    append_number(static_cast<std::int32_t>(sizeof(Int)));
    append_number(value);
  }
  void append_cell(bytes_view bytes) {
    append_number(checked_length(bytes.size()));
    append(bytes);
  }
  // Begins a cell whose length is not known yet, and returns the argument of close_cell(), which ends it.
  [[nodiscard]] std::size_t open_cell() {
    append_number(std::int32_t{0});
    return size_;
  }
  void close_cell(std::size_t opened);

 private:
  static constexpr std::size_t inline_bytes = 240;

  [[nodiscard]] static std::int32_t checked_length(std::size_t bytes) {
    invariant(bytes <= std::size_t{INT32_MAX}, "a cell holds at most 2 GiB");
    return static_cast<std::int32_t>(bytes);
  }
  [[nodiscard]] std::byte* data() noexcept { return heap_ ? heap_.get() : inline_.data(); }
  [[nodiscard]] const std::byte* data() const noexcept { return heap_ ? heap_.get() : inline_.data(); }
  // Returns where `bytes` more bytes are to be written.
  [[nodiscard]] std::byte* grow(std::size_t bytes) {
    if (capacity_ - size_ < bytes) reserve_more(bytes);
    std::byte* at = data() + size_;
    size_ += bytes;
    return at;
  }
  void reserve_more(std::size_t bytes);

  std::size_t size_ = 0;
  std::size_t capacity_ = inline_bytes;
  std::unique_ptr<std::byte[]> heap_;
  std::array<std::byte, inline_bytes> inline_;
};

// Reads cell after cell. The bytes must outlive the reader.
class cell_reader {
 public:
  explicit cell_reader(bytes_view cells) noexcept : rest_(cells) {}

  // Reads the next cell; nullopt is null. Returns false when the bytes do not hold a cell
  // (errc::db_protocol).
  [[nodiscard]] bool next(std::optional<bytes_view>& cell) noexcept;
  [[nodiscard]] bytes_view rest() const noexcept { return rest_; }

 private:
  bytes_view rest_;
};

// The reason why a cell does not have a value of a C++ type.
enum class cell_fault : std::uint8_t { none, null, malformed, too_large };
// Returns a text for messages.
[[nodiscard]] std::string_view describe(cell_fault fault) noexcept;

// An IPv4 or IPv6 address in network order.
struct inet_address {
  std::array<std::byte, 16> bytes{};
  std::uint8_t size = 4;  // 4 or 16

  friend bool operator==(const inet_address&, const inet_address&) = default;
};

// An integer of any size in the database, of 64 bits here.
struct varint {
  std::int64_t value = 0;
  friend auto operator<=>(const varint&, const varint&) = default;
};
// Big-endian two's complement; empty means 0.
struct varint_view {
  bytes_view unscaled;
};

// A duration as the database stores it. Months and days are the calendar's, so it has no length in
// nanoseconds. All three have the same sign; otherwise the server refuses it.
struct duration {
  std::int32_t months = 0;
  std::int32_t days = 0;
  std::int64_t nanoseconds = 0;

  friend bool operator==(const duration&, const duration&) = default;
};

// A parameter that leaves its column unchanged.
struct unset_t {};
inline constexpr unset_t unset{};
// A null parameter, which deletes the cell.
inline constexpr std::nullopt_t tombstone = std::nullopt;

// A parameter that may leave its column unchanged: null deletes the cell, unset does not.
template <typename T>
class or_unset {
 public:
  // NOLINTBEGIN(google-explicit-constructor): reads as the value it is.
  or_unset(unset_t) {}
  template <typename U>
    requires std::convertible_to<U&&, T>
  or_unset(U&& value) : value_(std::in_place, std::forward<U>(value)) {}  // nullopt is a T here
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] const std::optional<T>& value() const noexcept { return value_; }

 private:
  std::optional<T> value_;
};

// The codec of T. Members that a specialisation provides:
//
//   static std::string cql();                                         the CQL types, for messages: "text or ascii"
//   static bool fits(const type& column);                             whether a column has one of these types
//   static void encode(cell_buffer& to, const T& value);              appends a whole cell, length included
//   static cell_fault decode(std::optional<bytes_view> cell, T& to);  reads a cell
template <typename T>
struct codec;

template <typename T>
concept parameter_value = requires(cell_buffer& to, const T& value, const type& column) {
  codec<T>::encode(to, value);
  { codec<T>::fits(column) } -> std::same_as<bool>;
};
template <typename T>
concept cell_value = requires(std::optional<bytes_view> cell, T& value, const type& column) {
  { codec<T>::decode(cell, value) } -> std::same_as<cell_fault>;
  { codec<T>::fits(column) } -> std::same_as<bool>;
};

namespace internal {

// Null, or an empty cell of a type without an empty value.
[[nodiscard]] inline bool absent(const std::optional<bytes_view>& cell) noexcept {
  return !cell || cell->empty();
}

template <std::integral Int>
[[nodiscard]] cell_fault decode_number(const std::optional<bytes_view>& cell, Int& to) noexcept {
  if (absent(cell)) return cell_fault::null;
  if (cell->size() != sizeof(Int)) return cell_fault::malformed;
  to = number_at<Int>(cell->data());
  return cell_fault::none;
}

// Numbers of one to nine bytes: the leading ones of the first byte are the count of the others.
inline constexpr std::size_t vint_bytes_max = 9;
void append_vint(cell_buffer& to, std::uint64_t value);
// Takes one off the front of `from`; nothing when it ends too early.
[[nodiscard]] std::optional<std::uint64_t> take_vint(bytes_view& from) noexcept;

// Types whose cell is one number of the same bits.
template <typename T, std::integral Int>
struct number_codec {
  static void encode(cell_buffer& to, T value) { to.append_number_cell(std::bit_cast<Int>(value)); }
  static cell_fault decode(const std::optional<bytes_view>& cell, T& to) noexcept {
    Int bits = 0;
    const cell_fault fault = decode_number(cell, bits);
    if (fault == cell_fault::none) to = std::bit_cast<T>(bits);
    return fault;
  }
};

}  // namespace internal

template <>
struct codec<bool> {
  static std::string cql() { return "boolean"; }
  static bool fits(const type& column) { return column.is("boolean"); }
  static void encode(cell_buffer& to, bool value) {
    to.append_number_cell(static_cast<std::int8_t>(value ? 1 : 0));
  }
  static cell_fault decode(std::optional<bytes_view> cell, bool& to) noexcept {
    std::int8_t bits = 0;
    const cell_fault fault = internal::decode_number(cell, bits);
    to = bits != 0;
    return fault;
  }
};

template <>
struct codec<std::int8_t> : internal::number_codec<std::int8_t, std::int8_t> {
  static std::string cql() { return "tinyint"; }
  static bool fits(const type& column) { return column.is("tinyint"); }
};
template <>
struct codec<std::int16_t> : internal::number_codec<std::int16_t, std::int16_t> {
  static std::string cql() { return "smallint"; }
  static bool fits(const type& column) { return column.is("smallint"); }
};
template <>
struct codec<std::int32_t> : internal::number_codec<std::int32_t, std::int32_t> {
  static std::string cql() { return "int"; }
  static bool fits(const type& column) { return column.is("int"); }
};
template <>
struct codec<std::int64_t> : internal::number_codec<std::int64_t, std::int64_t> {
  static std::string cql() { return "bigint or counter"; }
  static bool fits(const type& column) { return column.is("bigint") || column.is("counter"); }
};
template <>
struct codec<float> : internal::number_codec<float, std::int32_t> {
  static std::string cql() { return "float"; }
  static bool fits(const type& column) { return column.is("float"); }
};
template <>
struct codec<double> : internal::number_codec<double, std::int64_t> {
  static std::string cql() { return "double"; }
  static bool fits(const type& column) { return column.is("double"); }
};

template <>
struct codec<std::string_view> {
  static std::string cql() { return "text or ascii"; }
  static bool fits(const type& column) { return column.is("text") || column.is("ascii"); }
  static void encode(cell_buffer& to, std::string_view value) { to.append_cell(as_bytes(value)); }
  static cell_fault decode(std::optional<bytes_view> cell, std::string_view& to) noexcept {
    if (!cell) return cell_fault::null;
    to = as_text(*cell);
    return cell_fault::none;
  }
};
template <>
struct codec<std::string> {
  static std::string cql() { return codec<std::string_view>::cql(); }
  static bool fits(const type& column) { return codec<std::string_view>::fits(column); }
  static void encode(cell_buffer& to, std::string_view value) { codec<std::string_view>::encode(to, value); }
  static cell_fault decode(std::optional<bytes_view> cell, std::string& to) {
    if (!cell) return cell_fault::null;
    to.assign(as_text(*cell));
    return cell_fault::none;
  }
};

template <>
struct codec<bytes_view> {
  static std::string cql() { return "blob"; }
  static bool fits(const type& column) { return column.is("blob"); }
  static void encode(cell_buffer& to, bytes_view value) { to.append_cell(value); }
  static cell_fault decode(std::optional<bytes_view> cell, bytes_view& to) noexcept {
    if (!cell) return cell_fault::null;
    to = *cell;
    return cell_fault::none;
  }
};
template <>
struct codec<byte_buffer> {
  static std::string cql() { return codec<bytes_view>::cql(); }
  static bool fits(const type& column) { return codec<bytes_view>::fits(column); }
  static void encode(cell_buffer& to, bytes_view value) { to.append_cell(value); }
  static cell_fault decode(std::optional<bytes_view> cell, byte_buffer& to) {
    if (!cell) return cell_fault::null;
    to.assign(cell->begin(), cell->end());
    return cell_fault::none;
  }
};

template <>
struct codec<timestamp> {
  static std::string cql() { return "timestamp"; }
  static bool fits(const type& column) { return column.is("timestamp"); }
  static void encode(cell_buffer& to, timestamp value) {
    to.append_number_cell(std::int64_t{value.time_since_epoch().count()});
  }
  static cell_fault decode(std::optional<bytes_view> cell, timestamp& to) noexcept;
};
// Days are unsigned on the wire, with 1970-01-01 in the middle of the range.
template <>
struct codec<std::chrono::sys_days> {
  static std::string cql() { return "date"; }
  static bool fits(const type& column) { return column.is("date"); }
  static void encode(cell_buffer& to, std::chrono::sys_days value);
  static cell_fault decode(std::optional<bytes_view> cell, std::chrono::sys_days& to) noexcept;
};
template <>
struct codec<nanoseconds> {
  static std::string cql() { return "time"; }
  static bool fits(const type& column) { return column.is("time"); }
  static void encode(cell_buffer& to, nanoseconds value) {
    to.append_number_cell(std::int64_t{value.count()});
  }
  static cell_fault decode(std::optional<bytes_view> cell, nanoseconds& to) noexcept;
};
template <>
struct codec<uuid> {
  static std::string cql() { return "uuid or timeuuid"; }
  static bool fits(const type& column) { return column.is("uuid") || column.is("timeuuid"); }
  static void encode(cell_buffer& to, const uuid& value) { to.append_cell(value.bytes); }
  static cell_fault decode(std::optional<bytes_view> cell, uuid& to) noexcept;
};
template <>
struct codec<inet_address> {
  static std::string cql() { return "inet"; }
  static bool fits(const type& column) { return column.is("inet"); }
  static void encode(cell_buffer& to, const inet_address& value) {
    to.append_cell(bytes_view(value.bytes).first(value.size == 16 ? 16 : 4));
  }
  static cell_fault decode(std::optional<bytes_view> cell, inet_address& to) noexcept;
};
template <>
struct codec<varint_view> {
  static std::string cql() { return "varint"; }
  static bool fits(const type& column) { return column.is("varint"); }
  static void encode(cell_buffer& to, varint_view value);
  static cell_fault decode(std::optional<bytes_view> cell, varint_view& to) noexcept;
};
// Encodes in the fewest bytes; decodes what fits 64 bits.
template <>
struct codec<varint> {
  static std::string cql() { return codec<varint_view>::cql(); }
  static bool fits(const type& column) { return codec<varint_view>::fits(column); }
  static void encode(cell_buffer& to, varint value);
  static cell_fault decode(std::optional<bytes_view> cell, varint& to);
};
template <>
struct codec<decimal_view> {
  static std::string cql() { return "decimal"; }
  static bool fits(const type& column) { return column.is("decimal"); }
  static void encode(cell_buffer& to, decimal_view value);
  static cell_fault decode(std::optional<bytes_view> cell, decimal_view& to) noexcept;
};
template <>
struct codec<duration> {
  static std::string cql() { return "duration"; }
  static bool fits(const type& column) { return column.is("duration"); }
  static void encode(cell_buffer& to, const duration& value);
  static cell_fault decode(std::optional<bytes_view> cell, duration& to) noexcept;
};

template <typename T>
struct codec<std::optional<T>> {
  static std::string cql() { return codec<T>::cql(); }
  static bool fits(const type& column) { return codec<T>::fits(column); }
  static void encode(cell_buffer& to, const std::optional<T>& value) {
    if (value)
      codec<T>::encode(to, *value);
    else
      to.append_null();
  }
  static cell_fault decode(std::optional<bytes_view> cell, std::optional<T>& to) {
    const cell_fault fault = codec<T>::decode(cell, to.emplace());
    if (fault == cell_fault::none) return fault;
    to.reset();
    return fault == cell_fault::null ? cell_fault::none : fault;
  }
};

template <typename T>
struct codec<or_unset<T>> {
  static std::string cql() { return codec<T>::cql(); }
  static bool fits(const type& column) { return codec<T>::fits(column); }
  static void encode(cell_buffer& to, const or_unset<T>& value) {
    if (value.value())
      codec<T>::encode(to, *value.value());
    else
      to.append_unset();
  }
};

namespace internal {

// [int count] and `count` times what `element` reads; the bytes must end there.
template <typename Element>
[[nodiscard]] cell_fault decode_elements(const std::optional<bytes_view>& cell, Element element) {
  if (absent(cell)) return cell_fault::none;
  if (cell->size() < 4) return cell_fault::malformed;
  const auto count = number_at<std::int32_t>(cell->data());
  // An element takes at least the four bytes of its length.
  if (count < 0 || static_cast<std::size_t>(count) > (cell->size() - 4) / 4) return cell_fault::malformed;
  cell_reader elements(cell->subspan(4));
  for (std::int32_t k = 0; k < count; ++k) {
    if (const cell_fault fault = element(elements); fault != cell_fault::none) return fault;
  }
  return elements.rest().empty() ? cell_fault::none : cell_fault::malformed;
}

template <typename T>
[[nodiscard]] cell_fault decode_element(cell_reader& from, T& to) {
  std::optional<bytes_view> cell;
  if (!from.next(cell)) return cell_fault::malformed;
  return codec<T>::decode(cell, to);
}

}  // namespace internal

template <typename T>
struct codec<std::vector<T>> {
  static std::string cql() { return "list or set of " + codec<T>::cql(); }
  static bool fits(const type& column) {
    return (column.is("list") || column.is("set")) && column.parameters.size() == 1 &&
           codec<T>::fits(column.parameters[0]);
  }
  static void encode(cell_buffer& to, const std::vector<T>& value) {
    const std::size_t opened = to.open_cell();
    to.append_number(static_cast<std::int32_t>(value.size()));
    for (const T& element : value) codec<T>::encode(to, element);
    to.close_cell(opened);
  }
  static cell_fault decode(std::optional<bytes_view> cell, std::vector<T>& to) {
    to.clear();
    return internal::decode_elements(
        cell, [&](cell_reader& from) { return internal::decode_element(from, to.emplace_back()); });
  }
};

namespace internal {

template <typename Map, typename Key, typename Value>
struct map_codec {
  static std::string cql() { return "map of " + codec<Key>::cql() + " to " + codec<Value>::cql(); }
  static bool fits(const type& column) {
    return column.is("map") && column.parameters.size() == 2 && codec<Key>::fits(column.parameters[0]) &&
           codec<Value>::fits(column.parameters[1]);
  }
  static void encode(cell_buffer& to, const Map& value) {
    const std::size_t opened = to.open_cell();
    to.append_number(static_cast<std::int32_t>(value.size()));
    for (const auto& [key, mapped] : value) {
      codec<Key>::encode(to, key);
      codec<Value>::encode(to, mapped);
    }
    to.close_cell(opened);
  }
  static cell_fault decode(std::optional<bytes_view> cell, Map& to) {
    to.clear();
    return decode_elements(cell, [&](cell_reader& from) {
      std::pair<Key, Value> entry{};
      if (const cell_fault fault = decode_element(from, entry.first); fault != cell_fault::none) return fault;
      if (const cell_fault fault = decode_element(from, entry.second); fault != cell_fault::none)
        return fault;
      to.insert(to.end(), std::move(entry));
      return cell_fault::none;
    });
  }
};

}  // namespace internal

template <typename Key, typename Value, typename Less>
struct codec<std::map<Key, Value, Less>> : internal::map_codec<std::map<Key, Value, Less>, Key, Value> {};
template <typename Key, typename Value>
struct codec<std::vector<std::pair<Key, Value>>>
    : internal::map_codec<std::vector<std::pair<Key, Value>>, Key, Value> {};

}  // namespace millrace::cql

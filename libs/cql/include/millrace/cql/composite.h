// Codecs of values that consist of values:
//
//   C++                        CQL
//   std::set<T>                set<T>
//   std::tuple<T...>           tuple<T...>; a component that may be null is std::optional
//   std::array<T, N>           vector<T, N>
//   udt<S>, S a plain struct   a user-defined type whose first fields are those of S
//
// Example:
//
//   using address = cql::udt<home>;
//   cql::cell_buffer cells;
//   cql::codec<address>::encode(cells, address({"Main Street", 7}));
//   invariant(cells.view().size() > 4, "a cell with its length");
//
// Example prelude:
//
//   struct home {
//     std::string_view street;
//     std::optional<std::int32_t> number;
//   };
//
// The fields of the struct must be the first fields of the user-defined type. Further fields, which ALTER TYPE
// appends, are skipped when a value is read and are null in a value that is written, at start-up as well as
// while the program runs. Fields that are newer than a value are null.
//
// Threads: the functions are pure and callable from any thread.
// Errors: as in cell.h.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <millrace/base/values.h>
#include <millrace/cql/cell.h>
#include <millrace/cql/fields.h>

namespace millrace::cql {

// A value of a user-defined type, as a field of a row, a parameter, or an element. S is a plain struct.
template <row_struct S>
struct udt {
  S value{};

  udt() = default;
  udt(S of) : value(std::move(of)) {}  // NOLINT(google-explicit-constructor): it is the value

  [[nodiscard]] const S& operator*() const noexcept { return value; }
  [[nodiscard]] const S* operator->() const noexcept { return &value; }
};

template <typename T, typename Less>
struct codec<std::set<T, Less>> {
  static std::string cql() { return "set of " + codec<T>::cql(); }
  static bool fits(const type& column) {
    return column.is("set") && column.parameters.size() == 1 && codec<T>::fits(column.parameters[0]);
  }
  static void encode(cell_buffer& to, const std::set<T, Less>& value) {
    const std::size_t opened = to.open_cell();
    to.append_number(static_cast<std::int32_t>(value.size()));
    for (const T& element : value) codec<T>::encode(to, element);
    to.close_cell(opened);
  }
  static cell_fault decode(std::optional<bytes_view> cell, std::set<T, Less>& to) {
    to.clear();
    return internal::decode_elements(cell, [&](cell_reader& from) {
      T element{};
      const cell_fault fault = internal::decode_element(from, element);
      if (fault == cell_fault::none) to.insert(to.end(), std::move(element));
      return fault;
    });
  }
};

namespace internal {

// Cells one after the other; a value may end before its last components, which are null then. Beyond the last
// one nothing may follow, unless the type can grow.
template <bool CanGrow, typename... Parts>
[[nodiscard]] cell_fault decode_parts(const std::optional<bytes_view>& cell, Parts&... parts) {
  if (!cell) return cell_fault::null;
  cell_reader from(*cell);
  cell_fault fault = cell_fault::none;
  const auto take = [&]<typename T>(T& to) {
    std::optional<bytes_view> part;
    if (!from.rest().empty() && !from.next(part)) {
      fault = cell_fault::malformed;
      return false;
    }
    fault = codec<T>::decode(part, to);
    return fault == cell_fault::none;
  };
  if (!(take(parts) && ...)) return fault;
  if constexpr (CanGrow) {
    std::optional<bytes_view> unknown;
    while (!from.rest().empty()) {
      if (!from.next(unknown)) return cell_fault::malformed;
    }
    return cell_fault::none;
  } else {
    return from.rest().empty() ? cell_fault::none : cell_fault::malformed;
  }
}

template <typename Tuple, std::size_t... I>
[[nodiscard]] std::string cql_of_parts(std::index_sequence<I...>) {
  std::string text;
  ((text += (I == 0 ? "" : ", ") + codec<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>::cql()), ...);
  return text;
}

template <typename Tuple, std::size_t... I>
[[nodiscard]] bool first_parts_fit(const std::vector<type>& parts, std::index_sequence<I...>) {
  return parts.size() >= sizeof...(I) &&
         (codec<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>::fits(parts[I]) && ...);
}

}  // namespace internal

template <typename... T>
struct codec<std::tuple<T...>> {
  static_assert(sizeof...(T) > 0, "a tuple has components");
  using indexes = std::index_sequence_for<T...>;

  static std::string cql() {
    return "tuple of (" + internal::cql_of_parts<std::tuple<T...>>(indexes()) + ")";
  }
  static bool fits(const type& column) {
    return column.is("tuple") && column.parameters.size() == sizeof...(T) &&
           internal::first_parts_fit<std::tuple<T...>>(column.parameters, indexes());
  }
  static void encode(cell_buffer& to, const std::tuple<T...>& value) {
    const std::size_t opened = to.open_cell();
    std::apply([&](const T&... part) { (codec<T>::encode(to, part), ...); }, value);
    to.close_cell(opened);
  }
  static cell_fault decode(std::optional<bytes_view> cell, std::tuple<T...>& to) {
    return std::apply([&](T&... part) { return internal::decode_parts<false>(cell, part...); }, to);
  }
};

template <typename S>
struct codec<udt<S>> {
  using fields = decltype(fields_of(std::declval<S&>()));
  using indexes = std::make_index_sequence<field_count<S>>;

  static std::string cql() {
    std::string text = "a user-defined type of (";
    std::size_t at = 0;
    for (const std::string_view name : field_names<S>) text += (at++ == 0 ? "" : ", ") + std::string(name);
    return text + ") as (" + internal::cql_of_parts<fields>(indexes()) + ")";
  }
  static bool fits(const type& column) {
    // The type's further fields are newer than the struct.
    return column.is("udt") && column.fields.size() >= field_count<S> &&
           std::equal(field_names<S>.begin(), field_names<S>.end(), column.fields.begin()) &&
           internal::first_parts_fit<fields>(column.parameters, indexes());
  }
  static void encode(cell_buffer& to, const udt<S>& value) {
    const std::size_t opened = to.open_cell();
    std::apply([&]<typename... T>(const T&... field) { (codec<T>::encode(to, field), ...); },
               fields_of(value.value));
    to.close_cell(opened);
  }
  static cell_fault decode(std::optional<bytes_view> cell, udt<S>& to) {
    return std::apply([&](auto&... field) { return internal::decode_parts<true>(cell, field...); },
                      fields_of(to.value));
  }
};

namespace internal {

// Bytes of an element in a vector; 0: it carries its length. Cassandra's list of types of fixed length is
// shorter than one would think.
template <typename T>
inline constexpr std::size_t vector_element_bytes = 0;
template <>
inline constexpr std::size_t vector_element_bytes<bool> = 1;
template <>
inline constexpr std::size_t vector_element_bytes<std::int32_t> = 4;
template <>
inline constexpr std::size_t vector_element_bytes<float> = 4;
template <>
inline constexpr std::size_t vector_element_bytes<std::int64_t> = 8;
template <>
inline constexpr std::size_t vector_element_bytes<double> = 8;
template <>
inline constexpr std::size_t vector_element_bytes<timestamp> = 8;
template <>
inline constexpr std::size_t vector_element_bytes<uuid> = 16;
template <typename T, std::size_t N>
inline constexpr std::size_t vector_element_bytes<std::array<T, N>> = N * vector_element_bytes<T>;

template <typename T>
void append_vector_element(cell_buffer& to, const T& value) {
  if constexpr (std::is_same_v<T, float>) {
    to.append_number(std::bit_cast<std::int32_t>(value));
  } else {
    cell_buffer cell;
    codec<T>::encode(cell, value);
    const bytes_view bytes = cell.view().subspan(4);
    if constexpr (vector_element_bytes<T> == 0) append_vint(to, bytes.size());
    to.append(bytes);
  }
}

// Takes an element off the front of `from`.
template <typename T>
[[nodiscard]] cell_fault take_vector_element(bytes_view& from, T& to) {
  std::uint64_t size = vector_element_bytes<T>;
  if constexpr (vector_element_bytes<T> == 0) {
    const auto length = take_vint(from);
    if (!length) return cell_fault::malformed;
    size = *length;
  }
  if (size > from.size()) return cell_fault::malformed;
  const bytes_view cell = from.first(static_cast<std::size_t>(size));
  from = from.subspan(static_cast<std::size_t>(size));
  return codec<T>::decode(cell, to);
}

}  // namespace internal

template <typename T, std::size_t N>
struct codec<std::array<T, N>> {
  static_assert(N > 0, "a vector has at least one dimension");

  static std::string cql() { return "vector of " + std::to_string(N) + " " + codec<T>::cql(); }
  static bool fits(const type& column) {
    return column.is("vector") && column.parameters.size() == 2 &&
           column.parameters[1].is(std::to_string(N)) && codec<T>::fits(column.parameters[0]);
  }
  static void encode(cell_buffer& to, const std::array<T, N>& value) {
    const std::size_t opened = to.open_cell();
    for (const T& element : value) internal::append_vector_element(to, element);
    to.close_cell(opened);
  }
  static cell_fault decode(std::optional<bytes_view> cell, std::array<T, N>& to) {
    if (internal::absent(cell)) return cell_fault::null;
    bytes_view rest = *cell;
    for (T& element : to) {
      if (const cell_fault fault = internal::take_vector_element(rest, element); fault != cell_fault::none) {
        return fault;
      }
    }
    return rest.empty() ? cell_fault::none : cell_fault::malformed;
  }
};

}  // namespace millrace::cql

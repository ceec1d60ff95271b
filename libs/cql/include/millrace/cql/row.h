// Rows as C++ values.
//
// Example, at namespace scope:
//
//   struct profile {
//     std::string_view segment;
//     double score;
//   };
//
//   double sum(const cql::rows<profile>& profiles) {
//     double scores = 0;
//     for (const profile& each : profiles) scores += each.score;
//     return scores;
//   }
//
// A row type is a struct of 1 to 32 fields, matched to the selected columns in order, with equal names; or,
// for a single column, any type with a codec.
//
// Threads: the worker's thread.
// Lifetime: a row keeps the memory of the answer that its views (std::string_view, bytes_view) point into. It
// may be held, moved and returned freely.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/cql/cell.h>
#include <millrace/cql/composite.h>
#include <millrace/cql/fields.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

// Limit of the rows of one answer, over all its pages.
inline constexpr std::size_t rows_max = 5'000;

template <typename R>
concept row_type = cell_value<R> || row_struct<R>;

namespace internal {
// Does not compile.
template <typename T>
const T& of_temporary() {
  static_assert(sizeof(T) == 0,
                "a row is read before it has a name; its memory ends with the expression: "
                "const auto row = co_await must(...), then row->field");
  invariant_broken("nobody calls this");
}
}  // namespace internal

// One row. Views stay valid as long as this object or a copy.
template <row_type R>
class row {
 public:
  row(R value, stream::rows_ref memory) : value_(std::move(value)), memory_(std::move(memory)) {}

  [[nodiscard]] const R& operator*() const& noexcept { return value_; }
  [[nodiscard]] const R* operator->() const& noexcept { return &value_; }
  // A temporary row has to get a name first: what is read from it would not outlive the expression.
  template <typename T = R>
  const T& operator*() const&& {
    return internal::of_temporary<T>();
  }
  template <typename T = R>
  const T* operator->() const&& {
    return &internal::of_temporary<T>();
  }

 private:
  R value_;
  stream::rows_ref memory_;
};

// All rows of an answer.
template <row_type R>
class rows {
 public:
  rows(std::vector<R> values, stream::rows_ref memory)
      : values_(std::move(values)), memory_(std::move(memory)) {}

  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
  [[nodiscard]] const R& operator[](std::size_t index) const& noexcept { return values_[index]; }
  template <typename T = R>
  const T& operator[](std::size_t) const&& {
    return internal::of_temporary<T>();
  }
  [[nodiscard]] auto begin() const noexcept { return values_.begin(); }
  [[nodiscard]] auto end() const noexcept { return values_.end(); }

 private:
  std::vector<R> values_;
  stream::rows_ref memory_;
};

namespace internal {

// The C++ type of a column or parameter, for the check at start-up.
struct expectation {
  std::string_view field;  // "" for a parameter or a single column
  std::string cql;
  std::string cpp;
  bool (*fits)(const type& column);
};

// GCC: "… [with T = double; …]", Clang: "… [T = double]".
template <typename T>
[[nodiscard]] constexpr std::string_view spelt_type() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  return text.substr(0, std::min(text.find(';'), text.rfind(']')));
}
// "std::optional<double>"; standard names as one writes them.
[[nodiscard]] std::string readable_type(std::string_view spelt);

template <typename T>
[[nodiscard]] expectation expect(std::string_view field = {}) {
  static_assert(parameter_value<T> || cell_value<T>,
                "a parameter of a statement, or a field of its row, has a type without CQL mapping; "
                "docs/concepts/cql.md lists the types, and millrace::cql::codec<T> adds one");
  return {field, codec<T>::cql(), readable_type(spelt_type<T>()), &codec<T>::fits};
}

template <row_type R, std::size_t... I>
[[nodiscard]] std::vector<expectation> expect_fields(std::index_sequence<I...>) {
  using fields = decltype(fields_of(std::declval<R&>()));
  return {expect<std::remove_reference_t<std::tuple_element_t<I, fields>>>(field_names<R>[I])...};
}

template <row_type R>
[[nodiscard]] std::vector<expectation> expect_columns() {
  if constexpr (cell_value<R>)
    return {expect<R>()};
  else
    return expect_fields<R>(std::make_index_sequence<field_count<R>>{});
}

// The position at which reading a row failed.
struct row_fault {
  cell_fault fault = cell_fault::none;
  std::size_t column = 0;
  bool torn = false;  // the bytes do not hold the promised cells
};

template <typename T>
[[nodiscard]] bool read_cell(cell_reader& from, T& to, row_fault& fault) {
  std::optional<bytes_view> cell;
  if (!from.next(cell)) {
    fault.torn = true;
    return false;
  }
  fault.fault = codec<T>::decode(cell, to);
  if (fault.fault != cell_fault::none) return false;
  ++fault.column;
  return true;
}

template <row_type R>
[[nodiscard]] row_fault read_row(cell_reader& from, R& to) {
  row_fault fault;
  if constexpr (cell_value<R>) {
    static_cast<void>(read_cell(from, to, fault));
  } else {
    std::apply([&](auto&... field) { static_cast<void>((read_cell(from, field, fault) && ...)); },
               fields_of(to));
  }
  return fault;
}

// Reads a row whose fields are at `places` among its columns.
template <row_struct R>
[[nodiscard]] row_fault read_places(const stream::rows_owner& answer, const std::vector<std::size_t>& places,
                                    R& to) {
  row_fault fault;
  std::vector<std::optional<bytes_view>> all(answer.columns.size());
  cell_reader from(answer.cells);
  for (std::optional<bytes_view>& cell : all) {
    if (!from.next(cell)) {
      fault.torn = true;
      return fault;
    }
  }
  const auto read = [&]<typename T>(T& field) {
    fault.fault = codec<T>::decode(all[places[fault.column]], field);
    if (fault.fault == cell_fault::none) ++fault.column;
    return fault.fault == cell_fault::none;
  };
  std::apply([&](auto&... field) { static_cast<void>((read(field) && ...)); }, fields_of(to));
  return fault;
}

// errc::unresolvable (or db_protocol) naming statement, column and why.
[[nodiscard]] error unreadable(std::string_view statement, std::string_view column, const row_fault& fault);

}  // namespace internal

}  // namespace millrace::cql

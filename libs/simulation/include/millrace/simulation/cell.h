// A value of a row or a parameter in tests: what the database holds, without a database.
//
// Example:
//
//   const simulation::cell price = *decimal::parse("12.50");
//   const simulation::cell tags = simulation::cell::list({"new", "mobile"});
//   invariant(price.decimal() == decimal(125, 1), "a decimal is read back");
//   invariant(tags.elements().size() == 2 && tags.elements()[1].text() == "mobile", "so is a list");
//
// Types:
//
//   CQL                          written as                            read by
//   text, ascii, varchar         "a text"                              text()
//   bigint, counter              std::int64_t{1}                       bigint()
//   int, smallint, tinyint       1, std::int16_t{1}, std::int8_t{1}    int32(), int16(), int8()
//   double, float                1.5, 1.5F                             float64(), float32()
//   boolean                      true                                  boolean()
//   blob                         byte_buffer                           bytes()
//   uuid, timeuuid               uuid                                  uuid()
//   timestamp                    timestamp                             timestamp()
//   date                         std::chrono::sys_days                 date()
//   time                         cell::time_of_day(9h)                 time_of_day()
//   decimal                      decimal, decimal_view                 decimal()
//   varint                       cell::varint(5)                       varint()
//   inet                         cell::inet("10.0.0.1")                inet()
//   list, set                    cell::list({1, 2})                    elements()
//   map                          cell::map({{"a", 1}, {"b", 2}})       entries()
//   tuple, user-defined type     cell::tuple({"a", 1})                 fields()
//   null of any type             std::nullopt                          is_null()
//
// The elements of a collection are cells in turn: their C++ type decides, as everywhere (1 is an int, a bigint column
// needs std::int64_t{1}).
//
// Threads: plain values.
// Errors: misuse breaks an invariant: reading a cell as another type than it was written as, a text that is not an
// address.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/decimal.h>
#include <millrace/base/values.h>

namespace millrace::simulation {

// One value in CQL's wire form without its length.
class cell {
 public:
  // NOLINTBEGIN(google-explicit-constructor): cells are written as the values they hold.
  cell(std::nullopt_t) {}
  cell(std::string_view text);
  cell(const char* text) : cell(std::string_view(text)) {}
  cell(const std::string& text) : cell(std::string_view(text)) {}
  cell(std::int64_t bigint);
  cell(std::int32_t number);
  cell(std::int16_t number);
  cell(std::int8_t number);
  cell(double number);
  cell(float number);
  cell(bool yes);
  cell(byte_buffer bytes) : bytes_(std::move(bytes)) {}
  cell(const millrace::uuid& id);
  cell(millrace::timestamp at);
  cell(std::chrono::sys_days day);
  cell(const decimal_view& number);
  cell(const millrace::decimal& number) : cell(number.view()) {}
  // NOLINTEND(google-explicit-constructor)
  // Since midnight.
  [[nodiscard]] static cell time_of_day(nanoseconds since_midnight);
  [[nodiscard]] static cell varint(std::int64_t number);
  // "10.0.0.1" or "2001:db8::1".
  [[nodiscard]] static cell inet(std::string_view address);
  // Of a set, in the order that the database has.
  [[nodiscard]] static cell list(const std::vector<cell>& elements);
  [[nodiscard]] static cell map(const std::vector<std::pair<cell, cell>>& entries);
  [[nodiscard]] static cell tuple(const std::vector<cell>& fields);

  // The bytes; nullopt for null.
  [[nodiscard]] const std::optional<byte_buffer>& bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool is_null() const noexcept { return !bytes_.has_value(); }
  // The value. Reading it as another type than it was written as breaks an invariant.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::int64_t bigint() const;
  [[nodiscard]] std::int32_t int32() const;
  [[nodiscard]] std::int16_t int16() const;
  [[nodiscard]] std::int8_t int8() const;
  [[nodiscard]] double float64() const;
  [[nodiscard]] float float32() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] millrace::uuid uuid() const;
  [[nodiscard]] millrace::timestamp timestamp() const;
  [[nodiscard]] std::chrono::sys_days date() const;
  [[nodiscard]] nanoseconds time_of_day() const;
  [[nodiscard]] millrace::decimal decimal() const;
  [[nodiscard]] std::int64_t varint() const;
  [[nodiscard]] std::string inet() const;
  [[nodiscard]] std::vector<cell> elements() const;
  [[nodiscard]] std::vector<std::pair<cell, cell>> entries() const;
  [[nodiscard]] std::vector<cell> fields() const;
  // Compares the bytes.
  friend bool operator==(const cell& a, const cell& b) { return a.bytes_ == b.bytes_; }
  // The CQL types as which it was written, separated by " or "; "" for bytes, null, collections and what a statement
  // was executed with.
  [[nodiscard]] std::string_view types() const noexcept { return types_; }

  // Appends the cell with its length, as the wire has it.
  void append_to(byte_buffer& cells) const;

 private:
  cell(byte_buffer bytes, std::string_view types) : bytes_(std::move(bytes)), types_(types) {}

  std::optional<byte_buffer> bytes_;
  std::string_view types_;
};

// Returns the cells of a buffer in wire form, each with its length.
[[nodiscard]] std::vector<cell> split_cells(bytes_view cells);

}  // namespace millrace::simulation

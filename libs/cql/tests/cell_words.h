// The words in which the tests of the codec speak: values as the hexadecimal digits of their cells.
#pragma once

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <millrace/cql/cell.h>

namespace millrace::cql {

template <typename T>
std::string encoded(const T& value) {
  cell_buffer cells;
  codec<T>::encode(cells, value);
  return to_hex(cells.view());
}

// `memory` holds what views point to.
template <typename T>
cell_fault decoded(const std::string& hex, T& value, byte_buffer& memory) {
  memory = *from_hex(hex);
  cell_reader cells(memory);
  std::optional<bytes_view> cell;
  EXPECT_TRUE(cells.next(cell));
  EXPECT_TRUE(cells.rest().empty());
  return codec<T>::decode(cell, value);
}

template <typename T>
void expect_cell(const T& value, const std::string& hex) {
  EXPECT_EQ(encoded(value), hex);
  T back{};
  byte_buffer memory;
  EXPECT_EQ(decoded(hex, back, memory), cell_fault::none);
  EXPECT_EQ(back, value);
}

template <typename T>
cell_fault fault_of(const std::string& hex) {
  T value{};
  byte_buffer memory;
  return decoded(hex, value, memory);
}

}  // namespace millrace::cql

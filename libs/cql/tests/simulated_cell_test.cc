// Cells of tests have the bytes of the statements' codec.
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/cql/cell.h>
#include <millrace/cql/composite.h>
#include <millrace/simulation/cell.h>

namespace millrace::cql {
namespace {

using namespace std::chrono_literals;
using simulation::cell;

// What the statements of processors write and read: the cell as the codec has it.
template <typename T>
byte_buffer wire_of(const T& value) {
  cell_buffer buffer;
  codec<T>::encode(buffer, value);
  const bytes_view bytes = buffer.view();
  return {bytes.begin(), bytes.end()};
}
byte_buffer wire_of_cell(const cell& value) {
  byte_buffer bytes;
  value.append_to(bytes);
  return bytes;
}

TEST(simulated_cell, has_the_bytes_of_the_codec) {
  const uuid id = *uuid::parse("123e4567-e89b-12d3-a456-426614174000");
  const timestamp at(milliseconds(1'700'000'000'123));
  const std::chrono::sys_days day = std::chrono::year(2024) / 2 / 29;
  EXPECT_EQ(wire_of_cell(std::string_view("text")), wire_of(std::string("text")));
  EXPECT_EQ(wire_of_cell(std::int64_t{-5}), wire_of(std::int64_t{-5}));
  EXPECT_EQ(wire_of_cell(-5), wire_of(std::int32_t{-5}));
  EXPECT_EQ(wire_of_cell(std::int16_t{-5}), wire_of(std::int16_t{-5}));
  EXPECT_EQ(wire_of_cell(std::int8_t{-5}), wire_of(std::int8_t{-5}));
  EXPECT_EQ(wire_of_cell(1.5), wire_of(1.5));
  EXPECT_EQ(wire_of_cell(1.5F), wire_of(1.5F));
  EXPECT_EQ(wire_of_cell(true), wire_of(true));
  EXPECT_EQ(wire_of_cell(id), wire_of(id));
  EXPECT_EQ(wire_of_cell(at), wire_of(at));
  EXPECT_EQ(wire_of_cell(day), wire_of(day));
  EXPECT_EQ(wire_of_cell(decimal(-1'250, 2)), wire_of(decimal(-1'250, 2).view()));
  EXPECT_EQ(wire_of_cell(decimal_view{}), wire_of(decimal_view{}));
  EXPECT_EQ(wire_of_cell(cell::time_of_day(9h)), wire_of(nanoseconds(9h)));
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{127}, std::int64_t{-129}, std::numeric_limits<std::int64_t>::min()})
    EXPECT_EQ(wire_of_cell(cell::varint(number)), wire_of(varint{number})) << number;
  inet_address address;
  address.bytes[0] = std::byte{10};
  address.bytes[3] = std::byte{1};
  EXPECT_EQ(wire_of_cell(cell::inet("10.0.0.1")), wire_of(address));
  EXPECT_EQ(wire_of_cell(cell::list({1, 2})), wire_of(std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(wire_of_cell(cell::map({{"a", 1}, {"b", 2}})),
            wire_of(std::map<std::string, std::int32_t>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(wire_of_cell(cell::tuple({"a", 1})), wire_of(std::tuple<std::string, std::int32_t>("a", 1)));
  EXPECT_EQ(wire_of_cell(std::nullopt), wire_of(std::optional<std::int32_t>()));
}

}  // namespace
}  // namespace millrace::cql

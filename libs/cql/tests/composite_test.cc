// Durations, tuples, sets, vectors and user-defined types, byte by byte.
#include <array>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/cql/composite.h>

#include "cell_words.h"

namespace millrace::cql {
namespace {

struct address {
  std::string street;
  std::optional<std::int32_t> number;
};
bool operator==(const address& a, const address& b) { return a.street == b.street && a.number == b.number; }
bool operator==(const udt<address>& a, const udt<address>& b) { return *a == *b; }

struct person {
  udt<address> home;
  std::vector<udt<address>> others;
};

using pair_of = std::tuple<std::int32_t, std::optional<std::string>>;

TEST(composite, durations_are_three_numbers_of_any_length) {
  expect_cell(duration{0, 0, 0}, "00000003000000");
  expect_cell(duration{1, 2, 3}, "00000003020406");
  expect_cell(duration{-1, -2, -3}, "00000003010305");
  expect_cell(duration{0, 0, 3'600'000'000'000}, "000000090000fc068c61714000");
  expect_cell(duration{INT32_MAX, INT32_MAX, INT64_MAX},
              "00000013"
              "f0fffffffe"
              "f0fffffffe"
              "fffffffffffffffffe");
  expect_cell(duration{INT32_MIN, INT32_MIN, INT64_MIN},
              "00000013"
              "f0ffffffff"
              "f0ffffffff"
              "ffffffffffffffffff");
}

TEST(composite, invalid_durations_are_malformed) {
  EXPECT_EQ(fault_of<duration>("ffffffff"), cell_fault::null);
  EXPECT_EQ(fault_of<duration>("00000000"), cell_fault::null);
  EXPECT_EQ(fault_of<duration>("000000020000"), cell_fault::malformed);      // two of three
  EXPECT_EQ(fault_of<duration>("0000000400000000"), cell_fault::malformed);  // a byte too many
  EXPECT_EQ(fault_of<duration>("000000030000ff"), cell_fault::malformed);    // promises eight more
  EXPECT_EQ(fault_of<duration>("00000008f1000000000000"
                               "00"),
            cell_fault::malformed);  // months beyond 32 bits
}

TEST(composite, tuples_are_cells_one_after_the_other) {
  expect_cell<pair_of>({7, "x"},
                       "0000000d"
                       "0000000400000007"
                       "0000000178");
  expect_cell<pair_of>({7, std::nullopt},
                       "0000000c"
                       "0000000400000007"
                       "ffffffff");
  EXPECT_EQ(fault_of<pair_of>("ffffffff"), cell_fault::null);
  expect_cell<std::optional<pair_of>>(std::nullopt, "ffffffff");
}

TEST(composite, a_tuple_may_end_early_and_the_rest_is_null) {
  pair_of value{1, "before"};
  byte_buffer memory;
  EXPECT_EQ(decoded("00000008"
                    "0000000400000007",
                    value, memory),
            cell_fault::none);
  EXPECT_EQ(value, pair_of(7, std::nullopt));
  EXPECT_EQ(fault_of<pair_of>("00000000"), cell_fault::null);  // the first component is not optional
}

TEST(composite, a_tuple_with_more_than_its_components_is_malformed) {
  EXPECT_EQ(fault_of<pair_of>("00000011"
                              "0000000400000007"
                              "0000000178"
                              "00000000"),
            cell_fault::malformed);
  EXPECT_EQ(fault_of<pair_of>("0000000a"
                              "0000000400000007"
                              "0000"),
            cell_fault::malformed);
  EXPECT_EQ(fault_of<pair_of>("0000000c"
                              "0000000400000007"
                              "fffffffe"),
            cell_fault::malformed);
}

TEST(composite, user_defined_types_are_structs) {
  expect_cell(udt<address>({"Main", 5}),
              "00000010"
              "000000044d61696e"
              "0000000400000005");
  expect_cell(udt<address>({"", std::nullopt}),
              "00000008"
              "00000000"
              "ffffffff");
}

TEST(composite, added_fields_are_skipped_and_missing_ones_are_null) {
  udt<address> value;
  byte_buffer memory;
  EXPECT_EQ(decoded("00000014"
                    "000000044d61696e"
                    "0000000400000005"
                    "ffffff"
                    "fe",
                    value, memory),
            cell_fault::malformed);
  EXPECT_EQ(decoded("00000015"
                    "000000044d61696e"
                    "0000000400000005"
                    "0000000109",
                    value, memory),
            cell_fault::none);
  EXPECT_EQ(value, udt<address>({"Main", 5}));
  EXPECT_EQ(decoded("00000008"
                    "000000044d61696e",
                    value, memory),
            cell_fault::none);
  EXPECT_EQ(value, udt<address>({"Main", std::nullopt}));
}

TEST(composite, user_defined_types_nest) {
  cell_buffer cells;
  codec<std::vector<udt<person>>>::encode(cells, {person{address{"a", 1}, {address{"b", 2}}}});
  std::vector<udt<person>> back;
  byte_buffer memory;
  ASSERT_EQ(decoded(to_hex(cells.view()), back, memory), cell_fault::none);
  ASSERT_EQ(back.size(), 1U);
  EXPECT_EQ(back[0]->home->street, "a");
  ASSERT_EQ(back[0]->others.size(), 1U);
  EXPECT_EQ(back[0]->others[0]->number, 2);
}

TEST(composite, sets_are_encoded_as_specified) {
  expect_cell<std::set<std::int32_t>>({2, 1},
                                      "00000014"
                                      "00000002"
                                      "0000000400000001"
                                      "0000000400000002");
  expect_cell<std::set<std::string>>({}, "0000000400000000");
  EXPECT_EQ(fault_of<std::set<std::int32_t>>("000000047fffffff"), cell_fault::malformed);
}

TEST(composite, vectors_of_fixed_elements_have_no_lengths) {
  expect_cell<std::array<float, 2>>({1.0F, -2.0F},
                                    "00000008"
                                    "3f800000"
                                    "c0000000");
  expect_cell<std::array<std::int64_t, 1>>({-1},
                                           "00000008"
                                           "ffffffffffffffff");
  expect_cell<std::array<bool, 3>>({true, false, true}, "00000003010001");
  expect_cell<std::array<std::array<std::int32_t, 2>, 2>>({{{1, 2}, {3, 4}}},
                                                          "00000010"
                                                          "00000001000000020000000300000004");
}

TEST(composite, vectors_of_other_elements_have_short_lengths) {
  expect_cell<std::array<std::string, 2>>({"ab", ""},
                                          "00000004"
                                          "026162"
                                          "00");
  expect_cell<std::array<std::int16_t, 2>>({1, 2},
                                           "00000006"
                                           "020001"
                                           "020002");
  const std::string longer(200, 'x');
  expect_cell<std::array<std::string, 1>>({longer}, "000000ca80c8" + to_hex(as_bytes(longer)));
}

TEST(composite, vectors_of_a_wrong_size_are_malformed) {
  using floats = std::array<float, 2>;
  using texts = std::array<std::string, 2>;
  EXPECT_EQ(fault_of<floats>("ffffffff"), cell_fault::null);
  EXPECT_EQ(fault_of<floats>("000000043f800000"), cell_fault::malformed);
  EXPECT_EQ(fault_of<floats>("000000093f800000c000000000"), cell_fault::malformed);
  EXPECT_EQ(fault_of<texts>("0000000102"), cell_fault::malformed);
  EXPECT_EQ(fault_of<texts>("00000009ffffffffffffffffff"), cell_fault::malformed);
}

template <typename T>
bool fits(std::string_view column) {
  return codec<T>::fits(*type::parse(column));
}

TEST(composite, accepts_the_columns_of_its_type_only) {
  EXPECT_TRUE(fits<duration>("duration"));
  EXPECT_TRUE(fits<pair_of>("frozen<tuple<int, text>>"));
  EXPECT_FALSE(fits<pair_of>("tuple<int>"));
  EXPECT_FALSE(fits<pair_of>("tuple<int, int>"));
  EXPECT_TRUE(fits<std::set<uuid>>("set<timeuuid>"));
  EXPECT_FALSE(fits<std::set<uuid>>("list<timeuuid>"));
  using floats = std::array<float, 3>;
  EXPECT_TRUE(fits<floats>("vector<float, 3>"));
  EXPECT_FALSE(fits<floats>("vector<float, 4>"));
  EXPECT_FALSE(fits<floats>("vector<double, 3>"));
  EXPECT_TRUE(fits<udt<address>>("udt<app.address, street text, number int>"));
  EXPECT_FALSE(fits<udt<address>>("udt<app.address, number int, street text>"));
  EXPECT_FALSE(fits<udt<address>>("udt<app.address, street text, number bigint>"));
  EXPECT_FALSE(fits<udt<address>>("udt<app.address, street text>"));
  EXPECT_FALSE(fits<udt<address>>("udt<app.address, zip text, street text, number int>"));
  EXPECT_TRUE(fits<udt<person>>(
      "udt<app.person, home udt<app.address, street text, number int>, others list<frozen<udt<app.address, "
      "street text, number int>>>>"));
}

// As after a restart: the type has grown since the struct was written.
TEST(composite, the_fields_of_a_struct_are_the_first_fields_of_its_type) {
  const std::string grown = "udt<app.address, street text, number int, zip text>";
  EXPECT_TRUE(fits<udt<address>>(grown));
  EXPECT_TRUE(fits<std::vector<udt<address>>>("list<frozen<" + grown + ">>"));
  EXPECT_TRUE((fits<std::map<std::string, udt<address>>>("map<text, " + grown + ">")));
  EXPECT_TRUE((fits<std::tuple<std::int32_t, udt<address>>>("tuple<int, " + grown + ">")));
  EXPECT_TRUE(
      fits<udt<person>>("udt<app.person, home " + grown + ", others list<" + grown + ">, born date>"));
  EXPECT_FALSE(fits<udt<address>>("udt<app.address, street text, zip text, number int>"));
  EXPECT_FALSE(fits<udt<address>>("udt<app.address, street text, number text, zip text>"));
  EXPECT_FALSE(fits<std::vector<udt<address>>>("list<udt<app.address, street text>>"));
}

TEST(composite, a_value_of_a_grown_type_is_read_and_one_with_fewer_fields_is_written) {
  const auto cell = [](const std::string& body) {
    cell_buffer out;
    out.append_cell(*from_hex(body));
    return to_hex(out.view());
  };
  // Both addresses and the person have a further field.
  const std::string home = cell(cell("4d61696e") + cell("00000005") + cell("09"));
  const std::string others = cell("00000001" + cell(cell("62") + cell("00000002") + cell("09")));
  std::vector<udt<person>> read;
  byte_buffer memory;
  ASSERT_EQ(decoded(cell("00000001" + cell(home + others + cell("07"))), read, memory), cell_fault::none);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0]->home->street, "Main");
  ASSERT_EQ(read[0]->others.size(), 1U);
  EXPECT_EQ(read[0]->others[0]->number, 2);
  // The fields of the struct are written; those behind them are null.
  expect_cell(udt<address>({"Main", 5}), "00000010" + cell("4d61696e") + cell("00000005"));
}

TEST(composite, describes_its_column_type) {
  EXPECT_EQ(codec<pair_of>::cql(), "tuple of (int, text or ascii)");
  EXPECT_EQ((codec<std::array<float, 3>>::cql()), "vector of 3 float");
  EXPECT_EQ(codec<udt<address>>::cql(), "a user-defined type of (street, number) as (text or ascii, int)");
}

TEST(composite, types_that_users_define_are_parsed_with_their_fields) {
  const std::string text = "udt<app.person, name text, tags map<text, list<int>>>";
  const auto parsed = type::parse(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->defined_as, "app.person");
  EXPECT_EQ(parsed->fields, (std::vector<std::string>{"name", "tags"}));
  EXPECT_EQ(parsed->to_string(), text);
  EXPECT_EQ(type::parse("udt<app.nothing>")->to_string(), "udt<app.nothing>");
  EXPECT_FALSE(type::parse("udt<app.person, text>"));
}

bool readable(std::string_view expected, std::string_view actual) {
  return can_read(*type::parse(expected), *type::parse(actual));
}

TEST(composite, a_type_can_be_read_when_only_fields_were_appended_at_any_depth) {
  EXPECT_TRUE(readable("map<text, frozen<list<int>>>", "map<text, list<int>>"));
  EXPECT_TRUE(readable("udt<ks.u, x int>", "udt<ks.u, x int, y text>"));
  EXPECT_TRUE(readable("list<udt<ks.u, x int>>", "list<udt<ks.u, x int, y text>>"));
  EXPECT_TRUE(readable("map<text, udt<ks.u, x int>>", "map<text, udt<ks.u, x int, y text>>"));
  EXPECT_TRUE(readable("tuple<int, udt<ks.u, x int>>", "tuple<int, udt<ks.u, x int, y text>>"));
  EXPECT_TRUE(
      readable("udt<ks.o, u udt<ks.u, x int>, z int>", "udt<ks.o, u udt<ks.u, x int, y text>, z int>"));
  EXPECT_TRUE(readable("vector<udt<ks.u, x int>, 3>", "vector<udt<ks.u, x int, y text>, 3>"));
}

TEST(composite, a_type_cannot_be_read_when_anything_else_has_changed) {
  EXPECT_FALSE(readable("int", "bigint"));
  EXPECT_FALSE(readable("list<int>", "set<int>"));
  EXPECT_FALSE(readable("list<int>", "list<bigint>"));
  EXPECT_FALSE(readable("tuple<int>", "tuple<int, int>"));
  EXPECT_FALSE(readable("vector<float, 3>", "vector<float, 4>"));
  EXPECT_FALSE(readable("udt<ks.u, x int, y text>", "udt<ks.u, x int>"));
  EXPECT_FALSE(readable("udt<ks.u, x int>", "udt<ks.u, y int, x int>"));
  EXPECT_FALSE(readable("udt<ks.u, x int>", "udt<ks.v, x int>"));
  EXPECT_FALSE(readable("udt<ks.u, x int>", "udt<ks.u, y int>"));
  // The new type's name begins with the old one's.
  EXPECT_FALSE(readable("udt<ks.u, t time>", "udt<ks.u, t timestamp>"));
  EXPECT_FALSE(readable("udt<ks.u, t time>", "udt<ks.u, t timeuuid>"));
}

}  // namespace
}  // namespace millrace::cql

// Cells byte by byte, as section 6 of the CQL native protocol v4 writes them.
#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <millrace/cql/cell.h>

#include "cell_words.h"

namespace millrace::cql {
namespace {

TEST(cell, booleans_and_integers_are_encoded_as_specified) {
  expect_cell(true, "0000000101");
  expect_cell(false, "0000000100");
  expect_cell<std::int8_t>(-1, "00000001ff");
  expect_cell<std::int16_t>(-2, "00000002fffe");
  expect_cell<std::int32_t>(1, "0000000400000001");
  expect_cell<std::int32_t>(std::numeric_limits<std::int32_t>::min(), "0000000480000000");
  expect_cell<std::int64_t>(-3, "00000008fffffffffffffffd");
  expect_cell<std::int64_t>(std::numeric_limits<std::int64_t>::max(), "000000087fffffffffffffff");
}

TEST(cell, floating_point_keeps_its_bits) {
  expect_cell(1.0F, "000000043f800000");
  expect_cell(-2.5, "00000008c004000000000000");
  expect_cell(-0.0, "000000088000000000000000");
  expect_cell(std::numeric_limits<double>::infinity(), "000000087ff0000000000000");
  double nan = 0;
  byte_buffer memory;
  EXPECT_EQ(decoded("000000087ff8000000000001", nan, memory), cell_fault::none);
  EXPECT_TRUE(std::isnan(nan));
}

TEST(cell, text_and_blobs_may_be_empty_which_is_not_null) {
  expect_cell<std::string_view>("h\u00e9", "0000000368c3a9");
  expect_cell<std::string>("", "00000000");
  expect_cell<std::optional<std::string_view>>("", "00000000");
  expect_cell<std::optional<std::string_view>>(std::nullopt, "ffffffff");
  expect_cell<byte_buffer>({std::byte{0}, std::byte{255}}, "0000000200ff");
}

TEST(cell, null_needs_an_optional) {
  EXPECT_EQ(fault_of<std::int32_t>("ffffffff"), cell_fault::null);
  EXPECT_EQ(fault_of<std::string>("ffffffff"), cell_fault::null);
  EXPECT_EQ(fault_of<uuid>("ffffffff"), cell_fault::null);
  expect_cell<std::optional<std::int32_t>>(std::nullopt, "ffffffff");
  expect_cell<std::optional<std::int32_t>>(7, "0000000400000007");
}

TEST(cell, an_empty_cell_of_a_type_without_an_empty_value_is_null) {
  EXPECT_EQ(fault_of<std::int32_t>("00000000"), cell_fault::null);
  EXPECT_EQ(fault_of<timestamp>("00000000"), cell_fault::null);
  std::optional<double> absent = 1.0;
  byte_buffer memory;
  EXPECT_EQ(decoded("00000000", absent, memory), cell_fault::none);
  EXPECT_FALSE(absent.has_value());
}

TEST(cell, unset_leaves_the_column_alone_and_null_deletes_it) {
  using parameter = or_unset<std::optional<std::int32_t>>;
  EXPECT_EQ(encoded(parameter(unset)), "fffffffe");
  EXPECT_EQ(encoded(parameter(std::optional<std::int32_t>())), "ffffffff");
  EXPECT_EQ(encoded(parameter(tombstone)), "ffffffff");
  EXPECT_EQ(encoded(parameter(5)), "0000000400000005");
}

TEST(cell, instants_and_dates_are_encoded_as_specified) {
  expect_cell(timestamp(milliseconds(1'700'000'000'123)), "000000080000018bcfe5687b");
  expect_cell(timestamp(milliseconds(-1)), "00000008ffffffffffffffff");
  expect_cell(std::chrono::sys_days(std::chrono::days(0)), "0000000480000000");
  expect_cell(std::chrono::sys_days(std::chrono::year(1969) / 12 / 31), "000000047fffffff");
  expect_cell(std::chrono::sys_days(std::chrono::year(2024) / 2 / 29), "0000000480004d46");
  expect_cell(nanoseconds(std::chrono::hours(1)), "000000080000034630b8a000");
}

TEST(cell, a_time_of_day_is_within_the_day) {
  expect_cell(nanoseconds(0), "000000080000000000000000");
  expect_cell(nanoseconds(std::chrono::hours(24)) - nanoseconds(1), "0000000800004e94914effff");
  EXPECT_EQ(fault_of<nanoseconds>("00000008ffffffffffffffff"), cell_fault::malformed);
}

TEST(cell, uuids_and_addresses_are_encoded_as_specified) {
  expect_cell(*uuid::parse("123e4567-e89b-12d3-a456-426614174000"),
              "00000010123e4567e89b12d3a456426614174000");
  inet_address v4;
  v4.bytes[0] = std::byte{127};
  v4.bytes[3] = std::byte{1};
  expect_cell(v4, "000000047f000001");
  inet_address v6;
  v6.size = 16;
  v6.bytes[15] = std::byte{1};
  expect_cell(v6, "0000001000000000000000000000000000000001");
  EXPECT_EQ(fault_of<inet_address>("00000005aabbccddee"), cell_fault::malformed);
}

TEST(cell, varints_take_the_fewest_bytes) {
  expect_cell(varint{0}, "0000000100");
  expect_cell(varint{1}, "0000000101");
  expect_cell(varint{127}, "000000017f");
  expect_cell(varint{128}, "000000020080");
  expect_cell(varint{-1}, "00000001ff");
  expect_cell(varint{-128}, "0000000180");
  expect_cell(varint{-129}, "00000002ff7f");
  expect_cell(varint{std::numeric_limits<std::int64_t>::min()}, "000000088000000000000000");
  EXPECT_EQ(fault_of<varint>("00000009010000000000000000"), cell_fault::too_large);
}

TEST(cell, decimals_carry_scale_and_sign) {
  const auto roundtrip = [](const std::string& unscaled, std::int32_t scale) {
    const byte_buffer bytes = *from_hex(unscaled);
    const std::string hex = encoded(decimal_view{bytes, scale});
    decimal_view back;
    byte_buffer memory;
    EXPECT_EQ(decoded(hex, back, memory), cell_fault::none);
    return hex + " " + back.to_string().value_or("?");
  };
  EXPECT_EQ(roundtrip("3039", 2), "00000006000000023039 123.45");
  EXPECT_EQ(roundtrip("cfc7", 2), "0000000600000002cfc7 -123.45");
  EXPECT_EQ(roundtrip("ff", 0), "0000000500000000ff -1");
  EXPECT_EQ(roundtrip("", 3), "000000050000000300 0.000");
  EXPECT_EQ(fault_of<decimal_view>("0000000400000002"), cell_fault::malformed);
}

TEST(cell, collections_are_encoded_as_specified) {
  expect_cell<std::vector<std::int32_t>>({1, 2},
                                         "00000014000000020000000400000001"
                                         "0000000400000002");
  expect_cell<std::vector<std::string>>({}, "0000000400000000");
  expect_cell<std::map<std::string, std::int32_t>>({{"a", 1}},
                                                   "00000011000000010000000161"
                                                   "0000000400000001");
  expect_cell<std::vector<std::pair<std::string, bool>>>(
      {{"x", true}, {"", false}},
      "0000001700000002000000017800000001010000000000000001"
      "00");
  expect_cell<std::vector<std::vector<std::int8_t>>>({{1}, {}},
                                                     "00000019000000020000000900000001000000010100"
                                                     "00000400000000");
}

TEST(cell, a_null_collection_is_an_empty_one_unless_it_is_optional) {
  std::vector<std::int32_t> list{1};
  byte_buffer memory;
  EXPECT_EQ(decoded("ffffffff", list, memory), cell_fault::none);
  EXPECT_TRUE(list.empty());
}

TEST(cell, collections_with_a_wrong_count_are_refused_without_allocating) {
  using list = std::vector<std::int32_t>;
  EXPECT_EQ(fault_of<list>("000000047fffffff"), cell_fault::malformed);  // two billion elements, none there
  EXPECT_EQ(fault_of<list>("00000004ffffffff"), cell_fault::malformed);  // minus one
  EXPECT_EQ(fault_of<list>("00000008"
                           "00000001"
                           "00000004"),
            cell_fault::malformed);  // element cut off
  EXPECT_EQ(fault_of<list>("0000000d"
                           "00000001"
                           "0000000400000001"
                           "ff"),
            cell_fault::malformed);  // a byte too many
  EXPECT_EQ(fault_of<list>("00000003000000"), cell_fault::malformed);
}

TEST(cell, a_wrong_size_is_malformed) {
  EXPECT_EQ(fault_of<std::int32_t>("00000003000000"), cell_fault::malformed);
  EXPECT_EQ(fault_of<uuid>("0000000100"), cell_fault::malformed);
}

TEST(cell_reader, stops_at_torn_cells) {
  for (const char* torn : {"000000", "0000000200", "fffffffd"}) {
    const byte_buffer bytes = *from_hex(torn);
    cell_reader cells(bytes);
    std::optional<bytes_view> cell;
    EXPECT_FALSE(cells.next(cell)) << torn;
  }
}

TEST(cell_buffer, keeps_its_cells_when_it_grows_and_moves) {
  cell_buffer cells;
  std::string expected;
  for (std::int32_t k = 0; k < 100; ++k) {
    codec<std::int32_t>::encode(cells, k);
    if (k == 10) {
      cell_buffer moved(std::move(cells));
      EXPECT_EQ(moved.view().size(), 88U);
      cell_buffer again(std::move(moved));
      cells.~cell_buffer();
      new (&cells) cell_buffer(std::move(again));
    }
  }
  cell_reader reader(cells.view());
  for (std::int32_t k = 0; k < 100; ++k) {
    std::optional<bytes_view> cell;
    ASSERT_TRUE(reader.next(cell));
    std::int32_t value = -1;
    EXPECT_EQ(codec<std::int32_t>::decode(cell, value), cell_fault::none);
    EXPECT_EQ(value, k);
  }
}

TEST(type, is_parsed_as_the_server_names_it) {
  EXPECT_EQ(type::parse("map<text, frozen<list<varchar>>>")->to_string(), "map<text, list<text>>");
  EXPECT_EQ(type::parse("tuple<int,text>")->parameters.size(), 2U);
  EXPECT_EQ(type::parse("vector<float, 3>")->parameters[1].name, "3");
  EXPECT_TRUE(type::parse("frozen<set<uuid>>")->is("set"));
  for (const char* wrong : {"", "list<", "list<>", "list<int", "a>b", "frozen<int, int>"}) {
    EXPECT_FALSE(type::parse(wrong)) << wrong;
  }
}

TEST(type, is_bounded_in_depth) {
  std::string deep = "int";
  for (std::size_t k = 0; k < type_depth_max; ++k) deep = "list<" + deep + ">";
  EXPECT_TRUE(type::parse(deep));
  EXPECT_FALSE(type::parse("list<" + deep + ">"));
}

TEST(codec, accepts_the_columns_of_its_type_only) {
  const auto fits = [](auto tag, const char* column) {
    return codec<typename decltype(tag)::value_type>::fits(*type::parse(column));
  };
  EXPECT_TRUE(fits(std::optional<std::int64_t>{}, "bigint"));
  EXPECT_TRUE(fits(std::optional<std::int64_t>{}, "counter"));
  EXPECT_FALSE(fits(std::optional<std::int64_t>{}, "int"));
  EXPECT_FALSE(fits(std::optional<std::int64_t>{}, "timestamp"));
  EXPECT_TRUE(fits(std::optional<std::vector<std::string>>{}, "set<ascii>"));
  EXPECT_FALSE(fits(std::optional<std::vector<std::string>>{}, "list<int>"));
  EXPECT_TRUE(fits(std::optional<std::map<std::string, double>>{}, "map<text, double>"));
  EXPECT_EQ((codec<std::map<std::string, std::vector<double>>>::cql()),
            "map of text or ascii to list or set of double");
}

}  // namespace
}  // namespace millrace::cql

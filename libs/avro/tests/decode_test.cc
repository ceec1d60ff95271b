// The wire: what each type accepts and refuses. Names follow the table of cases in docs and issue trackers.
#include <cmath>
#include <limits>

#include "wire.h"

namespace millrace::avro {
namespace {

[[nodiscard]] std::string bytes(std::string_view hexadecimal) { return string_of(hex(hexadecimal)); }

TEST(primitives, boolean_is_zero_or_one) {
  EXPECT_FALSE(decode_as<bool>(R"("boolean")", bytes("00"))->value);
  EXPECT_TRUE(decode_as<bool>(R"("boolean")", bytes("01"))->value);
  EXPECT_EQ(decode_as<bool>(R"("boolean")", bytes("02"))->code(), errc::malformed);
  EXPECT_EQ(decode_as<bool>(R"("boolean")", "")->code(), errc::truncated);
}

TEST(primitives, zigzag_numbers_of_every_length_are_read) {
  for (int bits = 0; bits < 64; ++bits) {
    for (const std::int64_t sign : {1, -1}) {
      for (const std::int64_t around : {-1, 0, 1}) {
        const auto value =
            static_cast<std::int64_t>((std::uint64_t{1} << static_cast<unsigned>(bits)) - 1) * sign +
            around * (bits < 62 ? 1 : 0);
        const auto found = decode_as<std::int64_t>(R"("long")", varint(value));
        ASSERT_TRUE(found->ok()) << value << found->why();
        EXPECT_EQ(found->value, value);
        EXPECT_EQ(found->used, varint(value).size());
        if (value >= INT32_MIN && value <= INT32_MAX) {
          EXPECT_EQ(decode_as<std::int32_t>(R"("int")", varint(value))->value, value);
        } else {
          EXPECT_EQ(decode_as<std::int32_t>(R"("int")", varint(value))->code(), errc::malformed) << value;
        }
      }
    }
  }
  EXPECT_EQ(decode_as<std::int64_t>(R"("long")", varint(INT64_MIN))->value, INT64_MIN);
  EXPECT_EQ(decode_as<std::int64_t>(R"("long")", varint(INT64_MAX))->value, INT64_MAX);
}

TEST(primitives, overlong_numbers_are_refused) {
  EXPECT_EQ(decode_as<std::int32_t>(R"("int")", bytes("ffffffff7f"))->code(), errc::malformed)
      << "fifth byte 7f";
  EXPECT_EQ(decode_as<std::int32_t>(R"("int")", varint(std::int64_t{1} << 40))->code(), errc::malformed);
  EXPECT_EQ(decode_as<std::int64_t>(R"("long")", bytes("ffffffffffffffffff7f"))->code(), errc::malformed);
  EXPECT_EQ(decode_as<std::int64_t>(R"("long")", bytes("8080808080808080808000"))->code(), errc::malformed)
      << "11 bytes";
  EXPECT_EQ(decode_as<std::int64_t>(R"("long")", bytes("80808080808080808080"))->code(), errc::malformed);
  EXPECT_EQ(decode_as<std::int32_t>(R"("int")", bytes("8080808080"))->code(), errc::truncated);
  EXPECT_EQ(decode_as<std::int64_t>(R"("long")", bytes("ffffffffffffffffff01"))->value, INT64_MIN);
}

TEST(primitives, padded_numbers_are_accepted_unless_strict) {
  EXPECT_EQ(decode_as<std::int32_t>(R"("int")", bytes("828000"))->value, 1);
  plan_options strict;
  strict.strict = true;
  EXPECT_EQ(decode_as<std::int32_t>(R"("int")", bytes("828000"), strict)->code(), errc::malformed);
  EXPECT_EQ(decode_as<std::int32_t>(R"("int")", bytes("02"), strict)->value, 1);
}

TEST(primitives, floats_keep_their_bits) {
  for (const double value :
       {0.0, -0.0, 1.5, std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::signaling_NaN()}) {
    const auto found = decode_as<double>(R"("double")", raw(value));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(found->value), std::bit_cast<std::uint64_t>(value));
  }
  const auto quiet = std::bit_cast<float>(0x7fa00001U);  // a signalling NaN with a payload
  EXPECT_EQ(std::bit_cast<std::uint32_t>(decode_as<float>(R"("float")", raw(quiet))->value), 0x7fa00001U);
  EXPECT_EQ(decode_as<double>(R"("double")", raw(1.0).substr(0, 7))->code(), errc::truncated);
  EXPECT_EQ(decode_as<float>(R"("float")", raw(1.0F).substr(0, 3))->code(), errc::truncated);
}

TEST(primitives, strings_of_every_length_are_read) {
  for (const std::string_view value : {std::string_view(""), std::string_view("a\0b", 3),
                                       std::string_view("é€😀"), std::string_view("\xEF\xBB\xBFx")}) {
    const auto found = decode_as<std::string_view>(R"("string")", text(value));
    ASSERT_TRUE(found->ok()) << found->why();
    EXPECT_EQ(found->value, value);
    EXPECT_EQ(decode_as<std::string>(R"("string")", text(value))->value, value);
  }
  std::string every_size;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(decode_as<std::string_view>(R"("string")", text(every_size))->value, every_size);
    every_size.push_back(static_cast<char>('a' + i % 26));
  }
}

TEST(primitives, invalid_utf8_is_refused_wherever_it_stands) {
  for (const std::string_view bad : {"\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                                     "\xC3", "\xE2\x82", "\xF8\x88\x80\x80\x80", "\xFF"}) {
    for (std::size_t before = 0; before < 40; ++before) {
      for (const std::size_t after : {0U, 1U, 20U}) {
        const std::string value = std::string(before, 'x') + std::string(bad) + std::string(after, 'y');
        EXPECT_EQ(decode_as<std::string_view>(R"("string")", text(value))->code(), errc::invalid_utf8);
      }
    }
    EXPECT_EQ(decode_as<std::string>(R"("string")", text(bad))->code(), errc::invalid_utf8);
    EXPECT_EQ(decode_as<map_view<bool>>(R"({"type":"map","values":"boolean"})",
                                        varint(1) + text(bad) + "\x01" + varint(0))
                  ->code(),
              errc::invalid_utf8);
    plan_options taken_as_is;
    taken_as_is.validate_utf8 = false;
    EXPECT_EQ(decode_as<std::string_view>(R"("string")", text(bad), taken_as_is)->value, bad);
    EXPECT_EQ(decode_as<std::string>(R"("string")", text(bad), taken_as_is)->value, bad);
  }
}

TEST(primitives, lengths_are_checked_before_anything_is_allocated) {
  for (const char* type : {R"("string")", R"("bytes")"}) {
    EXPECT_EQ(decode_as<std::string_view>(type, varint(-1))->code(), errc::malformed);
    EXPECT_EQ(decode_as<std::string>(type, varint(INT64_MIN))->code(), errc::malformed);
    for (const std::int64_t length :
         {std::int64_t{1}, std::int64_t{1} << 28, std::int64_t{1} << 31, INT64_MAX}) {
      EXPECT_EQ(decode_as<std::string_view>(type, varint(length))->code(), errc::truncated);
      EXPECT_EQ(decode_as<std::string>(type, varint(length))->code(), errc::truncated);
    }
  }
}

// The vectors of AVRO-4304.
TEST(primitives, the_must_reject_vectors_are_refused) {
  EXPECT_FALSE(decode_as<std::int64_t>(R"("long")", bytes("80808080808080808080"))->ok());
  EXPECT_FALSE(decode_as<std::int32_t>(R"("int")", bytes("8080808080"))->ok());
  EXPECT_FALSE(decode_as<array_view<std::int32_t>>(R"({"type":"array","items":"int"})",
                                                   bytes("ffffffffffffffffff0102"))
                   ->ok());
  EXPECT_FALSE(decode_as<bytes_view>(R"("bytes")", bytes("01"))->ok());
  EXPECT_FALSE(decode_as<std::string_view>(R"("string")", bytes("01"))->ok());
  for (const char* index : {"01", "0a"}) {
    EXPECT_FALSE((decode_as<std::optional<std::int32_t>>(R"(["null","int"])", bytes(index))->ok()));
  }
}

TEST(unions, an_index_out_of_range_is_refused_and_a_padded_one_is_read) {
  const char* type = R"(["null","int","string"])";
  using value = std::variant<std::monostate, std::int32_t, std::string_view>;
  EXPECT_EQ(std::get<1>(decode_as<value>(type, bytes("0206"))->value), 3);
  EXPECT_EQ(std::get<1>(decode_as<value>(type, bytes("828000") + bytes("06"))->value), 3) << "padded index";
  for (const std::int64_t index :
       {std::int64_t{-1}, std::int64_t{3}, std::int64_t{1} << 31, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(decode_as<value>(type, varint(index))->code(), errc::malformed) << index;
  }
  EXPECT_EQ(decode_as<value>(type, "")->code(), errc::truncated);
}

TEST(unions, null_is_read_as_the_first_and_the_second_branch) {
  EXPECT_EQ(decode_as<std::optional<std::int32_t>>(R"(["null","int"])", bytes("00"))->value, std::nullopt);
  EXPECT_EQ(decode_as<std::optional<std::int32_t>>(R"(["null","int"])", bytes("0206"))->value, 3);
  EXPECT_EQ(decode_as<std::optional<std::int32_t>>(R"(["int","null"])", bytes("02"))->value, std::nullopt);
  EXPECT_EQ(decode_as<std::optional<std::int32_t>>(R"(["int","null"])", bytes("0006"))->value, 3);
  EXPECT_EQ(decode_as<std::optional<std::string_view>>(R"(["string","null"])", bytes("02"))->value,
            std::nullopt);
  EXPECT_EQ(decode_as<std::optional<std::string_view>>(R"(["string","null"])", bytes("000278"))->value, "x");
  EXPECT_EQ(decode_as<std::optional<std::string>>(R"(["null","string"])", bytes("020278"))->value, "x");
  EXPECT_EQ(decode_as<std::optional<std::string>>(R"(["null","string"])", bytes("00"))->value, std::nullopt);
}

TEST(unions, of_one_branch_are_read) {
  EXPECT_EQ(std::get<0>(decode_as<std::variant<std::int32_t>>(R"(["int"])", bytes("0006"))->value), 3);
  EXPECT_EQ(decode_as<std::variant<std::int32_t>>(R"(["int"])", bytes("0206"))->code(), errc::malformed);
  EXPECT_TRUE((decode_as<std::variant<std::monostate>>(R"(["null"])", bytes("00"))->ok()));
}

TEST(unions, of_many_branches_are_read) {
  std::string type = "[\"null\"";
  for (int i = 0; i < 1500; ++i)
    type +=
        R"(,{"type":"fixed","name":"F)" + std::to_string(i) + R"(","size":)" + std::to_string(i % 3) + "}";
  type += "]";
  const schema wide = schema_from(type);
  EXPECT_EQ(decode_to_json(wide, as_bytes(varint(1500) + "ab"))->text, R"("6162")");
  EXPECT_FALSE(decode_to_json(wide, as_bytes(varint(1501))).ok());
  EXPECT_TRUE(decode_to_json(wide, as_bytes(varint(0))).ok());
}

TEST(collections, arrays_in_blocks_of_every_form_are_read) {
  const char* type = R"({"type":"array","items":"int"})";
  const auto items = [&](const std::string& message, const plan_options& options = {}) {
    const auto found = decode_as<array_view<std::int32_t>>(type, message, options);
    const auto owned = decode_as<std::vector<std::int32_t>>(type, message, options);
    EXPECT_EQ(found->ok(), owned->ok());
    std::vector<std::int32_t> list(found->value.begin(), found->value.end());
    if (found->ok()) {
      EXPECT_EQ(list, owned->value);
      EXPECT_EQ(found->used, message.size());
    }
    return found->ok() ? list : std::vector<std::int32_t>{-99};
  };
  const std::string one_two = varint(1) + varint(2), three = varint(3);
  const std::vector<std::int32_t> all = {1, 2, 3};
  EXPECT_EQ(items(varint(0)), (std::vector<std::int32_t>{}));
  EXPECT_EQ(items(varint(3) + one_two + three + varint(0)), all);
  EXPECT_EQ(items(varint(2) + one_two + varint(1) + three + varint(0)), all);
  EXPECT_EQ(items(varint(-2) + varint(2) + one_two + varint(1) + three + varint(0)), all)
      << "sized, then plain";
  EXPECT_EQ(items(varint(2) + one_two + varint(-1) + varint(1) + three + varint(0)), all) << "AVRO-4228";
  EXPECT_EQ(items(varint(-2) + varint(2) + one_two + varint(-1) + varint(1) + three + varint(0)), all);

  const std::string wrong_size = varint(-3) + varint(999) + one_two + three + varint(0);
  EXPECT_EQ(items(wrong_size), all) << "a wrong size is ignored while reading";
  plan_options strict;
  strict.strict = true;
  EXPECT_EQ(decode_as<array_view<std::int32_t>>(type, wrong_size, strict)->code(), errc::truncated);
  EXPECT_EQ(
      decode_as<array_view<std::int32_t>>(type, varint(-3) + varint(2) + one_two + three + varint(0), strict)
          ->code(),
      errc::malformed);
  EXPECT_TRUE(
      decode_as<array_view<std::int32_t>>(type, varint(-3) + varint(3) + one_two + three + varint(0), strict)
          ->ok());

  EXPECT_EQ(decode_as<array_view<std::int32_t>>(type, varint(-3) + varint(-5) + one_two + three + varint(0))
                ->code(),
            errc::malformed);
  EXPECT_FALSE(
      decode_as<array_view<std::int32_t>>(type, varint(INT64_MIN) + varint(3) + one_two + three + varint(0))
          ->ok());
  EXPECT_EQ(decode_as<array_view<std::int32_t>>(type, varint(3) + one_two + three)->code(), errc::truncated)
      << "no end";
}

TEST(collections, many_blocks_of_one_item_grow_geometrically) {
  std::string message;
  for (int i = 0; i < 20'000; ++i) message += varint(1) + varint(i);
  message += varint(0);
  const auto found = decode_as<array_view<std::int64_t>>(R"({"type":"array","items":"long"})", message);
  ASSERT_TRUE(found->ok()) << found->why();
  ASSERT_EQ(found->value.size(), 20'000U);
  for (std::size_t i = 0; i < 20'000; ++i) ASSERT_EQ(found->value[i], static_cast<std::int64_t>(i));
  EXPECT_LT(found->memory.capacity(), std::size_t{2} << 20);
}

TEST(collections, arrays_larger_than_the_first_reservation_are_read) {
  std::string message = varint(10'000);
  for (int i = 0; i < 10'000; ++i) message += varint(i);
  const auto found =
      decode_as<array_view<std::int32_t>>(R"({"type":"array","items":"int"})", message + varint(0));
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.size(), 10'000U);
  EXPECT_EQ(found->value.back(), 9'999);
}

TEST(collections, maps_keep_the_order_of_the_message_and_find_the_last_of_a_key) {
  const char* type = R"({"type":"map","values":"long"})";
  const std::string message = varint(2) + text("b") + varint(1) + text("") + varint(2) + varint(-1) +
                              varint(3) + text("b") + varint(3) + varint(0);
  const auto found = decode_as<map_view<std::int64_t>>(type, message);
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.size(), 3U) << "in the order of the wire, repeats included";
  EXPECT_EQ(*found->value.find("b"), 3) << "the last one wins";
  EXPECT_EQ(*found->value.find(""), 2);
  EXPECT_EQ(found->value.find("c"), nullptr);
  EXPECT_EQ((decode_as<std::map<std::string, std::int64_t>>(type, message)->value),
            (std::map<std::string, std::int64_t>{{"", 2}, {"b", 3}}));
  EXPECT_EQ((decode_as<std::unordered_map<std::string, std::int64_t>>(type, message)->value.at("b")), 3);
  using pairs = std::vector<std::pair<std::string, std::int64_t>>;
  EXPECT_EQ(decode_as<pairs>(type, message)->value, (pairs{{"b", 1}, {"", 2}, {"b", 3}}))
      << "in the order of the wire, repeats included";
  EXPECT_EQ(decode_to_json(schema_from(type), as_bytes(message))->text, R"({"b":3,"":2})");
}

TEST(collections, maps_of_nulls_are_read_as_pairs) {
  using pairs = std::vector<std::pair<std::string, std::monostate>>;
  const auto found =
      decode_as<pairs>(R"({"type":"map","values":"null"})",
                       varint(2) + text("a") + text("a long key, longer than any") + varint(0));
  ASSERT_TRUE(found->ok()) << found->why();
  ASSERT_EQ(found->value.size(), 2U);
  EXPECT_EQ(found->value[0].first, "a");
  EXPECT_EQ(found->value[1].first, "a long key, longer than any");
}

TEST(hostile, counts_are_compared_with_the_remaining_bytes) {
  for (const std::int64_t count :
       {std::int64_t{4}, std::int64_t{1} << 20, std::int64_t{1} << 40, INT64_MAX}) {
    const std::string message = varint(count) + varint(1) + varint(2) + varint(3);
    const auto found = decode_as<array_view<std::int32_t>>(R"({"type":"array","items":"int"})", message);
    EXPECT_EQ(found->code(), errc::truncated) << count;
    EXPECT_LE(found->memory.capacity(), 4096U);
    EXPECT_EQ((decode_as<std::vector<std::int32_t>>(R"({"type":"array","items":"int"})", message)->code()),
              errc::truncated);
  }
  // 2^60 doubles: count times 8 overflows 64 bits.
  EXPECT_EQ(decode_as<array_view<double>>(R"({"type":"array","items":"double"})",
                                          varint(std::int64_t{1} << 61) + raw(1.0))
                ->code(),
            errc::truncated);
}

TEST(hostile, items_of_zero_bytes_are_counted_over_the_whole_datum) {
  const char* type = R"({"type":"array","items":"null"})";
  EXPECT_EQ(decode_as<array_view<std::monostate>>(type, varint(1000) + varint(0))->value.size(), 1000U);
  EXPECT_EQ(decode_as<array_view<std::monostate>>(type, varint(std::int64_t{1} << 40) + varint(0))->code(),
            errc::limit_exceeded);
  EXPECT_EQ(
      decode_to_json(schema_from(type), as_bytes(varint(std::int64_t{1} << 40) + varint(0))).error().code(),
      errc::limit_exceeded);
  // Sixteen arrays below the limit each (the bypass of AVRO-4241), read and skipped.
  std::string nested = R"({"type":"array","items":)" + std::string(type) + "}";
  std::string message = varint(16);
  for (int i = 0; i < 16; ++i) message += varint(500'000) + varint(0);
  message += varint(0);
  EXPECT_EQ(decode_as<array_view<array_view<std::monostate>>>(nested, message)->code(), errc::limit_exceeded);
  EXPECT_EQ(decode_to_json(schema_from(nested), as_bytes(message)).error().code(), errc::limit_exceeded);
}

TEST(hostile, memory_is_capped) {
  plan_options small;
  small.limits.output_bytes_base = 1000;
  small.limits.output_bytes_per_byte = 0;
  std::string message = varint(200);
  for (int i = 0; i < 200; ++i) message += varint(i);
  message += varint(0);
  const char* type = R"({"type":"array","items":"long"})";
  EXPECT_EQ(decode_as<array_view<std::int64_t>>(type, message, small)->code(), errc::limit_exceeded);
  EXPECT_EQ(decode_as<std::vector<std::int64_t>>(type, message, small)->code(), errc::limit_exceeded);
  EXPECT_EQ(decode_as<std::string>(R"("string")", text(std::string(2000, 'x')), small)->code(),
            errc::limit_exceeded);
  EXPECT_TRUE(decode_as<std::string_view>(R"("string")", text(std::string(2000, 'x')), small)->ok())
      << "a view takes nothing";
}

TEST(logical, decimals_are_read_with_their_scale) {
  const auto decimal = [](const char* type, const std::string& message) {
    const auto found = decode_as<decimal_view>(type, message);
    return found->ok() ? found->value.to_string().value() : found->why();
  };
  const char* on_bytes = R"({"type":"bytes","logicalType":"decimal","precision":12,"scale":2})";
  EXPECT_EQ(decimal(on_bytes, bytes("043039")), "123.45");
  EXPECT_EQ(decimal(on_bytes, bytes("00")), "0.00") << "no bytes are zero";
  EXPECT_EQ(decimal(on_bytes, bytes("02ff")), "-0.01");
  EXPECT_EQ(decimal(R"({"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":1})",
                    bytes("ffffff38")),
            "-20.0");
  EXPECT_EQ(decimal(R"({"type":"bytes","logicalType":"big-decimal"})", bytes("08") + bytes("04303904")),
            "123.45");
  EXPECT_EQ(
      decode_as<decimal_view>(R"({"type":"bytes","logicalType":"big-decimal"})", bytes("0804303904"))->used,
      5U);
  EXPECT_EQ(
      decode_as<decimal_view>(R"({"type":"bytes","logicalType":"big-decimal"})", bytes("0604303904"))->code(),
      errc::malformed);
  EXPECT_EQ(decode_as<decimal_view>(R"({"type":"bytes","logicalType":"big-decimal"})", bytes("0a0430390400"))
                ->code(),
            errc::malformed);
  EXPECT_EQ(decode_as<decimal_view>(R"("bytes")", bytes("043039"))->code(), errc::schema_incompatible)
      << "no scale anywhere";
}

TEST(logical, uuids_are_read_from_text_and_bytes) {
  const char* text_type = R"({"type":"string","logicalType":"uuid"})";
  const std::string canonical = "89791762-2336-4186-9674-299b90a802e2";
  EXPECT_EQ(decode_as<uuid>(text_type, text(canonical))->value.to_string(), canonical);
  EXPECT_EQ(decode_as<uuid>(text_type, text("89791762-2336-4186-9674-299B90A802E2"))->value.to_string(),
            canonical);
  EXPECT_EQ(decode_as<uuid>(R"({"type":"fixed","name":"U","size":16,"logicalType":"uuid"})",
                            bytes("8979176223364186 9674299b90a802e2"))
                ->value.to_string(),
            canonical);
  for (std::size_t i = 0; i < canonical.size(); ++i) {
    for (const char c : {'g', 'G', '/', ':', '@', '`', '\x10', '\xB1', '-', 'a'}) {
      std::string changed = canonical;
      changed[i] = c;
      const auto expected = uuid::parse(changed);
      const auto found = decode_as<uuid>(text_type, text(changed));
      ASSERT_EQ(found->ok(), expected.ok()) << changed;
      if (expected) {
        EXPECT_EQ(found->value, *expected);
      }
    }
  }
  EXPECT_EQ(decode_as<uuid>(text_type, text("{" + canonical + "}"))->code(), errc::malformed);
  EXPECT_EQ(decode_as<uuid>(text_type, text(""))->code(), errc::malformed);
}

TEST(logical, dates_times_and_instants_are_read) {
  using namespace std::chrono;
  EXPECT_EQ(decode_as<sys_days>(R"({"type":"int","logicalType":"date"})", varint(-1))->value,
            sys_days(1969y / 12 / 31));
  EXPECT_EQ(decode_as<milliseconds>(R"({"type":"int","logicalType":"time-millis"})", varint(86'400'001))
                ->value.count(),
            86'400'001)
      << "taken as it is";
  EXPECT_EQ(
      decode_as<microseconds>(R"({"type":"long","logicalType":"time-micros"})", varint(7))->value.count(), 7);
  EXPECT_EQ(decode_as<timestamp>(R"({"type":"long","logicalType":"timestamp-millis"})", varint(-1))
                ->value.time_since_epoch()
                .count(),
            -1);
  EXPECT_EQ(
      decode_as<timestamp_micros>(R"({"type":"long","logicalType":"timestamp-micros"})", varint(INT64_MIN))
          ->value.time_since_epoch()
          .count(),
      INT64_MIN);
  EXPECT_EQ(decode_as<timestamp_nanos>(R"({"type":"long","logicalType":"timestamp-nanos"})", varint(5))
                ->value.time_since_epoch()
                .count(),
            5);
  EXPECT_EQ(decode_as<local_time<microseconds>>(R"({"type":"long","logicalType":"local-timestamp-micros"})",
                                                varint(5))
                ->value.time_since_epoch()
                .count(),
            5);
  EXPECT_EQ(decode_as<timestamp>(R"("long")", varint(5))->value.time_since_epoch().count(), 5)
      << "a bare long is taken at its word";
  EXPECT_EQ(decode_as<std::int64_t>(R"({"type":"long","logicalType":"timestamp-nanos"})", varint(5))->value,
            5);
}

TEST(logical, members_of_another_unit_are_refused) {
  EXPECT_EQ(decode_as<timestamp>(R"({"type":"long","logicalType":"timestamp-micros"})", varint(5))->code(),
            errc::schema_incompatible);
  EXPECT_EQ(
      decode_as<timestamp>(R"({"type":"long","logicalType":"local-timestamp-millis"})", varint(5))->code(),
      errc::schema_incompatible);
  EXPECT_EQ(decode_as<timestamp>(R"({"type":"int","logicalType":"date"})", varint(5))->code(),
            errc::schema_incompatible);
}

TEST(logical, a_duration_is_months_days_and_milliseconds) {
  const char* type = R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})";
  EXPECT_EQ(decode_as<duration>(type, bytes("01000000 02000000 ffffffff"))->value,
            (duration{1, 2, 0xFFFFFFFF}));
  EXPECT_EQ(decode_as<duration>(type, bytes("01000000 02000000 ffffff"))->code(), errc::truncated);
}

TEST(json_for_people, shows_logical_values_in_words) {
  const auto shown = [](const char* type, const std::string& message) {
    auto found = decode_to_json(schema_from(type), as_bytes(message));
    return found ? found->text : found.error().to_string();
  };
  EXPECT_EQ(shown(R"({"type":"int","logicalType":"date"})", varint(20'370)), R"("2025-10-09")");
  EXPECT_EQ(shown(R"({"type":"int","logicalType":"date"})", varint(INT32_MAX)), "2147483647");
  EXPECT_EQ(shown(R"({"type":"int","logicalType":"time-millis"})", varint(1)), R"("00:00:00.001")");
  EXPECT_EQ(shown(R"({"type":"int","logicalType":"time-millis"})", varint(86'400'000)), "86400000");
  EXPECT_EQ(shown(R"({"type":"long","logicalType":"timestamp-millis"})", varint(-1)),
            R"("1969-12-31T23:59:59.999Z")");
  EXPECT_EQ(shown(R"({"type":"long","logicalType":"timestamp-nanos"})", varint(1)),
            R"("1970-01-01T00:00:00.000000001Z")");
  EXPECT_EQ(shown(R"({"type":"long","logicalType":"local-timestamp-micros"})", varint(0)),
            R"("1970-01-01T00:00:00.000000")");
  EXPECT_EQ(shown(R"({"type":"long","logicalType":"timestamp-millis"})", varint(INT64_MIN)),
            "-9223372036854775808");
  EXPECT_EQ(shown(R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":2})", bytes("043039")),
            R"("123.45")");
  EXPECT_EQ(shown(R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})",
                  bytes("010000000200000003000000")),
            R"({"months":1,"days":2,"millis":3})");
  EXPECT_EQ(shown(R"("double")", raw(std::nan(""))), R"("NaN")");
  EXPECT_EQ(shown(R"("string")", text("a\"\n\\")), R"("a\"\u000a\\")");
  EXPECT_EQ(shown(R"({"type":"array","items":"bytes"})", varint(2) + text("ab") + text("") + varint(0)),
            R"(["6162",""])");
}

TEST(errors, name_the_path_and_the_byte) {
  const char* type = R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":
    {"type":"record","name":"S","fields":[{"name":"name","type":"string"}]}}}]})";
  const std::string message = varint(2) + text("ok") + varint(9) + "x";
  auto failed = decode_to_json(schema_from(type), as_bytes(message));
  EXPECT_EQ(failed.error().to_string(), "truncated: a[].name: the message ends inside a value, at byte 5");
}

}  // namespace
}  // namespace millrace::avro

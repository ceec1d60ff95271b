// The decoder looks ahead where the message has room for it. What it reads must not depend on how much room
// there is, on the lengths around its thresholds, or on what the target held before.
#include <map>
#include <unordered_map>
#include <variant>

#include <millrace/avro/encoder.h>
#include <millrace/avro/projection.h>

#include "wire.h"

namespace millrace::avro {
namespace {

constexpr std::size_t rooms = 96;  // more than the decoder ever looks ahead

[[nodiscard]] std::string wire_of(const schema& of, std::string_view json) {
  byte_buffer out;
  const auto done = encode_json(of, json, out);
  EXPECT_TRUE(done.ok()) << json << (done ? "" : done.error().message());
  return string_of(out);
}

// Decodes into a T and encodes it again, and skips it, with 0 to `rooms` bytes behind it.
template <class T>
void expect_the_same_everywhere(const std::string& type, std::string_view json) {
  const schema of = schema_from(type);
  const std::string wire = wire_of(of, json);
  const auto plan = decoder<T>::compile(of).value();
  const auto back = encoder<T>::compile(of).value();
  const schema around = schema_from(R"({"type":"record","name":"Around","fields":[{"name":"x","type":)" +
                                    type + R"(},{"name":"z","type":"long"}]})");
  const std::vector<projected_field> last{{"z"}};
  const auto rest = projection::compile(around, last).value();
  for (std::size_t room = 0; room < rooms; ++room) {
    std::string message = wire + std::string(room, '\xFF');
    message.shrink_to_fit();
    arena memory;
    T read{};
    const auto used = plan.decode(as_bytes(message), memory, read);
    ASSERT_TRUE(used.ok()) << json << ", room " << room << ": " << used.error().message();
    EXPECT_EQ(*used, wire.size());
    byte_buffer again;
    ASSERT_TRUE(back.encode(read, again).ok());
    ASSERT_EQ(string_of(again), wire) << json << ", room " << room;

    message = wire + varint(-77) + std::string(room, '\xFF');
    message.shrink_to_fit();
    std::array<value, 1> slots;
    const auto skipped = rest.decode(as_bytes(message), memory, slots);
    ASSERT_TRUE(skipped.ok()) << json << ", room " << room << ": " << skipped.error().message();
    EXPECT_EQ(*skipped, wire.size() + varint(-77).size());
    EXPECT_EQ(slots[0].int64(), -77);
  }
  // Every prefix ends too early, read and skipped.
  for (std::size_t size = 0; size < wire.size(); ++size) {
    std::string message = wire.substr(0, size);
    message.shrink_to_fit();
    arena memory;
    T read{};
    EXPECT_FALSE(plan.decode(as_bytes(message), memory, read).ok()) << json << ", " << size << " bytes";
    std::array<value, 1> slots;
    EXPECT_FALSE(rest.decode(as_bytes(message), memory, slots).ok()) << json << ", " << size << " bytes";
  }
}

constexpr std::array<std::size_t, 12> text_sizes{0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200};
constexpr std::array<std::int64_t, 14> numbers{0,         -1,        63,        -65,       64,
                                               8191,      -8193,     8192,      1'048'576, 134'217'728,
                                               INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

// Of `size` bytes, the last two of them one character when `accent`.
[[nodiscard]] std::string letters(std::size_t size, bool accent) {
  if (!accent || size < 2) return std::string(size, 'a');
  return std::string(size - 2, 'a') + "\u00E9";
}
[[nodiscard]] std::string quoted(const std::string& text) { return '"' + text + '"'; }

TEST(lookahead, texts_of_every_length_are_read) {
  for (const std::size_t size : text_sizes) {
    for (const bool accent : {false, true}) {
      const std::string one = quoted(letters(size, accent));
      expect_the_same_everywhere<std::string_view>(R"("string")", one);
      expect_the_same_everywhere<std::string>(R"("string")", one);
      for (const char* type : {R"(["null","string"])", R"(["string","null"])"}) {
        const std::string full = R"({"string":)" + one + "}";
        expect_the_same_everywhere<std::optional<std::string_view>>(type, full);
        expect_the_same_everywhere<std::optional<std::string>>(type, full);
        expect_the_same_everywhere<std::optional<std::string_view>>(type, "null");
        expect_the_same_everywhere<std::optional<std::string>>(type, "null");
      }
      const char* type = R"({"type":"array","items":"string"})";
      const std::string several = R"(["",)" + one + R"(,"b",)" + one + "]";
      expect_the_same_everywhere<array_view<std::string_view>>(type, several);
      expect_the_same_everywhere<std::vector<std::string>>(type, several);
      expect_the_same_everywhere<std::vector<std::string>>(type, "[]");
      expect_the_same_everywhere<map_view<std::string_view>>(R"({"type":"map","values":"string"})",
                                                             R"({"k":)" + one + "," + one + R"(:"v"})");
    }
  }
}

TEST(lookahead, invalid_utf8_is_refused_at_every_distance_from_the_end) {
  for (const std::size_t size : text_sizes) {
    if (size == 0) continue;
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      std::string bad(size, 'a');
      bad[at] = '\xFF';
      for (std::size_t room = 0; room < rooms; ++room) {
        const std::string behind(room, 'a');
        const std::string one = varint(static_cast<std::int64_t>(size)) + bad;
        EXPECT_EQ(decode_as<std::string_view>(R"("string")", one + behind)->code(), errc::invalid_utf8);
        EXPECT_EQ(decode_as<std::string>(R"("string")", one + behind)->code(), errc::invalid_utf8);
        const char* nullable = R"(["null","string"])";
        EXPECT_EQ(decode_as<std::optional<std::string_view>>(nullable, varint(1) + one + behind)->code(),
                  errc::invalid_utf8);
        EXPECT_EQ(decode_as<std::optional<std::string>>(nullable, varint(1) + one + behind)->code(),
                  errc::invalid_utf8);
      }
    }
  }
}

TEST(lookahead, bytes_with_high_bits_after_a_text_do_not_belong_to_it) {
  for (const std::size_t size : text_sizes) {
    const std::string message = text(std::string(size, 'a')) + std::string(rooms, '\xFF');
    EXPECT_EQ(decode_as<std::string_view>(R"("string")", message)->value, std::string(size, 'a'));
  }
}

TEST(lookahead, numbers_of_every_length_are_read) {
  for (const std::int64_t number : numbers) {
    expect_the_same_everywhere<std::int64_t>(R"("long")", std::to_string(number));
    expect_the_same_everywhere<array_view<std::int64_t>>(R"({"type":"array","items":"long"})",
                                                         "[1," + std::to_string(number) + ",-300]");
    if (number < INT32_MIN || number > INT32_MAX) continue;
    expect_the_same_everywhere<std::int32_t>(R"("int")", std::to_string(number));
  }
}

struct size_of {
  std::int32_t width = 0;
  std::int32_t height = 0;
};

}  // namespace
template <>
struct describe<size_of> {
  static type_descriptor type() {
    return record_of<size_of>("Size", {field("width", &size_of::width), field("height", &size_of::height)},
                              members::all);
  }
};
namespace {

TEST(lookahead, nullable_records_of_numbers_are_read) {
  const char* type =
      R"(["null",{"type":"record","name":"Size","fields":[{"name":"width","type":"int"},{"name":"height","type":"int"}]}])";
  expect_the_same_everywhere<std::optional<size_of>>(type, "null");
  for (const std::int64_t width : numbers) {
    for (const std::int64_t height : {0, 64, 8191, 8192, INT32_MIN}) {
      if (width < INT32_MIN || width > INT32_MAX) continue;
      expect_the_same_everywhere<std::optional<size_of>>(
          type,
          R"({"Size":{"width":)" + std::to_string(width) + R"(,"height":)" + std::to_string(height) + "}}");
    }
  }
}

TEST(lookahead, nullable_numbers_of_fixed_size_are_read) {
  for (const char* number : {"null", R"({"float":1.5})"}) {
    expect_the_same_everywhere<std::optional<float>>(R"(["null","float"])", number);
  }
  for (const char* number : {"null", R"({"double":-1e300})"}) {
    expect_the_same_everywhere<std::optional<double>>(R"(["double","null"])", number);
  }
}

using owned_scalar = std::variant<std::monostate, bool, std::int32_t, std::int64_t, double, std::string,
                                  std::vector<std::string>>;
using owned_pairs = std::vector<std::pair<std::string, owned_scalar>>;
using scalar_value = std::variant<std::monostate, bool, std::int32_t, std::int64_t, double, std::string_view,
                                  array_view<std::string_view>>;
constexpr const char* scalar_map =
    R"({"type":"map","values":["null","boolean","int","long","double","string",{"type":"array","items":"string"}]})";

TEST(lookahead, maps_of_scalars_are_read) {
  std::vector<std::string> entries{R"("n":null)",
                                   R"("":{"boolean":true})",
                                   R"("double":{"double":-0.5})",
                                   R"("list":{"array":["a","","b"]})",
                                   R"("empty":{"array":[]})",
                                   quoted(letters(32, false)) + R"(:{"boolean":false})",
                                   quoted(letters(33, true)) + ":null"};
  for (const std::int64_t number : numbers) {
    entries.push_back(R"("l":{"long":)" + std::to_string(number) + "}");
    if (number < INT32_MIN || number > INT32_MAX) continue;
    entries.push_back(R"("i":{"int":)" + std::to_string(number) + "}");
  }
  for (const std::size_t size : text_sizes) {
    entries.push_back(R"("s":{"string":)" + quoted(letters(size, size % 2 == 0)) + "}");
  }
  expect_the_same_everywhere<map_view<scalar_value>>(scalar_map, "{}");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    expect_the_same_everywhere<map_view<scalar_value>>(scalar_map, "{" + entries[i] + "}");
    const std::string next = R"("x":{"int":5},)" + entries[i] + "," + entries[(i + 3) % entries.size()];
    expect_the_same_everywhere<map_view<scalar_value>>(scalar_map, "{" + next + R"(,"y":null})");
    expect_the_same_everywhere<owned_pairs>(scalar_map, "{" + next + R"(,"y":null})");
  }
}

TEST(lookahead, maps_of_scalars_in_blocks_are_read) {
  const std::string entry = text("k") + varint(3) + varint(-9);
  const std::string listed = text("m") + varint(6) + varint(1) + text("a") + varint(0);
  for (const std::string& message :
       {varint(1) + entry + varint(2) + entry + listed + varint(0),
        varint(-1) + varint(static_cast<std::int64_t>(entry.size())) + entry + varint(1) + listed + varint(0),
        varint(2) + listed + entry + varint(1) + entry + varint(0)}) {
    for (std::size_t room = 0; room < rooms; ++room) {
      const auto read = decode_as<map_view<scalar_value>>(scalar_map, message + std::string(room, 'x'));
      ASSERT_TRUE(read->ok()) << read->why();
      EXPECT_EQ(read->used, message.size());
      EXPECT_EQ(std::get<std::int64_t>(*read->value.find("k")), -9);
    }
  }
}

// Maps that own their entries keep those that come again.
template <class Map>
void expect_what_each_datum_holds() {
  using datum = std::vector<std::pair<std::string, std::string>>;
  const std::vector<datum> data{
      {{"a", "1"}, {"b", "2"}, {"c", "3"}},
      {{"c", "30"}, {"a", "10"}, {"b", "20"}},  // the same keys in another order
      {{"a", "x"}, {"d", "y"}, {"b", "z"}},     // as many, one of them new
      {{"a", "1"}, {"a", "2"}, {"b", "3"}},     // as many, one of them twice
      {{"a", "1"}, {"b", "2"}},                 // fewer
      {{"b", "2"}, {"a", "1"}},                 //
      {},                                       //
      {{"long", std::string(100, 'v')}},        //
      {{"long", ""}},                           //
      {{"1", "1"},
       {"2", "2"},
       {"3", "3"},
       {"4", "4"},
       {"5", "5"},
       {"6", "6"},
       {"7", "7"},
       {"8", "8"},
       {"9", "9"}},
      {{"9", "1"},
       {"8", "2"},
       {"7", "3"},
       {"6", "4"},
       {"5", "5"},
       {"4", "6"},
       {"3", "7"},
       {"2", "8"},
       {"1", "9"}},
  };
  const schema of = schema_from(R"({"type":"map","values":"string"})");
  const auto plan = decoder<Map>::compile(of).value();
  arena memory;
  Map read;
  for (int round = 0; round < 2; ++round) {
    for (const datum& one : data) {
      for (const bool two_blocks : {false, true}) {
        std::string message;
        Map expected;
        std::size_t in_block = two_blocks ? one.size() / 2 : one.size();
        if (in_block != 0) message += varint(static_cast<std::int64_t>(in_block));
        for (std::size_t i = 0; i < one.size(); ++i) {
          if (two_blocks && i == in_block) message += varint(static_cast<std::int64_t>(one.size() - i));
          message += text(one[i].first) + text(one[i].second);
          expected[one[i].first] = one[i].second;
        }
        message += varint(0);
        ASSERT_TRUE(plan.decode(as_bytes(message), memory, read).ok());
        EXPECT_EQ(read, expected);
        memory.reset();
      }
    }
  }
}

TEST(lookahead, owned_maps_hold_only_the_last_datum) {
  expect_what_each_datum_holds<std::map<std::string, std::string>>();
  expect_what_each_datum_holds<std::map<std::string, std::string, std::less<>>>();
  expect_what_each_datum_holds<std::unordered_map<std::string, std::string>>();
}

}  // namespace
}  // namespace millrace::avro

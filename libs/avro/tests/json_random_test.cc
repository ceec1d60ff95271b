// Random schemas and data: every value survives JSON, and damaged documents are errors or values, never more.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

#include <millrace/avro/encoder.h>

#include "json_case.h"

namespace millrace::avro {
namespace {

constexpr std::uint32_t seed = 20'251'009;
constexpr int schemas = 400;
constexpr int data_per_schema = 8;

// A schema and data of it in Avro's binary form, by one source of randomness.
class generator {
 public:
  explicit generator(std::uint32_t from, bool tagged) : random_(from), tagged_(tagged) {}

  [[nodiscard]] std::string type(int depth) {
    const std::uint32_t kind = below(depth <= 0 ? 20U : 26U);
    if (kind < simple_types.size()) return std::string(simple_types[kind]);
    switch (kind) {
      case 18:
        return R"({"type":"enum","name":")" + name("E") +
               R"(","symbols":["A","B","a_longer_symbol_than_the_others"]})";
      case 19:
        return R"({"type":"fixed","name":")" + name("F") + R"(","size":)" + std::to_string(1 + below(19)) +
               "}";
      case 20:
      case 21:
        return R"({"type":"array","items":)" + type(depth - 1) + "}";
      case 22:
        return R"({"type":"map","values":)" + type(depth - 1) + "}";
      case 23:
        return union_type(depth);
      default:
        return record(depth);
    }
  }

  [[nodiscard]] std::string datum(const schema_node& of) {
    switch (of.type) {
      case schema_type::null:
        return "";
      case schema_type::boolean:
        return std::string(1, static_cast<char>(below(2)));
      case schema_type::int32:
        return varint(of.logical == logical_type::time_millis ? static_cast<std::int32_t>(below(90'000'000))
                                                              : static_cast<std::int32_t>(number()));
      case schema_type::int64:
        return varint(number());
      case schema_type::float32:
        return raw(below(8) == 0 ? special<float>() : static_cast<float>(real()));
      case schema_type::float64:
        return raw(below(8) == 0 ? special<double>() : real());
      case schema_type::bytes:
        return of.logical == logical_type::big_decimal ? big_decimal() : bytes(of);
      case schema_type::string:
        return text(of.logical == logical_type::uuid ? uuid_text() : characters());
      case schema_type::fixed:
        return of.logical == logical_type::decimal ? unscaled(of) : random_bytes(of.size);
      case schema_type::enumeration:
        return varint(below(of.symbols.size()));
      case schema_type::array:
      case schema_type::map:
        return items(of);
      case schema_type::record: {
        std::string out;
        for (const schema_field& field : of.fields) out += datum(*field.type);
        return out;
      }
      case schema_type::union_of: {
        const std::uint32_t branch = below(of.branches.size());
        return varint(branch) + datum(*of.branches[branch]);
      }
    }
    return "";
  }

  [[nodiscard]] std::uint32_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, static_cast<std::uint32_t>(bound - 1))(random_);
  }

 private:
  static constexpr std::array<std::string_view, 18> simple_types = {
      R"("null")",
      R"("boolean")",
      R"("int")",
      R"("long")",
      R"("float")",
      R"("double")",
      R"("string")",
      R"("bytes")",
      R"({"type":"bytes","logicalType":"decimal","precision":30,"scale":7})",
      R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})",
      R"({"type":"bytes","logicalType":"big-decimal"})",
      R"({"type":"string","logicalType":"uuid"})",
      R"({"type":"int","logicalType":"date"})",
      R"({"type":"int","logicalType":"time-millis"})",
      R"({"type":"long","logicalType":"timestamp-millis"})",
      R"({"type":"long","logicalType":"timestamp-micros"})",
      R"({"type":"long","logicalType":"timestamp-nanos"})",
      R"({"type":"long","logicalType":"local-timestamp-micros"})"};

  [[nodiscard]] std::string name(const char* kind) { return kind + std::to_string(names_++); }

  [[nodiscard]] std::string record(int depth) {
    const std::string own = name("R");
    std::string out = R"({"type":"record","name":")" + own + R"(","fields":[)";
    const std::uint32_t fields = below(6);
    for (std::uint32_t i = 0; i < fields; ++i) {
      out += (i != 0 ? "," : "") +
             (R"({"name":"f)" + std::to_string(i) + R"(","type":)" + type(depth - 1) + "}");
    }
    return out + "]}";
  }

  // Tagged: of anything. Plain: of one branch per type of JSON, and one number.
  [[nodiscard]] std::string union_type(int depth) {
    std::vector<std::string> branches = {R"("null")"};
    if (tagged_) {
      for (const char* one : {"boolean", "int", "long", "float", "double", "string", "bytes"}) {
        if (below(2) == 0) branches.push_back('"' + std::string(one) + '"');
      }
      if (below(2) == 0) branches.push_back(record(depth - 1));
      if (below(2) == 0) branches.push_back(record(depth - 1));
    } else {
      static constexpr std::array<std::string_view, 8> numbers = {
          R"("int")",
          R"("long")",
          R"("float")",
          R"("double")",
          R"({"type":"int","logicalType":"date"})",
          R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})",
          R"("double","long")",
          R"({"type":"long","logicalType":"timestamp-micros"})"};
      if (below(2) == 0) branches.push_back(std::string(numbers[below(numbers.size())]));
      if (below(2) == 0) branches.emplace_back(R"("boolean")");
      if (below(3) == 0) branches.emplace_back(R"("string")");
      if (below(3) == 0) branches.push_back(R"({"type":"array","items":)" + type(depth - 1) + "}");
      if (below(3) == 0) branches.push_back(record(depth - 1));
    }
    std::shuffle(branches.begin(), branches.end(), random_);
    std::string out = "[";
    for (const std::string& branch : branches) out += (out.size() > 1 ? "," : "") + branch;
    return out + "]";
  }

  [[nodiscard]] std::int64_t number() {
    const auto all = static_cast<std::int64_t>(random_() << 32U | (random_() & 0xFFFFFFFFU));
    return below(16) == 0 ? (below(2) == 0 ? INT64_MIN : INT64_MAX) : all >> below(64);
  }
  [[nodiscard]] double real() {
    double out = 0;
    const std::uint64_t bits = random_() << 32U ^ random_();
    std::memcpy(&out, &bits, sizeof out);
    if (below(2) == 0 || !std::isfinite(out)) out = static_cast<double>(number()) / 1024;
    return below(4) == 0 ? std::trunc(std::fmod(out, 1e6)) : std::fmod(out, 1e30);
  }
  template <class T>
  [[nodiscard]] T special() {
    static constexpr std::array<T, 6> all = {
        std::numeric_limits<T>::quiet_NaN(),  std::numeric_limits<T>::infinity(),
        -std::numeric_limits<T>::infinity(),  T{-0.0},
        std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::max()};
    return all[below(all.size())];
  }
  [[nodiscard]] std::string random_bytes(std::size_t size) {
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(below(256));
    return out;
  }
  // An unscaled value within the precision, in its shortest form or as wide as the fixed.
  [[nodiscard]] std::string unscaled(const schema_node& of) {
    std::int64_t most = 1;
    for (int i = 0; i < std::min(of.precision, 18); ++i) most *= 10;
    const std::int64_t value = number() % most;
    std::string out;
    std::int64_t rest = value;
    do {
      out.insert(out.begin(), static_cast<char>(rest & 0xFF));
      rest >>= 8;
    } while (!(rest == 0 && (out[0] & 0x80) == 0) && !(rest == -1 && (out[0] & 0x80) != 0));
    if (of.type == schema_type::fixed) out.insert(0, of.size - out.size(), value < 0 ? '\xFF' : '\0');
    return out;
  }
  [[nodiscard]] std::string bytes(const schema_node& of) {
    return text(of.logical == logical_type::decimal ? unscaled(of) : random_bytes(below(50)));
  }
  [[nodiscard]] std::string big_decimal() {
    schema_node of;
    of.precision = 18;
    return text(text(unscaled(of)) + varint(static_cast<std::int64_t>(below(40))));
  }
  [[nodiscard]] std::string uuid_text() {
    uuid id;
    for (std::byte& one : id.bytes) one = static_cast<std::byte>(below(256));
    return id.to_string();
  }
  [[nodiscard]] std::string characters() {
    static constexpr std::array<std::string_view, 12> pieces = {
        "a",      "word ",  "\"",         "\\", "\n",   std::string_view("\0", 1),
        "\u00e9", "\u20ac", "\U0001F600", "/",  "\x7f", "a text that is longer than a vector register is"};
    std::string out;
    const std::uint32_t count = below(8);
    for (std::uint32_t i = 0; i < count; ++i) out += pieces[below(pieces.size())];
    return out;
  }
  [[nodiscard]] std::string items(const schema_node& of) {
    const std::uint32_t count = below(20) == 0 ? 70 : below(4);
    if (count == 0) return varint(0);
    std::string out = varint(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      if (of.type == schema_type::map) out += text("k" + std::to_string(i));
      out += datum(*of.item);
    }
    return out + varint(0);
  }

  std::mt19937_64 random_;
  bool tagged_;
  int names_ = 0;
};

struct codec {
  json_decoder<value> decode;
  json_encoder<value> encode;
};

// Changes bytes of a document, and cuts it short.
void damage(const codec& json, generator& make, const std::string& document) {
  for (int i = 0; i < 20; ++i) {
    std::string changed = document.substr(0, 1 + make.below(document.size()));
    static constexpr std::string_view bytes = "\"\\{}[],:0-.eEnt \x80\xFFu";
    changed[make.below(changed.size())] = bytes[make.below(bytes.size())];
    const byte_buffer exact(as_bytes(changed).begin(), as_bytes(changed).end());
    arena memory;
    value decoded;
    if (!json.decode.decode(exact, memory, decoded).ok()) continue;
    byte_buffer again;
    EXPECT_TRUE(json.encode.encode(decoded, again).ok()) << changed;
  }
}

void check(generator& make, const schema& of, const codec& json, const decoder<value>& binary) {
  const std::string datum = make.datum(of.root());
  arena memory;
  value first;
  const auto used = binary.decode(as_bytes(datum), memory, first);
  ASSERT_TRUE(used.ok() && *used == datum.size()) << used.error().to_string();
  byte_buffer document;
  const auto written = json.encode.encode(first, document);
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  arena other;
  value second;
  const auto read = json.decode.decode(document, other, second);
  ASSERT_TRUE(read.ok()) << read.error().to_string() << "\n" << as_text(document);
  ASSERT_TRUE(equal(first, second)) << as_text(document);
  byte_buffer again;
  ASSERT_TRUE(json.encode.encode(second, again).ok());
  ASSERT_EQ(as_text(document), as_text(again));
  damage(json, make, string_of(document));
}

void run(const json_options& options) {
  for (int i = 0; i < schemas; ++i) {
    generator make(seed + static_cast<std::uint32_t>(i), options.unions == json_unions::tagged);
    const std::string type = make.type(4);
    SCOPED_TRACE("seed " + std::to_string(seed + static_cast<std::uint32_t>(i)) + ": " + type);
    const auto of = schema::parse(type);
    ASSERT_TRUE(of.ok()) << of.error().to_string();
    auto decode = json_decoder<value>::compile(*of, options);
    auto encode = json_encoder<value>::compile(*of, options);
    const auto binary = decoder<value>::compile(*of);
    ASSERT_TRUE(decode.ok()) << decode.error().to_string();
    ASSERT_TRUE(encode.ok() && binary.ok());
    const codec json{*std::move(decode), *std::move(encode)};
    for (int j = 0; j < data_per_schema; ++j) {
      check(make, *of, json, *binary);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(json_random, values_of_plain_unions_survive) { run({}); }

TEST(json_random, values_survive_in_the_other_forms) {
  run({.limits = {},
       .bytes = json_bytes::latin1,
       .times = json_times::text,
       .decimals = json_decimals::number,
       .unions = json_unions::plain});
}

TEST(json_random, values_of_any_union_survive_tagged) {
  run({.limits = {},
       .bytes = json_bytes::hexadecimal,
       .times = json_times::text,
       .decimals = json_decimals::text,
       .unions = json_unions::tagged});
}

}  // namespace
}  // namespace millrace::avro

// Encoding, framing, generated code.
#include <millrace/avro/codegen.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/framing.h>

#include "everything.avsc.h"
#include "wire.h"

namespace millrace::avro {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

struct visit {
  std::string visitor;
  timestamp at;
  std::optional<std::string> city;
  std::vector<std::int32_t> clicks;
  std::map<std::string, double> scores;
};

}  // namespace
template <>
struct describe<visit> {
  static type_descriptor type() {
    return record_of<visit>("Visit", {field("visitor", &visit::visitor), field("at", &visit::at),
                                      field("city", &visit::city, "null"), field("clicks", &visit::clicks),
                                      field("scores", &visit::scores)});
  }
};
namespace {

struct one_decimal {
  decimal_view d;
};
struct one_colour {
  enum class colour : std::uint8_t { red, green } c = colour::red;
};

}  // namespace
template <>
struct describe<one_decimal> {
  static type_descriptor type() { return record_of<one_decimal>("", {field("d", &one_decimal::d)}); }
};
template <>
struct describe<one_colour::colour> {
  static type_descriptor type() {
    return enum_of<one_colour::colour>(
        "C", {{"RED", one_colour::colour::red}, {"GREEN", one_colour::colour::green}});
  }
};
template <>
struct describe<one_colour> {
  static type_descriptor type() { return record_of<one_colour>("", {field("c", &one_colour::c)}); }
};
namespace {

[[nodiscard]] std::string encoded(const auto& value, std::string_view schema_text) {
  using type = std::remove_cvref_t<decltype(value)>;
  byte_buffer out = hex("aa");  // appended to, never overwritten
  const auto compiled = encoder<type>::compile(schema_from(schema_text));
  if (!compiled) return compiled.error().to_string();
  const auto done = compiled->encode(value, out);
  EXPECT_EQ(out[0], std::byte{0xAA});
  if (!done) {
    EXPECT_EQ(out.size(), 1U) << "a failed encode leaves the buffer as it was";
    return std::string(to_string(done.error().code()));
  }
  return to_hex(bytes_view(out).subspan(1));
}

TEST(encoder, encodes_a_hand_written_struct_by_its_implied_schema) {
  const auto own = schema_of<visit>();
  ASSERT_TRUE(own.ok()) << own.error().message();
  EXPECT_EQ(
      own->canonical(),
      R"({"name":"Visit","type":"record","fields":[{"name":"visitor","type":"string"},{"name":"at","type":"long"},)"
      R"({"name":"city","type":["null","string"]},{"name":"clicks","type":{"type":"array","items":"int"}},)"
      R"({"name":"scores","type":{"type":"map","values":"double"}}]})");
  const auto compiled = encoder<visit>::compile().value();
  const visit value{"v1", timestamp(milliseconds(-3)), "Paris", {1, -2}, {{"a", 0.5}, {"b", 2}}};
  byte_buffer out;
  ASSERT_TRUE(compiled.encode(value, out).ok());
  EXPECT_EQ(string_of(out), text("v1") + varint(-3) + varint(1) + text("Paris") + varint(2) + varint(1) +
                                varint(-2) + varint(0) + varint(2) + text("a") + raw(0.5) + text("b") +
                                raw(2.0) + varint(0));
  const auto back = decode_as<visit>(own->text(), string_of(out));
  ASSERT_TRUE(back->ok()) << back->why();
  EXPECT_EQ(back->value.visitor, "v1");
  EXPECT_EQ(back->value.city, "Paris");
  EXPECT_EQ(back->value.clicks, value.clicks);
  EXPECT_EQ(back->value.scores, value.scores);
}

TEST(encoder, encodes_by_another_schema) {
  const visit value{"v", timestamp(milliseconds(1)), std::nullopt, {}, {}};
  const std::string fields =
      R"({"name":"extra","type":"string","default":"filled"},{"name":"scores","type":{"type":"map","values":"double"}},
    {"name":"clicks","type":["null",{"type":"array","items":"int"}]},{"name":"city","type":["string","null"]},{"name":"at","type":"long"},{"name":"visitor","type":"string"})";
  EXPECT_EQ(encoded(value, R"({"type":"record","name":"Visit","fields":[)" + fields + "]}"),
            to_hex(as_bytes(text("filled") + varint(0) + varint(1) + varint(0) + varint(1) + varint(1) +
                            text("v"))));
  EXPECT_NE(
      encoded(value, R"({"type":"record","name":"Visit","fields":[{"name":"visitor","type":"string"}]})")
          .find("has no field 'at'"),
      std::string::npos);
  EXPECT_NE(encoded(value, R"({"type":"record","name":"Visit","fields":[{"name":"must","type":"string"},)" +
                               fields + "]}")
                .find("must: the struct lacks this field"),
            std::string::npos);
  EXPECT_NE(encoded(std::int64_t{1}, R"("int")").find("schema_incompatible"), std::string::npos);
  EXPECT_EQ(encoded(std::int32_t{-1}, R"("long")"), "01");
  EXPECT_EQ(encoded(1.5F, R"("double")"), to_hex(as_bytes(raw(1.5))));
}

TEST(encoder, refuses_what_the_schema_cannot_hold) {
  const char* fixed =
      R"({"type":"record","name":"R","fields":[{"name":"d","type":{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":1}}]})";
  const auto decimal = [](std::string_view digits, std::int32_t scale) {
    static std::vector<byte_buffer> kept;
    kept.push_back(hex(digits));
    return one_decimal{{kept.back(), scale}};
  };
  EXPECT_EQ(encoded(decimal("7f", 1), fixed), "007f");
  EXPECT_EQ(encoded(decimal("80", 1), fixed), "ff80");
  EXPECT_EQ(encoded(decimal("", 1), fixed), "0000");
  EXPECT_EQ(encoded(decimal("00000080", 1), fixed), "0080");
  EXPECT_EQ(encoded(decimal("ffffff7f", 1), fixed), "ff7f");
  EXPECT_EQ(encoded(decimal("00ff80", 1), fixed), "unresolvable") << "wider than the fixed";
  EXPECT_EQ(encoded(decimal("7f", 2), fixed), "unresolvable") << "another scale";
  const char* colours =
      R"({"type":"record","name":"R","fields":[{"name":"c","type":{"type":"enum","name":"C","symbols":["GREEN","RED"]}}]})";
  EXPECT_EQ(encoded(one_colour{}, colours), "02");
  EXPECT_EQ(encoded(one_colour{static_cast<one_colour::colour>(9)}, colours), "unresolvable");
  EXPECT_EQ(encoded(std::string("\xFF"), R"("string")"), "invalid_utf8");
  EXPECT_EQ(encoded(std::string_view("\xC3"), R"("string")"), "invalid_utf8");
}

[[nodiscard]] odd::Everything everything() {
  static const odd::Address addresses[] = {{"first"}, {"second"}};
  static const std::optional<std::int32_t> row[] = {1, std::nullopt, -3};
  static const array_view<std::optional<std::int32_t>> rows[] = {row, {}};
  static const bool bits[] = {true, false};
  static const map_entry<array_view<bool>> inner[] = {{"bits", bits}, {"none", {}}};
  static const map_entry<map_view<array_view<bool>>> outer[] = {{"k", inner}};
  static const odd::List tail{2, nullptr};
  static const odd::Tree leaf{"leaf", {}, {}, std::int32_t{7}};
  static const odd::Tree children[] = {{"child", {}, {}, &leaf}, leaf};
  static const map_entry<odd::Tree> named[] = {{"n", leaf}};
  static const byte_buffer digits = hex("ff85");  // -123
  odd::Everything all;
  all.class_ = "keyword";
  all.class_2 = 5;
  all.flag = true;
  all.small = INT32_MIN;
  all.large = INT64_MAX;
  all.single = 1.5F;
  all.real = -0.0;
  all.blob = digits;
  all.operator_ = odd::Operator::EOF_;
  all.Operator_ = odd::Operator::plus;
  all.fixed8[7] = std::byte{9};
  all.day = std::chrono::sys_days(std::chrono::days(-1));
  all.time_ms = milliseconds(2);
  all.time_us = microseconds(3);
  all.at_ms = timestamp(milliseconds(4));
  all.at_us = timestamp_micros(microseconds(5));
  all.at_ns = timestamp_nanos(nanoseconds(6));
  all.local_ms = std::chrono::local_time<milliseconds>(milliseconds(7));
  all.local_us = std::chrono::local_time<microseconds>(microseconds(8));
  all.local_ns = std::chrono::local_time<nanoseconds>(nanoseconds(9));
  all.price = {digits, 2};
  all.rate = {digits, 4};
  all.big = {digits, -3};
  all.id_text = uuid::parse("89791762-2336-4186-9674-299b90a802e2").value();
  all.id_bytes = all.id_text;
  all.span = {1, 2, 3};
  all.billing = addresses[0];
  all.shipping = {"street", 4};
  all.again = all.shipping;
  all.maybe = "set";
  all.one_of = array_view<odd::Address>(addresses);
  all.matrix = rows;
  all.nested_maps = outer;
  all.list = {1, &tail};
  all.tree = {"root", children, named, {}};
  static const odd::Left innermost{};
  all.left = odd::Left{odd::Right{&innermost}};
  all.only_int = std::int32_t{6};
  return all;
}

TEST(generated, every_type_round_trips) {
  const auto own = schema_of<odd::Everything>();
  ASSERT_TRUE(own.ok()) << own.error().message();
  const auto encode = encoder<odd::Everything>::compile();
  ASSERT_TRUE(encode.ok()) << encode.error().message();
  const auto decode = decoder<odd::Everything>::compile(*own);
  ASSERT_TRUE(decode.ok()) << decode.error().message();
  const odd::Everything all = everything();
  byte_buffer once, twice;
  const auto first = encode->encode(all, once);
  ASSERT_TRUE(first.ok()) << first.error().to_string();
  arena memory;
  odd::Everything back;
  const auto used = decode->decode(once, memory, back);
  ASSERT_TRUE(used.ok()) << used.error().to_string();
  EXPECT_EQ(*used, once.size());
  ASSERT_TRUE(encode->encode(back, twice).ok());
  EXPECT_EQ(to_hex(once), to_hex(twice));

  EXPECT_EQ(back.class_, "keyword");
  EXPECT_EQ(back.operator_, odd::Operator::EOF_);
  EXPECT_EQ(back.day, all.day);
  EXPECT_EQ(back.local_ns, all.local_ns);
  EXPECT_EQ(back.rate.to_string().value(), "-0.0123");
  EXPECT_EQ(back.big.to_string().value(), all.big.to_string().value());
  EXPECT_EQ(back.id_bytes, all.id_text);
  EXPECT_EQ(back.span, all.span);
  EXPECT_EQ(std::get<odd::shipping_Address>(back.again).std_, 4);
  EXPECT_EQ(std::get<array_view<odd::Address>>(back.one_of)[1].Address_, "second");
  EXPECT_EQ(back.matrix[0][2], -3);
  EXPECT_TRUE((*back.nested_maps.find("k")->find("bits"))[0]);
  EXPECT_EQ(back.list.next->value, 2);
  EXPECT_EQ(std::get<std::int32_t>(std::get<arena_ptr<odd::Tree>>(back.tree.children[0].other)->other), 7);
  EXPECT_FALSE(back.left->right.back->right.back);

  auto shown = decode_to_json(*own, once);
  ASSERT_TRUE(shown.ok()) << shown.error().to_string();
  EXPECT_EQ(shown->bytes_used, once.size());
}

TEST(generated, every_prefix_is_an_error_and_no_mutation_crashes) {
  const schema own = schema_of<odd::Everything>().value();
  const auto encode = encoder<odd::Everything>::compile().value();
  const auto decode = decoder<odd::Everything>::compile(own).value();
  byte_buffer whole;
  ASSERT_TRUE(encode.encode(everything(), whole).ok());
  arena memory;
  odd::Everything back;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    memory.reset();
    const byte_buffer cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(decode.decode(cut, memory, back).ok()) << size;
    EXPECT_FALSE(decode_to_json(own, cut).ok()) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned value = 0; value < 256; value += 5) {
      byte_buffer mutated = whole;
      mutated[at] = static_cast<std::byte>(value);
      memory.reset();
      byte_buffer out;
      const bool good = decode.decode(mutated, memory, back).ok();
      EXPECT_TRUE(!good || encode.encode(back, out).ok());
      const auto shown = decode_to_json(own, mutated);
      EXPECT_TRUE(!good || shown.ok());
    }
  }
}

TEST(generated, a_null_pointer_needs_a_null_in_the_schema) {
  const auto encode =
      encoder<odd::List>::compile(
          schema_from(
              R"({"type":"record","name":"List","fields":[{"name":"value","type":"int"},{"name":"next","type":["null","List"]}]})"))
          .value();
  byte_buffer out;
  EXPECT_TRUE(encode.encode(odd::List{1, nullptr}, out).ok());
  odd::List loop{1, nullptr};
  loop.next = &loop;
  EXPECT_EQ(encode.encode(loop, out).error().code(), errc::limit_exceeded)
      << "a cycle ends at the depth limit";
}

[[nodiscard]] std::string generated(std::string_view schema_text, const codegen_options& options = {}) {
  auto header = generate_header(
      schema_from(schema_text, {.limits = {}, .check_defaults = true, .lenient_names = true}), options);
  return header ? *header : header.error().to_string();
}

TEST(codegen, the_namespace_is_the_last_part_of_the_schema_namespace) {
  const auto has = [](const std::string& header, const char* line) {
    return header.find(line) != std::string::npos;
  };
  const char* named = R"({"type":"record","name":"R","namespace":"com.example.tracking","fields":[]})";
  EXPECT_TRUE(has(generated(named), "namespace tracking {"));
  EXPECT_TRUE(has(generated(named, {.name_space = "a::b", .source = ""}), "namespace a::b {"));
  EXPECT_TRUE(has(generated(R"({"type":"record","name":"R","fields":[]})"), "namespace records {"));
  EXPECT_TRUE(has(generated(R"({"type":"record","name":"R","namespace":"a.class","fields":[]})"),
                  "namespace class_ {"));
  for (const char* bad : {"a-b", "class", "a::", "::a", "a b", "1a", "std"}) {
    EXPECT_TRUE(generated(named, {.name_space = bad, .source = ""}).starts_with("config_invalid")) << bad;
  }
  EXPECT_TRUE(generated(R"("string")").starts_with("unsupported"));
}

// CVE-2025-33042: what a schema's author writes must not become code.
TEST(codegen, hostile_names_and_docs_cannot_inject_code) {
  const std::string header = generated(
      R"({"type":"record","name":"R;int x","namespace":"n","doc":"a\nint injected_doc;\r\nint carriage; \u2028 \u202E \\","fields":[
    {"name":"f(){} int y; //","type":"int","doc":"*/ int injected;\nsecond ??/\nthird \\"},
    {"name":"q)_","type":"string","default":")_\" int injected_text; \"","x":"\\\")_\""}]})",
      {.name_space = "", .source = "a\nint injected_source;"});
  std::istringstream lines(header);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("injected") == std::string::npos && line.find("carriage") == std::string::npos) continue;
    const auto start = line.find_first_not_of(' ');
    EXPECT_TRUE(line.compare(start, 2, "//") == 0 || line.compare(start, 1, "\"") == 0 ||
                line.compare(start, 3, "R\"_") == 0)
        << line;
    EXPECT_FALSE(line.ends_with("\\")) << line;
    EXPECT_FALSE(line.ends_with("\?\?/")) << line;
  }
  EXPECT_EQ(header.find('\r'), std::string::npos);
  EXPECT_EQ(header.find("\u202E"), std::string::npos);
}

}  // namespace
}  // namespace millrace::avro

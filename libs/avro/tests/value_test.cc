// Values of any schema: decode, look at, encode, JSON both ways.
#include <cmath>

#include <millrace/avro/encoder.h>
#include <millrace/avro/value.h>

#include "wire.h"

namespace millrace::avro {

struct partly {
  std::string_view id;
  value rest;
};
template <>
struct describe<partly> {
  static type_descriptor type() {
    return record_of<partly>("", {field("id", &partly::id), field("rest", &partly::rest)}, members::all);
  }
};

namespace {

constexpr const char* everything = R"({"type":"record","name":"n.All","fields":[
  {"name":"nothing","type":"null"}, {"name":"flag","type":"boolean"}, {"name":"i","type":"int"},
  {"name":"l","type":"long"}, {"name":"f","type":"float"}, {"name":"d","type":"double"},
  {"name":"s","type":"string"}, {"name":"b","type":"bytes"},
  {"name":"x","type":{"type":"fixed","name":"Four","size":4}},
  {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
  {"name":"list","type":{"type":"array","items":["null","int",{"type":"record","name":"P","fields":[
     {"name":"name","type":"string"},{"name":"next","type":["null","P"],"default":null}]}]}},
  {"name":"map","type":{"type":"map","values":"long"}},
  {"name":"inner","type":["null",{"type":"record","name":"Q","fields":[{"name":"e","type":"E"}]}]}]})";

const std::string one = std::string("\x01", 1) + varint(-5) + varint(1LL << 40) + raw(1.5F) + raw(-2.25) +
                        text("häuser") + text(std::string("\0\xff", 2)) + "wxyz" + varint(2) +  // e
                        varint(3) + varint(0) + varint(1) + varint(9) + varint(2) + text("p") + varint(1) +
                        text("q") + varint(0) + varint(0) +                                     // list
                        varint(2) + text("k") + varint(1) + text("") + varint(2) + varint(0) +  // map
                        varint(1) + varint(1);                                                  // inner

constexpr const char* one_in_avro_json =
    R"({"nothing":null,"flag":true,"i":-5,"l":1099511627776,"f":1.5,"d":-2.25,"s":"häuser",)"
    "\"b\":\"\\u0000\u00ff\","
    R"("x":"wxyz","e":"C","list":[null,{"int":9},{"n.P":{"name":"p","next":{"n.P":{"name":"q","next":null}}}}],)"
    R"("map":{"k":1,"":2},"inner":{"n.Q":{"e":"B"}}})";

TEST(values, hold_every_type) {
  const auto found = decode_as<value>(everything, one);
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->used, one.size());
  const value& all = found->value;
  EXPECT_EQ(all.type().name, "n.All");
  EXPECT_TRUE(all.field("nothing")->is_null());
  EXPECT_TRUE(all.field("flag")->boolean());
  EXPECT_EQ(all.field("i")->int32(), -5);
  EXPECT_EQ(all.field("i")->int64(), -5);
  EXPECT_EQ(all.field("l")->int64(), 1LL << 40);
  EXPECT_EQ(all.field("f")->float32(), 1.5F);
  EXPECT_EQ(all.field("f")->float64(), 1.5);
  EXPECT_EQ(all.field("d")->float64(), -2.25);
  EXPECT_EQ(all.field("s")->text(), "häuser");
  EXPECT_EQ(to_hex(all.field("b")->bytes()), "00ff");
  EXPECT_EQ(as_text(all.field("x")->bytes()), "wxyz");
  EXPECT_EQ(all.field("e")->symbol(), "C");
  const auto list = all.field("list")->items();
  ASSERT_EQ(list.size(), 3U);
  EXPECT_TRUE(list[0].is_null());
  EXPECT_EQ(list[1].int32(), 9);
  EXPECT_EQ(list[2].find("next.name")->text(), "q");
  EXPECT_TRUE(list[2].find("next.next")->is_null());
  EXPECT_EQ(list[2].find("next.next.name"), nullptr);
  EXPECT_EQ(all.field("map")->entries().size(), 2U);
  EXPECT_EQ(all.field("map")->entries().find("k")->int64(), 1);
  EXPECT_EQ(all.find("inner.e")->symbol(), "B");
  EXPECT_EQ(all.field("none"), nullptr);
  EXPECT_EQ(all.find("i.x"), nullptr);
}

TEST(values, encode_to_the_bytes_they_came_from) {
  const auto found = decode_as<value>(everything, one);
  ASSERT_TRUE(found->ok()) << found->why();
  const auto encode = encoder<value>::compile(schema_from(everything)).value();  // its own copy of the nodes
  byte_buffer out;
  auto written = encode.encode(found->value, out);
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  EXPECT_EQ(string_of(out), one);
}

TEST(values, every_strict_prefix_is_an_error) {
  for (std::size_t size = 0; size < one.size(); ++size) {
    EXPECT_EQ(decode_as<value>(everything, one.substr(0, size))->code(), errc::truncated) << size;
  }
}

TEST(values, json_round_trips) {
  const schema type = schema_from(everything);
  auto shown = decode_to_json(type, as_bytes(one), json_form::avro);
  ASSERT_TRUE(shown.ok()) << shown.error().to_string();
  EXPECT_EQ(shown->text, one_in_avro_json);
  byte_buffer out;
  auto encoded = encode_json(type, one_in_avro_json, out);
  ASSERT_TRUE(encoded.ok()) << encoded.error().to_string();
  EXPECT_EQ(string_of(out), one);
  arena memory;
  auto made = value_from_json(type, one_in_avro_json, memory);
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_EQ(to_json(type, *made, json_form::avro).value(), one_in_avro_json);
  EXPECT_EQ(
      to_json(type, *made).value(),
      R"({"nothing":null,"flag":true,"i":-5,"l":1099511627776,"f":1.5,"d":-2.25,"s":"häuser","b":"00ff",)"
      R"("x":"7778797a","e":"C","list":[null,9,{"name":"p","next":{"name":"q","next":null}}],)"
      R"("map":{"k":1,"":2},"inner":{"e":"B"}})");
}

TEST(values, json_that_does_not_fit_is_refused_by_field) {
  const auto refused = [](const char* type, std::string_view json) {
    byte_buffer out = hex("aa");
    auto encoded = encode_json(schema_from(type), json, out);
    EXPECT_FALSE(encoded.ok()) << json;
    EXPECT_EQ(to_hex(out), "aa") << "nothing is left behind";
    return encoded ? std::string() : encoded.error().to_string();
  };
  const char* pair = R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":
    {"type":"array","items":["null","string",{"type":"enum","name":"n.E","symbols":["A"]}]}}]})";
  EXPECT_EQ(refused(pair, R"({"a":1})"), "malformed: b: record R lacks this field");
  EXPECT_EQ(refused(pair, R"({"a":1,"b":[],"c":2})"), "malformed: a field that record R does not have");
  EXPECT_EQ(refused(pair, R"({"a":"secret","b":[]})"), "malformed: a: not of type int")
      << "no datum in the message";
  EXPECT_EQ(refused(pair, R"({"a":2147483648,"b":[]})"), "malformed: a: not of type int");
  EXPECT_EQ(refused(pair, R"({"a":1.5,"b":[]})"), "malformed: a: not of type int");
  EXPECT_EQ(refused(pair, R"({"a":1,"b":["text"]})"),
            R"(malformed: b: []: neither null nor {"branch": value}, as a union's value has to be)");
  EXPECT_EQ(refused(pair, R"({"a":1,"b":[{"int":1}]})"),
            "malformed: b: []: a branch that the union does not have");
  EXPECT_EQ(refused(pair, R"({"a":1,"b":[{"E":"A"}]})"),
            "malformed: b: []: a branch that the union does not have")
      << "the full name";
  EXPECT_EQ(refused(pair, R"({"a":1,"b":[{"n.E":"B"}]})"), "malformed: b: []: not of type n.E");
  EXPECT_EQ(refused(pair, "{"), "malformed: not JSON");
  EXPECT_EQ(refused(R"("bytes")", R"("\u0100")"), "malformed: not of type bytes");
  EXPECT_EQ(refused(R"("float")", "1e300"), "malformed: not of type float");
  EXPECT_EQ(refused(R"("float")", "3.4028236e+38"), "malformed: not of type float");
  EXPECT_EQ(refused(R"({"type":"fixed","name":"F","size":2})", R"("a")"), "malformed: not of type F");
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += R"({"array":[)";
  EXPECT_EQ(refused(R"("int")", deep).substr(0, 14), "limit_exceeded");
}

TEST(values, special_numbers_round_trip_through_json) {
  const auto both = [](const char* type, std::string_view json) {
    byte_buffer out;
    const schema parsed = schema_from(type);
    EXPECT_TRUE(encode_json(parsed, json, out).ok()) << json;
    return decode_to_json(parsed, out, json_form::avro).value().text;
  };
  for (const char* special : {R"("NaN")", R"("Infinity")", R"("-Infinity")"}) {
    EXPECT_EQ(both(R"("double")", special), special);
    EXPECT_EQ(both(R"("float")", special), special);
  }
  EXPECT_EQ(both(R"("long")", "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(both(R"("double")", "0.1"), "0.1");
  EXPECT_EQ(both(R"("double")", "-0.0"), "-0.0");
  EXPECT_EQ(both(R"("float")", "3.4028235e+38"), "3.4028235e+38")
      << "the largest float, in its shortest text";
  EXPECT_EQ(both(R"({"type":"long","logicalType":"timestamp-millis"})", "12"), "12");
}

TEST(values, follow_the_readers_schema) {
  const char* writer = R"({"type":"record","name":"R","fields":[{"name":"old","type":"int"},
    {"name":"gone","type":{"type":"array","items":"string"}},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["Z","A"]}},
    {"name":"u","type":["null","int","string"]}]})";
  const char* reader = R"({"type":"record","name":"R","fields":[
    {"name":"added","type":{"type":"map","values":["long","string"]},"default":{"k":7}},
    {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","U"],"default":"U"}},
    {"name":"renamed","type":"double","aliases":["old"]},
    {"name":"u","type":["string","long","null"]},
    {"name":"rec","type":{"type":"record","name":"S","fields":[{"name":"a","type":"int","default":3},
      {"name":"l","type":{"type":"array","items":"int"}}]},"default":{"l":[1,2]}}]})";
  const std::string start = varint(4) + varint(1) + text("x") + varint(0);
  const auto found = resolve_as<value>(writer, reader, start + varint(0) + varint(1) + varint(5));
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(to_json(schema_from(reader), found->value).value(),
            R"({"added":{"k":7},"kind":"U","renamed":4,"u":5,"rec":{"a":3,"l":[1,2]}})");
  EXPECT_EQ(found->value.field("u")->type().type, schema_type::int64) << "the type is the reader's";
  const auto text_branch = resolve_as<value>(writer, reader, start + varint(1) + varint(2) + text("t"));
  EXPECT_EQ(
      to_json(schema_from(reader), text_branch->value, json_form::avro).value(),
      R"({"added":{"k":{"long":7}},"kind":"A","renamed":4,"u":{"string":"t"},"rec":{"a":3,"l":[1,2]}})");
}

TEST(values, an_incompatible_pair_is_refused_with_both_types) {
  EXPECT_EQ(refused_as<value>(R"({"type":"record","name":"R","fields":[{"name":"a","type":"long"}]})",
                              R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"}]})")
                .to_string(),
            "schema_incompatible: a: the writer has long, the reader wants int");
  EXPECT_EQ(refused_as<value>(R"("int")", R"(["null","string"])").code(), errc::schema_incompatible);
  EXPECT_EQ(refused_as<value>(R"({"type":"long","logicalType":"timestamp-millis"})",
                              R"({"type":"long","logicalType":"timestamp-micros"})")
                .code(),
            errc::schema_incompatible)
      << "units are never mixed up";
}

TEST(values, an_incompatible_branch_fails_for_its_datum_only) {
  const auto good = resolve_as<value>(R"(["int","string"])", R"("int")", varint(0) + varint(3));
  EXPECT_EQ(good->value.int32(), 3);
  EXPECT_EQ(resolve_as<value>(R"(["int","string"])", R"("int")", varint(1) + text("x"))->code(),
            errc::unresolvable);
}

TEST(values, as_a_member_hold_the_writers_type) {
  const auto found = decode_as<partly>(
      R"({"type":"record","name":"R","fields":[{"name":"rest","type":["null",{"type":"map","values":"int"}]},
          {"name":"id","type":"string"}]})",
      varint(1) + varint(1) + text("a") + varint(1) + varint(0) + text("me"));
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.id, "me");
  EXPECT_EQ(found->value.rest.entries().find("a")->int32(), 1);
}

constexpr const char* list = R"({"type":"record","name":"L","fields":[{"name":"v","type":"int"},
  {"name":"next","type":["null","L"]}]})";

TEST(values, depth_is_bounded) {
  const auto nested = [](int levels) {
    std::string message;
    for (int i = 1; i < levels; ++i) message += varint(i) + varint(1);
    return message + varint(levels) + varint(0);
  };
  EXPECT_TRUE(decode_as<value>(list, nested(64))->ok());
  EXPECT_EQ(decode_as<value>(list, nested(65))->code(), errc::limit_exceeded);
  EXPECT_EQ(decode_as<value>(list, nested(100'000))->code(), errc::limit_exceeded);
}

TEST(values, memory_is_capped) {
  // One wire byte per item, 24 bytes of value and 100 fields of default for each.
  std::string fields;
  for (int i = 0; i < 100; ++i)
    fields += R"(,{"name":"f)" + std::to_string(i) + R"(","type":"int","default":1})";
  const std::string writer =
      R"({"type":"array","items":{"type":"record","name":"R","fields":[{"name":"a","type":"boolean"}]}})";
  const std::string reader =
      R"({"type":"array","items":{"type":"record","name":"R","fields":[{"name":"a","type":"boolean"})" +
      fields + "]}}";
  const std::string items(100'000, '\0');
  const std::string message = varint(static_cast<std::int64_t>(items.size())) + items + varint(0);
  EXPECT_EQ(resolve_as<value>(writer, reader, message)->code(), errc::limit_exceeded);
  plan_options wide;
  wide.limits.output_bytes_per_byte = 4096;
  EXPECT_TRUE(resolve_as<value>(writer, reader, message, wide)->ok());
}

TEST(values, json_text_is_capped) {
  const std::string type = R"({"type":"array","items":{"type":"record","name":"R","fields":[{"name":")" +
                           std::string(1000, 'n') + R"(","type":"null"}]}})";
  const std::string message = varint(100'000) + varint(0);
  EXPECT_EQ(decode_to_json(schema_from(type), as_bytes(message)).error().code(), errc::limit_exceeded);
}

TEST(values, built_in_code_are_encoded) {
  const schema type = schema_from(R"(["null",{"type":"record","name":"R","fields":[
    {"name":"n","type":["null","long"]},{"name":"tags","type":{"type":"array","items":"string"}}]}])");
  const schema_node& record = *type.root().branches[1];
  const std::array tags = {value(*record.fields[1].type->item, std::string_view("t"))};
  const std::array fields = {value(*record.fields[0].type->branches[1], std::int64_t{7}),
                             value(*record.fields[1].type, array_view<value>(tags))};
  const auto encode = encoder<value>::compile(type).value();
  byte_buffer out;
  ASSERT_TRUE(encode.encode(value(record, array_view<value>(fields)), out).ok());
  EXPECT_EQ(string_of(out), varint(1) + varint(1) + varint(7) + varint(1) + text("t") + varint(0));
  out.clear();
  ASSERT_TRUE(encode.encode(value(), out).ok());
  EXPECT_EQ(string_of(out), varint(0));
}

TEST(values, that_the_schema_cannot_hold_are_refused_by_path) {
  const auto found = decode_as<value>(
      R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"string"}}]})",
      varint(1) + text("x") + varint(0));
  byte_buffer out = hex("aa");
  const auto refused = [&](const char* type) {
    auto done = encoder<value>::compile(schema_from(type)).value().encode(found->value, out);
    EXPECT_EQ(to_hex(out), "aa");
    return done ? std::string("encoded") : done.error().to_string();
  };
  EXPECT_EQ(refused(R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":
    "int"}}]})"),
            "unresolvable: a[]: a value of another type than the schema's");
  EXPECT_EQ(refused(R"({"type":"record","name":"R","fields":[{"name":"b","type":"int"}]})"),
            "unresolvable: b: a record without this field");
  EXPECT_EQ(refused(R"(["null","string"])"),
            "unresolvable: the value: a value of a type that the union does not have");
}

TEST(values, compare_by_content) {
  const auto left = decode_as<value>(everything, one);
  const auto right = decode_as<value>(everything, one);
  EXPECT_TRUE(equal(left->value, right->value));
  std::string other = one;
  other.back() = varint(0)[0];
  EXPECT_FALSE(equal(left->value, decode_as<value>(everything, other)->value));
  const auto nan = decode_as<value>(R"("double")", raw(std::nan("")));
  EXPECT_TRUE(equal(nan->value, nan->value));
}

}  // namespace

}  // namespace millrace::avro

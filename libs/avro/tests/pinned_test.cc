// Two bugs of another codec that cost its users weeks, pinned.
//
// AVRO-3232: a record with fields that the target does not know failed to decode, depending on the type of
// the field. AVRO-3240: data cut off decoded as if nulls had been sent.
#include <millrace/avro/projection.h>
#include <millrace/avro/value.h>

#include "wire.h"

namespace millrace::avro {

struct known_fields {
  std::int32_t x = 0;
  std::int64_t y = 0;
};
template <>
struct describe<known_fields> {
  static type_descriptor type() {
    return record_of<known_fields>("", {field("x", &known_fields::x), field("y", &known_fields::y)},
                                   members::all);
  }
};

struct contact {
  std::int64_t a = 0;
  std::string_view b;
  std::optional<std::string_view> c;
  std::optional<std::int64_t> d;
  std::optional<bool> e;
};
template <>
struct describe<contact> {
  static type_descriptor type() {
    return record_of<contact>(
        "",
        {field("a", &contact::a), field("b", &contact::b), field("c", &contact::c, "null"),
         field("d", &contact::d, "null"), field("e", &contact::e, "null")},
        members::all);
  }
};

namespace {

[[nodiscard]] std::string record(const std::string& fields) {
  return R"({"type":"record","name":"P","fields":[)" + fields + "]}";
}

struct wire_type {
  std::string schema;
  std::string value;
};

[[nodiscard]] std::string logical(const char* base, const char* name, const char* more = "") {
  return R"({"type":")" + std::string(base) + R"(","logicalType":")" + name + "\"" + more + "}";
}
[[nodiscard]] std::string logical_fixed(int size, const char* name, const char* more = "") {
  return R"({"type":"fixed","name":"X","size":)" + std::to_string(size) + R"(,"logicalType":")" + name +
         "\"" + more + "}";
}

[[nodiscard]] std::vector<wire_type> primitive_types() {
  return {{R"("null")", ""},
          {R"("boolean")", "\x01"},
          {R"("int")", varint(-300)},
          {R"("long")", varint(INT64_MAX)},
          {R"("float")", raw(1.5F)},
          {R"("double")", raw(2.5)},
          {R"("bytes")", text("\xFF\xFE")},
          {R"("string")", text("skip me")}};
}

[[nodiscard]] std::vector<wire_type> logical_types() {
  return {{logical("int", "date"), varint(20'000)},
          {logical("int", "time-millis"), varint(86'399'999)},
          {logical("long", "time-micros"), varint(1)},
          {logical("long", "timestamp-millis"), varint(1'760'000'000'000)},
          {logical("long", "timestamp-micros"), varint(-1)},
          {logical("long", "timestamp-nanos"), varint(INT64_MIN)},
          {logical("long", "local-timestamp-millis"), varint(0)},
          {logical("long", "local-timestamp-micros"), varint(300)},
          {logical("long", "local-timestamp-nanos"), varint(70'000)},
          {logical("string", "uuid"), text("not even a uuid")},
          {logical_fixed(16, "uuid"), std::string(16, 'u')},
          {logical("bytes", "decimal", R"(,"precision":9,"scale":2)"), text("\x30\x39")},
          {logical_fixed(3, "decimal", R"(,"precision":5)"), "abc"},
          {logical("bytes", "big-decimal"), text("\x04\x30\x39\x04")},
          {logical_fixed(12, "duration"), std::string(12, 'd')},
          {logical("long", "unheard-of"), varint(5)}};
}

[[nodiscard]] std::vector<wire_type> complex_types() {
  const std::string list =
      R"({"type":"record","name":"X","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","X"]}]})";
  const std::string pair =
      R"({"type":"record","name":"X","fields":[{"name":"p","type":"int"},{"name":"q","type":["null","string"]}]})";
  return {{R"({"type":"enum","name":"X","symbols":["A","B"]})", varint(1)},
          {R"({"type":"fixed","name":"X","size":5})", "12345"},
          {R"({"type":"array","items":"string"})",
           varint(2) + text("a") + text("b") + varint(-1) + varint(2) + text("c") + varint(0)},
          {R"({"type":"array","items":"double"})", varint(2) + raw(1.0) + raw(2.0) + varint(0)},
          {R"({"type":"array","items":"null"})", varint(3) + varint(0)},
          {R"({"type":"array","items":{"type":"array","items":"int"}})",
           varint(1) + varint(2) + varint(1) + varint(2) + varint(0) + varint(0)},
          {R"({"type":"array","items":)" + pair + "}",
           varint(2) + varint(4) + varint(0) + varint(5) + varint(1) + text("q") + varint(0)},
          {R"({"type":"map","values":"string"})", varint(1) + text("k") + text("v") + varint(0)},
          {R"({"type":"map","values":)" + logical("long", "timestamp-micros") + "}",
           varint(-1) + varint(3) + text("k") + varint(5) + varint(0)},
          {R"({"type":"map","values":["null","string",{"type":"map","values":"int"}]})",
           varint(2) + text("k") + varint(2) + varint(1) + text("q") + varint(7) + varint(0) + text("n") +
               varint(0) + varint(0)},
          {pair, varint(4) + varint(1) + text("deep")},
          {R"({"type":"record","name":"X","fields":[]})", ""},
          {list, varint(1) + varint(1) + varint(2) + varint(0)}};
}

// Every type X, bare and as ["null", X] and [X, "null"], full and null.
[[nodiscard]] std::vector<wire_type> every_type() {
  std::vector<wire_type> bare = primitive_types();
  for (const auto& more : {logical_types(), complex_types()})
    bare.insert(bare.end(), more.begin(), more.end());
  std::vector<wire_type> all = bare;
  for (const wire_type& one : bare) {
    if (one.schema == R"("null")") continue;
    all.push_back({"[\"null\"," + one.schema + "]", varint(1) + one.value});
    all.push_back({"[\"null\"," + one.schema + "]", varint(0)});
    all.push_back({"[" + one.schema + ",\"null\"]", varint(0) + one.value});
    all.push_back({"[" + one.schema + ",\"null\"]", varint(1)});
  }
  return all;
}

struct layout {
  std::string fields;
  std::string message;
};

// First, middle, last; and two unknown fields next to each other.
[[nodiscard]] std::vector<layout> layouts(const wire_type& unknown) {
  const std::string x = R"({"name":"x","type":"int"})", y = R"({"name":"y","type":"long"})";
  const std::string u = R"({"name":"unknown","type":)" + unknown.schema + "}";
  const std::string u2 = R"({"name":"more","type":["null","long",{"type":"map","values":"bytes"}]})";
  const std::string more = varint(2) + varint(1) + text("k") + text("v") + varint(0);
  return {{u + "," + x + "," + y, unknown.value + varint(7) + varint(8)},
          {x + "," + u + "," + y, varint(7) + unknown.value + varint(8)},
          {x + "," + y + "," + u, varint(7) + varint(8) + unknown.value},
          {x + "," + u + "," + u2 + "," + y, varint(7) + unknown.value + more + varint(8)}};
}

TEST(pinned, avro_3232_unknown_fields_of_every_type_are_skipped_anywhere) {
  for (const wire_type& unknown : every_type()) {
    for (const auto& [fields, message] : layouts(unknown)) {
      SCOPED_TRACE(fields);
      const auto found = decode_as<known_fields>(record(fields), message);
      ASSERT_TRUE(found->ok()) << found->why();
      EXPECT_EQ(found->value.x, 7);
      EXPECT_EQ(found->value.y, 8);
      EXPECT_EQ(found->used, message.size());
    }
  }
}

TEST(pinned, avro_3232_unknown_fields_inside_arrays_and_maps_are_skipped) {
  for (const wire_type& unknown : every_type()) {
    for (const auto& [fields, message] : layouts(unknown)) {
      SCOPED_TRACE(fields);
      const auto list = decode_as<array_view<known_fields>>(
          R"({"type":"array","items":)" + record(fields) + "}", varint(2) + message + message + varint(0));
      ASSERT_TRUE(list->ok()) << list->why();
      ASSERT_EQ(list->value.size(), 2U);
      EXPECT_EQ(list->value[1].x, 7);
      EXPECT_EQ(list->value[1].y, 8);
      const auto size = static_cast<std::int64_t>(2 + message.size());
      const auto map = decode_as<map_view<known_fields>>(
          R"({"type":"map","values":)" + record(fields) + "}",
          varint(1) + text("a") + message + varint(-1) + varint(size) + text("b") + message + varint(0));
      ASSERT_TRUE(map->ok()) << map->why();
      EXPECT_EQ(map->value.find("a")->x, 7);
      EXPECT_EQ(map->value.find("b")->y, 8);
    }
  }
}

TEST(pinned, avro_3232_unknown_fields_are_skipped_in_projections_and_values) {
  const std::string reader = record(R"({"name":"x","type":"int"},{"name":"y","type":"long"})");
  const std::array wanted = {projected_field{"y"}, projected_field{"x"}};
  for (const wire_type& unknown : every_type()) {
    for (const auto& [fields, message] : layouts(unknown)) {
      SCOPED_TRACE(fields);
      arena memory;
      std::array<value, 2> slots;
      const auto plan = projection::compile(schema_from(record(fields)), wanted).value();
      ASSERT_TRUE(plan.decode(as_bytes(message), memory, slots).ok());
      EXPECT_EQ(slots[0].int64(), 8);
      EXPECT_EQ(slots[1].int32(), 7);
      const auto resolved = resolve_as<value>(record(fields), reader, message);
      ASSERT_TRUE(resolved->ok()) << resolved->why();
      EXPECT_EQ(to_json(schema_from(reader), resolved->value).value(), R"({"x":7,"y":8})");
    }
  }
}

TEST(pinned, avro_3240_every_strict_prefix_is_an_error) {
  for (const wire_type& type : every_type()) {
    for (const auto& [fields, message] : layouts(type)) {
      SCOPED_TRACE(fields);
      const schema writer = schema_from(record(fields));
      const auto skipping = decoder<known_fields>::compile(writer).value();
      const auto reading = decoder<value>::compile(writer).value();
      arena memory;
      for (std::size_t size = 0; size < message.size(); ++size) {
        memory.reset();
        const byte_buffer cut(as_bytes(message).begin(), as_bytes(message).begin() + static_cast<long>(size));
        known_fields known;
        value all;
        ASSERT_EQ(skipping.decode(cut, memory, known).error().code(), errc::truncated) << size;
        ASSERT_EQ(reading.decode(cut, memory, all).error().code(), errc::truncated) << size;
      }
    }
  }
}

constexpr const char* old_fields = R"({"name":"a","type":"long","default":42},{"name":"b","type":"string"})";
constexpr const char* added_fields = R"(,{"name":"c","type":["null","string"],"default":null},
  {"name":"d","type":["null","long"],"default":null},{"name":"e","type":["null","boolean"],"default":null})";

// Old bytes with the new schema as the writer's: they end where the first union's index should be.
TEST(pinned, avro_3240_the_end_of_input_is_not_null) {
  const std::string message = string_of(hex("3606666f6f"));
  const std::string newer = record(old_fields + std::string(added_fields));
  EXPECT_EQ(decode_as<contact>(newer, message)->failure->to_string(),
            "truncated: c: the message ends inside a value, at byte 5");
  EXPECT_EQ(decode_as<value>(newer, message)->failure->to_string(),
            "truncated: c: the message ends inside a value, at byte 5");
  for (const char* cut : {"540666", "54c80161"}) {
    EXPECT_EQ(decode_as<value>(record(old_fields), string_of(hex(cut)))->code(), errc::truncated) << cut;
    EXPECT_EQ(decode_as<contact>(record(old_fields), string_of(hex(cut)))->code(), errc::truncated) << cut;
  }
}

// The true old writer: what is missing comes from resolution.
TEST(pinned, avro_3240_missing_fields_come_from_resolution) {
  const std::string message = string_of(hex("3606666f6f"));
  const std::string newer = record(old_fields + std::string(added_fields));
  const auto typed = decode_as<contact>(record(old_fields), message);
  ASSERT_TRUE(typed->ok()) << typed->why();
  EXPECT_EQ(typed->value.a, 27);
  EXPECT_EQ(typed->value.b, "foo");
  EXPECT_FALSE(typed->value.c.has_value() || typed->value.d.has_value() || typed->value.e.has_value());
  const auto dynamic = resolve_as<value>(record(old_fields), newer, message);
  ASSERT_TRUE(dynamic->ok()) << dynamic->why();
  EXPECT_EQ(to_json(schema_from(newer), dynamic->value).value(),
            R"({"a":27,"b":"foo","c":null,"d":null,"e":null})");
}

}  // namespace
}  // namespace millrace::avro

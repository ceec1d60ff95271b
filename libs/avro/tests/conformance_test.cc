// The cases in which implementations of Avro differ, and what is promised here: each with what is accepted
// and what is refused, read as a value and skipped. docs/concepts/avro-conformance.md lists where this differs from
// Java on purpose.
#include <cmath>
#include <map>

#include <millrace/avro/encoder.h>
#include <millrace/avro/projection.h>
#include <millrace/avro/value.h>

#include "wire.h"

namespace millrace::avro {
namespace {

[[nodiscard]] std::string bytes(std::string_view hexadecimal) { return string_of(hex(hexadecimal)); }
[[nodiscard]] std::string code_of(const error& failure) { return std::string(to_string(failure.code())); }

// The datum as plain JSON, or the name of the error.
[[nodiscard]] std::string read(std::string_view writer, std::string_view reader, const std::string& message,
                               const plan_options& options = {}) {
  const auto found = reader.empty() ? decode_as<value>(writer, message, options)
                                    : resolve_as<value>(writer, reader, message, options);
  if (!found->ok()) return code_of(*found->failure);
  EXPECT_EQ(found->used, message.size());
  return to_json(schema_from(reader.empty() ? writer : reader), found->value).value();
}
[[nodiscard]] std::string read(std::string_view writer, const std::string& message,
                               const plan_options& options = {}) {
  return read(writer, "", message, options);
}

// The same in a field that is not read: "skipped", or the name of the error.
[[nodiscard]] std::string skip(std::string_view writer, const std::string& message,
                               const plan_options& options = {}) {
  const schema type = schema_from(R"({"type":"record","name":"Around","fields":[{"name":"u","type":)" +
                                  std::string(writer) + R"(},{"name":"f","type":"long"}]})");
  const std::array wanted = {projected_field{"f"}};
  const auto plan = projection::compile(type, wanted, options);
  if (!plan) return code_of(plan.error());
  arena memory;
  std::array<value, 1> slots;
  const auto used = plan->decode(as_bytes(message + varint(7)), memory, slots);
  if (!used) return code_of(used.error());
  return *used == message.size() + 1 && slots[0].int64() == 7 ? "skipped" : "skipped wrongly";
}

constexpr const char* truncated = "truncated";
constexpr const char* malformed = "malformed";
constexpr const char* limit_exceeded = "limit_exceeded";
constexpr const char* incompatible = "schema_incompatible";
constexpr const char* unresolvable = "unresolvable";

void accept(std::string_view writer, const std::string& message, std::string_view shown) {
  SCOPED_TRACE(std::string(writer) + " " + to_hex(as_bytes(message), 40));
  EXPECT_EQ(read(writer, message), shown);
  EXPECT_EQ(skip(writer, message), "skipped");
}
void reject(std::string_view writer, const std::string& message, std::string_view code) {
  SCOPED_TRACE(std::string(writer) + " " + to_hex(as_bytes(message), 40));
  EXPECT_EQ(read(writer, message), code);
  if (code != truncated) {  // else what follows it is read as the rest
    EXPECT_EQ(skip(writer, message), code);
  }
}

TEST(conformance, a_boolean_is_zero_or_one) {
  accept(R"("boolean")", bytes("00"), "false");
  accept(R"("boolean")", bytes("01"), "true");
  EXPECT_EQ(read(R"("boolean")", bytes("02")), malformed);
  EXPECT_EQ(read(R"("boolean")", bytes("ff")), malformed);
  reject(R"("boolean")", "", truncated);
}

TEST(conformance, numbers_outside_the_range_of_their_type_are_refused) {
  accept(R"("int")", varint(INT32_MAX), "2147483647");
  accept(R"("int")", varint(INT32_MIN), "-2147483648");
  reject(R"("int")", varint(std::int64_t{INT32_MAX} + 1), malformed);
  reject(R"("int")", varint(std::int64_t{1} << 40), malformed);
  reject(R"("int")", bytes("808080807f"), malformed);
  accept(R"("long")", bytes("ffffffffffffffffff01"), "-9223372036854775808");
  reject(R"("long")", bytes("ffffffffffffffffff7f"), malformed);
  reject(R"("long")", bytes("8080808080808080808001"), malformed);
  reject(R"("long")", bytes("80808080808080808080"), malformed);
}

TEST(conformance, overlong_numbers_are_refused_in_strict_mode_only) {
  accept(R"("int")", bytes("828000"), "1");
  accept(R"("long")", bytes("828000"), "1");
  accept(R"("long")", bytes("80808080808080808000"), "0");
  plan_options strict;
  strict.strict = true;
  EXPECT_EQ(read(R"("int")", bytes("828000"), strict), malformed);
  EXPECT_EQ(skip(R"("int")", bytes("828000"), strict), malformed);
  EXPECT_EQ(read(R"("int")", bytes("02"), strict), "1");
}

TEST(conformance, indexes_outside_an_enum_or_union_are_refused) {
  const char* letters = R"({"type":"enum","name":"E","symbols":["A","B"]})";
  accept(letters, varint(1), R"("B")");
  for (const std::int64_t index : {std::int64_t{-1}, std::int64_t{2}, std::int64_t{1} << 31, INT64_MIN})
    reject(letters, varint(index), malformed);
  accept(R"(["null","int"])", varint(1) + varint(5), "5");
  accept(R"(["null","int"])", bytes("8200") + varint(5), "5");
  for (const std::int64_t index : {std::int64_t{-1}, std::int64_t{2}, std::int64_t{1} << 31, INT64_MIN})
    reject(R"(["null","int"])", varint(index), malformed);
  accept(R"(["null"])", varint(0), "null");
  reject(R"(["null"])", varint(1), malformed);
  reject("[]", varint(0), malformed);  // legal as a schema, without a value
}

TEST(conformance, lengths_beyond_the_input_are_refused_without_allocating) {
  for (const char* type : {R"("string")", R"("bytes")"}) {
    accept(type, varint(0), R"("")");
    for (const std::int64_t length : {std::int64_t{1} << 28, std::int64_t{1} << 30, std::int64_t{1} << 31,
                                      std::int64_t{1} << 40, INT64_MAX}) {
      const auto found = decode_as<value>(type, varint(length) + "x");
      EXPECT_EQ(found->code(), errc::truncated) << length;
      EXPECT_EQ(found->memory.capacity(), 0U) << "nothing is allocated";
      EXPECT_EQ(skip(type, varint(length) + "x"), truncated);
    }
    reject(type, varint(-1), malformed);
    reject(type, varint(INT64_MIN), malformed);
  }
  accept(R"("string")", text(std::string("a\0b", 3)), R"("a\u0000b")");
  reject(R"({"type":"fixed","name":"F","size":3})", "ab", truncated);
  accept(R"({"type":"fixed","name":"F","size":0})", "", R"("")");
}

// The vectors of AVRO-4304, every one to be refused.
TEST(conformance, the_must_reject_vectors_are_refused) {
  reject(R"("long")", bytes("80808080808080808080"), malformed);
  reject(R"("int")", bytes("8080808080"), truncated);
  reject(R"({"type":"array","items":"int"})", bytes("ffffffffffffffffff0102"), truncated);
  for (const char* type : {R"("bytes")", R"("string")"}) reject(type, bytes("01"), malformed);
  for (const char* index : {"01", "0a"}) {
    reject(R"(["null","int"])", bytes(index), malformed);
    reject(R"({"type":"enum","name":"E","symbols":["A","B"]})", bytes(index), malformed);
  }
}

TEST(conformance, arrays_and_maps_in_blocks_of_either_form_are_read) {
  const char* ints = R"({"type":"array","items":"int"})";
  const std::string two = varint(7) + varint(8);
  accept(ints, varint(0), "[]");
  accept(ints, varint(2) + two + varint(1) + varint(9) + varint(0), "[7,8,9]");
  accept(ints, varint(-2) + varint(2) + two + varint(-1) + varint(1) + varint(9) + varint(0), "[7,8,9]");
  accept(ints, varint(1) + varint(7) + varint(-2) + varint(2) + varint(8) + varint(9) + varint(0), "[7,8,9]");
  accept(R"({"type":"map","values":"int"})",
         varint(-1) + varint(3) + text("k") + varint(7) + varint(1) + text("") + varint(8) + varint(0),
         R"({"k":7,"":8})");
  EXPECT_EQ(read(R"({"type":"map","values":"int"})", varint(3) + text("k") + varint(1) + text("o") +
                                                         varint(2) + text("k") + varint(3) + varint(0)),
            R"({"k":3,"o":2})")
      << "the last of equal keys wins";
  reject(ints, varint(-2) + varint(-5) + two + varint(0), malformed);
  reject(ints, varint(INT64_MIN) + varint(2) + two + varint(0), truncated);
  EXPECT_EQ(skip(ints, varint(INT64_MIN) + varint(2) + two + varint(0)), malformed);
  reject(ints, varint(INT64_MAX) + two + varint(0), truncated);
  // A block's size says nothing to who reads it, unless strict; who skips jumps by it, within the message.
  EXPECT_EQ(read(ints, varint(-2) + varint(999) + two + varint(0)), "[7,8]");
  EXPECT_EQ(skip(ints, varint(-2) + varint(999) + two + varint(0)), truncated);
  EXPECT_EQ(read(ints, varint(-2) + varint(1) + two + varint(0)), "[7,8]");
  plan_options strict;
  strict.strict = true;
  EXPECT_EQ(read(ints, varint(-2) + varint(999) + two + varint(0), strict), truncated);
  EXPECT_EQ(read(ints, varint(-2) + varint(1) + two + varint(0), strict), malformed);
  EXPECT_EQ(read(ints, varint(-2) + varint(2) + two + varint(0), strict), "[7,8]");
}

TEST(conformance, items_of_zero_bytes_are_limited_over_the_datum) {
  const char* nulls = R"({"type":"array","items":"null"})";
  accept(nulls, varint(3) + varint(0), "[null,null,null]");
  reject(nulls, varint(std::int64_t{1} << 40) + varint(0), limit_exceeded);
  // Many arrays below the limit each, in fields of one record.
  std::string fields, message;
  for (int i = 0; i < 16; ++i) {
    fields +=
        (i == 0 ? "" : ",") + std::string(R"({"name":"f)") + std::to_string(i) + R"(","type":)" + nulls + "}";
    message += varint(100'000) + varint(0);
  }
  reject(R"({"type":"record","name":"R","fields":[)" + fields + "]}", message, limit_exceeded);
  reject(R"({"type":"array","items":{"type":"record","name":"R","fields":[]}})",
         varint(2'000'000) + varint(0), limit_exceeded);
}

TEST(conformance, recursion_is_limited_by_depth) {
  const char* list = R"({"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]})";
  const auto nested = [](std::size_t depth) {
    std::string message;
    for (std::size_t i = 1; i < depth; ++i) message += varint(1);
    return message + varint(0);
  };
  EXPECT_EQ(read(list, nested(2)), R"({"next":{"next":null}})");
  EXPECT_EQ(skip(list, nested(50)), "skipped");
  reject(list, nested(100'000), limit_exceeded);
  const char* tree =
      R"({"type":"record","name":"T","fields":[{"name":"c","type":{"type":"array","items":"T"}}]})";
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += varint(1);
  reject(tree, deep, limit_exceeded);
}

TEST(conformance, invalid_utf8_is_refused_unless_unchecked) {
  for (const char* good : {"", "a", "é", "€", "𝄞",
                           "\xEF\xBB\xBF"
                           "bom",
                           "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(decode_as<value>(R"("string")", text(good))->value.text(), good);
  plan_options unchecked;
  unchecked.validate_utf8 = false;
  for (const char* bad :
       {"\xFF", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "a\x80"}) {
    EXPECT_EQ(read(R"("string")", text(bad)), "invalid_utf8");
    EXPECT_EQ(read(R"({"type":"map","values":"null"})", varint(1) + text(bad) + varint(0)), "invalid_utf8");
    EXPECT_EQ(read(R"("bytes")", R"("string")", text(bad)), "invalid_utf8");
    EXPECT_EQ(decode_as<value>(R"("string")", text(bad), unchecked)->value.text(), bad) << "a policy";
    EXPECT_EQ(skip(R"("string")", text(bad)), "skipped") << "skipped text is not validated";
  }
}

[[nodiscard]] std::string record(const std::string& name, const std::string& fields,
                                 const std::string& more = "") {
  return R"({"type":"record","name":")" + name + "\"" + more + R"(,"fields":[)" + fields + "]}";
}

TEST(conformance, names_of_records_enums_and_fixed_must_match) {
  const std::string field = R"({"name":"v","type":"int"})";
  EXPECT_EQ(read(record("a.R", field), record("b.R", field), varint(1)), R"({"v":1})");
  EXPECT_EQ(read(record("a.R", field), record("a.S", field), varint(1)), incompatible);
  EXPECT_EQ(read(record("a.R", field), record("a.S", field, R"(,"aliases":["R"])"), varint(1)), R"({"v":1})");
  plan_options java;
  java.ignore_record_names = true;
  EXPECT_EQ(read(record("a.R", field), record("a.S", field), varint(1), java), R"({"v":1})");
  const auto fixed = [](const char* name, int size) {
    return R"({"type":"fixed","name":")" + std::string(name) + R"(","size":)" + std::to_string(size) + "}";
  };
  EXPECT_EQ(read(fixed("a.F", 1), fixed("b.F", 1), "x"), R"("78")");
  EXPECT_EQ(read(fixed("F", 1), fixed("G", 1), "x"), incompatible);
  EXPECT_EQ(read(fixed("F", 1), fixed("F", 2), "x"), incompatible);
  EXPECT_EQ(read(R"({"type":"enum","name":"a.E","symbols":["A"]})",
                 R"({"type":"enum","name":"b.E","symbols":["B","A"]})", varint(0)),
            R"("A")");
  EXPECT_EQ(read(R"({"type":"enum","name":"E","symbols":["A"]})",
                 R"({"type":"enum","name":"F","symbols":["A"]})", varint(0)),
            incompatible);
}

TEST(conformance, fields_are_matched_by_alias) {
  const std::string reader = record("R", R"({"name":"f","type":"long","default":-7,"aliases":["old"]})");
  EXPECT_EQ(read(record("R", R"({"name":"old","type":"long"})"), reader, varint(42)), R"({"f":42})");
  EXPECT_EQ(read(record("R", R"({"name":"older","type":"long"})"), reader, varint(42)), R"({"f":-7})");
  EXPECT_EQ(read(record("R", R"({"name":"old","type":"long"},{"name":"f","type":"long"})"), reader,
                 varint(1) + varint(2)),
            R"({"f":2})");
}

TEST(conformance, missing_fields_take_the_readers_default) {
  const auto missing = [](const std::string& field) { return read(record("R", ""), record("R", field), ""); };
  EXPECT_EQ(missing(R"({"name":"b","type":"bytes","default":"\u00ff\u0000"})"), R"({"b":"ff00"})");
  EXPECT_EQ(missing(R"({"name":"u","type":["null","int"],"default":5})"), R"({"u":5})");
  EXPECT_EQ(missing(R"({"name":"u","type":["null","int"],"default":null})"), R"({"u":null})");
  const std::string inner = record("S", R"({"name":"x","type":"int","default":3})");
  EXPECT_EQ(missing(R"({"name":"r","type":)" + inner + R"(,"default":{}})"), R"({"r":{"x":3}})");
  EXPECT_EQ(missing(R"({"name":"r","type":)" + inner + R"(,"default":{"x":4}})"), R"({"r":{"x":4}})");
  EXPECT_EQ(missing(R"({"name":"f","type":"float","default":1})"), R"({"f":1})");
  EXPECT_EQ(missing(R"({"name":"d","type":"double","default":"NaN"})"), R"({"d":"NaN"})");
  EXPECT_EQ(missing(R"({"name":"d","type":"double","default":"-Infinity"})"), R"({"d":"-Infinity"})");
  EXPECT_EQ(missing(R"({"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2},
    "default":"\u0001\u0000"})"),
            R"({"d":"2.56"})");
  EXPECT_EQ(missing(R"({"name":"m","type":{"type":"map","values":{"type":"array","items":"int"}},
    "default":{"k":[1,2],"":[]}})"),
            R"({"m":{"k":[1,2],"":[]}})");
  EXPECT_EQ(missing(R"({"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]},"default":"B"})"),
            R"({"e":"B"})");
  EXPECT_EQ(missing(R"({"name":"n","type":"null","default":null})"), R"({"n":null})");
  EXPECT_EQ(missing(R"({"name":"n","type":"null"})"), incompatible) << "null is no default by itself";
  EXPECT_EQ(missing(R"({"name":"i","type":["null","int"]})"), incompatible);
  EXPECT_EQ(refused_as<value>(record("R", ""), record("R", R"({"name":"i","type":"int"})")).to_string(),
            "schema_incompatible: i: the writer's R lacks this field, and the reader has no default for it");
}

TEST(conformance, enum_symbols_are_matched_by_name) {
  const std::string writer = R"({"type":"enum","name":"E","symbols":["A","B","C"]})";
  const std::string some = R"({"type":"enum","name":"E","symbols":["C","A"]})";
  EXPECT_EQ(read(writer, some, varint(0)), R"("A")");
  EXPECT_EQ(read(writer, some, varint(2)), R"("C")");
  EXPECT_EQ(read(writer, some, varint(1)), unresolvable) << "this datum only";
  const std::string fallback = R"({"type":"enum","name":"E","symbols":["C","A"],"default":"A"})";
  EXPECT_EQ(read(writer, fallback, varint(1)), R"("A")");
  EXPECT_EQ(read(writer, fallback, varint(2)), R"("C")");
}

TEST(conformance, unions_take_the_exact_branch_then_the_first_promotion) {
  EXPECT_EQ(read(R"("int")", R"(["double","int"])", varint(5)), "5");
  EXPECT_EQ(decode_as<value>(R"("int")", varint(5))->value.type().type, schema_type::int32);
  EXPECT_EQ(resolve_as<value>(R"("int")", R"(["double","int"])", varint(5))->value.type().type,
            schema_type::int32);
  EXPECT_EQ(resolve_as<value>(R"("int")", R"(["string","double","long"])", varint(5))->value.type().type,
            schema_type::float64)
      << "the first promotion";
  EXPECT_EQ(resolve_as<value>(R"("long")", R"(["string","float"])", varint(5))->value.type().type,
            schema_type::float32);
  EXPECT_EQ(read(R"("boolean")", R"(["string","float"])", bytes("01")), incompatible);
}

TEST(conformance, branches_of_one_shape_are_distinguished_by_name) {
  const std::string field = R"({"name":"v","type":"int"})";
  const std::string both = "[" + record("n.A", field) + "," + record("n.B", field) + "]";
  const std::string swapped = "[" + record("n.B", field) + "," + record("n.A", field) + "]";
  for (const auto& reader : {both, swapped}) {
    EXPECT_EQ(resolve_as<value>(both, reader, varint(1) + varint(5))->value.type().name, "n.B");
    EXPECT_EQ(resolve_as<value>(both, reader, varint(0) + varint(5))->value.type().name, "n.A");
  }
  // Equal short names in two namespaces: the full name goes first.
  const std::string spaces = "[" + record("a.X", field) + "," + record("b.X", field) + "]";
  EXPECT_EQ(resolve_as<value>(spaces, spaces, varint(1) + varint(5))->value.type().name, "b.X");
  EXPECT_EQ(read(record("n.C", field), both, varint(5)), incompatible);
}

TEST(conformance, unions_read_as_other_unions_and_as_single_types) {
  EXPECT_EQ(read(R"(["int","string","null"])", R"(["null","string","long"])", varint(0) + varint(5)), "5");
  EXPECT_EQ(read(R"(["int","string","null"])", R"(["null","string","long"])", varint(2)), "null");
  EXPECT_EQ(read(R"(["int","string"])", R"(["null","int"])", varint(1) + text("x")), unresolvable);
  EXPECT_EQ(read(R"(["int","string"])", R"("string")", varint(1) + text("x")), R"("x")");
  EXPECT_EQ(read(R"(["int","string"])", R"("string")", varint(0) + varint(1)), unresolvable)
      << "an unused bad branch is not an error";
  EXPECT_EQ(read(R"(["int","boolean"])", R"("string")", varint(0) + varint(1)), incompatible);
  EXPECT_EQ(read(R"("string")", R"(["null","string"])", text("x")), R"("x")");
}

// Rows: the writer. Columns: the reader. What the specification promotes, everywhere a value may stand.
TEST(conformance, promotions_are_those_of_the_specification) {
  const std::vector<std::string> names = {"boolean", "int",    "long",  "float",
                                          "double",  "string", "bytes", "null"};
  const std::vector<std::string> wire = {bytes("01"), varint(3), varint(3), raw(3.0F),
                                         raw(3.0),    text("3"), text("3"), ""};
  const std::vector<std::string> allowed = {"10000000", "01111000", "00111000", "00011000",
                                            "00001000", "00000110", "00000110", "00000001"};
  for (std::size_t w = 0; w < names.size(); ++w) {
    for (std::size_t r = 0; r < names.size(); ++r) {
      SCOPED_TRACE(names[w] + " → " + names[r]);
      const bool fits = allowed[w][r] == '1';
      const std::string writer = "\"" + names[w] + "\"", reader = "\"" + names[r] + "\"";
      EXPECT_EQ(resolve_as<value>(writer, reader, wire[w])->ok(), fits);
      EXPECT_EQ(
          resolve_as<value>(R"({"type":"array","items":)" + writer + "}",
                            R"({"type":"array","items":)" + reader + "}", varint(1) + wire[w] + varint(0))
              ->ok(),
          fits);
      EXPECT_EQ(resolve_as<value>(R"({"type":"map","values":)" + writer + "}",
                                  R"({"type":"map","values":)" + reader + "}",
                                  varint(1) + text("k") + wire[w] + varint(0))
                    ->ok(),
                fits);
      EXPECT_EQ(resolve_as<value>("[" + writer + "]", "[" + reader + "]", varint(0) + wire[w])->ok(), fits);
      EXPECT_EQ(resolve_as<value>(writer, "[" + reader + "]", wire[w])->ok(), fits);
    }
  }
  EXPECT_EQ(resolve_as<value>(R"("long")", R"("float")", varint((1LL << 53) + 1))->value.float32(),
            9007199254740992.0F);
  EXPECT_EQ(resolve_as<value>(R"("long")", R"("double")", varint(INT64_MAX))->value.float64(),
            9223372036854775808.0);
}

TEST(conformance, floats_keep_their_bits) {
  for (const std::uint64_t bits : {0x7FF4000000000001U, 0xFFF8000000000000U, 0x8000000000000000U,
                                   std::uint64_t{1}, 0x7FF0000000000000U}) {
    const auto found = decode_as<value>(R"("double")", raw(bits));
    EXPECT_EQ(raw(found->value.float64()), raw(bits)) << "a signalling NaN too";
  }
  for (const std::uint32_t bits : {0x7FA00001U, 0x80000000U, 0x00000001U})
    EXPECT_EQ(raw(decode_as<value>(R"("float")", raw(bits))->value.float32()), raw(bits));
}

TEST(conformance, changed_recursive_types_are_resolved) {
  const std::string writer = record("L", R"({"name":"v","type":"int"},{"name":"gone","type":"string"},
    {"name":"next","type":["null","L"]})");
  const std::string reader = record("L", R"({"name":"next","type":["null","L"]},{"name":"v","type":"long"},
    {"name":"new","type":"int","default":9})");
  const std::string two = varint(1) + text("x") + varint(1) + varint(2) + text("y") + varint(0);
  EXPECT_EQ(read(writer, reader, two), R"({"next":{"next":null,"v":2,"new":9},"v":1,"new":9})");
  EXPECT_EQ(skip(writer, two), "skipped");
  const std::string mutual = record(
      "A", R"({"name":"b","type":["null",)" + record("B", R"({"name":"a","type":["null","A"]})") + "]}");
  accept(mutual, varint(1) + varint(1) + varint(0), R"({"b":{"a":{"b":null}}})");
}

TEST(conformance, trailing_bytes_are_refused_by_decode_exactly_only) {
  const auto plan = decoder<value>::compile(schema_from(R"("int")")).value();
  arena memory;
  value datum;
  const byte_buffer message = hex("0200");
  EXPECT_EQ(plan.decode(message, memory, datum).value(), 1U);
  EXPECT_EQ(plan.decode_exactly(message, memory, datum).error().code(), errc::trailing_bytes);
  EXPECT_TRUE(plan.decode_exactly(hex("02"), memory, datum).ok());
}

TEST(conformance, logical_types_resolve_by_meaning) {
  const auto on = [](const char* base, const char* name) {
    return R"({"type":")" + std::string(base) + R"(","logicalType":")" + name + "\"}";
  };
  EXPECT_EQ(read(on("long", "timestamp-millis"), R"("long")", varint(5)), "5");
  EXPECT_EQ(read(R"("long")", on("long", "timestamp-millis"), varint(0)), R"("1970-01-01T00:00:00.000Z")");
  EXPECT_EQ(read(R"("int")", on("long", "timestamp-millis"), varint(0)), R"("1970-01-01T00:00:00.000Z")");
  EXPECT_EQ(read(on("int", "date"), on("long", "timestamp-millis"), varint(5)), incompatible);
  EXPECT_EQ(read(on("long", "timestamp-micros"), on("long", "timestamp-millis"), varint(5)), incompatible);
  EXPECT_EQ(read(on("long", "local-timestamp-millis"), on("long", "timestamp-millis"), varint(5)),
            incompatible);
  const auto decimal = [](int precision, int scale) {
    return R"({"type":"bytes","logicalType":"decimal","precision":)" + std::to_string(precision) +
           R"(,"scale":)" + std::to_string(scale) + "}";
  };
  EXPECT_EQ(read(decimal(5, 2), decimal(9, 2), bytes("043039")), R"("123.45")");
  EXPECT_EQ(read(decimal(5, 2), decimal(5, 1), bytes("043039")), incompatible);
  EXPECT_EQ(read(decimal(5, 2), R"({"type":"bytes","logicalType":"big-decimal"})", bytes("043039")),
            incompatible);
  EXPECT_EQ(read(on("string", "uuid"), R"("string")", text("x")), R"("x")");
}

TEST(conformance, logical_values_at_their_limits_are_shown) {
  const auto on = [](const char* base, const char* name) {
    return R"({"type":")" + std::string(base) + R"(","logicalType":")" + name + "\"}";
  };
  accept(on("int", "date"), varint(-1), R"("1969-12-31")");
  accept(on("int", "date"), varint(INT32_MIN), "-2147483648");
  accept(on("int", "time-millis"), varint(86'400'000), "86400000");
  accept(on("long", "time-micros"), varint(-1), "-1");
  accept(on("long", "timestamp-nanos"), varint(-1), R"("1969-12-31T23:59:59.999999999Z")");
  accept(on("long", "timestamp-nanos"), varint(INT64_MAX), R"("2262-04-11T23:47:16.854775807Z")");
  accept(on("long", "timestamp-micros"), varint(INT64_MIN), "-9223372036854775808");
  accept(on("long", "local-timestamp-nanos"), varint(0), R"("1970-01-01T00:00:00.000000000")");
  accept(R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":2})", bytes("00"), R"("0.00")");
  accept(R"({"type":"bytes","logicalType":"decimal","precision":4,"scale":2})", bytes("06ffff85"),
         R"("-1.23")");
  accept(R"({"type":"bytes","logicalType":"big-decimal"})", bytes("08 04 3039 04"), R"("123.45")");
  accept(R"({"type":"bytes","logicalType":"big-decimal"})", bytes("08 04 3039 03"), R"("1234500")");
  const std::string huge = bytes("02 01") + varint(INT32_MAX);
  EXPECT_EQ(read(R"({"type":"bytes","logicalType":"big-decimal"})", text(huge)), R"("0x01E-2147483647")")
      << "10^scale is never computed";
  const char* big = R"({"type":"bytes","logicalType":"big-decimal"})";
  for (const char* torn : {"\x04\x30", "\x02\x30", "\x01", "", "\x02\x30\x04\x04"}) {
    EXPECT_FALSE(decode_as<decimal_view>(big, text(torn))->ok());
    EXPECT_EQ(decode_as<value>(big, text(torn))->value.decimal().error().code(), errc::malformed);
    EXPECT_EQ(read(big, text(torn)), '"' + to_hex(as_bytes(std::string_view(torn))) + '"') << "its bytes";
  }
  accept(R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})",
         bytes("ffffffff 00000000 01000000"), R"({"months":4294967295,"days":0,"millis":1})");
}

// Every way through a datum of `type`: as a value of any schema, as views, as owners, resolved (of a field
// that the target has), skipped (of one that it does not), and as JSON. All of them must say the same.
template <class Views, class Owners>
void on_every_path(std::string_view type, const std::string& message, const plan_options& options,
                   bool within) {
  SCOPED_TRACE(std::string(type) + (within ? ": within" : ": beyond"));
  const auto says = [&](const auto& found) { return found->ok() ? "read" : code_of(*found->failure); };
  const std::string expected = within ? "read" : limit_exceeded;
  EXPECT_EQ(says(decode_as<value>(type, message, options)), expected);
  EXPECT_EQ(says(decode_as<Views>(type, message, options)), expected);
  EXPECT_EQ(says(decode_as<Owners>(type, message, options)), expected);
  const std::string newer =
      std::string(
          R"({"type":"record","name":"R","fields":[{"name":"n","type":"int","default":7},{"name":"x","type":)") +
      std::string(type) + "}]}";
  const std::string older =
      std::string(R"({"type":"record","name":"R","fields":[{"name":"x","type":)") + std::string(type) + "}]}";
  EXPECT_EQ(says(resolve_as<value>(older, newer, message, options)), expected);
  const auto json = decode_to_json(schema_from(type), as_bytes(message), json_form::plain, options.limits);
  EXPECT_EQ(json.ok() ? "read" : code_of(json.error()), expected);
}

using deep_views = array_view<array_view<array_view<array_view<std::int32_t>>>>;
using deep_owners = std::vector<std::vector<std::vector<std::vector<std::int32_t>>>>;

TEST(limits_on_every_path, depth_is_limited) {
  const std::string nested =
      R"({"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"array","items":"int"}}}})";
  const std::string deep = varint(1) + varint(1) + varint(1) + varint(1) + varint(7) + varint(0) + varint(0) +
                           varint(0) + varint(0);
  plan_options options;
  for (const std::size_t depth : {std::size_t{3}, std::size_t{4}}) {
    options.limits.depth_max = depth + (depth == 4 ? 1 : 0);  // the resolved record and JSON open one more
    on_every_path<deep_views, deep_owners>(nested, deep, options, depth == 4);
    EXPECT_EQ(skip(nested, deep, options), depth == 4 ? "skipped" : limit_exceeded);
  }
}

TEST(limits_on_every_path, items_of_zero_bytes_are_limited) {
  const char* type = R"({"type":"array","items":"null"})";
  plan_options options;
  options.limits.zero_byte_items_max = 10;
  using views = array_view<std::monostate>;
  using owners = std::vector<std::monostate>;
  on_every_path<views, owners>(type, varint(10) + varint(0), options, true);
  on_every_path<views, owners>(type, varint(11) + varint(0), options, false);
  on_every_path<views, owners>(type, varint(6) + varint(5) + varint(0), options, false);
  EXPECT_EQ(skip(type, varint(10) + varint(0), options), "skipped");
  EXPECT_EQ(skip(type, varint(11) + varint(0), options), limit_exceeded);
  EXPECT_EQ(skip(type, varint(6) + varint(5) + varint(0), options), limit_exceeded);
}

TEST(limits_on_every_path, the_memory_of_a_datum_is_limited) {
  const char* type = R"({"type":"array","items":"double"})";
  std::string message = varint(100);
  for (int i = 0; i < 100; ++i) message += raw(0.5);
  message += varint(0);
  plan_options options;
  options.limits.output_bytes_per_byte = 0;
  options.limits.output_bytes_base = std::size_t{64} << 10;
  on_every_path<array_view<double>, std::vector<double>>(type, message, options, true);
  options.limits.output_bytes_base = 700;  // 100 doubles take 800 bytes at least
  on_every_path<array_view<double>, std::vector<double>>(type, message, options, false);
  EXPECT_EQ(skip(type, message, options), "skipped") << "takes none";
}

TEST(limits_on_every_path, the_memory_of_owned_texts_is_limited) {
  plan_options options;
  options.limits.output_bytes_per_byte = 0;
  options.limits.output_bytes_base = 64;
  const std::string message = text(std::string(100, 'a'));
  EXPECT_EQ(decode_as<std::string>(R"("string")", message, options)->code(), errc::limit_exceeded);
  EXPECT_TRUE(decode_as<std::string_view>(R"("string")", message, options)->ok()) << "takes none";
  EXPECT_EQ(
      (decode_as<std::optional<std::string>>(R"(["null","string"])", varint(1) + message, options)->code()),
      errc::limit_exceeded);
  const char* map = R"({"type":"map","values":"int"})";
  const std::string entry = varint(1) + text(std::string(100, 'k')) + varint(1) + varint(0);
  EXPECT_EQ((decode_as<std::map<std::string, std::int32_t>>(map, entry, options)->code()),
            errc::limit_exceeded);
}

TEST(limits_on_every_path, the_memory_of_the_readers_defaults_is_limited) {
  // Each item of one byte becomes one with a default of a kilobyte.
  const std::string writer =
      R"({"type":"array","items":{"type":"record","name":"I","fields":[{"name":"a","type":"int"}]}})";
  std::string fields = R"({"name":"a","type":"int"})";
  for (int i = 0; i < 64; ++i) {
    fields += R"(,{"name":"d)" + std::to_string(i) + R"(","type":"double","default":1})";
  }
  const std::string reader =
      R"({"type":"array","items":{"type":"record","name":"I","fields":[)" + fields + "]}}";
  std::string message = varint(1000);
  for (int i = 0; i < 1000; ++i) message += varint(1);
  message += varint(0);
  plan_options options;
  options.limits.output_bytes_base = 4096;
  EXPECT_EQ(resolve_as<value>(writer, reader, message, options)->code(), errc::limit_exceeded);
  options.limits.output_bytes_per_byte = 4096;
  EXPECT_TRUE(resolve_as<value>(writer, reader, message, options)->ok());
}

TEST(limits_on_every_path, the_operations_of_a_plan_are_limited) {
  plan_options tight;
  tight.limits.plan_ops_max = 3;
  const std::string three =
      record("R", R"({"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"int"})");
  const std::string message = varint(1) + varint(2) + varint(3);
  EXPECT_EQ(read(three, message, tight), limit_exceeded);
  EXPECT_EQ(read(three, three, message, tight), limit_exceeded);
  const std::string texts =
      record("R", R"({"name":"a","type":"string"},{"name":"b","type":{"type":"array","items":"string"}},)"
                  R"({"name":"c","type":["null","int"]},{"name":"d","type":{"type":"map","values":"long"}})");
  EXPECT_EQ(skip(texts, text("") + varint(0) + varint(0) + varint(0), tight), limit_exceeded);
}

TEST(limits_on_every_path, json_text_is_limited) {
  limits small;
  small.json_text_bytes_max = 20;
  const schema of = schema_from(R"("string")");
  EXPECT_EQ(decode_to_json(of, as_bytes(text(std::string(30, 'a'))), json_form::plain, small).error().code(),
            errc::limit_exceeded);
  EXPECT_TRUE(decode_to_json(of, as_bytes(text("a")), json_form::plain, small).ok());
  byte_buffer out;
  const std::string shown = '"' + std::string(30, 'a') + '"';
  EXPECT_EQ(encode_json(of, shown, out, small).error().code(), errc::limit_exceeded);
  arena memory;
  EXPECT_EQ(value_from_json(of, shown, memory, small).error().code(), errc::limit_exceeded);
  EXPECT_TRUE(out.empty());
}

TEST(limits_on_every_path, the_depth_of_encoded_values_is_limited) {
  const schema of = schema_from(
      R"({"type":"array","items":{"type":"array","items":{"type":"array","items":{"type":"array","items":"int"}}}})");
  limits small;
  small.depth_max = 3;
  arena memory;
  byte_buffer out;
  EXPECT_EQ(encode_json(of, "[[[[7]]]]", out, small).error().code(), errc::limit_exceeded);
  EXPECT_EQ(value_from_json(of, "[[[[7]]]]", memory, small).error().code(), errc::limit_exceeded);
  encode_options options;
  options.limits = small;
  const auto back = encoder<deep_owners>::compile(of, options);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->encode(deep_owners{{{{7}}}}, out).error().code(), errc::limit_exceeded);
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace millrace::avro

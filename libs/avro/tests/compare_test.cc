// What is said of two schemas side by side.
#include <millrace/avro/compare.h>

#include "wire.h"

namespace millrace::avro {
namespace {

// "path: why" of each finding; those of some records only in brackets.
[[nodiscard]] std::vector<std::string> reading(std::string_view writer, std::string_view reader) {
  std::vector<std::string> lines;
  for (const auto& one : find_incompatibilities(schema_from(writer), schema_from(reader))) {
    const std::string line = one.path + ": " + one.why;
    lines.push_back(one.kind == incompatibility_kind::always ? line : "(" + line + ")");
  }
  return lines;
}
[[nodiscard]] std::vector<std::string> changes(std::string_view before, std::string_view after) {
  std::vector<std::string> lines;
  for (const auto& one : find_changes(schema_from(before), schema_from(after))) {
    const char sign = one.kind == change_kind::added ? '+' : one.kind == change_kind::removed ? '-' : '~';
    lines.push_back(std::string(1, sign) + one.path + ": " + one.what);
  }
  return lines;
}
[[nodiscard]] std::string record(std::string_view fields, std::string_view name = "R") {
  return R"({"type":"record","name":")" + std::string(name) + R"(","fields":[)" + std::string(fields) + "]}";
}
[[nodiscard]] std::string field(std::string_view name, std::string_view type, std::string_view more = "") {
  return R"({"name":")" + std::string(name) + R"(","type":)" + std::string(type) + std::string(more) + "}";
}
using lines = std::vector<std::string>;
constexpr std::string_view primitives[] = {"null",  "boolean", "int",   "long",
                                           "float", "double",  "bytes", "string"};
[[nodiscard]] std::string in_json(std::string_view name) { return '"' + std::string(name) + '"'; }

TEST(compatibility, primitives_match_or_are_promoted) {
  const std::vector<std::pair<std::string_view, std::string_view>> promoted = {
      {"int", "long"},    {"int", "float"},    {"int", "double"},   {"long", "float"},
      {"long", "double"}, {"float", "double"}, {"string", "bytes"}, {"bytes", "string"}};
  for (const auto writer : primitives) {
    for (const auto reader : primitives) {
      const bool fits = writer == reader || std::find(promoted.begin(), promoted.end(),
                                                      std::pair(writer, reader)) != promoted.end();
      const lines found = reading(in_json(writer), in_json(reader));
      EXPECT_EQ(found.empty(), fits) << writer << " " << reader;
      if (!fits) {
        EXPECT_EQ(found, lines{": the writer has " + std::string(writer) + ", the reader wants " +
                               std::string(reader)});
      }
    }
  }
}

TEST(compatibility, added_and_removed_fields_need_defaults) {
  const std::string a = field("a", R"("int")");
  const std::string b = field("b", R"("string")");
  const std::string b_default = field("b", R"("string")", R"(,"default":"")");
  EXPECT_EQ(reading(record(a), record(a + "," + b_default)), lines{});
  EXPECT_EQ(reading(record(a + "," + b), record(a)), lines{});
  EXPECT_EQ(reading(record(a), record(a + "," + b)),
            lines{"b: the writer's R lacks this field, and the reader's R has no default for it"});
  EXPECT_EQ(reading(record(b), record(field("c", R"("string")", R"(,"aliases":["b"])"))), lines{});
}

TEST(compatibility, paths_lead_through_records_collections_and_unions) {
  const auto around = [](std::string_view inner) {
    return record(
        field("page", record(field("tags", R"({"type":"array","items":{"type":"map","values":["null",)" +
                                               record(field("x", inner), "p.Item") + "]}}"),
                             "Page")));
  };
  EXPECT_EQ(reading(around(R"("long")"), around(R"("int")")),
            lines{"(page.tags[][]{p.Item}.x: the writer has long, the reader wants int)"});
}

TEST(compatibility, a_lost_union_branch_affects_only_records_that_hold_it) {
  EXPECT_EQ(
      reading(R"(["null","int","string"])", R"(["null","long"])"),
      lines{"({string}: the writer has string, no branch of the reader's union takes it: null or long)"});
  EXPECT_EQ(reading(R"(["null","int"])", R"("int")"),
            lines{"({null}: the writer has null, the reader wants int)"});
  EXPECT_EQ(reading(R"("int")", R"(["null","int"])"), lines{});
  EXPECT_EQ(reading(R"("string")", R"(["null","int"])"),
            lines{": the writer has string, no branch of the reader's union takes it: null or int"});
  EXPECT_EQ(reading(R"(["string","boolean"])", R"("int")").size(), 2U);
  EXPECT_EQ(reading(R"(["string","boolean"])", R"("int")")[0],
            "{string}: the writer has string, the reader wants int");
  EXPECT_EQ(reading("[]", R"("int")"), lines{});
}

TEST(compatibility, a_readable_branch_of_the_readers_union_is_taken) {
  const std::string one = record(field("x", R"("int")"), "a.T");
  const std::string other = record(field("y", R"("int")"), "b.T");
  EXPECT_EQ(reading(one, "[" + other + "," + one + "]"), lines{}) << "the full name goes before";
  const std::string bad = record(field("x", R"("boolean")"), "b.T");
  EXPECT_EQ(reading(one, "[\"null\"," + bad + "]"), lines{"x: the writer has int, the reader wants boolean"});
}

TEST(compatibility, an_enum_without_the_symbols_needs_a_default) {
  const auto of = [](std::string_view symbols, std::string_view more = "") {
    return R"({"type":"enum","name":"E","symbols":[)" + std::string(symbols) + "]" + std::string(more) + "}";
  };
  EXPECT_EQ(reading(of(R"("A","B","C")"), of(R"("C","A")")), lines{"(: the reader's enum E lacks 'B')"});
  EXPECT_EQ(reading(of(R"("A","B")"), of(R"("X")")), lines{": the reader's enum E lacks 'A', 'B'"});
  EXPECT_EQ(reading(of(R"("A","B")"), of(R"("X")", R"(,"default":"X")")), lines{});
}

TEST(compatibility, names_and_sizes_must_match) {
  const auto fixed = [](std::string_view name, int size, std::string_view more = "") {
    return R"({"type":"fixed","name":")" + std::string(name) + R"(","size":)" + std::to_string(size) +
           std::string(more) + "}";
  };
  EXPECT_EQ(reading(fixed("a.F", 2), fixed("b.F", 2)), lines{}) << "unqualified names count";
  EXPECT_EQ(reading(fixed("F", 2), fixed("F", 3)), lines{": the writer's F has 2 bytes, the reader's 3"});
  EXPECT_EQ(reading(fixed("F", 2), fixed("G", 2)),
            lines{": the writer has fixed F of 2 bytes, the reader wants fixed G of 2 bytes"});
  EXPECT_EQ(reading(fixed("F", 2), fixed("G", 2, R"(,"aliases":["F"])")), lines{});
  EXPECT_EQ(find_incompatibilities(schema_from(record("", "a.R")), schema_from(record("", "a.Q")))[0].remedy,
            "give the reader's 'a.Q' the alias 'a.R'");
}

TEST(compatibility, units_and_scales_must_match) {
  const auto of = [](std::string_view logical) {
    return R"({"type":"long","logicalType":")" + std::string(logical) + "\"}";
  };
  EXPECT_EQ(reading(of("timestamp-micros"), of("timestamp-millis")),
            lines{": the writer has long (timestamp-micros), the reader wants long (timestamp-millis)"});
  EXPECT_EQ(reading(of("timestamp-micros"), R"("long")"), lines{});
  EXPECT_EQ(reading(R"("long")", of("timestamp-micros")), lines{});
  const auto decimal = [](int scale) {
    return R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":)" + std::to_string(scale) + "}";
  };
  EXPECT_EQ(reading(decimal(2), decimal(2)), lines{});
  EXPECT_EQ(reading(decimal(2), decimal(3)),
            lines{": the writer has bytes (decimal 9,2), the reader wants bytes (decimal 9,3)"});
}

TEST(compatibility, recursive_schemas_are_compared_in_finite_time) {
  const auto list = [](std::string_view value) {
    return record(field("v", value) + "," + field("next", R"(["null","L"])"), "L");
  };
  EXPECT_EQ(reading(list(R"("int")"), list(R"("long")")), lines{});
  EXPECT_EQ(reading(list(R"("long")"), list(R"("int")")),
            lines{"v: the writer has long, the reader wants int"});
  const auto twice = [&](std::string_view value) {
    return record(field("a", record(field("x", value), "S")) + "," + field("b", R"("S")"));
  };
  EXPECT_EQ(reading(twice(R"("string")"), twice(R"("int")")),
            (lines{"a.x: the writer has string, the reader wants int",
                   "b.x: the writer has string, the reader wants int"}));
}

TEST(compatibility, exponential_schemas_stay_within_the_limit) {
  const auto doubling = [](std::string_view value) {
    std::string text = record(field("x", value), "R0");
    for (int i = 1; i < 30; ++i)
      text = record(field("a", text) + "," + field("b", in_json("R" + std::to_string(i - 1))),
                    "R" + std::to_string(i));
    return text;
  };
  EXPECT_EQ(reading(doubling(R"("int")"), doubling(R"("int")")), lines{});
  EXPECT_EQ(reading(doubling(R"("string")"), doubling(R"("int")")).size(), incompatibilities_max);
}

TEST(changes, equivalent_schemas_have_no_changes) {
  EXPECT_EQ(
      changes(R"({"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"int"}}]})",
              R"({"fields":[{"type":"int","name":"a","order":"ascending"}],"name":"n.R","type":"record"})"),
      lines{});
}

TEST(changes, of_fields_are_listed) {
  EXPECT_EQ(
      changes(
          record(field("a", R"("int")") + "," + field("b", R"("string")")),
          record(field("b", R"("string")", R"(,"default":"x","doc":"B","aliases":["c"],"order":"ignore")") +
                 "," + field("d", R"(["null","int"])", R"(,"default":null)"))),
      (lines{"-a: field int, no default", "~b: default none → \"x\"", "~b: sort order ascending → ignore",
             "~b: aliases none → c", "~b: documentation added", "+d: field null or int, default null"}));
  EXPECT_EQ(changes(record(field("a", R"("int")") + "," + field("b", R"("int")")),
                    record(field("b", R"("int")") + "," + field("a", R"("long")"))),
            (lines{"~a: type int → long", "~: order of fields a, b → b, a"}));
}

TEST(changes, of_types_and_attributes_are_listed) {
  EXPECT_EQ(changes(R"({"type":"long","logicalType":"timestamp-millis"})",
                    R"({"type":"long","logicalType":"timestamp-micros"})"),
            lines{"~: type long (timestamp-millis) → long (timestamp-micros)"});
  EXPECT_EQ(changes(R"({"type":"enum","name":"E","symbols":["A","B","C"]})",
                    R"({"type":"enum","name":"E","symbols":["D","C","B"],"default":"D"})"),
            (lines{"-: symbol A", "+: symbol D", "~: order of symbols B, C → C, B", "~: default none → D"}));
  EXPECT_EQ(changes(R"(["null","int",{"type":"fixed","name":"F","size":1}])",
                    R"([{"type":"fixed","name":"F","size":2},"string","null"])"),
            (lines{"-: branch int", "~{F}: size 1 → 2", "+: branch string",
                   "~: order of branches null, F → F, null"}));
  EXPECT_EQ(changes(record("", "a.R"), record("", "b.R")), lines{"~: name a.R → b.R"});
  EXPECT_EQ(changes(R"({"type":"array","items":"int","pii":true})",
                    R"({"type":"array","items":"long","pii":false})"),
            (lines{"~: attribute 'pii' true → false", "~[]: type int → long"}));
}

TEST(changes, of_recursive_types_are_listed_once) {
  const auto tree = [](std::string_view value) {
    return record(field("v", value) + "," + field("kids", R"({"type":"array","items":"T"})"), "T");
  };
  EXPECT_EQ(changes(tree(R"("int")"), tree(R"("long")")), lines{"~v: type int → long"});
}

}  // namespace
}  // namespace millrace::avro

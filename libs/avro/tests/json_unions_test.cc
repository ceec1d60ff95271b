// Unions without and with the name of their branch, and those that are refused.
#include "json_case.h"

namespace millrace::avro {
namespace {

const json_options tagged{.limits = {}, .unions = json_unions::tagged};

TEST(json_unions, are_decided_by_the_type_of_the_value) {
  constexpr const char* many =
      R"(["null","boolean","int","long","double","string",{"type":"array","items":"string"},
                                   {"type":"map","values":"int"}])";
  EXPECT_EQ(branch_of_json(many, "null"), "null");
  EXPECT_EQ(branch_of_json(many, "false"), "boolean");
  EXPECT_EQ(branch_of_json(many, "2147483647"), "int");
  EXPECT_EQ(branch_of_json(many, "2147483648"), "long");
  EXPECT_EQ(branch_of_json(many, "9223372036854775808"), "double");
  EXPECT_EQ(branch_of_json(many, "1.0"), "double");
  EXPECT_EQ(branch_of_json(many, "1e2"), "double");
  EXPECT_EQ(branch_of_json(many, R"("NaN")"), "string");
  EXPECT_EQ(branch_of_json(many, "[]"), "array");
  EXPECT_EQ(branch_of_json(many, R"({"a":1})"), "map");
  EXPECT_EQ(branch_of_json(R"(["null","float"])", "1"), "float");
  EXPECT_EQ(branch_of_json(R"(["float","double"])", "1"), "double");
  EXPECT_EQ(branch_of_json(R"(["null","double"])", R"("NaN")"), "double");
  EXPECT_EQ(branch_of_json(R"(["int","string"])", "1.0"), "int");
  EXPECT_EQ(branch_of_json(R"(["int","string"])", "1.5"),
            "malformed: $: byte 0: expected int or string, found a number that is not whole");
  EXPECT_EQ(branch_of_json(R"(["int","string"])", "3000000000"),
            "malformed: $: byte 0: expected int or string, found a number out of range");
  EXPECT_EQ(branch_of_json(R"(["int","string"])", "true"),
            "malformed: $: byte 0: expected int or string, found a boolean");
  EXPECT_EQ(branch_of_json(R"(["null","int"])", R"("x")"),
            "malformed: $: byte 0: expected null or int, found a string");
  EXPECT_EQ(branch_of_json(R"(["null","int"])", "nil"),
            "malformed: $: byte 0: expected null or int, found no value");
}

TEST(json_unions, may_name_their_branch) {
  constexpr const char* page =
      R"(["null",{"type":"record","name":"n.Page","fields":[{"name":"url","type":"string"}]}])";
  EXPECT_EQ(read_json(page, R"({"n.Page":{"url":"u"}})"), R"({"url":"u"})");
  EXPECT_EQ(read_json(page, R"({ "n.Page" : {"url":"u"} })"), R"({"url":"u"})");
  EXPECT_EQ(read_json(page, R"({"url":"u"})"), R"({"url":"u"})");
  EXPECT_EQ(read_json(page, R"({"n.Page":1,"url":"u"})"), R"({"url":"u"})")
      << "an unknown field of the record";
  EXPECT_EQ(read_json(R"(["null","long"])", R"({"long":5})"), "5");
  EXPECT_EQ(branch_of_json(R"(["int","long"])", R"({"long":5})"), "long");
  EXPECT_EQ(branch_of_json(R"(["float","double"])", R"({"float":1.5})"), "float");
  EXPECT_EQ(branch_of_json(R"(["double","string"])", R"({"double":"NaN"})"), "double");
  EXPECT_EQ(read_json(R"(["null","long"])", R"({"long":"x"})"),
            R"(malformed: $."long": byte 8: expected long, found a string)");
  EXPECT_EQ(read_json(R"(["null","long"])", R"({"long":5,"x":1})"),
            "malformed: $: byte 9: expected '}' behind the value of a union");
  EXPECT_EQ(read_json(R"(["null","long"])", R"({"int":5})"),
            "malformed: $: byte 0: expected null or long, found an object");
  EXPECT_EQ(read_json(R"(["null","long"])", R"({"null":null})"),
            "malformed: $: byte 0: expected null or long, found an object");
}

TEST(json_unions, keep_plain_objects_that_look_like_a_named_branch) {
  constexpr const char* same =
      R"(["null",{"type":"record","name":"Page","fields":[{"name":"Page","type":"string"}]}])";
  EXPECT_EQ(read_json(same, R"({"Page":"x"})"), R"({"Page":"x"})");
  EXPECT_EQ(read_json(same, R"({"Page":{"Page":"x"}})"),
            "malformed: $.Page: byte 8: expected string, found an object");
  constexpr const char* texts = R"(["null","int",{"type":"map","values":"string"}])";
  EXPECT_EQ(branch_of_json(texts, R"({"int":"x"})"), "map");
  EXPECT_EQ(branch_of_json(texts, R"({"int":1})"), "int");
  EXPECT_EQ(branch_of_json(texts, R"({"map":{"k":"v"}})"), "map");
  EXPECT_EQ(read_json(texts, R"({"map":{"k":"v"}})"), R"({"k":"v"})");
  EXPECT_EQ(read_json(texts, R"({"map":"v"})"), R"({"map":"v"})");
}

TEST(json_unions, with_a_string_read_times_and_decimals_from_numbers_only) {
  constexpr const char* either = R"(["string",{"type":"long","logicalType":"timestamp-millis"}])";
  EXPECT_EQ(branch_of_json(either, R"("2025-10-09T08:53:20Z")"), "string");
  EXPECT_EQ(branch_of_json(either, "1760000000000"), "long");
  EXPECT_EQ(branch_of_json(either, R"({"long":"2025-10-09T08:53:20Z"})"), "long");
  const json_options texts{.limits = {}, .times = json_times::text};
  EXPECT_EQ(rewrite_json(either, "1760000000000", texts), "1760000000000")
      << "not a text that would be a string";
  constexpr const char* price =
      R"(["null","string",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}])";
  EXPECT_EQ(branch_of_json(price, R"("1.5")"), "string");
  EXPECT_EQ(rewrite_json(price, "1.5"), "1.50");
}

TEST(json_unions, of_which_two_branches_look_the_same_are_refused) {
  const auto refused = [](const char* type) {
    const auto plan = json_decoder<value>::compile(schema_from(type));
    return plan ? std::string("compiled") : plan.error().to_string();
  };
  EXPECT_EQ(
      refused(
          R"({"type":"record","name":"R","fields":[{"name":"f","type":{"type":"map","values":["bytes","string"]}}]})"),
      "schema_incompatible: $.f.*: the union is ambiguous in JSON: 'bytes' and 'string' are both a string; "
      "use "
      "tagged unions ({\"branch\": value}), or change the schema");
  EXPECT_NE(refused(R"(["int",{"type":"long","logicalType":"timestamp-millis"}])")
                .find("'int' and 'timestamp-millis' are both a number"),
            std::string::npos);
  EXPECT_NE(refused(R"([{"type":"record","name":"A","fields":[]},{"type":"record","name":"B","fields":[]}])")
                .find("'A' and 'B' are both an object"),
            std::string::npos);
  EXPECT_NE(refused(R"([{"type":"map","values":"int"},{"type":"record","name":"B","fields":[]}])")
                .find("both an object"),
            std::string::npos);
  EXPECT_NE(refused(R"(["string",{"type":"enum","name":"E","symbols":["A"]}])").find("both a string"),
            std::string::npos);
  EXPECT_NE(refused(R"(["double",{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}])")
                .find("both a number"),
            std::string::npos);
}

TEST(json_unions, of_enums_with_different_symbols_are_decided_by_the_symbol) {
  constexpr const char* enums =
      R"(["null",{"type":"enum","name":"A","symbols":["X","Y"]},{"type":"enum","name":"B","symbols":["Z"]}])";
  EXPECT_EQ(branch_of_json(enums, R"("Y")"), "A");
  EXPECT_EQ(branch_of_json(enums, R"("Z")"), "B");
  EXPECT_EQ(branch_of_json(enums, R"("Q")"),
            "unresolvable: $: byte 0: expected a symbol of null, A or B, found another string");
  const auto plan = json_decoder<value>::compile(schema_from(
      R"([{"type":"enum","name":"A","symbols":["X","Y"]},{"type":"enum","name":"B","symbols":["Y"]}])"));
  EXPECT_FALSE(plan.ok()) << "Y is a symbol of both";
}

TEST(json_unions, that_are_tagged_are_never_ambiguous) {
  constexpr const char* both = R"(["null","bytes","string",{"type":"map","values":"string"}])";
  for (const char* document :
       {"null", R"({"bytes":"AA=="})", R"({"string":"AA=="})", R"({"map":{"string":"x"}})"}) {
    EXPECT_EQ(rewrite_json(both, document, tagged), document);
  }
  EXPECT_EQ(read_json(both, R"("x")", tagged),
            "malformed: $: byte 0: expected null, bytes, string or map, found a string");
  EXPECT_EQ(read_json(both, R"({"int":1})", tagged),
            "malformed: $: byte 1: expected a branch of null, bytes, string or map, found another name");
  EXPECT_EQ(read_json(R"(["int"])", R"({"int":1,"x":2})", tagged),
            "malformed: $: byte 8: expected '}' behind the value of a union");
  EXPECT_EQ(read_json(R"(["null","int"])", "5", tagged),
            "malformed: $: byte 0: expected null or int, found a number");
  EXPECT_EQ(rewrite_json(R"(["null","int"])", R"({"int":1})", tagged), R"({"int":1})");
}

TEST(json_unions, are_written_so_that_the_same_branch_is_read) {
  EXPECT_EQ(rewrite_json(R"(["double","string"])", R"({"double":"NaN"})"), R"({"double":"NaN"})");
  EXPECT_EQ(rewrite_json(R"(["long","double"])", "5.0"), "5.0");
  EXPECT_EQ(rewrite_json(R"(["long","double"])", "5"), "5");
  EXPECT_EQ(rewrite_json(R"(["null","double"])", R"("Infinity")"), R"("Infinity")");
  EXPECT_EQ(rewrite_json(R"(["null",{"type":"array","items":["null","int"]}])", "[null,1]"), "[null,1]");
}

TEST(json_unions, nest_named_branches_up_to_the_limit) {
  constexpr const char* list =
      R"({"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]})";
  std::string document = R"({"next":null})";
  for (int i = 0; i < 20; ++i) document = R"({"next":{"L":)" + document + "}}";
  EXPECT_EQ(read_json(list, document).substr(0, 9), R"({"next":{)");
  for (int i = 0; i < 100; ++i) document = R"({"next":{"L":)" + document + "}}";
  EXPECT_EQ(read_json(list, document).substr(0, 14), "limit_exceeded");
}

}  // namespace
}  // namespace millrace::avro

#include <gtest/gtest.h>

#include <millrace/avro/schema.h>
#include <millrace/base/bytes.h>

namespace millrace::avro {
namespace {

[[nodiscard]] schema parsed(std::string_view text) {
  auto found = schema::parse(text);
  EXPECT_TRUE(found.ok()) << text << "\n" << (found ? "" : found.error().message());
  return std::move(found).value();
}

[[nodiscard]] error refused(std::string_view text, const parse_options& options = {}) {
  auto found = schema::parse(text, options);
  EXPECT_FALSE(found.ok()) << "accepted: " << text.substr(0, 300);
  return found ? error(errc::internal) : found.error();
}

void accepts(std::string_view text) { EXPECT_TRUE(schema::parse(text).ok()) << text; }
void rejects(std::string_view text) { EXPECT_FALSE(schema::parse(text).ok()) << text; }

[[nodiscard]] bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

struct vector {
  const char* text;
  const char* canonical;
  std::uint64_t fingerprint;
};

// A few lines of the specification's schema-tests.txt.
TEST(schema, canonical_form_and_fingerprint_of_the_specification) {
  const vector vectors[] = {
      {R"("null")", R"("null")", 7195948357588979594U},
      {R"({"type":"boolean"})", R"("boolean")", static_cast<std::uint64_t>(-6970731678124411036)},
      {R"("int")", R"("int")", 8247732601305521295U},
      {R"("long")", R"("long")", static_cast<std::uint64_t>(-3434872931120570953)},
      {R"("float")", R"("float")", 5583340709985441680U},
      {R"("double")", R"("double")", static_cast<std::uint64_t>(-8181574048448539266)},
      {R"("bytes")", R"("bytes")", 5746618253357095269U},
      {R"("string")", R"("string")", static_cast<std::uint64_t>(-8142146995180207161)},
      {R"([  ])", R"([])", static_cast<std::uint64_t>(-1241056759729112623)},
      {R"([ "int"  ])", R"(["int"])", static_cast<std::uint64_t>(-5232228896498058493)},
      {R"([ "int" , {"type":"boolean"} ])", R"(["int","boolean"])", 5392556393470105090U},
      {R"({"fields":[], "type":"record", "name":"foo"})", R"({"name":"foo","type":"record","fields":[]})",
       static_cast<std::uint64_t>(-4824392279771201922)},
      {R"({"fields":[], "type":"record", "name":"foo", "namespace":"x.y"})",
       R"({"name":"x.y.foo","type":"record","fields":[]})", 5916914534497305771U},
      {R"({"type":"enum", "name":"foo", "symbols":["A1"]})",
       R"({"name":"foo","type":"enum","symbols":["A1"]})", static_cast<std::uint64_t>(-6342190197741309591)},
      {R"({"name":"foo","type":"fixed","size":15})", R"({"name":"foo","type":"fixed","size":15})",
       1756455273707447556U},
      {R"({ "items":{"type":"null"}, "type":"array"})", R"({"type":"array","items":"null"})",
       static_cast<std::uint64_t>(-589620603366471059)},
      {R"({ "values":"string", "type":"map"})", R"({"type":"map","values":"string"})",
       static_cast<std::uint64_t>(-8732877298790414990)},
  };
  for (const vector& expected : vectors) {
    const schema found = parsed(expected.text);
    EXPECT_EQ(found.canonical(), expected.canonical);
    EXPECT_EQ(found.fingerprint(), expected.fingerprint) << expected.text;
  }
}

TEST(schema, canonical_form_strips_everything_but_structure) {
  const schema found =
      parsed(R"({"type":"record","name":"R","namespace":"n.s","doc":"d","aliases":["Old"],"extra":1,
    "fields":[{"name":"t","type":{"type":"long","logicalType":"timestamp-millis"},"default":3,"order":"ignore","doc":"x"},
              {"name":"f","type":{"type":"fixed","size":"016","name":"other.F"}},
              {"name":"again","type":["null","other.F"]}]})");
  EXPECT_EQ(found.canonical(), R"({"name":"n.s.R","type":"record","fields":[{"name":"t","type":"long"},)"
                               R"({"name":"f","type":{"name":"other.F","type":"fixed","size":16}},)"
                               R"({"name":"again","type":["null","other.F"]}]})");
}

TEST(schema, keeps_every_attribute_when_written_back) {
  const char* text =
      R"({"type":"record","name":"R","namespace":"n","doc":"A \"doc\"","aliases":["n.Old"],"connect.version":2,
    "fields":[{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":5,"scale":2},"default":"\u00ff","aliases":["e"],"order":"descending","x":{"y":[1]}},
              {"name":"k","type":{"type":"enum","name":"K","symbols":["A","B"],"default":"A"}},
              {"name":"m","type":{"type":"map","values":["null","K",{"type":"array","items":"R"}]},"default":{}}]})";
  const schema once = parsed(text);
  const schema twice = parsed(once.to_json());
  EXPECT_EQ(once.to_json(), twice.to_json());
  EXPECT_EQ(once.canonical(), twice.canonical());
  for (const char* part :
       {R"("doc":"A \"doc\"")", R"("connect.version":2)", R"("logicalType":"decimal","precision":5)",
        R"("x":{"y":[1]})", R"("order":"descending")", R"("default":"A")"}) {
    EXPECT_TRUE(contains(once.to_json(), part)) << part << " in " << once.to_json();
  }
  EXPECT_EQ(once.text(), text);
}

TEST(schema, names_resolve_in_their_namespace) {
  const schema found = parsed(R"({"type":"record","name":"a.b.Outer","namespace":"ignored","fields":[
      {"name":"x","type":{"type":"record","name":"Inner","fields":[
         {"name":"y","type":{"type":"enum","name":"Reset","namespace":"","symbols":["S"]}},
         {"name":"z","type":["null","Reset"]}]}},
      {"name":"again","type":["null","Inner"]},
      {"name":"full","type":["null","a.b.Inner"]}]})");
  EXPECT_NE(found.find("a.b.Outer"), nullptr);
  EXPECT_NE(found.find("a.b.Inner"), nullptr);
  EXPECT_NE(found.find("Reset"), nullptr) << "an empty namespace resets";
  EXPECT_EQ(found.find("ignored.a.b.Outer"), nullptr);
  const schema_node& outer = found.root();
  EXPECT_EQ(outer.fields[1].type->branches[1], outer.fields[0].type);
  EXPECT_EQ(unqualified("a.b.Inner"), "Inner");
  EXPECT_EQ(name_space("a.b.Inner"), "a.b");
}

TEST(schema, names_of_complex_types_may_name_types) {
  const schema found =
      parsed(R"({"type":"record","name":"array","fields":[{"name":"x","type":["null","array"]}]})");
  EXPECT_EQ(found.root().fields[0].type->branches[1], &found.root());
}

TEST(schema, an_equal_second_definition_is_accepted_a_different_one_is_not) {
  accepts(R"({"type":"record","name":"R","fields":[
    {"name":"a","type":{"type":"fixed","name":"F","size":2}},{"name":"b","type":{"type":"fixed","name":"F","size":2}}]})");
  const error failure = refused(R"({"type":"record","name":"R","fields":[
    {"name":"a","type":{"type":"fixed","name":"F","size":2}},{"name":"b","type":{"type":"fixed","name":"F","size":3}}]})");
  EXPECT_TRUE(contains(failure.message(), "$.fields[1].type")) << failure.message();
}

TEST(schema, references_provide_named_types) {
  const schema page = parsed(
      R"({"type":"record","name":"Page","namespace":"web","fields":[{"name":"url","type":"string"}]})");
  const schema references[] = {page};
  auto visit = schema::parse(
      R"({"type":"record","name":"Visit","namespace":"web","fields":[{"name":"page","type":"Page"}]})",
      references);
  ASSERT_TRUE(visit.ok()) << visit.error().message();
  EXPECT_EQ(visit->root().fields[0].type, &page.root());
  EXPECT_TRUE(contains(visit->to_json(), R"("name":"url")")) << "written back self-contained";
  EXPECT_FALSE(schema::parse(visit->text()).ok());
}

TEST(schema, references_may_have_references_in_common) {
  const char* leaf = R"({"type":"fixed","name":"n.Leaf","size":4})";
  const auto over_leaf = [&](const char* name, const char* leaf_text) {
    const schema below[] = {parsed(leaf_text)};
    return schema::parse(std::string(R"({"type":"record","name":"n.)") + name +
                             R"(","fields":[{"name":"leaf","type":"Leaf"}]})",
                         below)
        .value();
  };
  const char* top = R"({"type":"record","name":"n.Top","fields":[{"name":"l","type":"Left"},
    {"name":"r","type":"Right"}]})";
  const schema diamond[] = {over_leaf("Left", leaf), over_leaf("Right", leaf)};  // the leaf is parsed twice
  const auto whole = schema::parse(top, diamond);
  ASSERT_TRUE(whole.ok()) << whole.error().message();
  EXPECT_EQ(parsed(whole->to_json()).canonical(), whole->canonical()) << "the leaf is defined once";
  const schema torn[] = {over_leaf("Left", leaf),
                         over_leaf("Right", R"({"type":"fixed","name":"n.Leaf","size":5})")};
  EXPECT_TRUE(contains(schema::parse(top, torn).error().message(), "two references define type 'n.Leaf'"));
}

TEST(schema, a_set_of_texts_is_parsed_in_dependency_order) {
  const std::string_view texts[] = {
      R"({"type":"record","name":"n.Top","fields":[{"name":"a","type":"A"},{"name":"b","type":"n.B"}]})",
      R"({"type":"record","name":"n.A","fields":[{"name":"b","type":["null","B"]}]})",
      R"({"type":"enum","name":"n.B","symbols":["X"]})"};
  const auto all = schema::parse_set(texts);
  ASSERT_TRUE(all.ok()) << all.error().message();
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ((*all)[0].root().name, "n.Top");
  EXPECT_EQ((*all)[2].root().name, "n.B");
  EXPECT_EQ((*all)[0].root().fields[1].type, &(*all)[2].root());
  const std::string_view missing[] = {texts[2], texts[0]};
  EXPECT_TRUE(
      contains(schema::parse_set(missing).error().message(), "text 1: $.fields[0].type: unknown type 'A'"));
  const std::string_view circle[] = {
      R"({"type":"record","name":"A","fields":[{"name":"b","type":["null","B"]}]})",
      R"({"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]})"};
  EXPECT_EQ(schema::parse_set(circle).error().code(), errc::schema_invalid);
  parse_options small;
  small.limits.schema_text_bytes_max = texts[0].size() + texts[1].size();
  EXPECT_EQ(schema::parse_set(texts, small).error().code(), errc::limit_exceeded);
  EXPECT_EQ(schema::parse_set(std::vector<std::string_view>(1001, R"("int")")).error().code(),
            errc::limit_exceeded);
  EXPECT_TRUE(schema::parse_set({})->empty());
}

TEST(schema, fingerprints_match_those_of_apache_avro) {
  const schema type = parsed(R"("int")");  // the vectors of Apache Avro's own tests
  EXPECT_EQ(type.fingerprint(), 0x7275d51a3f395c8fU);
  EXPECT_EQ(to_hex(type.fingerprint_md5().value()), "ef524ea1b91e73173d938ade36c1db32");
  EXPECT_EQ(to_hex(type.fingerprint_sha256().value()),
            "3f2b87a9fe7cc9b13835598c3981cd45e3e355309e5090aa0933d7becb6fba45");
}

TEST(schema, a_logical_type_that_is_not_applied_is_kept_as_an_attribute) {
  for (const char* text :
       {R"({"type":"long","logicalType":"moon-phase"})", R"({"type":"string","logicalType":"date"})",
        R"({"type":"bytes","logicalType":"decimal","precision":1,"scale":2})",
        R"({"type":"array","items":{"type":"long"},"logicalType":"set"})",
        R"({"type":"fixed","name":"F","size":3,"logicalType":"duration"})"}) {
    const schema found = parsed(text);
    EXPECT_EQ(found.root().logical, logical_type::none);
    EXPECT_TRUE(contains(found.to_json(), R"("logicalType":)")) << found.to_json();
    EXPECT_EQ(parsed(found.to_json()).to_json(), found.to_json());
  }
}

TEST(schema, the_default_of_a_union_may_fit_any_branch_or_only_the_first) {
  const char* second = R"({"type":"record","name":"R","fields":[
    {"name":"a","type":["null","int"],"default":5}]})";
  const char* first = R"({"type":"record","name":"R","fields":[
    {"name":"a","type":["int","null"],"default":5}]})";
  parse_options old;
  old.first_branch_defaults = true;
  EXPECT_TRUE(schema::parse(second).ok());
  EXPECT_TRUE(schema::parse(first, old).ok());
  EXPECT_TRUE(contains(schema::parse(second, old).error().message(), "$.fields[0].default"));
}

TEST(schema, many_defaults_share_one_budget) {
  const std::string inner =
      R"({"type":"record","name":"S","fields":[{"name":"s","type":"string","default":")" +
      std::string(60'000, 'x') + R"("}]})";
  const auto with = [&](int fields) {
    std::string text = R"({"type":"record","name":"R","fields":[{"name":"first","type":)" + inner + "}";
    for (int i = 0; i < fields; ++i)
      text += R"(,{"name":"f)" + std::to_string(i) + R"(","type":"S","default":{}})";
    return text + "]}";
  };
  EXPECT_TRUE(schema::parse(with(50)).ok());
  EXPECT_EQ(schema::parse(with(5000)).error().code(), errc::limit_exceeded);
  parse_options unseen;
  unseen.check_defaults = false;
  EXPECT_TRUE(schema::parse(with(5000), unseen).ok()) << "a writer's defaults are never used";
}

TEST(schema, endless_recursion_is_refused) {
  accepts(R"({"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]})");
  accepts(
      R"({"type":"record","name":"T","fields":[{"name":"c","type":{"type":"array","items":"T"}},{"name":"m","type":{"type":"map","values":"T"}}]})");
  for (
      const char* text :
      {R"({"type":"record","name":"R","fields":[{"name":"r","type":"R"}]})",
       R"({"type":"record","name":"R","fields":[{"name":"r","type":["R"]}]})",
       R"({"type":"record","name":"A","fields":[{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}}]})"}) {
    EXPECT_TRUE(contains(refused(text).message(), "no way out")) << text;
  }
}

TEST(schema, derived_properties_are_computed) {
  const schema found = parsed(R"({"type":"record","name":"L","fields":[
    {"name":"d","type":"double"},{"name":"f","type":{"type":"fixed","name":"F","size":3}},{"name":"n","type":"null"},
    {"name":"p","type":{"type":"record","name":"P","fields":[{"name":"a","type":"int"},{"name":"b","type":["float","double"]}]}},
    {"name":"next","type":["null","L"]}]})");
  EXPECT_EQ(found.root().wire_bytes_min, 8U + 3U + 0U + 1U + 5U + 1U);
  EXPECT_TRUE(found.root().recursive);
  EXPECT_FALSE(found.find("P")->recursive);
}

TEST(schema, logical_types_apply_to_their_base_type_only) {
  const auto logical = [](const char* text) { return parsed(text).root().logical; };
  EXPECT_EQ(logical(R"({"type":"int","logicalType":"date"})"), logical_type::date);
  EXPECT_EQ(logical(R"({"type":"int","logicalType":"time-millis"})"), logical_type::time_millis);
  EXPECT_EQ(logical(R"({"type":"long","logicalType":"time-micros"})"), logical_type::time_micros);
  EXPECT_EQ(logical(R"({"type":"long","logicalType":"timestamp-nanos"})"), logical_type::timestamp_nanos);
  EXPECT_EQ(logical(R"({"type":"long","logicalType":"local-timestamp-nanos"})"),
            logical_type::local_timestamp_nanos);
  EXPECT_EQ(logical(R"({"type":"string","logicalType":"uuid"})"), logical_type::uuid);
  EXPECT_EQ(logical(R"({"type":"fixed","name":"U","size":16,"logicalType":"uuid"})"), logical_type::uuid);
  EXPECT_EQ(logical(R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})"),
            logical_type::duration);
  EXPECT_EQ(logical(R"({"type":"bytes","logicalType":"big-decimal"})"), logical_type::big_decimal);
  EXPECT_EQ(logical(R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":9})"),
            logical_type::decimal);
  EXPECT_EQ(logical(R"({"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9})"),
            logical_type::decimal);

  for (const char* ignored :
       {R"({"type":"long","logicalType":"date"})", R"({"type":"string","logicalType":"timestamp-millis"})",
        R"({"type":"fixed","name":"U","size":15,"logicalType":"uuid"})",
        R"({"type":"bytes","logicalType":"decimal"})",
        R"({"type":"bytes","logicalType":"decimal","precision":2,"scale":3})",
        R"({"type":"bytes","logicalType":"decimal","precision":0})",
        R"({"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":10})",
        R"({"type":"int","logicalType":"shoe-size"})", R"({"type":"int","logicalType":7})"}) {
    EXPECT_EQ(logical(ignored), logical_type::none) << ignored;
  }
}

TEST(schema, a_logical_type_beside_the_field_name_is_ignored) {
  const schema found = parsed(
      R"({"type":"record","name":"R","fields":[{"name":"t","type":"long","logicalType":"timestamp-millis"}]})");
  EXPECT_EQ(found.root().fields[0].type->logical, logical_type::none);
  EXPECT_EQ(found.root().fields[0].properties[0].first, "logicalType");
}

TEST(schema, accepts_a_default_of_every_type) {
  for (const char* field :
       {R"("null","default":null)", R"("boolean","default":true)", R"("int","default":-2147483648)",
        R"("long","default":9223372036854775807)", R"("float","default":1)", R"("double","default":"NaN")",
        R"("double","default":"-Infinity")", R"("bytes","default":"\u00ff\u0000")",
        R"("string","default":"é")", R"({"type":"enum","name":"E","symbols":["A"]},"default":"A")",
        R"({"type":"array","items":"int"},"default":[1,2])",
        R"({"type":"map","values":"long"},"default":{"k":1})",
        R"({"type":"fixed","name":"F","size":2},"default":"\u0001\u00fe")", R"(["null","int"],"default":5)",
        R"(["null","int"],"default":null)",
        R"({"type":"record","name":"I","fields":[{"name":"x","type":"int","default":3}]},"default":{})",
        R"(["null","R"],"default":null)"}) {
    accepts(std::string(R"({"type":"record","name":"R","fields":[{"name":"f","type":)") + field + "}]}");
  }
}

TEST(schema, refuses_a_default_that_does_not_fit_and_names_it) {
  for (const char* field :
       {R"("null","default":0)", R"("boolean","default":1)", R"("int","default":2147483648)",
        R"("int","default":1.0)", R"("long","default":9223372036854775808)", R"("float","default":"one")",
        R"("bytes","default":"Ā")", R"("string","default":1)",
        R"({"type":"enum","name":"E","symbols":["A"]},"default":"B")",
        R"({"type":"array","items":"int"},"default":["x"])", R"({"type":"map","values":"long"},"default":[])",
        R"({"type":"fixed","name":"F","size":2},"default":"abc")", R"(["null","int"],"default":"x")",
        R"({"type":"record","name":"I","fields":[{"name":"x","type":"int"}]},"default":{})"}) {
    const error failure =
        refused(std::string(R"({"type":"record","name":"R","fields":[{"name":"f","type":)") + field + "}]}");
    EXPECT_EQ(failure.code(), errc::schema_invalid) << field;
    EXPECT_TRUE(contains(failure.message(), "$.fields[0].default: ")) << failure.message();
  }
  parse_options lenient;
  lenient.check_defaults = false;
  EXPECT_TRUE(
      schema::parse(R"({"type":"record","name":"R","fields":[{"name":"f","type":"int","default":"x"}]})",
                    lenient)
          .ok());
}

TEST(schema, refuses_and_names_the_place) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"type":)", "$: not JSON"},
      {"", "$: not JSON"},
      {"7", "$: a type is a name, an object or an array"},
      {R"("strin")", "$: unknown type 'strin'"},
      {R"({"type":"record","name":"R"})", "$: record 'R' without an array \"fields\""},
      {R"({"type":"record","fields":[]})", "$.name: not a name: ''"},
      {R"({"type":"record","name":"9R","fields":[]})", "$.name: not a name: '9R'"},
      {R"({"type":"record","name":"a..R","fields":[]})", "$.name: not a name"},
      {R"({"type":"record","name":"R","namespace":"a-b","fields":[]})", "$.name: not a name: 'a-b.R'"},
      {R"({"type":"record","name":"x.int","fields":[]})", "$.name: 'x.int' is the name of a primitive type"},
      {R"({"type":"record","name":"R","fields":[{"name":"","type":"int"}]})",
       "$.fields[0].name: not a name: ''"},
      {R"({"type":"record","name":"R","fields":[{"name":"a"}]})", "$.fields[0]: field 'a' without \"type\""},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]})",
       "$.fields[1]: a second field 'a'"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":"int","order":"up"}]})",
       "$.fields[0].order: not an order: 'up'"},
      {R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"Pge"}}]})",
       "$.fields[0].type.items: unknown type 'Pge'"},
      {R"({"type":"enum","name":"E","symbols":["A","A"]})", "$.symbols[1]: a second"},
      {R"({"type":"enum","name":"E","symbols":[""]})", "$.symbols[0]: not a name"},
      {R"({"type":"enum","name":"E","symbols":["A"],"default":"B"})", "$.default: not one of the symbols"},
      {R"({"type":"fixed","name":"F"})", "$.size: fixed 'F' needs a size"},
      {R"({"type":"fixed","name":"F","size":-1})", "$.size: fixed 'F' needs a size"},
      {R"({"type":"map"})", "$: type map without \"values\""},
      {R"(["null",["int"]])", "$[1]: a union directly inside a union"},
      {R"(["int","string","int"])", "$[2]: a second int in one union"},
      {R"([{"type":"array","items":"int"},{"type":"array","items":"long"}])",
       "$[1]: a second array in one union"},
      {R"({"name":"x"})", "$: an object without \"type\""},
  };
  for (const auto& [text, message] : cases) {
    const error failure = refused(text);
    EXPECT_EQ(failure.code(), errc::schema_invalid) << text;
    EXPECT_EQ(failure.message().substr(0, std::string_view(message).size()), message) << text;
  }
}

TEST(schema, a_name_is_used_after_its_definition) {
  rejects(
      R"({"type":"record","name":"R","fields":[{"name":"a","type":"F"},{"name":"b","type":{"type":"fixed","name":"F","size":1}}]})");
}

TEST(schema, lenient_names_are_accepted_by_option) {
  const char* text = R"({"type":"record","name":"Événement","fields":[{"name":"größe in cm","type":"int"}]})";
  rejects(text);
  parse_options options;
  options.lenient_names = true;
  EXPECT_TRUE(schema::parse(text, options).ok());
}

TEST(schema, limits_are_enforced) {
  const auto limited = [](std::string_view text, auto change) {
    parse_options options;
    change(options.limits);
    return refused(text, options).code();
  };
  EXPECT_EQ(limited(R"("string")", [](limits& l) { l.schema_text_bytes_max = 7; }), errc::limit_exceeded);
  EXPECT_EQ(limited(R"(["null","int","long"])", [](limits& l) { l.schema_nodes_max = 3; }),
            errc::limit_exceeded);
  EXPECT_EQ(limited(R"(["null","int","long"])", [](limits& l) { l.union_branches_max = 2; }),
            errc::limit_exceeded);
  EXPECT_EQ(
      limited(R"({"type":"enum","name":"E","symbols":["A","B"]})", [](limits& l) { l.enum_symbols_max = 1; }),
      errc::limit_exceeded);
  EXPECT_EQ(limited(R"({"type":"fixed","name":"F","size":1000000000000})", [](limits&) {}),
            errc::limit_exceeded);
  EXPECT_EQ(limited(R"({"type":"fixed","name":"F","size":17})", [](limits& l) { l.fixed_bytes_max = 16; }),
            errc::limit_exceeded);
  EXPECT_EQ(
      limited(R"({"type":"fixed","name":"a.LongName","size":1})", [](limits& l) { l.name_bytes_max = 9; }),
      errc::limit_exceeded);
  const char* with_defaults =
      R"({"type":"record","name":"R","fields":[{"name":"f","type":"string","default":"abcdef"},{"name":"g","type":"string","default":"ghijkl"}]})";
  EXPECT_EQ(limited(with_defaults, [](limits& l) { l.default_bytes_max = 6; }), errc::limit_exceeded);
  EXPECT_EQ(limited(with_defaults, [](limits& l) { l.default_bytes_total_max = 10; }), errc::limit_exceeded);
  EXPECT_EQ(
      limited(
          R"({"type":"record","name":"R","fields":[{"name":"f","type":"string","default":"abcdef"},{"name":"g","type":"R2"}]})",
          [](limits& l) { l.schema_depth_max = 0; }),
      errc::limit_exceeded);
}

TEST(schema, deep_nesting_is_refused) {
  std::string brackets(300'000, '[');
  EXPECT_EQ(refused(brackets).code(), errc::limit_exceeded);
  std::string arrays = R"("int")";
  for (int i = 0; i < 70; ++i) arrays = R"({"type":"array","items":)" + arrays + "}";
  EXPECT_EQ(refused(arrays).code(), errc::limit_exceeded);
  // Flat text, deep types: each record holds the one before.
  std::string fields = R"({"name":"f0","type":{"type":"record","name":"R0","fields":[]}})";
  for (int i = 1; i < 2000; ++i) {
    const auto n = std::to_string(i);
    fields += R"(,{"name":"f)" + n + R"(","type":{"type":"record","name":"R)" + n +
              R"(","fields":[{"name":"r","type":"R)" + std::to_string(i - 1) + R"("}]}})";
  }
  EXPECT_EQ(refused(R"({"type":"record","name":"All","fields":[)" + fields + "]}").code(),
            errc::limit_exceeded);
}

TEST(schema, defaults_cannot_multiply) {
  // Every level holds two of the level below, all by default: 2^40 nulls from one line.
  std::string type = R"({"type":"record","name":"R0","fields":[{"name":"n","type":"null","default":null}]})";
  std::string fields = R"({"name":"l0","type":)" + type + R"(,"default":{}})";
  for (int i = 1; i <= 40; ++i) {
    const auto n = std::to_string(i), below = std::to_string(i - 1);
    fields += R"(,{"name":"l)" + n + R"(","type":{"type":"record","name":"R)" + n +
              R"(","fields":[{"name":"a","type":"R)" + below + R"(","default":{}},{"name":"b","type":"R)" +
              below + R"(","default":{}}]},"default":{}})";
  }
  EXPECT_EQ(refused(R"({"type":"record","name":"All","fields":[)" + fields + "]}").code(),
            errc::limit_exceeded);
}

}  // namespace
}  // namespace millrace::avro

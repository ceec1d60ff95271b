// Documents: structure, records, limits, errors, structs.
#include <map>

#include "everything.avsc.h"
#include "json_case.h"
#include "navigation.avsc.h"

namespace millrace::avro {

struct payment {
  std::string_view id;
  std::int64_t cents = 0;
  std::optional<std::string_view> note;
};
template <>
struct describe<payment> {
  static type_descriptor type() {
    return record_of<payment>("payment", {field("id", &payment::id), field("cents", &payment::cents),
                                          field("note", &payment::note)});
  }
};

struct owners {
  std::string id;
  std::vector<std::int64_t> counts;
  std::map<std::string, std::string> labels;
  std::vector<std::pair<std::string, double>> weights;
};
template <>
struct describe<owners> {
  static type_descriptor type() {
    return record_of<owners>("", {field("id", &owners::id), field("counts", &owners::counts),
                                  field("labels", &owners::labels), field("weights", &owners::weights)});
  }
};

namespace {

constexpr const char* pair = R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"},
  {"name":"b","type":"string","default":"none"},{"name":"c","type":["null","string"]},
  {"name":"d","type":{"type":"array","items":"int"},"default":[7,8]},{"name":"e","type":["int","null"],"default":4}]})";

TEST(json_documents, fill_a_struct_whose_strings_do_not_view_them) {
  const auto decoder = json_decoder<payment>::compile();
  ASSERT_TRUE(decoder.ok()) << decoder.error().to_string();
  std::string document =
      R"({"id": "p1 \u00e4\n", "cents": 250, "note": "a note of more than sixteen characters"})";
  arena memory;
  payment paid;
  const auto read = decoder->decode(as_bytes(document), memory, paid);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  document.assign(document.size(), '#');
  EXPECT_EQ(paid.id, "p1 ä\n");
  EXPECT_EQ(paid.cents, 250);
  EXPECT_EQ(paid.note, "a note of more than sixteen characters");
}

TEST(json_documents, fill_owners_and_are_written_from_them) {
  const auto decoder = json_decoder<owners>::compile();
  const auto encoder = json_encoder<owners>::compile();
  ASSERT_TRUE(decoder.ok() && encoder.ok());
  const std::string document =
      R"({"id":"x","counts":[1,-2],"labels":{"a":"b","c":"d"},"weights":{"w":0.5,"w":1.0}})";
  arena memory;
  owners got;
  ASSERT_TRUE(decoder->decode(as_bytes(document), memory, got).ok());
  EXPECT_EQ(got.labels.at("c"), "d");
  ASSERT_EQ(got.weights.size(), 2U);
  EXPECT_EQ(got.weights[1].second, 1.0);
  byte_buffer out;
  ASSERT_TRUE(encoder->encode(got, out).ok());
  EXPECT_EQ(string_of(out), document);
}

TEST(json_records, take_fields_in_any_order) {
  EXPECT_EQ(read_json(pair, R"({"a":1,"b":"x","c":"y","d":[],"e":null})"),
            R"({"a":1,"b":"x","c":"y","d":[],"e":null})");
  EXPECT_EQ(read_json(pair, R"({"e":9,"d":[1,2,3],"c":null,"b":"x","a":1})"),
            R"({"a":1,"b":"x","c":null,"d":[1,2,3],"e":9})");
  EXPECT_EQ(read_json(pair, R"({"d":[5],"a":1,"e":2})"), R"({"a":1,"b":"none","c":null,"d":[5],"e":2})");
}

TEST(json_records, fill_missing_fields_from_defaults_and_null) {
  EXPECT_EQ(read_json(pair, R"({"a":1})"), R"({"a":1,"b":"none","c":null,"d":[7,8],"e":4})");
  EXPECT_EQ(read_json(pair, R"({"b":"x"})"),
            R"(malformed: $: byte 8: the field "a" is missing and has no default)");
  EXPECT_EQ(read_json(pair, "{}"), R"(malformed: $: byte 1: the field "a" is missing and has no default)");
  EXPECT_EQ(read_json(R"({"type":"record","name":"N","fields":[{"name":"n","type":"null"}]})", "{}"),
            R"({"n":null})");
  EXPECT_EQ(read_json(pair, R"({"a":null})"), "malformed: $.a: byte 5: expected int, found null")
      << "null is not a missing field";
}

TEST(json_records, inside_records_keep_their_order_apart) {
  constexpr const char* nested =
      R"({"type":"record","name":"T","fields":[{"name":"v","type":"int","default":1},
    {"name":"in","type":{"type":"array","items":"T"},"default":[]},{"name":"w","type":"string"}]})";
  EXPECT_EQ(
      read_json(nested,
                R"({"w":"out","in":[{"in":[{"w":"deep","v":3}],"w":"mid"},{"w":"b","in":[]}],"v":5})"),
      R"({"v":5,"in":[{"v":1,"in":[{"v":3,"in":[],"w":"deep"}],"w":"mid"},{"v":1,"in":[],"w":"b"}],"w":"out"})");
}

TEST(json_records, skip_what_the_schema_does_not_have) {
  EXPECT_EQ(
      read_json(pair, R"({"x":{"y":[{"a":"}]\"\\"},[],{},1.5e3,true,false,null]},"a":1,"z":[[[]]],"A":2})"),
      R"({"a":1,"b":"none","c":null,"d":[7,8],"e":4})");
  EXPECT_EQ(read_json(pair, R"({"x":[1,],"a":1})"), "malformed: $: byte 8: expected a value");
  EXPECT_EQ(read_json(pair, R"({"x":{"y" 1},"a":1})"), "malformed: $: byte 10: expected ':'");
  EXPECT_EQ(read_json(pair, R"({"x":{"y":1],"a":1})"), "malformed: $: byte 11: expected ',' or '}'");
  EXPECT_EQ(read_json(pair, "{\"x\":\"\xff\",\"a\":1}"),
            "invalid_utf8: $: byte 6: a string that is not UTF-8");
  EXPECT_EQ(read_json(pair, R"({"x":01,"a":1})"), "malformed: $: byte 5: expected a value");
  EXPECT_EQ(read_json(pair, R"({"x":nul,"a":1})"), "malformed: $: byte 5: expected a value");
}

TEST(json_records, refuse_a_field_that_is_given_twice) {
  EXPECT_EQ(read_json(pair, R"({"a":1,"a":1})"), R"(malformed: $: byte 11: the field "a" is given twice)");
  EXPECT_EQ(read_json(pair, R"({"b":"x","a":1,"\u0062":"y"})"),
            R"(malformed: $: byte 24: the field "b" is given twice)");
}

TEST(json_records, know_fields_by_aliases_and_escaped_names) {
  constexpr const char* renamed =
      R"({"type":"record","name":"R","fields":[{"name":"now","type":"int","aliases":["before"]}]})";
  EXPECT_EQ(read_json(renamed, R"({"before":3})"), R"({"now":3})");
  EXPECT_EQ(read_json(renamed, R"({"n\u006fw":3})"), R"({"now":3})");
  EXPECT_EQ(read_json(renamed, R"({"before":3,"now":4})"),
            R"(malformed: $: byte 18: the field "now" is given twice)");
}

TEST(json_records, of_many_fields_and_long_names_are_found) {
  std::string type = R"({"type":"record","name":"Wide","fields":[)";
  std::string document = "{";
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string name =
        "a_rather_long_name_of_a_field_" + std::to_string(i * 7919 % 300) + "_at_the_end";
    type += (i != 0 ? "," : "") + (R"({"name":")" + name + R"(","type":"int"})");
  }
  for (int i = 299; i >= 0; --i) {
    const std::string name = "a_rather_long_name_of_a_field_" + std::to_string(i) + "_at_the_end";
    document += "\"" + name + "\":" + std::to_string(i) + (i != 0 ? "," : "}");
  }
  for (int i = 0; i < 300; ++i) {
    const int number = i * 7919 % 300;
    expected += (i != 0 ? ",\"" : "{\"") + ("a_rather_long_name_of_a_field_" + std::to_string(number)) +
                "_at_the_end\":" + std::to_string(number);
  }
  EXPECT_EQ(read_json(type + "]}", document), expected + "}");
}

TEST(json_documents, may_have_white_space_and_a_byte_order_mark) {
  EXPECT_EQ(read_json(pair, "\xEF\xBB\xBF \t\r\n{ \"a\" : 1 , \"d\" : [ 1 , 2 ] }\n"),
            R"({"a":1,"b":"none","c":null,"d":[1,2],"e":4})");
  EXPECT_EQ(read_json(R"("int")", " 5 "), "5");
  EXPECT_EQ(read_json(R"("int")", std::string("\xFF\xFE\x35\x00", 4)),
            "malformed: $: byte 0: expected int, found no value");
}

TEST(json_documents, are_one_value_and_nothing_else) {
  EXPECT_EQ(read_json(R"("int")", "5 6"), "trailing_bytes: $: byte 2: 1 bytes behind the document");
  EXPECT_EQ(read_json(pair, R"({"a":1}})"), "trailing_bytes: $: byte 7: 1 bytes behind the document");
  EXPECT_EQ(read_json(R"("int")", std::string_view("5\0", 2)),
            "trailing_bytes: $: byte 1: 1 bytes behind the document");
  EXPECT_EQ(read_json(R"("int")", ""), "truncated: $: byte 0: the document ends where int is expected");
  EXPECT_EQ(read_json(R"("int")", "  "), "truncated: $: byte 2: the document ends where int is expected");
}

TEST(json_documents, name_the_place_the_expected_and_the_found) {
  constexpr const char* list =
      R"({"type":"record","name":"L","fields":[{"name":"items","type":{"type":"array",
    "items":{"type":"record","name":"I","fields":[{"name":"tags","type":{"type":"map","values":"long"}}]}}}]})";
  EXPECT_EQ(read_json(list, R"({"items":[{"tags":{}},{"tags":{"secret":"word"}}]})"),
            "malformed: $.items[1].tags.*: byte 40: expected long, found a string");
  EXPECT_EQ(read_json(list, R"({"items":{}})"),
            "malformed: $.items: byte 9: expected array, found an object");
  EXPECT_EQ(read_json(list, R"({"items":[1]})"),
            "malformed: $.items[0]: byte 10: expected I, found a number");
  EXPECT_EQ(read_json(list, R"({"items":[{"tags":{x:1}}]})"),
            "malformed: $.items[0].tags: byte 19: expected a key in quotes");
  EXPECT_EQ(read_json(list, R"({items:[]})"), "malformed: $: byte 1: expected the name of a field in quotes");
  EXPECT_EQ(read_json(list, R"({"items":[]"x":1})"), "malformed: $: byte 11: expected ',' or '}'");
  EXPECT_EQ(read_json(list, R"({"items":[},)"), "malformed: $.items[0]: byte 10: expected I, found no value");
}

TEST(json_documents, every_strict_prefix_is_an_error) {
  const std::string_view document =
      R"({"a":12,"b":"x\u00e4\n","c":"plain text, longer than a vector","d":[1,22,3],"e":null, "other":[{"k":-1.5e+2}]})";
  for (std::size_t size = 0; size < document.size(); ++size) {
    const std::string why = read_json(pair, document.substr(0, size));
    EXPECT_TRUE(why.starts_with("truncated: ") || why.starts_with("malformed: ")) << size << " " << why;
  }
  EXPECT_EQ(read_json(pair, document).front(), '{');
}

TEST(json_documents, keep_to_the_limit_of_depth) {
  json_options options;
  options.limits.depth_max = 8;  // of the text: 18
  constexpr const char* tree =
      R"({"type":"record","name":"T","fields":[{"name":"t","type":{"type":"array","items":"T"},"default":[]}]})";
  EXPECT_EQ(read_json(tree, R"({"t":[{"t":[{"t":[]}]}]})", options), R"({"t":[{"t":[{"t":[]}]}]})");
  std::string deep;
  for (int i = 0; i < 10; ++i) deep += R"({"t":[)";
  EXPECT_EQ(read_json(tree, deep, options).substr(0, 14), "limit_exceeded");
  const std::string open(17, '[');
  const std::string closed(17, ']');
  EXPECT_EQ(read_json(tree, R"({"x":)" + open + closed + "}", options), R"({"t":[]})") << "18 deep, skipped";
  EXPECT_EQ(read_json(tree, R"({"x":)" + open + "[]" + closed + "}", options).substr(0, 14),
            "limit_exceeded");
  for (int i = 0; i < 100'000; ++i) deep += R"({"t":[)";
  EXPECT_EQ(read_json(tree, deep).substr(0, 14), "limit_exceeded");
  EXPECT_EQ(read_json(tree, "{\"x\":" + std::string(1'000'000, '[')).substr(0, 14), "limit_exceeded");
}

TEST(json_documents, keep_to_the_limits_of_size) {
  json_options options;
  options.limits.json_text_bytes_max = 20;
  EXPECT_EQ(read_json(R"("string")", R"("0123456789abcdef")", options), R"("0123456789abcdef")");
  EXPECT_EQ(read_json(R"("string")", R"("0123456789abcdefghi")", options),
            "limit_exceeded: a document of 21 bytes; the limit is 20");
  // Defaults must not multiply: each {} stands for 1,000 bytes.
  json_options small;
  small.limits.output_bytes_base = 64 << 10U;
  small.limits.output_bytes_per_byte = 4;
  const std::string amplified =
      R"({"type":"array","items":{"type":"record","name":"R","fields":[{"name":"s","type":"string","default":")" +
      std::string(1000, 'x') + "\"}]}}";
  std::string document = "[{}";
  for (int i = 0; i < 999; ++i) document += ",{}";
  EXPECT_EQ(read_json(amplified, document + "]", small).substr(0, 14), "limit_exceeded");
  EXPECT_EQ(read_json(amplified, document + "]").substr(0, 3), "[{\"") << "within the usual limits";
}

TEST(json_documents, keep_to_the_limit_of_the_arena) {
  const auto decoder = json_decoder<payment>::compile();
  ASSERT_TRUE(decoder.ok());
  arena memory;
  memory.set_bytes_max(2048);
  payment paid;
  const std::string document = R"({"id":")" + std::string(100'000, 'x') + R"(","cents":1})";
  const auto read = decoder->decode(as_bytes(document), memory, paid);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), errc::limit_exceeded);
}

TEST(json_documents, decode_again_after_an_error) {
  const auto decoder = json_decoder<payment>::compile();
  ASSERT_TRUE(decoder.ok());
  arena memory;
  payment paid;
  EXPECT_FALSE(decoder->decode(as_bytes(R"({"id":"x","cents":[]})"), memory, paid).ok());
  memory.reset();
  ASSERT_TRUE(decoder->decode(as_bytes(R"({"id":"y","cents":2})"), memory, paid).ok());
  EXPECT_EQ(paid.id, "y");
  EXPECT_FALSE(paid.note.has_value());
}

TEST(json_documents, must_have_the_fields_of_the_struct) {
  const schema documents = schema_from(
      R"({"type":"record","name":"payment","fields":[{"name":"id","type":"string"},{"name":"cents","type":"int"},
          {"name":"gone","type":"boolean"}]})");
  const auto refused = json_decoder<payment>::compile(documents);
  ASSERT_FALSE(refused.ok()) << "the struct has no default for `note`";
  const auto encoder = json_encoder<payment>::compile(documents);
  EXPECT_FALSE(encoder.ok());
}

TEST(json_structs, of_every_type_survive_the_round_trip) {
  const auto encoder = json_encoder<odd::Everything>::compile();
  ASSERT_FALSE(encoder.ok()) << "its unions are ambiguous";
  EXPECT_EQ(encoder.error().code(), errc::schema_incompatible);
  json_options tagged;
  tagged.unions = json_unions::tagged;
  const auto writer = json_encoder<odd::Everything>::compile(tagged);
  const auto reader = json_decoder<odd::Everything>::compile(tagged);
  ASSERT_TRUE(writer.ok() && reader.ok());
  const std::optional<std::int32_t> row[] = {1, std::nullopt, -3};
  const array_view<std::optional<std::int32_t>> rows[] = {row, {}};
  const odd::List tail{2, nullptr};
  const odd::Tree leaf{"leaf", {}, {}, std::int32_t{7}};
  const odd::Tree children[] = {{"child", {}, {}, &leaf}, leaf};
  odd::Everything everything;
  everything.price.scale = 2;
  everything.rate.scale = 4;
  everything.maybe = "set";
  everything.matrix = rows;
  everything.list = {1, &tail};
  everything.tree = {"root", children, {}, {}};
  byte_buffer first;
  const auto written = writer->encode(everything, first);
  ASSERT_TRUE(written.ok()) << written.error().to_string();
  arena memory;
  odd::Everything again;
  const auto read = reader->decode(first, memory, again);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  ASSERT_EQ(again.tree.children.size(), 2U);
  EXPECT_EQ(again.tree.children[1].name, "leaf");
  byte_buffer second;
  ASSERT_TRUE(writer->encode(again, second).ok());
  EXPECT_EQ(string_of(first), string_of(second));
}

TEST(json_structs, of_the_reference_schema_take_plain_documents) {
  const auto decoder = json_decoder<tracking::Navigation>::compile(
      json_options{.limits = {}, .bytes = json_bytes::hexadecimal});
  ASSERT_TRUE(decoder.ok()) << decoder.error().to_string();
  const std::string_view document = R"({"event_id":"0c5c7fd0-a6a3-a450-6513-270e269e0d37",
    "event_time":1760000000000,"received_time":"2025-10-09T08:53:20.000001Z","partner_id":38,"visitor_id":"v1",
    "kind":"UNHEARD_OF","page":{"url":"https://a.example/","title":"T"},
    "device":{"user_agent":"x","ip":"f29d0da9953f48f1a09f76b5a170b338","viewport":{"width":1280,"height":720}},
    "geo":{"country":"DE","lat":52.5,"lon":13},"consents":{"ads":"GRANTED"},
    "products":[{"sku":"S","price":128.7,"attributes":{"a":1,"b":1.5,"c":"x","d":null,"e":true}}],
    "custom":{"list":["a","b"],"big":5000000000},
    "session":{"id":"s","sequence":7,"is_new":false,"started":1760000000000},"unknown":[1,{}]})";
  arena memory;
  tracking::Navigation nav;
  const auto read = decoder->decode(as_bytes(document), memory, nav);
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(nav.received_time.time_since_epoch().count(), 1760000000000001);
  EXPECT_EQ(symbol_of(nav.kind), "CUSTOM") << "the enum's default";
  EXPECT_EQ(nav.page.title, "T");
  EXPECT_FALSE(nav.device.screen.has_value());
  EXPECT_EQ(nav.geo->lon, 13.0);
  ASSERT_EQ(nav.products.size(), 1U);
  EXPECT_EQ(nav.products[0].price.to_string().value(), "128.70");
  EXPECT_EQ(nav.products[0].quantity, 1);
  EXPECT_EQ(nav.products[0].attributes.size(), 5U);
  EXPECT_EQ(std::get<std::int64_t>(*nav.custom.find("big")), 5000000000);
}

}  // namespace
}  // namespace millrace::avro

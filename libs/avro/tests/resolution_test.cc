// Schema resolution: what the writer wrote, read as what the reader wants. All of it is settled by compile().
#include "wire.h"

namespace millrace::avro {
namespace {

struct point {
  std::int32_t x = 0;
  std::int64_t y = 0;
};
struct only_f {
  std::int64_t f = 0;
};
enum class colour : std::uint8_t { red, green, blue };
enum class wide_colour : std::int16_t { red = -5, green = 300 };
struct sized {
  std::int32_t width = 0;
  std::int32_t note = 77;
};
struct side_a {
  std::int32_t v = 0;
};
struct side_b {
  std::int32_t v = 0;
};
struct node {
  std::int32_t value = 0;
  arena_ptr<node> next;
};
struct tree {
  std::string_view name;
  array_view<tree> children;
  map_view<tree> named;
};
struct holds_defaults {
  std::int32_t kept = 0;
  std::int32_t number = 0;
  double real = 0;
  std::string_view text;
  bytes_view bytes;
  colour shade = colour::red;
  array_view<std::int64_t> list;
  map_view<std::string_view> map;
  std::optional<std::int32_t> second;
  std::variant<std::monostate, std::int32_t, std::string_view> either;
  point inner;
  decimal_view price;
  std::array<std::byte, 2> pair{};
};
struct owns_defaults {
  std::int32_t kept = 0;
  std::string text;
  std::vector<std::string> list;
  std::map<std::string, std::int64_t> map;
  std::optional<std::string> maybe;
};

}  // namespace

template <>
struct describe<point> {
  static type_descriptor type() {
    return record_of<point>("", {field("x", &point::x), field("y", &point::y)});
  }
};
template <>
struct describe<sized> {
  static type_descriptor type() { return record_of<sized>("", {field("width", &sized::width)}); }
};
template <>
struct describe<only_f> {
  static type_descriptor type() { return record_of<only_f>("", {field("f", &only_f::f)}); }
};
template <>
struct describe<colour> {
  static type_descriptor type() {
    return enum_of<colour>("", {{"RED", colour::red}, {"GREEN", colour::green}, {"BLUE", colour::blue}});
  }
};
template <>
struct describe<wide_colour> {
  static type_descriptor type() {
    return enum_of<wide_colour>("", {{"RED", wide_colour::red}, {"GREEN", wide_colour::green}});
  }
};
template <>
struct describe<side_a> {
  static type_descriptor type() { return record_of<side_a>("n.A", {field("v", &side_a::v)}); }
};
template <>
struct describe<side_b> {
  static type_descriptor type() { return record_of<side_b>("n.B", {field("v", &side_b::v)}); }
};
template <>
struct describe<node> {
  static type_descriptor type() {
    return record_of<node>("", {field("value", &node::value), field("next", &node::next)});
  }
};
template <>
struct describe<tree> {
  static type_descriptor type() {
    return record_of<tree>(
        "", {field("name", &tree::name), field("children", &tree::children), field("named", &tree::named)});
  }
};
template <>
struct describe<holds_defaults> {
  static type_descriptor type() {
    using t = holds_defaults;
    return record_of<t>("", {field("kept", &t::kept), field("number", &t::number), field("real", &t::real),
                             field("text", &t::text), field("bytes", &t::bytes), field("shade", &t::shade),
                             field("list", &t::list), field("map", &t::map), field("second", &t::second),
                             field("either", &t::either), field("inner", &t::inner),
                             field("price", &t::price), field("pair", &t::pair)});
  }
};
template <>
struct describe<owns_defaults> {
  static type_descriptor type() {
    using t = owns_defaults;
    return record_of<t>("", {field("kept", &t::kept), field("text", &t::text), field("list", &t::list),
                             field("map", &t::map), field("maybe", &t::maybe)});
  }
};

namespace {

[[nodiscard]] std::string record(std::string_view fields, std::string_view name = "R",
                                 std::string_view more = "") {
  return R"({"type":"record","name":")" + std::string(name) + "\"" + std::string(more) + R"(,"fields":[)" +
         std::string(fields) + "]}";
}

TEST(resolution, fields_are_matched_by_name) {
  const auto found = decode_as<point>(
      record(R"({"name":"y","type":"long"},{"name":"z","type":"string"},{"name":"x","type":"int"})"),
      varint(2) + text("skipped") + varint(1));
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.x, 1);
  EXPECT_EQ(found->value.y, 2);
}

TEST(resolution, a_missing_field_without_default_is_a_compile_error_that_names_it) {
  const auto found = decode_as<point>(record(R"({"name":"x","type":"int"})"), varint(1));
  EXPECT_EQ(found->code(), errc::schema_incompatible);
  EXPECT_EQ(found->failure->message(),
            "y: the writer's R lacks this field, and the reader has no default for it");
}

// AVRO-3240: the end of the input is never a null. Missing fields come from resolution only.
TEST(resolution, undescribed_members_keep_their_initial_values) {
  const std::string type = record(R"({"name":"width","type":"int"})", "S");
  const auto list = decode_as<array_view<sized>>(R"({"type":"array","items":)" + type + "}",
                                                 varint(2) + varint(1) + varint(2) + varint(0));
  ASSERT_TRUE(list->ok()) << list->why();
  EXPECT_EQ(list->value[1].width, 2);
  EXPECT_EQ(list->value[1].note, 77);
  const auto maybe = decode_as<array_view<std::optional<sized>>>(
      R"({"type":"array","items":["null",)" + type + "]}",
      varint(3) + varint(1) + varint(5) + varint(0) + varint(1) + varint(6) + varint(0));
  ASSERT_TRUE(maybe->ok()) << maybe->why();
  EXPECT_EQ(maybe->value[0]->note, 77);
  EXPECT_EQ(maybe->value[1].has_value(), false);
  EXPECT_EQ(maybe->value[2]->width, 6);
  EXPECT_EQ(maybe->value[2]->note, 77);
}

TEST(resolution, skipping_validates_like_reading) {
  const auto skipped = [](std::string_view type, const std::string& message) {
    const auto found = decode_as<only_f>(
        record(R"({"name":"u","type":)" + std::string(type) + R"(},{"name":"f","type":"long"})"),
        message + varint(5));
    return found->ok() ? (found->value.f == 5 ? errc::internal : errc::io_error) : found->code();
  };
  const errc good = errc::internal;
  EXPECT_EQ(skipped(R"({"type":"array","items":"int"})",
                    varint(-2) + varint(2) + varint(1) + varint(2) + varint(0)),
            good);
  EXPECT_EQ(skipped(R"({"type":"array","items":"int"})",
                    varint(-2) + varint(-5) + varint(1) + varint(2) + varint(0)),
            errc::malformed);
  EXPECT_EQ(skipped(R"({"type":"array","items":"int"})",
                    varint(-2) + varint(500) + varint(1) + varint(2) + varint(0)),
            errc::truncated);
  EXPECT_EQ(skipped(R"({"type":"array","items":"int"})",
                    varint(-20) + varint(2) + varint(1) + varint(2) + varint(0)),
            errc::malformed)
      << "20 items cannot be in 2 bytes";
  EXPECT_EQ(skipped(R"({"type":"array","items":"null"})", varint(std::int64_t{1} << 40) + varint(0)),
            errc::limit_exceeded);
  EXPECT_EQ(skipped(R"({"type":"array","items":{"type":"array","items":"null"}})",
                    varint(3) + varint(500'000) + varint(0) + varint(500'000) + varint(0) + varint(500'000) +
                        varint(0) + varint(0)),
            errc::limit_exceeded);
  EXPECT_EQ(skipped(R"({"type":"array","items":"double"})", varint(std::int64_t{1} << 61) + varint(0)),
            errc::truncated);
  EXPECT_EQ(skipped(R"("string")", varint(-1)), errc::malformed);
  EXPECT_EQ(skipped(R"("string")", varint(100)), errc::truncated);
  EXPECT_EQ(skipped(R"("int")", varint(std::int64_t{1} << 40)), errc::malformed);
  EXPECT_EQ(skipped(R"({"type":"enum","name":"E","symbols":["A"]})", varint(1)), errc::malformed);
  EXPECT_EQ(skipped(R"(["null","int"])", varint(2)), errc::malformed);
  EXPECT_EQ(skipped(R"(["null","int"])", varint(-1)), errc::malformed);
}

TEST(resolution, numbers_and_texts_are_promoted) {
  EXPECT_EQ(decode_as<std::int64_t>(R"("int")", varint(-7))->value, -7);
  EXPECT_EQ(decode_as<float>(R"("int")", varint(-7))->value, -7.0F);
  EXPECT_EQ(decode_as<double>(R"("int")", varint(-7))->value, -7.0);
  EXPECT_EQ(decode_as<float>(R"("long")", varint((std::int64_t{1} << 53) + 1))->value, 9007199254740992.0F);
  EXPECT_EQ(decode_as<double>(R"("long")", varint(INT64_MAX))->value, 9223372036854775807.0);
  EXPECT_EQ(decode_as<double>(R"("float")", raw(1.5F))->value, 1.5);
  EXPECT_EQ(as_text(decode_as<bytes_view>(R"("string")", text("é"))->value), "é");
  EXPECT_EQ(decode_as<std::string_view>(R"("bytes")", text("é"))->value, "é");
  EXPECT_EQ(decode_as<std::string_view>(R"("bytes")", text("\xFF"))->code(), errc::invalid_utf8)
      << "bytes read as a string are checked";
}

TEST(resolution, narrowing_is_refused_when_compiling) {
  EXPECT_EQ(decode_as<std::int32_t>(R"("long")", varint(1))->code(), errc::schema_incompatible);
  EXPECT_EQ(decode_as<float>(R"("double")", raw(1.0))->code(), errc::schema_incompatible);
  EXPECT_EQ(decode_as<std::int64_t>(R"("double")", raw(1.0))->code(), errc::schema_incompatible);
  EXPECT_EQ(decode_as<std::int32_t>(R"("boolean")", "\x01")->code(), errc::schema_incompatible);
  EXPECT_EQ(decode_as<bool>(R"("int")", varint(1))->code(), errc::schema_incompatible);
  EXPECT_EQ(decode_as<std::string_view>(R"("int")", varint(1))->code(), errc::schema_incompatible);
  EXPECT_EQ(decode_as<std::int32_t>(R"("long")", "")->failure->message(),
            "the root: the writer has long, the reader wants int");
}

TEST(resolution, unqualified_record_names_must_match) {
  const std::string reader = record(R"({"name":"x","type":"int"},{"name":"y","type":"long"})", "a.b.Point");
  const auto writer = [](const char* name) {
    return record(R"({"name":"x","type":"int"},{"name":"y","type":"long"})", name);
  };
  const std::string message = varint(1) + varint(2);
  EXPECT_TRUE(resolve_as<point>(writer("a.b.Point"), reader, message)->ok());
  EXPECT_TRUE(resolve_as<point>(writer("other.Point"), reader, message)->ok())
      << "only the namespace differs";
  EXPECT_EQ(resolve_as<point>(writer("a.b.Spot"), reader, message)->code(), errc::schema_incompatible);
  plan_options as_java;
  as_java.ignore_record_names = true;
  EXPECT_TRUE(resolve_as<point>(writer("a.b.Spot"), reader, message, as_java)->ok());
  const std::string aliased = record(R"({"name":"x","type":"int"},{"name":"y","type":"long"})", "a.b.Point",
                                     R"(,"aliases":["Spot","c.Place"])");
  EXPECT_TRUE(resolve_as<point>(writer("a.b.Spot"), aliased, message)->ok())
      << "an alias in the type's namespace";
  EXPECT_TRUE(resolve_as<point>(writer("c.Place"), aliased, message)->ok());
}

TEST(resolution, fields_are_matched_by_alias) {
  const std::string reader = record(R"({"name":"f","type":"long","default":-7,"aliases":["old","older"]})");
  EXPECT_EQ(resolve_as<only_f>(record(R"({"name":"old","type":"int"})"), reader, varint(42))->value.f, 42);
  EXPECT_EQ(resolve_as<only_f>(record(R"({"name":"older","type":"long"})"), reader, varint(42))->value.f, 42);
  EXPECT_EQ(resolve_as<only_f>(record(R"({"name":"other","type":"long"})"), reader, varint(42))->value.f, -7);
  const auto both = resolve_as<only_f>(record(R"({"name":"old","type":"long"},{"name":"f","type":"long"})"),
                                       reader, varint(1) + varint(2));
  EXPECT_EQ(both->value.f, 2) << "a field's own name goes before an alias";
}

TEST(resolution, enum_symbols_are_matched_by_name) {
  const auto writer = [](const char* symbols) {
    return R"({"type":"enum","name":"C","symbols":)" + std::string(symbols) + "}";
  };
  EXPECT_EQ(decode_as<colour>(writer(R"(["BLUE","RED"])"), varint(0))->value, colour::blue)
      << "by name, not by number";
  EXPECT_EQ(decode_as<wide_colour>(writer(R"(["GREEN","RED"])"), varint(0))->value, wide_colour::green);
  EXPECT_EQ(decode_as<wide_colour>(writer(R"(["GREEN","RED"])"), varint(1))->value, wide_colour::red);
  const std::string more = writer(R"(["RED","PINK"])");
  EXPECT_EQ(decode_as<colour>(more, varint(0))->value, colour::red);
  EXPECT_EQ(decode_as<colour>(more, varint(1))->code(), errc::unresolvable) << "this datum only";
  const char* fallback = R"({"type":"enum","name":"C","symbols":["RED","GREEN","BLUE"],"default":"GREEN"})";
  EXPECT_EQ(resolve_as<colour>(more, fallback, varint(1))->value, colour::green);
  for (const std::int64_t index : {-1, 2})
    EXPECT_EQ(decode_as<colour>(more, varint(index))->code(), errc::malformed);
  EXPECT_EQ(decode_as<colour>(writer(R"(["PINK"])"), varint(0))->code(), errc::schema_incompatible);
  EXPECT_EQ(
      resolve_as<colour>(R"({"type":"enum","name":"Other","symbols":["RED"]})", fallback, varint(0))->code(),
      errc::schema_incompatible);
}

TEST(resolution, fixed_types_are_matched_by_size_and_name) {
  using two = std::array<std::byte, 2>;
  const auto type = [](const char* name, int size) {
    return R"({"type":"fixed","name":")" + std::string(name) + R"(","size":)" + std::to_string(size) + "}";
  };
  EXPECT_TRUE(resolve_as<two>(type("a.F", 2), type("b.F", 2), "xy")->ok());
  EXPECT_EQ(resolve_as<two>(type("a.F", 2), type("a.G", 2), "xy")->code(), errc::schema_incompatible);
  EXPECT_EQ(resolve_as<two>(type("a.F", 3), type("a.F", 2), "xyz")->code(), errc::schema_incompatible);
}

TEST(resolution, a_union_is_resolved_branch_by_branch) {
  using value = std::variant<std::monostate, std::int64_t, double, std::string_view>;
  const char* writer = R"(["string","null","int","boolean"])";
  EXPECT_EQ(std::get<3>(decode_as<value>(writer, varint(0) + text("x"))->value), "x");
  EXPECT_EQ(decode_as<value>(writer, varint(1))->value.index(), 0U);
  EXPECT_EQ(std::get<1>(decode_as<value>(writer, varint(2) + varint(9))->value), 9)
      << "promoted to the first that takes it";
  EXPECT_EQ(decode_as<value>(writer, varint(3) + "\x01")->code(), errc::unresolvable) << "this datum only";
  EXPECT_EQ(decode_as<value>(writer, varint(4))->code(), errc::malformed);
}

TEST(resolution, the_exact_branch_takes_precedence_over_a_promotion) {
  using value = std::variant<double, std::int32_t>;
  EXPECT_EQ(std::get<std::int32_t>(decode_as<value>(R"("int")", varint(5))->value), 5);
  EXPECT_EQ(std::get<double>(decode_as<value>(R"("long")", varint(5))->value), 5.0);
  EXPECT_EQ(
      (std::get<float>(decode_as<std::variant<std::string_view, float>>(R"("long")", varint(5))->value)),
      5.0F);
  EXPECT_EQ((decode_as<std::variant<std::string_view, bool>>(R"("long")", varint(5))->code()),
            errc::schema_incompatible);
}

TEST(resolution, a_union_read_as_one_type_fails_per_datum) {
  const char* writer = R"(["null","long","string"])";
  EXPECT_EQ(decode_as<std::int64_t>(writer, varint(1) + varint(5))->value, 5);
  EXPECT_EQ(decode_as<std::int64_t>(writer, varint(0))->code(), errc::unresolvable);
  EXPECT_EQ(decode_as<std::int64_t>(writer, varint(2) + text("x"))->code(), errc::unresolvable);
  EXPECT_EQ(decode_as<bool>(writer, varint(0))->code(), errc::schema_incompatible)
      << "no branch could ever be read";
}

TEST(resolution, a_single_type_is_read_as_a_union) {
  EXPECT_EQ(decode_as<std::optional<std::int64_t>>(R"("int")", varint(5))->value, 5);
  EXPECT_EQ(decode_as<std::optional<std::string>>(R"("string")", text("x"))->value, "x");
  EXPECT_EQ(decode_as<std::optional<std::int64_t>>(R"("null")", "")->value, std::nullopt);
  EXPECT_EQ(decode_as<std::optional<std::int64_t>>(R"("string")", text("x"))->code(),
            errc::schema_incompatible);
  EXPECT_EQ(decode_as<std::optional<std::int64_t>>(R"(["null","string"])", varint(0))->value, std::nullopt)
      << "the null can still be read";
  EXPECT_EQ(decode_as<std::optional<std::int64_t>>(R"(["null","string"])", varint(1) + text("x"))->code(),
            errc::unresolvable);
  EXPECT_EQ(
      decode_as<std::optional<std::int64_t>>(R"(["null","string","long"])", varint(2) + varint(6))->value, 6);
}

TEST(resolution, branches_of_one_shape_are_distinguished_by_name) {
  using value = std::variant<side_a, side_b>;
  const std::string a = record(R"({"name":"v","type":"int"})", "n.A"),
                    b = record(R"({"name":"v","type":"int"})", "n.B");
  EXPECT_EQ(std::get<side_b>(decode_as<value>("[" + a + "," + b + "]", varint(1) + varint(5))->value).v, 5);
  EXPECT_EQ(std::get<side_b>(decode_as<value>("[" + b + "," + a + "]", varint(0) + varint(5))->value).v, 5);
  EXPECT_EQ(
      std::get<side_b>(decode_as<value>(record(R"({"name":"v","type":"int"})", "m.B"), varint(5))->value).v,
      5);
  EXPECT_EQ(decode_as<value>(record(R"({"name":"v","type":"int"})", "n.C"), varint(5))->code(),
            errc::schema_incompatible);
}

constexpr const char* every_default = R"({"name":"kept","type":"int"},
  {"name":"number","type":"int","default":-5},{"name":"real","type":"double","default":1},{"name":"text","type":"string","default":"é"},
  {"name":"bytes","type":"bytes","default":"\u00ff"},
  {"name":"shade","type":{"type":"enum","name":"C","symbols":["RED","GREEN","BLUE"]},"default":"BLUE"},
  {"name":"list","type":{"type":"array","items":"long"},"default":[1,2,3]},
  {"name":"map","type":{"type":"map","values":"string"},"default":{"k":"v"}},
  {"name":"second","type":["null","int"],"default":5},
  {"name":"either","type":["null","int","string"],"default":"s"},
  {"name":"inner","type":{"type":"record","name":"Point","fields":[{"name":"x","type":"int","default":3},{"name":"y","type":"long"}]},"default":{"y":4}},
  {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":5,"scale":2},"default":"09"},
  {"name":"pair","type":{"type":"fixed","name":"F","size":2},"default":"\u0001\u00fe"})";

void expect_defaults(const holds_defaults& value) {
  EXPECT_EQ(value.number, -5);
  EXPECT_EQ(value.real, 1.0);
  EXPECT_EQ(value.text, "é");
  EXPECT_EQ(to_hex(value.bytes), "ff");
  EXPECT_EQ(value.shade, colour::blue);
  ASSERT_EQ(value.list.size(), 3U);
  EXPECT_EQ(value.list[2], 3);
  EXPECT_EQ(*value.map.find("k"), "v");
  EXPECT_EQ(value.second, 5);
  EXPECT_EQ(std::get<std::string_view>(value.either), "s");
  EXPECT_EQ(value.inner.x, 3);
  EXPECT_EQ(value.inner.y, 4);
  EXPECT_EQ(value.price.to_string().value(), "123.45");
  EXPECT_EQ(to_hex(value.pair), "01fe");
}

TEST(resolution, defaults_of_every_type_are_filled_in) {
  const auto found =
      resolve_as<holds_defaults>(record(R"({"name":"kept","type":"int"})"), record(every_default), varint(9));
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.kept, 9);
  expect_defaults(found->value);
  // Inside an array, where memory starts uninitialised.
  const auto list = resolve_as<array_view<holds_defaults>>(
      R"({"type":"array","items":)" + record(R"({"name":"kept","type":"int"})") + "}",
      R"({"type":"array","items":)" + record(every_default) + "}",
      varint(3) + varint(1) + varint(2) + varint(3) + varint(0));
  ASSERT_TRUE(list->ok()) << list->why();
  ASSERT_EQ(list->value.size(), 3U);
  for (const holds_defaults& value : list->value) expect_defaults(value);
}

TEST(resolution, defaults_of_owning_members_are_fresh_every_time) {
  const char* fields =
      R"({"name":"kept","type":"int"},{"name":"text","type":"string","default":"long enough to be on the heap, surely"},
    {"name":"list","type":{"type":"array","items":"string"},"default":["a","b"]},{"name":"map","type":{"type":"map","values":"long"},"default":{"k":1}},
    {"name":"maybe","type":["null","string"],"default":"x"})";
  const schema reader = schema_from(record(fields));
  const auto compiled =
      decoder<owns_defaults>::compile(schema_from(record(R"({"name":"kept","type":"int"})")), reader).value();
  arena memory;
  owns_defaults value;
  for (int i = 0; i < 3; ++i) {
    const std::string message = varint(i);
    ASSERT_TRUE(compiled.decode(as_bytes(message), memory, value).ok());
    EXPECT_EQ(value.kept, i);
    EXPECT_EQ(value.text, "long enough to be on the heap, surely");
    EXPECT_EQ(value.list, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(value.map.at("k"), 1);
    EXPECT_EQ(value.maybe, "x");
    value.text = value.list[0] = "changed";
    value.map["other"] = 2;
  }
}

TEST(resolution, defaults_are_limited_in_memory) {
  // One byte per item on the wire, a hundred and more in memory: 64 times the input, plus the base.
  const std::string item = record(R"({"name":"kept","type":"int"})");
  std::string message = varint(100'000) + std::string(100'000, '\x02') + varint(0);
  const auto found = resolve_as<array_view<holds_defaults>>(
      R"({"type":"array","items":)" + item + "}", R"({"type":"array","items":)" + record(every_default) + "}",
      message);
  EXPECT_EQ(found->code(), errc::limit_exceeded);
  EXPECT_LE(found->memory.capacity(), std::size_t{17} << 20);
}

TEST(resolution, an_invalid_default_is_reported_when_needed) {
  parse_options lenient;
  lenient.check_defaults = false;
  const schema reader = schema_from(record(R"({"name":"f","type":"long","default":"x"})"), lenient);
  auto compiled = decoder<only_f>::compile(schema_from(record("")), reader);
  ASSERT_FALSE(compiled.ok());
  EXPECT_EQ(compiled.error().to_string(), "schema_incompatible: f: the default is not of type long: '\"x\"'");
  EXPECT_TRUE(decoder<only_f>::compile(schema_from(record(R"({"name":"f","type":"int"})")), reader).ok())
      << "not needed";
}

constexpr const char* list_type =
    R"({"type":"record","name":"Node","fields":[{"name":"value","type":"int"},{"name":"next","type":["null","Node"]}]})";

[[nodiscard]] std::string list_of(int length) {
  std::string message;
  for (int i = 0; i < length; ++i) message += varint(i) + varint(i + 1 < length ? 1 : 0);
  return message;
}

TEST(recursion, lists_through_a_pointer_are_read) {
  const auto found = decode_as<node>(list_type, list_of(3));
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.next->next->value, 2);
  EXPECT_FALSE(found->value.next->next->next);
}

TEST(recursion, trees_through_arrays_and_maps_are_read) {
  const char* type =
      R"({"type":"record","name":"Tree","fields":[{"name":"name","type":"string"},{"name":"children","type":{"type":"array","items":"Tree"}},{"name":"named","type":{"type":"map","values":"Tree"}}]})";
  const auto leaf = [](const char* name) { return text(name) + varint(0) + varint(0); };
  const std::string message = text("root") + varint(2) + leaf("a") + text("b") + varint(1) + leaf("c") +
                              varint(0) + varint(0) + varint(0) + varint(1) + text("key") + leaf("d") +
                              varint(0);
  const auto found = decode_as<tree>(type, message);
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->used, message.size());
  EXPECT_EQ(found->value.children[1].children[0].name, "c");
  EXPECT_EQ(found->value.named.find("key")->name, "d");
}

TEST(recursion, a_changed_reader_reads_a_recursive_writer) {
  const char* writer =
      R"({"type":"record","name":"Node","fields":[{"name":"extra","type":"string"},{"name":"next","type":["null","Node"]},{"name":"value","type":"int"}]})";
  const std::string message = text("e0") + varint(1) + text("e1") + varint(0) + varint(11) + varint(10);
  const auto found = decode_as<node>(writer, message);
  ASSERT_TRUE(found->ok()) << found->why();
  EXPECT_EQ(found->value.value, 10);
  EXPECT_EQ(found->value.next->value, 11);
}

TEST(recursion, depth_is_bounded_in_read_skip_and_json) {
  EXPECT_TRUE(decode_as<node>(list_type, list_of(50))->ok());
  const std::string deep = list_of(1'000'000);
  EXPECT_EQ(decode_as<node>(list_type, deep)->code(), errc::limit_exceeded);
  EXPECT_EQ(decode_to_json(schema_from(list_type), as_bytes(deep)).error().code(), errc::limit_exceeded);
  const std::string skipping =
      record(R"({"name":"u","type":)" + std::string(list_type) + R"(},{"name":"f","type":"long"})");
  EXPECT_EQ(decode_as<only_f>(skipping, list_of(50) + varint(6))->value.f, 6);
  EXPECT_EQ(decode_as<only_f>(skipping, deep)->code(), errc::limit_exceeded);
  plan_options shallow;
  shallow.limits.depth_max = 5;
  EXPECT_EQ(decode_as<node>(list_type, list_of(10), shallow)->code(), errc::limit_exceeded);
  EXPECT_TRUE(decode_as<node>(list_type, list_of(5), shallow)->ok());
}

TEST(plans, do_not_explode_where_records_repeat) {
  // Each level holds two of the level below: 2^25 fields if all were compiled in place.
  std::string below =
      R"({"type":"record","name":"L0","fields":[{"name":"v","type":"long"},{"name":"s","type":"string"}]})";
  std::string fields = R"({"name":"f0","type":)" + below + "}";
  for (int i = 1; i <= 25; ++i) {
    const std::string n = std::to_string(i), m = std::to_string(i - 1);
    fields += R"(,{"name":"f)" + n + R"(","type":["null",{"type":"record","name":"L)" + n +
              R"(","fields":[{"name":"a","type":"L)" + m + R"("},{"name":"b","type":["null","L)" + m +
              R"("]}]}]})";
  }
  const schema writer = schema_from(record(fields + R"(,{"name":"f","type":"long"})"));
  auto compiled = decoder<only_f>::compile(writer);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message();
  EXPECT_LT(compiled->untyped().size(), 5'000U);
}

// Every level offers two candidates that fail only at the bottom: 2^40 combinations.
TEST(plans, do_not_try_every_combination) {
  std::string writer = R"({"type":"record","name":"R0","fields":[{"name":"v","type":"int"}]})";
  std::string reader = R"(["null",{"type":"record","name":"a.R0","fields":[{"name":"v","type":"string"}]},
    {"type":"record","name":"b.R0","fields":[{"name":"v","type":"string"}]}])";
  for (int i = 1; i <= 40; ++i) {
    const auto n = std::to_string(i), below = std::to_string(i - 1);
    writer = R"({"type":"record","name":"R)" + n + R"(","fields":[{"name":"u","type":)" + writer + "}]}";
    reader = R"(["null",{"type":"record","name":"a.R)" + n + R"(","fields":[{"name":"u","type":)" + reader +
             R"(}]},{"type":"record","name":"b.R)" + n + R"(","fields":[{"name":"u","type":["null","a.R)" +
             below + R"(","b.R)" + below + R"("]}]}])";
  }
  parse_options deep;
  deep.limits.schema_depth_max = 400;
  const auto refused = decoder<value>::compile(schema_from(writer, deep), schema_from(reader, deep));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), errc::limit_exceeded) << refused.error().to_string();
}

TEST(plans, enums_of_many_symbols_are_resolved) {
  std::string symbols, reversed;
  for (int i = 0; i < 60'000; ++i) {
    const char* comma = i == 0 ? "" : ",";
    symbols += comma + ("\"S" + std::to_string(i) + "\"");
    reversed += comma + ("\"S" + std::to_string(59'999 - i) + "\"");
  }
  const auto type = [](const std::string& listed) {
    return R"({"type":"enum","name":"E","symbols":[)" + listed + "]}";
  };
  EXPECT_EQ(resolve_as<value>(type(symbols), type(reversed), varint(7))->value.symbol(), "S7");
}

TEST(plans, neighbouring_skips_merge) {
  std::string fields;
  for (int i = 0; i < 20; ++i) fields += R"({"name":"s)" + std::to_string(i) + R"(","type":"string"},)";
  for (int i = 0; i < 20; ++i) fields += R"({"name":"d)" + std::to_string(i) + R"(","type":"double"},)";
  const auto compiled =
      decoder<only_f>::compile(schema_from(record(fields + R"({"name":"f","type":"long"})"))).value();
  EXPECT_EQ(compiled.untyped().size(), 4U) << "strings, doubles, f, end";
}

TEST(plans, trailing_bytes_are_refused_by_decode_exactly_only) {
  const auto compiled = decoder<std::int64_t>::compile(schema_from(R"("long")")).value();
  arena memory;
  std::int64_t value = 0;
  const std::string message = varint(5) + "rest";
  EXPECT_EQ(compiled.decode(as_bytes(message), memory, value).value(), 1U);
  EXPECT_EQ(compiled.decode_exactly(as_bytes(message), memory, value).error().code(), errc::trailing_bytes);
  EXPECT_TRUE(compiled.decode_exactly(as_bytes(varint(5)), memory, value).ok());
}

}  // namespace
}  // namespace millrace::avro

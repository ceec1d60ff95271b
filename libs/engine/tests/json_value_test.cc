// JSON as the format of values.
#include <gtest/gtest.h>

#include <millrace/avro/value.h>
#include <millrace/engine/json_value.h>

namespace millrace::engine {

struct json_payment {
  std::string_view id;
  std::int64_t cents = 0;
  avro::array_view<std::int64_t> parts;
};

}  // namespace millrace::engine

template <>
struct millrace::avro::describe<millrace::engine::json_payment> {
  static type_descriptor type() {
    using millrace::engine::json_payment;
    return record_of<json_payment>("payment",
                                   {field("id", &json_payment::id), field("cents", &json_payment::cents),
                                    field("parts", &json_payment::parts, "[]")});
  }
};
template <>
struct millrace::engine::value_traits<millrace::engine::json_payment>
    : millrace::engine::json_traits<millrace::engine::json_payment> {};

namespace millrace::engine {
namespace {

const json_payment& value_of(const value_slot& slot) {
  return *static_cast<const json_payment*>(slot.value());
}

TEST(JsonValue, DecodesBySchemaOfTheStructAndBack) {
  const value_format& format = value_traits<json_payment>::format();
  EXPECT_NE(format.type_name().find("json_payment"), std::string_view::npos);
  const auto plan = format.compile({});
  ASSERT_TRUE(plan) << plan.error().to_string();
  const auto slot = format.make_slot();
  std::string body = R"({"cents": 250, "id": "p1", "parts": [100, 150], "other": {}} )";
  const auto used = slot->decode(**plan, as_bytes(body));
  ASSERT_TRUE(used) << used.error().to_string();
  EXPECT_EQ(*used, body.size()) << "white space behind the document is consumed";
  body.assign(body.size(), '#');
  EXPECT_EQ(value_of(*slot).id, "p1");
  ASSERT_EQ(value_of(*slot).parts.size(), 2U);
  byte_buffer out;
  ASSERT_TRUE(value_traits<json_payment>::encode(value_of(*slot), out));
  EXPECT_EQ(as_text(out), R"({"id":"p1","cents":250,"parts":[100,150]})");
}

TEST(JsonValue, ASlotIsReusedAfterAnError) {
  const value_format& format = value_traits<json_payment>::format();
  const auto plan = format.compile({});
  ASSERT_TRUE(plan);
  const auto slot = format.make_slot();
  const auto failed = slot->decode(**plan, as_bytes(R"({"id": "p1", "cents": "many"})"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().to_string(), "malformed: $.cents: byte 22: expected long, found a string");
  EXPECT_EQ(slot->decode(**plan, as_bytes(R"({"id":"p2","cents":1}{)")).error().code(), errc::trailing_bytes);
  ASSERT_TRUE(slot->decode(**plan, as_bytes(R"({"id":"p2","cents":1})")));
  EXPECT_EQ(value_of(*slot).id, "p2");
  EXPECT_TRUE(value_of(*slot).parts.empty());
}

TEST(JsonValue, TakesTheSchemaOfTheDocumentsWithReferences) {
  const value_format& format = value_traits<json_payment>::format();
  const auto plan = format.compile(
      {R"({"type":"record","name":"payment","fields":[{"name":"id","type":"string"},{"name":"cents","type":"int"},
          {"name":"kind","type":"x.Kind","default":"CARD"}]})",
       {R"({"type":"enum","name":"x.Kind","symbols":["CARD","CASH"]})"}});
  ASSERT_TRUE(plan) << plan.error().to_string();
  const auto slot = format.make_slot();
  const auto used = slot->decode(**plan, as_bytes(R"({"id":"p","cents":7,"kind":"CASH"})"));
  ASSERT_TRUE(used) << used.error().to_string();
  EXPECT_EQ(value_of(*slot).cents, 7);
  EXPECT_FALSE(slot->decode(**plan, as_bytes(R"({"id":"p","cents":7,"kind":"GOLD"})")))
      << "the field is checked";
  const auto broken = format.compile({"{", {}});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), errc::schema_invalid);
}

TEST(JsonValue, MemoryOfTheSlotIsLimitedAndGivenBack) {
  const json_format<json_payment> format;
  const auto plan = format.compile({});
  ASSERT_TRUE(plan);
  const auto slot = format.make_slot();
  const std::string body = R"({"id":")" + std::string(100'000, 'x') + R"(","cents":1})";
  slot->set_bytes_max(4096);
  const auto refused = slot->decode(**plan, as_bytes(body));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::limit_exceeded);
  slot->set_bytes_max(std::size_t{1} << 20);
  ASSERT_TRUE(slot->decode(**plan, as_bytes(body)));
  EXPECT_GE(slot->bytes_held(), body.size());
  slot->trim(1000);
  EXPECT_LE(slot->bytes_held(), 1000U);
}

TEST(JsonValue, OptionsBelongToTheFormat) {
  const json_format<avro::value> plain;
  avro::json_options options;
  options.unions = avro::json_unions::tagged;
  const json_format<avro::value> tagged(options);
  EXPECT_FALSE(plain.compile({R"(["bytes","string"])", {}})) << "ambiguous";
  EXPECT_TRUE(tagged.compile({R"(["bytes","string"])", {}}));
}

}  // namespace
}  // namespace millrace::engine

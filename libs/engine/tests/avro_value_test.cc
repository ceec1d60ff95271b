// Writers' schemas as a registry gives them.
#include <gtest/gtest.h>

#include <millrace/avro/value.h>
#include <millrace/engine/avro_value.h>

namespace millrace::engine {
namespace {

// What decoding finds at `path` of the only field's record; the message is one zigzag int.
result<std::int32_t> read_int(const stream::schema_document& writer, std::string_view path) {
  const auto plan = internal::compile_avro(writer, avro::descriptor_of<avro::value>());
  if (!plan) return plan.error();
  internal::avro_slot<avro::value> slot;
  const byte_buffer message{std::byte{14}};
  const auto used = slot.decode(**plan, message);
  if (!used) return used.error();
  const avro::value* found = static_cast<const avro::value*>(slot.value())->find(path);
  if (found == nullptr) return error(errc::internal, "no such field");
  return found->int32();
}

constexpr const char* inner = R"({"type":"record","name":"x.Inner","fields":[{"name":"n","type":"int"}]})";
constexpr const char* middle =
    R"({"type":"record","name":"x.Middle","fields":[{"name":"inner","type":"x.Inner"}]})";
constexpr const char* outer =
    R"({"type":"record","name":"Outer","namespace":"x","fields":[{"name":"middle","type":"Middle"}]})";

TEST(AvroValue, ReferencesOfTheWritersSchemaAreResolved) {
  const auto read = read_int({outer, {inner, middle}}, "middle.inner.n");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(*read, 7);
}

TEST(AvroValue, AReferenceThatIsMissingIsNamed) {
  const auto failed = read_int({outer, {inner}}, "middle.inner.n");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::schema_invalid);
  EXPECT_NE(failed.error().message().find("Middle"), std::string::npos);
}

TEST(AvroValue, FiftyLevelsOfReferencesAreResolved) {
  stream::schema_document chain;
  std::string path = "n";
  chain.references.push_back(R"({"type":"record","name":"R0","fields":[{"name":"n","type":"int"}]})");
  for (int i = 1; i <= 50; ++i) {
    const std::string number = std::to_string(i);
    chain.references.push_back(R"({"type":"record","name":"R)" + number +
                               R"(","fields":[{"name":"f","type":"R)" + std::to_string(i - 1) + R"("}]})");
    path = "f." + path;
  }
  chain.text = chain.references.back();
  chain.references.pop_back();
  const auto read = read_int(chain, path);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(*read, 7);
}

TEST(AvroValue, AnInvalidDefaultOfTheWriterLosesNoRecord) {
  const auto read = read_int(
      {R"({"type":"record","name":"R","fields":[{"name":"n","type":"int","default":"seven"}]})", {}}, "n");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(*read, 7);
}

}  // namespace
}  // namespace millrace::engine

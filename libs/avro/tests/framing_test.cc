// What stands around a datum: Confluent's two versions, in the payload and in headers; single objects; raw
// bytes.
#include <array>

#include <millrace/avro/encoder.h>
#include <millrace/avro/framing.h>

#include "wire.h"

namespace millrace::avro {
namespace {

TEST(framing, a_frame_is_split_into_schema_id_and_datum) {
  const byte_buffer message = hex("00 00000102 0a0b");
  const auto frame = split_frame(message);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->schema_id, 258);
  EXPECT_EQ(to_hex(frame->datum), "0a0b");
  EXPECT_EQ(split_frame(hex("00 80000000"))->schema_id, INT32_MIN);
  EXPECT_EQ(split_frame(hex("00 ffffffff"))->schema_id, -1);
  EXPECT_TRUE(split_frame(hex("0000000000"))->datum.empty());
  for (std::size_t size = 0; size < frame_bytes; ++size) {
    EXPECT_EQ(split_frame(bytes_view(message).first(size)).error().code(), errc::bad_frame);
  }
  for (unsigned magic = 1; magic < 256; ++magic) {
    byte_buffer other = message;
    other[0] = static_cast<std::byte>(magic);
    EXPECT_EQ(split_frame(other).error().code(), errc::bad_frame);
  }
  byte_buffer out = hex("ff");
  append_frame(258, out);
  EXPECT_EQ(to_hex(out), "ff0000000102");
}

constexpr const char* guid_text = "89791762-2336-4186-9674-299b90a802e2";
constexpr const char* guid_hex = "01 89791762 2336 4186 9674 299b90a802e2";

[[nodiscard]] std::string shown(const result<std::optional<keyed_datum>>& split) {
  if (!split) return std::string(to_string(split.error().code()));
  if (!*split) return "tombstone";
  const keyed_datum& found = **split;
  const auto* id = std::get_if<std::int32_t>(&found.schema);
  return (id != nullptr ? std::to_string(*id) : std::get<uuid>(found.schema).to_string()) + " " +
         to_hex(found.datum);
}
[[nodiscard]] std::string from_payload(std::string_view payload) {
  const byte_buffer bytes = hex(payload);
  return shown(split_message(std::nullopt, bytes_view(bytes)));
}
[[nodiscard]] std::string from_header(std::string_view header, std::string_view payload) {
  const byte_buffer name = hex(header), bytes = hex(payload);
  return shown(split_message(bytes_view(name), bytes_view(bytes)));
}

TEST(framing, both_frame_versions_are_read) {
  EXPECT_EQ(from_payload("00 00000102 0a0b"), "258 0a0b");
  EXPECT_EQ(from_payload(std::string(guid_hex) + "0a"), std::string(guid_text) + " 0a");
  EXPECT_EQ(from_payload("00 00000000"), "0 ") << R"(a body of no bytes: "null", a record without fields)";
  EXPECT_EQ(from_payload("00 80000000"), "-2147483648 ");
  for (unsigned magic = 2; magic < 256; ++magic) {
    const std::array first = {static_cast<std::byte>(magic)};
    EXPECT_EQ(from_payload(to_hex(first) + "00000102000000000000000000000000"), "bad_frame");
  }
}

TEST(framing, every_strict_prefix_of_a_frame_is_an_error) {
  const byte_buffer id = hex("0000000102"), guid = hex(guid_hex);
  for (std::size_t size = 0; size < id.size(); ++size)
    EXPECT_EQ(from_payload(to_hex(bytes_view(id).first(size))), "bad_frame") << size;
  for (std::size_t size = 0; size < guid.size(); ++size)
    EXPECT_EQ(from_payload(to_hex(bytes_view(guid).first(size))), "bad_frame") << size;
}

TEST(framing, a_schema_header_takes_precedence_over_the_payload) {
  EXPECT_EQ(from_header(guid_hex, "0a"), std::string(guid_text) + " 0a");
  EXPECT_EQ(from_header(guid_hex, "00 00000102 0a"), std::string(guid_text) + " 00000001020a")
      << "what looks like a frame is the datum";
  EXPECT_EQ(from_header("00 00000007", "0a"), "7 0a");
  EXPECT_EQ(from_header(guid_hex, ""), std::string(guid_text) + " ");
  EXPECT_EQ(from_header("", "00 00000102 0a"), "bad_frame") << "an empty header is not a null one";
  EXPECT_EQ(from_header("01 89791762 2336 4186 9674 299b90a802", "0a"), "bad_frame") << "16 bytes";
  EXPECT_EQ(from_header(std::string(guid_hex) + "00", "0a"), "bad_frame") << "18 bytes";
  EXPECT_EQ(from_header("02 89791762 2336 4186 9674 299b90a802e2", "0a"), "bad_frame");
}

TEST(framing, the_last_header_of_the_name_is_used_and_a_null_one_is_ignored) {
  struct header {
    std::string_view name;
    std::optional<bytes_view> value;
  };
  const byte_buffer first = hex(guid_hex), second = hex("00 00000007"), payload = hex("00 00000102 0a");
  const auto split = [&](const std::vector<header>& headers, std::string_view name) {
    return shown(split_message(last_header(headers, name), bytes_view(payload)));
  };
  const header guid{value_schema_header, bytes_view(first)}, id{value_schema_header, bytes_view(second)};
  const header null{value_schema_header, std::nullopt}, key{key_schema_header, bytes_view(first)};
  EXPECT_EQ(split({guid, id}, value_schema_header), "7 00000001020a");
  EXPECT_EQ(split({id, guid}, value_schema_header), std::string(guid_text) + " 00000001020a");
  EXPECT_EQ(split({guid, null}, value_schema_header), "258 0a");
  EXPECT_EQ(split({}, value_schema_header), "258 0a");
  EXPECT_EQ(split({key}, value_schema_header), "258 0a") << "the key's header says nothing about the value";
  EXPECT_EQ(split({key, id}, key_schema_header), std::string(guid_text) + " 00000001020a");
}

TEST(framing, a_tombstone_has_no_schema) {
  const byte_buffer header = hex(guid_hex), nonsense = hex("ff");
  EXPECT_EQ(shown(split_message(std::nullopt, std::nullopt)), "tombstone");
  EXPECT_EQ(shown(split_message(bytes_view(header), std::nullopt)), "tombstone");
  EXPECT_EQ(shown(split_message(bytes_view(nonsense), std::nullopt)), "tombstone");
  EXPECT_EQ(from_payload(""), "bad_frame") << "empty is not null";
}

TEST(framing, keys_are_written_as_they_are_read) {
  byte_buffer out;
  append_schema_key(uuid::parse(guid_text).value(), out);
  EXPECT_EQ(to_hex(out), to_hex(hex(guid_hex)));
  out.clear();
  append_schema_key(std::int32_t{258}, out);
  EXPECT_EQ(to_hex(out), "0000000102");
}

// The message of Apache Avro's share/test/data/messageV1.
TEST(framing, single_objects_are_split_and_framed) {
  const char* type = R"({"type":"record","namespace":"org.apache.avro","name":"TestMessage","fields":[
    {"name":"id","type":"long"},{"name":"name","type":"string"},
    {"name":"tags","type":{"type":"array","items":"string"}}]})";
  const byte_buffer message =
      hex("c301 a92de1f8a242f53d 54 0842696c6c 0412646f675f6c6f766572 126361745f6861746572 00");
  const auto split = split_single_object(message);
  ASSERT_TRUE(split.ok()) << split.error().to_string();
  EXPECT_EQ(split->fingerprint, schema_from(type).fingerprint());
  EXPECT_EQ(decode_to_json(schema_from(type), split->datum)->text,
            R"({"id":42,"name":"Bill","tags":["dog_lover","cat_hater"]})");
  byte_buffer out = hex("ff");
  append_single_object(split->fingerprint, out);
  EXPECT_EQ(to_hex(out), "ffc301a92de1f8a242f53d");
  for (std::size_t size = 0; size < single_object_bytes; ++size)
    EXPECT_EQ(split_single_object(bytes_view(message).first(size)).error().code(), errc::bad_frame) << size;
  for (const std::size_t at : {0U, 1U}) {
    byte_buffer other = message;
    other[at] ^= std::byte{1};
    EXPECT_EQ(split_single_object(other).error().code(), errc::bad_frame);
  }
}

TEST(raw_root, bytes_are_the_whole_message) {
  plan_options raw;
  raw.raw_root_bytes = true;
  const std::string message("\x08\xff\x00", 3);  // behind a length it would be truncated
  EXPECT_EQ(to_hex(decode_as<bytes_view>(R"("bytes")", message, raw)->value), "08ff00");
  EXPECT_EQ(decode_as<bytes_view>(R"("bytes")", message, raw)->used, 3U);
  EXPECT_EQ(decode_as<byte_buffer>(R"("bytes")", message, raw)->value.size(), 3U);
  EXPECT_EQ(to_hex(decode_as<value>(R"("bytes")", message, raw)->value.bytes()), "08ff00");
  EXPECT_EQ(decode_as<bytes_view>(R"("bytes")", "", raw)->value.size(), 0U);
  EXPECT_EQ(decode_as<std::string_view>(R"("bytes")", "text", raw)->value, "text");
  EXPECT_EQ(decode_as<std::string>(R"("bytes")", "text", raw)->value, "text");
  EXPECT_EQ(decode_as<std::string_view>(R"("bytes")", message, raw)->code(), errc::invalid_utf8);
  EXPECT_EQ(decode_as<std::optional<bytes_view>>(R"("bytes")", message, raw)->value->size(), 3U);
  EXPECT_EQ(decode_as<decimal_view>(R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":2})",
                                    string_of(hex("3039")), raw)
                ->value.to_string()
                .value(),
            "123.45");
  EXPECT_EQ(decode_as<decimal_view>(R"({"type":"bytes","logicalType":"big-decimal"})", message, raw)->code(),
            errc::schema_incompatible);
  EXPECT_EQ(decode_as<bytes_view>(R"("bytes")", message)->code(), errc::truncated) << "off";
}

TEST(raw_root, applies_to_a_schema_of_bytes_only) {
  plan_options raw;
  raw.raw_root_bytes = true;
  EXPECT_EQ(decode_as<std::string_view>(R"("string")", text("ab"), raw)->value, "ab");
  EXPECT_EQ(to_json(schema_from(R"(["null","bytes"])"),
                    decode_as<value>(R"(["null","bytes"])", varint(1) + text("ab"), raw)->value)
                .value(),
            R"("6162")");
  const auto with_default = resolve_as<value>(
      R"({"type":"record","name":"R","fields":[]})",
      R"({"type":"record","name":"R","fields":[{"name":"b","type":"bytes","default":"ab"}]})", "", raw);
  ASSERT_TRUE(with_default->ok()) << with_default->why();
  EXPECT_EQ(as_text(with_default->value.field("b")->bytes()), "ab");
}

TEST(raw_root, is_written_without_a_length) {
  encode_options raw;
  raw.raw_root_bytes = true;
  byte_buffer out = hex("ff");
  const std::string content(300, 'x');
  ASSERT_TRUE(
      encoder<bytes_view>::compile(schema_from(R"("bytes")"), raw)->encode(as_bytes(content), out).ok());
  EXPECT_EQ(string_of(out), "\xff" + content);
  out.clear();
  ASSERT_TRUE(encoder<bytes_view>::compile(schema_from(R"("bytes")"), raw)->encode({}, out).ok());
  EXPECT_TRUE(out.empty());
  ASSERT_TRUE(encoder<std::string_view>::compile(schema_from(R"("string")"), raw)->encode("a", out).ok());
  EXPECT_EQ(to_hex(out), "0261");
}

}  // namespace
}  // namespace millrace::avro

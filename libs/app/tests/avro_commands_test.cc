// `millrace avro`, command by command: what is printed, and the exit code.
#include "commands/avro/avro_commands.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include <millrace/avro/container.h>

#include "commands/avro/lines.h"
#include "commands/avro/schema_text.h"

namespace millrace::app::avro_commands {
namespace {

constexpr std::string_view visit_schema = R"({
  "type": "record", "name": "t.Visit",
  "fields": [
    {"name": "url", "type": "string"},
    {"name": "hash", "type": "bytes"},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "size", "type": ["null", "int"], "default": null}
  ]
})";
constexpr std::string_view visit_json =
    R"({"url":"/a","hash":"\u00ff\u0001","at":1700000000000,"size":{"int":7}})";
constexpr std::string_view visit_plain =
    R"({"url":"/a","hash":"ff01","at":"2023-11-14T22:13:20.000Z","size":7})";
constexpr std::string_view visit_hex = "042f6104ff0180a0abfef962020e";

// A folder of its own, and what the last command said.
class avro_command : public testing::Test {
 protected:
  avro_command() { std::filesystem::create_directories(folder_); }
  ~avro_command() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  template <class Command, class Arguments>
  int run(Command command, const Arguments& arguments) {
    out_.str("");
    err_.str("");
    return command(arguments, terminal{out_, err_});
  }
  [[nodiscard]] std::string out() const { return out_.str(); }
  // Without the folder, so that cases can compare it.
  [[nodiscard]] std::string err() const { return without_folder(err_.str()); }
  [[nodiscard]] std::string without_folder(std::string text) const {
    const std::string prefix = folder_.string() + "/";
    for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
      text.erase(at, prefix.size());
    return text;
  }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() /
                                  ("avro_commands." + std::to_string(::getpid()) + "." +
                                   testing::UnitTest::GetInstance()->current_test_info()->name());
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST(place, is_the_line_and_column_of_a_json_path) {
  constexpr std::string_view text =
      "{ \"a\\\"x\": [1, {\"k\": \"v,]}\"}],\n  \"fields\": [\n    {\"n\": 1},\n"
      "    {\"ä\": {}, \"type\": \"Pge\"}\n  ]\n}";
  const auto place = [&](std::string_view path) {
    const auto found = find_place(text, path);
    return found ? std::to_string(found->line) + ":" + std::to_string(found->column) : "none";
  };
  EXPECT_EQ(place("$"), "1:1");
  EXPECT_EQ(place("$.fields"), "2:13");
  EXPECT_EQ(place("$.fields[0]"), "3:5");
  EXPECT_EQ(place("$.fields[1].type"), "4:23") << "columns count characters";
  EXPECT_EQ(place("$.fields[1].missing"), "4:5") << "as far as the path goes";
  EXPECT_EQ(place("$.fields[7]"), "2:13");
  EXPECT_EQ(place("fields"), "none");
  EXPECT_FALSE(find_place("  ", "$").has_value());
  for (std::size_t size = 0; size < text.size(); ++size)
    static_cast<void>(find_place(text.substr(0, size), "$.fields[1].type"));
}

TEST(text_lines, are_read_at_any_length_and_line_ending) {
  const std::string text = "one\n\n  \ntwo\r\n" + std::string(200'000, 'x') + "\nlast";
  lines all(avro::input_of(as_bytes(text)));
  std::vector<std::pair<std::uint64_t, std::size_t>> found;
  for (;;) {
    auto line = all.next();
    ASSERT_TRUE(line.ok());
    if (!line->has_value()) break;
    found.emplace_back(all.number(), (*line)->size());
  }
  EXPECT_EQ(found,
            (std::vector<std::pair<std::uint64_t, std::size_t>>{{1, 3}, {4, 3}, {5, 200'000}, {6, 4}}));
}

TEST_F(avro_command, check_names_the_place_of_each_error) {
  check_arguments arguments;
  arguments.files = {write("good.avsc", visit_schema),
                     write("bad.avsc",
                           "{\"type\": \"record\", \"name\": \"R\", \"fields\": [\n"
                           "  {\"name\": \"a\", \"type\": \"Pge\"}]}"),
                     write("no.avsc", "{\"type\": \n")};
  EXPECT_EQ(run(check_schemas, arguments), exit_failure);
  EXPECT_EQ(without_folder(out()), "good.avsc: ok, record t.Visit\n");
  EXPECT_TRUE(
      err().starts_with("bad.avsc:2:25: $.fields[0].type: unknown type 'Pge'\nno.avsc:1:1: $: not JSON"))
      << err();

  arguments.files = {path("absent.avsc")};
  EXPECT_EQ(run(check_schemas, arguments), exit_config);
  EXPECT_EQ(err(), "absent.avsc: cannot be opened: No such file or directory\n");
}

TEST_F(avro_command, check_resolves_references) {
  check_arguments arguments;
  arguments.files = {write("visit.avsc", R"({"type":"array","items":"p.Page"})")};
  EXPECT_EQ(run(check_schemas, arguments), exit_failure);
  arguments.references = {write("page.avsc", R"({"type":"fixed","name":"p.Page","size":1})")};
  EXPECT_EQ(run(check_schemas, arguments), exit_ok) << err();
}

TEST_F(avro_command, prints_the_canonical_form_and_fingerprints) {
  schema_arguments arguments;
  arguments.file = write("int.avsc", R"({"type": "int", "doc": "x"})");
  EXPECT_EQ(run(print_canonical, arguments), exit_ok);
  EXPECT_EQ(out(), "\"int\"\n");
  fingerprint_arguments digest;
  digest.file = arguments.file;
  EXPECT_EQ(run(print_fingerprint, digest), exit_ok);
  EXPECT_EQ(out(), "8f5c393f1ad57572\n") << "7275d51a3f395c8f, low byte first";
  digest.algorithm = fingerprint_algorithm::md5;
  EXPECT_EQ(run(print_fingerprint, digest), exit_ok);
  EXPECT_EQ(out(), "ef524ea1b91e73173d938ade36c1db32\n");
  digest.algorithm = fingerprint_algorithm::sha256;
  EXPECT_EQ(run(print_fingerprint, digest), exit_ok);
  EXPECT_EQ(out(), "3f2b87a9fe7cc9b13835598c3981cd45e3e355309e5090aa0933d7becb6fba45\n");
  arguments.file = write("bad.avsc", "\"nt\"");
  EXPECT_EQ(run(print_canonical, arguments), exit_config);
  EXPECT_EQ(err(), "avro: bad.avsc:1:1: $: unknown type 'nt'\n");
}

TEST_F(avro_command, diff_lists_changes_and_exits_with_1) {
  pair_arguments arguments;
  arguments.before =
      write("old.avsc", R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"}]})");
  arguments.after = arguments.before;
  EXPECT_EQ(run(diff_schemas, arguments), exit_ok);
  EXPECT_EQ(out(), "");
  arguments.after =
      write("new.avsc", R"({"type":"record","name":"R","doc":"d","fields":[{"name":"b","type":"int"}]})");
  EXPECT_EQ(run(diff_schemas, arguments), exit_failure);
  EXPECT_EQ(out(),
            "~ the root: documentation added\n- a: field int, no default\n+ b: field int, no default\n");
}

TEST_F(avro_command, compat_explains_both_directions) {
  compat_arguments arguments;
  arguments.schemas.before =
      write("old.avsc", R"({"type":"record","name":"R","fields":[{"name":"a","type":"int"}]})");
  arguments.schemas.after =
      write("new.avsc", R"({"type":"record","name":"R","fields":[{"name":"a","type":"long"}]})");
  EXPECT_EQ(run(check_compatibility, arguments), exit_failure);
  EXPECT_EQ(without_folder(out()),
            "backward (new.avsc reads what old.avsc wrote): yes\n"
            "forward (old.avsc reads what new.avsc wrote): no\n"
            "  a: the writer has long, the reader wants int\n");
  arguments.require = compat_direction::backward;
  EXPECT_EQ(run(check_compatibility, arguments), exit_ok);
  arguments.require = compat_direction::forward;
  EXPECT_EQ(run(check_compatibility, arguments), exit_failure);
  arguments.schemas.after =
      write("union.avsc", R"({"type":"record","name":"R","fields":[{"name":"a","type":["int","string"]},
                                                  {"name":"b","type":"int"}]})");
  EXPECT_EQ(run(check_compatibility, arguments), exit_failure);
  EXPECT_EQ(
      without_folder(out()),
      "backward (union.avsc reads what old.avsc wrote): no\n"
      "  b: the writer's R lacks this field, and the reader's R has no default for it\n"
      "    fix: give the field a default in the reader's schema\n"
      "forward (old.avsc reads what union.avsc wrote): not every record\n"
      "  a{string}: the writer has string, the reader wants int (fails for the records that hold it)\n");
}

TEST_F(avro_command, encoded_data_decodes_in_every_output_form) {
  encode_arguments encode;
  encode.schema_file = write("visit.avsc", visit_schema);
  encode.input = write("visits.jsonl", std::string(visit_json) + "\n");
  decode_arguments decode;
  decode.schema_file = encode.schema_file;

  encode.form = encode_form::hex;
  ASSERT_EQ(run(encode_data, encode), exit_ok) << err();
  EXPECT_EQ(out(), std::string(visit_hex) + "\n");
  decode.hex = visit_hex;
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(), std::string(visit_plain) + "\n");
  decode.avro_json = true;
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(),
            "{\"url\":\"/a\",\"hash\":\"\xC3\xBF\\u0001\",\"at\":1700000000000,\"size\":{\"int\":7}}\n");

  encode.form = encode_form::datum;
  encode.framed_id = 258;
  encode.output = path("framed.bin");
  ASSERT_EQ(run(encode_data, encode), exit_ok) << err();
  EXPECT_EQ(to_hex(as_bytes(read("framed.bin"))), "0000000102" + std::string(visit_hex));
  decode = {};
  decode.schema_file = encode.schema_file;
  decode.input = encode.output;
  decode.framed = true;
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(), std::string(visit_plain) + "\n");
}

TEST_F(avro_command, decode_and_encode_handle_every_frame) {
  decode_arguments decode;
  decode.schema_file = write("int.avsc", R"("int")");
  decode.framed = true;
  decode.hex =
      "01897917622336418696742"
      "99b90a802e20a";
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(), "5\n") << "behind a GUID";
  decode.hex = "02000000010a";
  EXPECT_EQ(run(decode_data, decode), exit_failure);

  encode_arguments encode;
  encode.schema_file = decode.schema_file;
  encode.input = write("five.json", "5");
  encode.form = encode_form::hex;
  encode.single_object = true;
  ASSERT_EQ(run(encode_data, encode), exit_ok) << err();
  EXPECT_EQ(out(), "c3018f5c393f1ad575720a\n");
  decode = {};
  decode.schema_file = encode.schema_file;
  decode.single_object = true;
  decode.hex = "c3018f5c393f1ad575720a";
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(), "5\n");
  decode.schema_file = write("long.avsc", R"("long")");
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_NE(err().find("the message names another schema"), std::string::npos) << err();
  encode.framed_id = 1;
  EXPECT_EQ(run(encode_data, encode), exit_config);
}

TEST_F(avro_command, a_bytes_schema_is_raw_after_a_frame) {
  encode_arguments encode;
  encode.schema_file = write("bytes.avsc", R"("bytes")");
  encode.input = write("bytes.json", R"("abc")");
  encode.form = encode_form::hex;
  encode.framed_id = 7;
  ASSERT_EQ(run(encode_data, encode), exit_ok) << err();
  EXPECT_EQ(out(), "0000000007616263\n");
  decode_arguments decode;
  decode.schema_file = encode.schema_file;
  decode.framed = true;
  decode.hex = "0000000007616263";
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(), "\"616263\"\n");
}

TEST_F(avro_command, every_container_codec_round_trips) {
  std::string many;
  for (int i = 0; i < 100; ++i) many += std::string(visit_json) + "\n";
  encode_arguments encode;
  encode.schema_file = write("visit.avsc", visit_schema);
  encode.input = write("visits.jsonl", many);
  encode.output = path("visits.avro");
  for (const char* codec : {"null", "deflate", "snappy", "zstandard"}) {
    encode.codec = codec;
    ASSERT_EQ(run(encode_data, encode), exit_ok) << err();
    decode_arguments decode;
    decode.input = encode.output;
    ASSERT_EQ(run(decode_data, decode), exit_ok) << err();
    EXPECT_EQ(std::ranges::count(out(), '\n'), 100);
    decode.records_max = 3;
    ASSERT_EQ(run(decode_data, decode), exit_ok) << err();
    EXPECT_EQ(out(), std::string(visit_plain) + "\n" + std::string(visit_plain) + "\n" +
                         std::string(visit_plain) + "\n");
    ASSERT_EQ(run(print_header, encode.output), exit_ok);
    EXPECT_TRUE(out().starts_with("codec: " + std::string(codec) + "\nschema: {\"type\":\"record\""))
        << out();
  }
  encode.codec = "lzma";
  EXPECT_EQ(run(encode_data, encode), exit_config);
  EXPECT_EQ(err(), "avro: unknown codec 'lzma', expected one of null, deflate, snappy, zstandard\n");
}

TEST_F(avro_command, decode_resolves_to_a_reader_schema) {
  decode_arguments decode;
  decode.schema_file = write("visit.avsc", visit_schema);
  decode.hex = visit_hex;
  decode.reader_file = write("reader.avsc", R"({"type":"record","name":"t.Visit","fields":[
    {"name":"size","type":["null","double"]},{"name":"kind","type":"string","default":"page"}]})");
  EXPECT_EQ(run(decode_data, decode), exit_ok) << err();
  EXPECT_EQ(out(), "{\"size\":7,\"kind\":\"page\"}\n");
  decode.reader_file =
      write("other.avsc", R"({"type":"record","name":"t.Visit","fields":[{"name":"x","type":"int"}]})");
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_NE(err().find("the data cannot be read as other.avsc: x:"), std::string::npos) << err();
}

TEST_F(avro_command, decode_errors_name_the_position) {
  decode_arguments decode;
  decode.schema_file = write("int.avsc", "\"int\"");
  decode.hex = "80";
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_EQ(err(), "avro: --hex: the value: the message ends inside a value, at byte 0\n");
  decode.hex = "0204";
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_EQ(err(), "avro: --hex: 1 bytes after the datum, at byte 1; the schema may be the wrong one\n");
  decode.hex = "0g";
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  decode.hex.reset();
  decode.hex_lines = true;
  decode.input = write("lines.hex", "02\n\n04\n0480\n");
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_EQ(out(), "1\n2\n2\n");
  EXPECT_TRUE(err().starts_with("avro: lines.hex:4: ")) << err();
  decode.framed = true;
  decode.input = write("framed.hex", "0000000001\n");
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_TRUE(err().starts_with("avro: framed.hex:1: after the frame: ")) << err();

  decode = {};
  decode.input = write("text.avro", "hello");
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_NE(err().find("text.avro: at byte 0: not an object container file"), std::string::npos) << err();
  decode.framed = true;
  EXPECT_EQ(run(decode_data, decode), exit_config);
  decode = {};
  decode.input = path("absent");
  EXPECT_EQ(run(decode_data, decode), exit_config);
}

TEST_F(avro_command, decode_prints_the_records_before_the_damage) {
  byte_buffer file;
  auto writer = avro::container_writer::create(avro::output_into(file), *avro::schema::parse("\"int\""));
  ASSERT_TRUE(writer.ok());
  for (const char* datum : {"\x02", "\x04", "\x80"}) ASSERT_TRUE((*writer)->append(as_bytes(datum)).ok());
  ASSERT_TRUE((*writer)->close().ok());
  decode_arguments decode;
  decode.input = write("damaged.avro", as_text(file));
  EXPECT_EQ(run(decode_data, decode), exit_failure);
  EXPECT_EQ(out(), "1\n2\n");
  EXPECT_TRUE(err().starts_with("avro: damaged.avro: record 3: in the block at byte ")) << err();
}

TEST_F(avro_command, encode_errors_name_the_line) {
  encode_arguments encode;
  encode.schema_file = write("int.avsc", "\"int\"");
  encode.input = write("numbers.jsonl", "1\n\n\"x\"\n");
  encode.output = path("numbers.avro");
  EXPECT_EQ(run(encode_data, encode), exit_failure);
  EXPECT_TRUE(err().starts_with("avro: numbers.jsonl:3: ")) << err();
  encode.form = encode_form::datum;
  encode.input = write("two.jsonl", "1\n2\n");
  EXPECT_EQ(run(encode_data, encode), exit_failure);
  EXPECT_TRUE(err().starts_with("avro: two.jsonl:2: --to datum holds one record")) << err();
  encode.form = encode_form::container;
  encode.framed_id = 1;
  EXPECT_EQ(run(encode_data, encode), exit_config);
  encode.framed_id.reset();
  encode.output = path("no/such/folder");
  EXPECT_EQ(run(encode_data, encode), exit_config);
}

}  // namespace
}  // namespace millrace::app::avro_commands

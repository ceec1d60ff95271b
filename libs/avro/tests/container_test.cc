// Object container files: what goes in comes out, and what is damaged or hostile is refused before it costs
// memory.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>

#include <unistd.h>

#include <millrace/avro/container.h>

#include "wire.h"

namespace millrace::avro {
namespace {

constexpr std::string_view visit_schema =
    R"({"type":"record","name":"Visit","namespace":"t","fields":[{"name":"url","type":"string"},)"
    R"({"name":"at","type":"long"}]})";
constexpr container_codec every_codec[] = {container_codec::null, container_codec::deflate,
                                           container_codec::snappy, container_codec::zstandard};

constexpr sync_marker marker = [] {
  sync_marker made{};
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::byte>(0xA0 + i);
  return made;
}();
[[nodiscard]] std::string marker_text() { return std::string(as_text(marker)); }

[[nodiscard]] std::string visit(int number) {
  return text("https://example.org/" + std::to_string(number)) + varint(number);
}

[[nodiscard]] byte_buffer file_of(const schema& of, const std::vector<std::string>& records,
                                  const container_write_options& options) {
  byte_buffer file;
  auto writer = container_writer::create(output_into(file), of, options);
  EXPECT_TRUE(writer.ok()) << writer.error().message();
  for (const auto& record : records) EXPECT_TRUE((*writer)->append(as_bytes(record)).ok());
  EXPECT_TRUE((*writer)->close().ok());
  return file;
}
[[nodiscard]] byte_buffer visits(int count, container_codec codec, std::size_t block_bytes = 4096) {
  container_write_options options;
  options.codec = codec;
  options.sync = marker;
  options.block_bytes_target = block_bytes;
  std::vector<std::string> records;
  records.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) records.push_back(visit(i));
  return file_of(schema_from(visit_schema), records, options);
}

// What reading a whole file gave: its records' bytes, and why it stopped.
struct read_back {
  std::vector<std::string> records;
  std::optional<error> failure;

  [[nodiscard]] errc code() const { return failure ? failure->code() : errc::internal; }
  [[nodiscard]] std::string why() const { return failure ? failure->to_string() : "read"; }
};
[[nodiscard]] read_back read_all(std::unique_ptr<byte_input> from,
                                 const container_read_options& options = {}) {
  read_back out;
  auto file = container_reader::open(std::move(from), options);
  if (!file) {
    out.failure = file.error();
    return out;
  }
  for (;;) {
    auto front = (*file)->next();
    if (!front) {
      out.failure = front.error();
      return out;
    }
    if (!front->has_value()) return out;
    const auto used = decode_to_json((*file)->writer(), **front);
    if (!used) {
      out.failure = (*file)->in_block(used.error());
      return out;
    }
    out.records.emplace_back(as_text((*front)->first(used->bytes_used)));
    if (auto took = (*file)->took(used->bytes_used); !took) {
      out.failure = took.error();
      return out;
    }
  }
}
[[nodiscard]] read_back read_all(const byte_buffer& file, const container_read_options& options = {}) {
  return read_all(input_of(file), options);
}
[[nodiscard]] read_back read_all(std::string_view file, const container_read_options& options = {}) {
  return read_all(input_of(as_bytes(file)), options);
}

// A file by its parts, so that a case reads as what is in it.
[[nodiscard]] std::string header_of(std::string_view schema_text, std::string_view codec = "null") {
  return "Obj\x01" + varint(2) + text("avro.schema") + text(schema_text) + text("avro.codec") + text(codec) +
         varint(0) + marker_text();
}
[[nodiscard]] std::string block_of(std::int64_t count, std::string_view stored) {
  return varint(count) + text(stored) + marker_text();
}

// Gives its bytes in pieces of one.
class drip final : public byte_input {
 public:
  explicit drip(bytes_view bytes) : rest_(bytes) {}
  result<std::size_t> read(std::span<std::byte> into) override {
    if (rest_.empty()) return std::size_t{0};
    into[0] = rest_[0];
    rest_ = rest_.subspan(1);
    return std::size_t{1};
  }

 private:
  bytes_view rest_;
};

class broken_disk final : public byte_output {
 public:
  result<void> write(bytes_view) override { return error(errc::io_error, "no space left"); }
  result<void> close() override { return {}; }
};

TEST(container, every_codec_round_trips) {
  for (const container_codec codec : every_codec) {
    const byte_buffer file = visits(1000, codec);
    const read_back found = read_all(file);
    EXPECT_FALSE(found.failure.has_value()) << to_string(codec) << found.why();
    ASSERT_EQ(found.records.size(), 1000U) << to_string(codec);
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(found.records[static_cast<std::size_t>(i)], visit(i));
  }
}

TEST(container, a_file_without_records_is_a_header) {
  for (const container_codec codec : every_codec) {
    const byte_buffer file = visits(0, codec);
    EXPECT_EQ(as_text(file), header_of(schema_from(visit_schema).to_json(), to_string(codec)));
    EXPECT_TRUE(read_all(file).records.empty());
    EXPECT_FALSE(read_all(file).failure.has_value());
  }
}

TEST(container, compression_makes_files_smaller) {
  const std::size_t plain = visits(1000, container_codec::null).size();
  for (const container_codec codec :
       {container_codec::deflate, container_codec::snappy, container_codec::zstandard}) {
    EXPECT_LT(visits(1000, codec).size(), plain / 2) << to_string(codec);
  }
}

TEST(container, an_input_of_one_byte_at_a_time_is_read) {
  for (const container_codec codec : every_codec) {
    const byte_buffer file = visits(50, codec, 256);
    const read_back found = read_all(std::make_unique<drip>(file));
    EXPECT_EQ(found.records.size(), 50U) << found.why();
  }
}

TEST(container, decodes_and_encodes_structs_through_a_file_on_disk) {
  const auto path =
      std::filesystem::temp_directory_path() / ("container_test." + std::to_string(::getpid()) + ".avro");
  const auto numbers = avro::encoder<std::int64_t>::compile(schema_from(R"("long")"));
  ASSERT_TRUE(numbers.ok());
  auto decoder = avro::decoder<std::int64_t>::compile(schema_from(R"("long")"));
  ASSERT_TRUE(decoder.ok());
  container_write_options options;
  options.codec = container_codec::zstandard;
  options.block_bytes_target = 100;
  options.metadata = {{"made.by", byte_buffer(3, std::byte{0xFF})}};
  auto writer = container_writer::create(path.string(), schema_from(R"("long")"), options);
  ASSERT_TRUE(writer.ok()) << writer.error().message();
  for (std::int64_t i = 0; i < 5000; ++i) ASSERT_TRUE((*writer)->append(*numbers, i * i).ok());
  ASSERT_TRUE((*writer)->close().ok());

  auto reader = container_reader::open(path.string());
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  EXPECT_EQ((*reader)->codec(), container_codec::zstandard);
  EXPECT_EQ((*reader)->metadata().back(), options.metadata.front());
  arena memory;
  std::int64_t value = 0;
  std::int64_t expected = 0;
  for (;;) {
    auto more = (*reader)->read(*decoder, memory, value);
    ASSERT_TRUE(more.ok()) << more.error().message();
    if (!*more) break;
    ASSERT_EQ(value, expected * expected);
    ++expected;
  }
  EXPECT_EQ(expected, 5000);
  std::filesystem::remove(path);
}

TEST(container, blocks_can_be_skipped) {
  const byte_buffer file = visits(100, container_codec::null, 200);
  auto reader = container_reader::open(input_of(file));
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE((*reader)->next().ok());
  const std::uint64_t in_first = (*reader)->records_left();
  const std::uint64_t first_offset = (*reader)->block_offset();
  EXPECT_GT(in_first, 1U);
  (*reader)->skip_block();
  auto front = (*reader)->next();
  ASSERT_TRUE(front.ok() && front->has_value());
  EXPECT_TRUE(as_text(**front).starts_with(visit(static_cast<int>(in_first))));
  EXPECT_GT((*reader)->block_offset(), first_offset);
}

TEST(container, flush_ends_the_block) {
  byte_buffer file;
  auto writer = container_writer::create(output_into(file), schema_from(visit_schema));
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->append(as_bytes(visit(1))).ok());
  EXPECT_TRUE(read_all(file).records.empty());
  ASSERT_TRUE((*writer)->flush().ok());
  EXPECT_EQ(read_all(file).records.size(), 1U);
  const std::size_t size = file.size();
  ASSERT_TRUE((*writer)->flush().ok());
  EXPECT_EQ(file.size(), size) << "nothing to flush";
}

TEST(container, two_files_have_different_markers) {
  byte_buffer files[2];
  sync_marker markers[2];
  for (int i = 0; i < 2; ++i) {
    auto writer = container_writer::create(output_into(files[i]), schema_from(visit_schema));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->close().ok());
    markers[i] = (*container_reader::open(input_of(files[i])))->sync();
  }
  EXPECT_NE(markers[0], markers[1]);
}

TEST(container, the_embedded_schema_needs_no_references) {
  const schema page = schema_from(R"({"type":"fixed","name":"p.Hash","size":2})");
  auto of = schema::parse(R"({"type":"record","name":"R","fields":[{"name":"h","type":"p.Hash"}]})",
                          std::span(&page, 1));
  ASSERT_TRUE(of.ok());
  const byte_buffer file = file_of(*of, {"ab", "cd"}, {});
  EXPECT_EQ(read_all(file).records, (std::vector<std::string>{"ab", "cd"}));
}

TEST(container, metadata_in_blocks_with_sizes_is_read) {
  const std::string entry = text("avro.schema") + text(R"("int")");
  const std::string file = "Obj\x01" + varint(-1) + varint(static_cast<std::int64_t>(entry.size())) + entry +
                           varint(1) + text("k") + text("v") + varint(0) + marker_text() +
                           block_of(2, varint(1) + varint(2));
  EXPECT_EQ(read_all(file).records.size(), 2U);
}

TEST(container, without_avro_codec_the_codec_is_null) {
  const std::string file = "Obj\x01" + varint(1) + text("avro.schema") + text(R"("int")") + varint(0) +
                           marker_text() + block_of(1, varint(7));
  EXPECT_EQ(read_all(file).records, std::vector{varint(7)});
}

TEST(container, deflate_streams_of_avro_for_python_are_read) {
  byte_buffer file = visits(1, container_codec::deflate);
  // The block's size grows by three bytes that follow the end of the data.
  const std::string header = header_of(schema_from(visit_schema).to_json(), "deflate");
  const std::string whole(as_text(file));
  ASSERT_TRUE(whole.starts_with(header + varint(1)));
  const std::size_t stored_at = header.size() + 2;
  const std::string stored = whole.substr(stored_at, whole.size() - stored_at - marker.size());
  EXPECT_EQ(read_all(header + block_of(1, stored + "abc")).records, std::vector{visit(0)});
}

TEST(container, empty_blocks_are_passed_over) {
  const std::string file = header_of(R"("int")") + block_of(0, "") + block_of(1, varint(5)) + block_of(0, "");
  EXPECT_EQ(read_all(file).records, std::vector{varint(5)});
  EXPECT_EQ(read_all(header_of(R"("int")") + block_of(0, "x")).code(), errc::malformed);
}

TEST(container_refuses, files_in_another_format) {
  EXPECT_EQ(read_all(std::string_view()).code(), errc::truncated);
  EXPECT_EQ(read_all(std::string_view("Ob")).code(), errc::truncated);
  const read_back other = read_all(std::string_view("PK\x03\x04 and more"));
  EXPECT_EQ(other.code(), errc::malformed);
  EXPECT_NE(other.why().find("begins with 0x504b0304"), std::string::npos) << other.why();
  EXPECT_EQ(read_all(std::string_view("Obj\x02")).code(), errc::malformed);
}

TEST(container_refuses, every_strict_prefix_that_ends_inside_a_block) {
  for (const container_codec codec : every_codec) {
    const byte_buffer file = visits(20, codec, 100);
    std::size_t whole = 0;
    for (std::size_t size = 0; size < file.size(); ++size) {
      const byte_buffer part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      const read_back found = read_all(part);
      if (found.failure) {
        EXPECT_EQ(found.code(), errc::truncated) << to_string(codec) << " " << size << " " << found.why();
      } else {
        EXPECT_TRUE(as_text(part).ends_with(marker_text())) << to_string(codec) << " " << size;
        ++whole;
      }
    }
    EXPECT_GT(whole, 1U);
  }
}

TEST(container_refuses, another_marker_after_a_block) {
  std::string file = header_of(R"("int")") + block_of(1, varint(5)) + block_of(1, varint(6));
  const std::size_t at = file.size() - 1;
  file[at] ^= 1;
  const read_back found = read_all(file);
  EXPECT_EQ(found.records.size(), 1U);
  EXPECT_EQ(found.code(), errc::malformed);
  EXPECT_NE(found.why().find("at byte " + std::to_string(file.size() - 16) + ": the sync marker"),
            std::string::npos)
      << found.why();
}

TEST(container_refuses, impossible_counts_and_sizes) {
  const std::string header = header_of(R"("int")");
  EXPECT_EQ(read_all(header + varint(-1) + text("\x02") + marker_text()).code(), errc::malformed);
  EXPECT_EQ(read_all(header + varint(INT64_MIN) + text("\x02") + marker_text()).code(), errc::malformed);
  EXPECT_EQ(read_all(header + varint(1) + varint(-1)).code(), errc::malformed);
  EXPECT_EQ(read_all(header + varint(1) + varint(INT64_MIN)).code(), errc::malformed);
  EXPECT_EQ(read_all(header + varint(1) + varint(INT64_MAX)).code(), errc::limit_exceeded);
  EXPECT_EQ(read_all(header + varint(1) + varint(60 << 20) + "\x02").code(), errc::truncated)
      << "sixty megabytes are not taken for one byte";
  EXPECT_EQ(read_all(header + block_of(INT64_MAX, varint(1))).code(), errc::truncated);
  EXPECT_EQ(read_all(header + block_of(1, varint(1) + varint(2))).code(), errc::malformed);
  EXPECT_EQ(read_all(header + block_of(3, varint(1) + varint(2))).code(), errc::truncated);
  EXPECT_EQ(read_all(header + std::string(11, '\x80')).code(), errc::malformed);
}

TEST(container_refuses, more_records_of_zero_bytes_than_the_limit) {
  const std::string header = header_of(R"("null")");
  EXPECT_EQ(read_all(header + block_of(1000, "")).records.size(), 1000U);
  EXPECT_EQ(read_all(header + block_of(std::int64_t{1} << 40, "")).code(), errc::limit_exceeded);
}

TEST(container_refuses, metadata_beyond_the_limits) {
  EXPECT_EQ(read_all("Obj\x01" + varint(1) + varint(std::int64_t{1} << 40)).code(), errc::limit_exceeded);
  EXPECT_EQ(read_all("Obj\x01" + varint(std::int64_t{1} << 40)).code(), errc::limit_exceeded);
  EXPECT_EQ(read_all("Obj\x01" + varint(INT64_MIN)).code(), errc::malformed);
  EXPECT_EQ(read_all("Obj\x01" + varint(1) + varint(-5)).code(), errc::malformed);
  EXPECT_EQ(read_all("Obj\x01" + varint(-1) + varint(-5)).code(), errc::malformed);
  EXPECT_EQ(read_all("Obj\x01" + varint(-1) + varint(INT64_MAX)).code(), errc::truncated);

  std::string many = "Obj\x01" + varint(1024);
  for (int i = 0; i < 1024; ++i) many += text("k" + std::to_string(i)) + text("");
  EXPECT_EQ(read_all(many + varint(1)).code(), errc::limit_exceeded);

  container_read_options small;
  small.container.metadata_bytes_max = 20;
  EXPECT_EQ(read_all(header_of(R"("int")"), small).code(), errc::limit_exceeded);
}

TEST(container_refuses, headers_without_a_usable_schema_or_codec) {
  EXPECT_EQ(read_all("Obj\x01" + varint(0) + marker_text()).code(), errc::malformed);
  EXPECT_EQ(read_all(header_of("nothing")).code(), errc::schema_invalid);
  const read_back codec = read_all(header_of(R"("int")", "bzip2"));
  EXPECT_EQ(codec.code(), errc::unsupported);
  EXPECT_NE(codec.why().find("'bzip2', expected one of null, deflate, snappy, zstandard"), std::string::npos)
      << codec.why();
}

TEST(container_refuses, blocks_that_expand_beyond_the_limit) {
  container_write_options writing;
  container_read_options reading;
  reading.container.block_bytes_max = std::size_t{1} << 20;
  const std::string zeros = text(std::string(std::size_t{2} << 20, '\0'));
  for (const container_codec codec : every_codec) {
    writing.codec = codec;
    const byte_buffer file = file_of(schema_from(R"("bytes")"), {zeros}, writing);
    const read_back found = read_all(file, reading);
    EXPECT_EQ(found.code(), errc::limit_exceeded) << to_string(codec) << found.why();
    EXPECT_TRUE(found.records.empty());
  }
}

TEST(container, a_block_may_be_exactly_as_large_as_the_limit) {
  container_write_options writing;
  container_read_options reading;
  const std::string record = text(std::string(300'000, 'x'));
  for (const std::size_t spare : {0, 1}) {
    reading.container.block_bytes_max = record.size() - 1 + spare;
    for (const container_codec codec : every_codec) {
      writing.codec = codec;
      const read_back found = read_all(file_of(schema_from(R"("bytes")"), {record}, writing), reading);
      if (spare == 0) {
        EXPECT_EQ(found.code(), errc::limit_exceeded) << to_string(codec) << found.why();
      } else {
        EXPECT_EQ(found.records.size(), 1U) << to_string(codec) << found.why();
      }
    }
  }
}

TEST(container_refuses, snappy_blocks_with_a_wrong_length) {
  const std::string header = header_of(R"("bytes")", "snappy");
  EXPECT_EQ(read_all(header + block_of(1, "")).code(), errc::malformed);
  EXPECT_EQ(read_all(header + block_of(1, "abcd")).code(), errc::malformed);
  EXPECT_EQ(read_all(header + block_of(1,
                                       "\x80\x80\x80\x10"
                                       "abcdefgh"))
                .code(),
            errc::malformed)
      << "32 MiB from a few bytes";
  EXPECT_EQ(read_all(header + block_of(1,
                                       "\xff\xff\xff\xff\x0f"
                                       "abcdefgh"))
                .code(),
            errc::limit_exceeded);
}

TEST(container_refuses, a_wrong_checksum) {
  byte_buffer file = visits(3, container_codec::snappy);
  file[file.size() - marker.size() - 1] ^= std::byte{1};
  const read_back found = read_all(file);
  EXPECT_EQ(found.code(), errc::malformed);
  EXPECT_NE(found.why().find("its checksum is wrong"), std::string::npos) << found.why();
}

TEST(container, single_byte_mutations_give_an_error_or_records) {
  for (const container_codec codec : every_codec) {
    const byte_buffer file = visits(3, codec);
    container_read_options small;
    small.container.block_bytes_max = std::size_t{1} << 16;
    small.container.metadata_bytes_max = std::size_t{1} << 16;
    for (std::size_t at = 0; at < file.size(); ++at) {
      for (const unsigned bits : {0x01U, 0x80U, 0xFFU}) {
        byte_buffer damaged = file;
        damaged[at] ^= static_cast<std::byte>(bits);
        const read_back found = read_all(damaged, small);
        EXPECT_TRUE(found.failure.has_value() || found.records.size() == 3) << to_string(codec) << " " << at;
      }
    }
  }
}

TEST(container_writer, refuses_contradictory_options) {
  byte_buffer file;
  const auto refused = [&](const container_write_options& options) {
    auto made = container_writer::create(output_into(file), schema_from(R"("int")"), options);
    return made ? errc::internal : made.error().code();
  };
  container_write_options options;
  options.metadata = {{"avro.mine", {}}};
  EXPECT_EQ(refused(options), errc::config_invalid);
  options.metadata.clear();
  options.level = 10;
  EXPECT_EQ(refused(options), errc::config_invalid);
  options.codec = container_codec::snappy;
  options.level = 1;
  EXPECT_EQ(refused(options), errc::config_invalid);
  options.codec = container_codec::zstandard;
  options.level = 20;
  EXPECT_EQ(refused(options), errc::config_invalid);
  EXPECT_TRUE(file.empty());
  options.level = 19;
  EXPECT_EQ(refused(options), errc::internal) << "accepted";
}

TEST(container_writer, passes_on_the_errors_of_its_output) {
  auto made = container_writer::create(std::make_unique<broken_disk>(), schema_from(R"("int")"));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), errc::io_error);
}

TEST(container_writer, refuses_records_larger_than_a_block) {
  byte_buffer file;
  container_write_options options;
  options.container.block_bytes_max = 10;
  auto made = container_writer::create(output_into(file), schema_from(R"("bytes")"), options);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->append(as_bytes(text("0123456789"))).error().code(), errc::limit_exceeded);
  EXPECT_TRUE((*made)->append(as_bytes(text("01234567"))).ok());
  EXPECT_TRUE((*made)->append(as_bytes(text("76543210"))).ok()) << "into a block of its own";
  ASSERT_TRUE((*made)->close().ok());
  container_read_options reading;
  EXPECT_EQ(read_all(file, reading).records.size(), 2U);
}

TEST(files, that_cannot_be_opened_are_an_error_with_the_reason) {
  auto none = open_file("/nowhere/at/all.avro");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), errc::io_error);
  EXPECT_EQ(none.error().message(), "/nowhere/at/all.avro: cannot be opened: No such file or directory");
  auto folder = container_reader::open(std::filesystem::temp_directory_path().string());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code(), errc::io_error);
}

}  // namespace
}  // namespace millrace::avro

// Valid messages cut short and changed: every strict prefix is an error, every changed byte an error or a
// value, and neither takes more memory than the limits allow. Read, skipped, resolved, projected and printed.
#include <array>
#include <fstream>
#include <functional>
#include <iterator>

#include <millrace/avro/encoder.h>
#include <millrace/avro/projection.h>
#include <millrace/avro/value.h>

#include "everything.avsc.h"
#include "navigation.avsc.h"
#include "wire.h"

namespace millrace::avro {
namespace {

constexpr std::size_t navigation_messages_max = 3;
// Of a long message some bytes get some values: all of them would take minutes under a sanitizer.
constexpr std::array<unsigned, 9> changes = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF};
constexpr std::size_t short_bytes_max = 60;

[[nodiscard]] std::string file(const std::string& name) {
  std::ifstream in(std::string(AVRO_TEST_DATA) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

// The limits hold for the plan and for what is checked.
[[nodiscard]] plan_options tight() {
  plan_options options;
  options.limits.output_bytes_base = std::size_t{256} << 10;
  options.limits.output_bytes_per_byte = 16;
  options.limits.zero_byte_items_max = 10'000;
  return options;
}

// One way to take a message; the bytes it used.
using way = std::function<result<std::size_t>(bytes_view, arena&)>;

template <class T>
[[nodiscard]] way read_as(const schema& writer) {
  auto plan = decoder<T>::compile(writer, tight());
  EXPECT_TRUE(plan.ok()) << plan.error().message();
  return [plan = *plan](bytes_view in, arena& memory) {
    T out{};
    return plan.decode(in, memory, out);
  };
}
[[nodiscard]] way read_through(const schema& writer, const schema& reader) {
  auto plan = decoder<value>::compile(writer, reader, tight());
  EXPECT_TRUE(plan.ok()) << plan.error().message();
  return [plan = *plan](bytes_view in, arena& memory) {
    value out;
    return plan.decode(in, memory, out);
  };
}
[[nodiscard]] way skip(const schema& writer) {
  auto plan = projection::compile(writer, {}, tight());
  EXPECT_TRUE(plan.ok()) << plan.error().message();
  return [plan = *plan](bytes_view in, arena& memory) { return plan.decode(in, memory, {}); };
}
[[nodiscard]] way print(const schema& writer) {
  return [writer](bytes_view in, arena&) -> result<std::size_t> {
    auto made = decode_to_json(writer, in, json_form::plain, tight().limits);
    if (!made) return std::move(made).error();
    return made->bytes_used;
  };
}

class attempt {
 public:
  attempt(std::string name, way take) : name_(std::move(name)), take_(std::move(take)) {}

  // An exact copy of the bytes, so that the sanitizer sees a read past their end.
  [[nodiscard]] result<std::size_t> operator()(std::string_view message) {
    const byte_buffer exact(as_bytes(message).begin(), as_bytes(message).end());
    arena memory(0);
    auto used = take_(exact, memory);
    const limits limit = tight().limits;
    // Blocks grow by doubling.
    const std::size_t most = 4 * (limit.output_bytes_base + limit.output_bytes_per_byte * message.size());
    EXPECT_LE(memory.capacity(), most) << name_;
    EXPECT_LE(used.value_or(0U), message.size()) << name_;
    return used;
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
  way take_;
};

void cut_and_change(attempt& take, const std::string& message) {
  const auto whole = take(message);
  ASSERT_TRUE(whole.ok()) << take.name() << ": " << whole.error().to_string();
  ASSERT_EQ(*whole, message.size()) << take.name();
  for (std::size_t size = 0; size < message.size(); ++size) {
    const auto part = take(message.substr(0, size));
    ASSERT_FALSE(part.ok()) << take.name() << ": the first " << size << " of " << message.size() << " bytes";
    EXPECT_EQ(part.error().code(), errc::truncated) << take.name() << " " << size << part.error().message();
  }
  std::string changed = message;
  for (std::size_t at = 0; at < message.size(); ++at) {
    if (message.size() <= short_bytes_max) {
      for (unsigned bits = 1; bits < 256; ++bits) {
        changed[at] = static_cast<char>(static_cast<unsigned char>(message[at]) ^ bits);
        static_cast<void>(take(changed));
      }
    } else {
      for (const unsigned bits : changes) {
        changed[at] = static_cast<char>(static_cast<unsigned char>(message[at]) ^ bits);
        static_cast<void>(take(changed));
      }
    }
    changed[at] = message[at];
  }
}

struct message {
  std::string_view writer;
  std::string_view reader;  // one that reads every datum of the writer's
  std::string datum;
};

[[nodiscard]] std::vector<message> messages() {
  return {
      {R"("long")", R"("double")", varint(INT64_MIN)},
      {R"("string")", R"("bytes")", text("caf\u00e9")},
      {R"(["null","int","string"])", R"(["bytes","null","long"])", varint(2) + text("x")},
      {R"({"type":"array","items":"int"})", R"({"type":"array","items":"long"})",
       varint(2) + varint(1) + varint(300) + varint(-1) + varint(1) + varint(9) + varint(0)},
      {R"({"type":"map","values":["null","boolean"]})", R"({"type":"map","values":["boolean","null"]})",
       varint(2) + text("a") + varint(0) + text("b") + varint(1) + "\x01" + varint(0)},
      {R"({"type":"array","items":"null"})", R"({"type":"array","items":["null","int"]})",
       varint(900) + varint(0)},
      {R"({"type":"enum","name":"E","symbols":["A","B"]})",
       R"({"type":"enum","name":"E","symbols":["B"],"default":"B"})", varint(1)},
      {R"({"type":"fixed","name":"F","size":4})", R"(["null",{"type":"fixed","name":"F","size":4}])", "abcd"},
      {R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})", R"("bytes")", text("\x01\xff")},
      {R"({"type":"record","name":"T","fields":[{"name":"v","type":"double"},{"name":"in","type":{"type":"array","items":"T"}}]})",
       R"({"type":"record","name":"T","fields":[{"name":"in","type":{"type":"array","items":"T"}},{"name":"n","type":"string","default":"new"}]})",
       raw(1.5) + varint(1) + raw(2.5) + varint(0) + varint(0)},
      {R"({"type":"record","name":"R","fields":[{"name":"gone","type":{"type":"map","values":"string"}},{"name":"f","type":"float"},{"name":"kept","type":"int"}]})",
       R"({"type":"record","name":"R","fields":[{"name":"kept","type":"long"}]})",
       varint(-1) + varint(4) + text("k") + text("v") + varint(0) + raw(1.5F) + varint(7)},
  };
}

TEST(mutations, of_a_message_of_each_type_never_crash) {
  for (const message& one : messages()) {
    SCOPED_TRACE(one.writer);
    const schema writer = schema_from(one.writer);
    const schema reader = schema_from(one.reader);
    attempt attempts[] = {{"read", read_as<value>(writer)},
                          {"resolved", read_through(writer, reader)},
                          {"skipped", skip(writer)},
                          {"printed", print(writer)}};
    for (attempt& take : attempts) cut_and_change(take, one.datum);
  }
}

TEST(mutations, of_the_reference_record_never_crash) {
  const schema writer = schema_from(file("navigation.avsc"));
  attempt attempts[] = {{"struct", read_as<tracking::Navigation>(writer)},
                        {"value", read_as<value>(writer)},
                        {"skipped", skip(writer)},
                        {"printed", print(writer)}};
  const std::string all = file("navigation.bin");
  std::size_t at = 0;
  for (std::size_t i = 0; i < navigation_messages_max; ++i) {
    std::uint32_t size = 0;
    std::memcpy(&size, all.data() + at, sizeof size);
    constexpr std::size_t frame = 5;
    const std::string datum = all.substr(at + sizeof size + frame, size - frame);
    for (attempt& take : attempts) cut_and_change(take, datum);
    at += sizeof size + size;
  }
}

TEST(mutations, of_a_record_of_every_type_never_crash) {
  const schema writer = schema_from(file("everything.avsc"));
  byte_buffer datum;
  const auto encoder = avro::encoder<odd::Everything>::compile();
  ASSERT_TRUE(encoder.ok()) << encoder.error().message();
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
  const auto written = encoder->encode(everything, datum);
  ASSERT_TRUE(written.ok()) << written.error().message();
  attempt attempts[] = {{"struct", read_as<odd::Everything>(writer)},
                        {"value", read_as<value>(writer)},
                        {"skipped", skip(writer)},
                        {"printed", print(writer)}};
  for (attempt& take : attempts) cut_and_change(take, string_of(datum));
}

}  // namespace
}  // namespace millrace::avro

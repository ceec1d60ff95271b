// Our side of the comparison with other implementations: a line of tab-separated words in, a line out, the
// same words as oracle/Oracle.java understands. "ok", then the answer; "refused" and why, when no datum of
// the two schemas can be read; "error" and why.
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/avro/compare.h>
#include <millrace/avro/container.h>
#include <millrace/avro/encoder.h>
#include <millrace/avro/json.h>
#include <millrace/avro/plan.h>
#include <millrace/avro/value.h>

namespace millrace::avro {
namespace {

using words = std::vector<std::string_view>;

[[nodiscard]] words split(std::string_view line, char at) {
  words found;
  for (;;) {
    const auto end = line.find(at);
    found.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return found;
    line.remove_prefix(end + 1);
  }
}

[[nodiscard]] result<schema> parse_writer(std::string_view text) {
  parse_options options;
  options.check_defaults = false;
  return schema::parse(text, options);
}

[[nodiscard]] result<std::string> describe_schema(const words& in) {
  auto parsed = schema::parse(in.at(1));
  if (!parsed) return std::move(parsed).error();
  return parsed->canonical() + "\t" + std::to_string(static_cast<std::int64_t>(parsed->fingerprint()));
}

// "resolve_leniently": as careless as Java about text and the names of records.
[[nodiscard]] result<std::string> resolve(const words& in) {
  auto writer = parse_writer(in.at(1));
  if (!writer) return std::move(writer).error();
  auto reader = schema::parse(in.at(2));
  if (!reader) return std::move(reader).error();
  plan_options options;
  options.validate_utf8 = in.front() == "resolve";
  options.ignore_record_names = in.front() != "resolve";
  auto plan = decoder<value>::compile(*writer, *reader, options);
  if (!plan) return std::move(plan).error();
  auto back = encoder<value>::compile(*reader);
  if (!back) return std::move(back).error();
  auto bytes = from_hex(in.at(3));
  if (!bytes) return std::move(bytes).error();
  arena memory;
  value datum;
  if (auto done = plan->decode_exactly(*bytes, memory, datum); !done) return std::move(done).error();
  byte_buffer out;
  if (auto done = back->encode(datum, out); !done) return done.error().in("encoding");
  return to_hex(out);
}

[[nodiscard]] result<std::string> write_json(const words& in) {
  auto writer = parse_writer(in.at(1));
  if (!writer) return std::move(writer).error();
  auto bytes = from_hex(in.at(2));
  if (!bytes) return std::move(bytes).error();
  auto made = decode_to_json(*writer, *bytes, json_form::avro);
  if (!made) return std::move(made).error();
  return std::move(made->text);
}

[[nodiscard]] result<std::string> read_json(const words& in) {
  auto writer = parse_writer(in.at(1));
  if (!writer) return std::move(writer).error();
  byte_buffer out;
  if (auto made = encode_json(*writer, in.at(2), out); !made) return std::move(made).error();
  return to_hex(out);
}

[[nodiscard]] result<std::string> compatibility(const words& in) {
  auto writer = parse_writer(in.at(1));
  if (!writer) return std::move(writer).error();
  auto reader = schema::parse(in.at(2));
  if (!reader) return std::move(reader).error();
  const auto found = find_incompatibilities(*writer, *reader);
  for (const incompatibility& one : found) {
    if (one.kind == incompatibility_kind::always) return std::string("always");
  }
  return std::string(found.empty() ? "never" : "sometimes");
}

[[nodiscard]] result<std::string> write_file(const words& in) {
  auto of = parse_writer(in.at(3));
  if (!of) return std::move(of).error();
  container_write_options options;
  auto codec = container_codec_of(in.at(2));
  if (!codec) return std::move(codec).error();
  options.codec = *codec;
  options.block_bytes_target = 200;
  auto file = container_writer::create(std::string(in.at(1)), *of, options);
  if (!file) return std::move(file).error();
  for (const std::string_view text : split(in.at(4), ',')) {
    auto bytes = from_hex(text);
    if (!bytes) return std::move(bytes).error();
    if (auto done = (*file)->append(*bytes); !done) return std::move(done).error();
  }
  if (auto done = (*file)->close(); !done) return std::move(done).error();
  return std::string();
}

[[nodiscard]] result<std::string> read_file(const words& in) {
  auto file = container_reader::open(std::string(in.at(1)));
  if (!file) return std::move(file).error();
  auto plan = decoder<value>::compile((*file)->writer());
  if (!plan) return std::move(plan).error();
  auto back = encoder<value>::compile((*file)->writer());
  if (!back) return std::move(back).error();
  arena memory;
  value datum;
  std::string all;
  for (bool first = true;; first = false) {
    auto more = (*file)->read(*plan, memory, datum);
    if (!more) return std::move(more).error();
    if (!*more) return all;
    byte_buffer out;
    if (auto done = back->encode(datum, out); !done) return std::move(done).error();
    all += (first ? "" : ",") + to_hex(out);
    memory.reset();
  }
}

[[nodiscard]] result<std::string> answer(const words& in) {
  const std::string_view word = in.front();
  if (word == "schema") return describe_schema(in);
  if (word == "resolve" || word == "resolve_leniently") return resolve(in);
  if (word == "to_json") return write_json(in);
  if (word == "from_json") return read_json(in);
  if (word == "compat") return compatibility(in);
  if (word == "write_file") return write_file(in);
  if (word == "read_file") return read_file(in);
  return error(errc::unsupported, std::string(word));
}

}  // namespace
}  // namespace millrace::avro

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto said = millrace::avro::answer(millrace::avro::split(line, '\t'));
    if (said) {
      std::cout << "ok\t" << *said << '\n';
    } else {
      std::cout << (said.error().code() == millrace::errc::schema_incompatible ? "refused\t" : "error\t")
                << said.error().to_string() << '\n';
    }
  }
  return 0;
}

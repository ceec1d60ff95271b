#include "dev/samples.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <nlohmann/json.hpp>

#include <millrace/avro/json.h>

namespace millrace::dev {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t items_max = 3;
constexpr int depth_max = 8;
constexpr std::uint64_t keys = 100;  // of records that are made
constexpr std::int64_t start_of_2026_ms = 1'767'225'600'000;

std::string random_word(random_source& random) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
  std::string word;
  for (std::uint64_t left = 3 + random.next() % 8; left > 0; --left)
    word += letters[random.next() % letters.size()];
  return word;
}

// Text of the code points 0 to 255, as the encoding writes bytes.
std::string random_bytes(random_source& random, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>(random.next() % 128);
  return text;
}

std::int64_t random_long(const avro::schema_node& of, random_source& random) {
  using logical = avro::logical_type;
  const std::int64_t instant_ms =
      start_of_2026_ms + static_cast<std::int64_t>(random.next() % 31'536'000'000ULL);
  if (of.logical == logical::timestamp_millis || of.logical == logical::local_timestamp_millis)
    return instant_ms;
  if (of.logical == logical::timestamp_micros || of.logical == logical::local_timestamp_micros)
    return instant_ms * 1'000;
  if (of.logical == logical::timestamp_nanos) return instant_ms * 1'000'000;
  if (of.logical == logical::time_micros) return static_cast<std::int64_t>(random.next() % 86'400'000'000ULL);
  return static_cast<std::int64_t>(random.next() % 100'000);
}

std::int32_t random_int(const avro::schema_node& of, random_source& random) {
  if (of.logical == avro::logical_type::date) return 20'454 + static_cast<std::int32_t>(random.next() % 365);
  if (of.logical == avro::logical_type::time_millis)
    return static_cast<std::int32_t>(random.next() % 86'400'000);
  return static_cast<std::int32_t>(random.next() % 1'000);
}

std::string random_text(const avro::schema_node& of, random_source& random) {
  if (of.logical != avro::logical_type::uuid) return random_word(random);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "00000000-0000-4000-8000-000000000000";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '0') text[i] = digits[random.next() % digits.size()];
  }
  return text;
}

// The name of a branch in {"branch": value}.
std::string branch_name(const avro::schema_node& of) {
  return of.is_named() ? of.name : std::string(avro::to_string(of.type));
}

ordered_json random_value(const avro::schema_node& of, random_source& random, int depth);

// The last branches of a recursive schema are null where there is one.
ordered_json random_branch(const avro::schema_node& of, random_source& random, int depth) {
  const auto null_branch =
      std::find_if(of.branches.begin(), of.branches.end(),
                   [](const avro::schema_node* each) { return each->type == avro::schema_type::null; });
  if (depth > depth_max && null_branch != of.branches.end()) return nullptr;
  const avro::schema_node& chosen = *of.branches[random.next() % of.branches.size()];
  if (chosen.type == avro::schema_type::null) return nullptr;
  ordered_json wrapped = ordered_json::object();
  wrapped[branch_name(chosen)] = random_value(chosen, random, depth + 1);
  return wrapped;
}

ordered_json random_items(const avro::schema_node& of, random_source& random, int depth) {
  const std::size_t count = depth > depth_max ? 0 : random.next() % (items_max + 1);
  ordered_json all = of.type == avro::schema_type::array ? ordered_json::array() : ordered_json::object();
  for (std::size_t i = 0; i < count; ++i) {
    ordered_json item = random_value(*of.item, random, depth + 1);
    if (all.is_array()) {
      all.push_back(std::move(item));
    } else {
      all[random_word(random)] = std::move(item);
    }
  }
  return all;
}

ordered_json random_value(const avro::schema_node& of, random_source& random, int depth) {
  switch (of.type) {
    case avro::schema_type::null:
      return nullptr;
    case avro::schema_type::boolean:
      return random.next() % 2 == 0;
    case avro::schema_type::int32:
      return random_int(of, random);
    case avro::schema_type::int64:
      return random_long(of, random);
    case avro::schema_type::float32:
    case avro::schema_type::float64:
      return static_cast<double>(random.next() % 10'000) / 4;
    case avro::schema_type::bytes:
      return random_bytes(random, 1 + random.next() % 3);
    case avro::schema_type::string:
      return random_text(of, random);
    case avro::schema_type::fixed:
      return random_bytes(random, of.size);
    case avro::schema_type::enumeration:
      return of.symbols[random.next() % of.symbols.size()];
    case avro::schema_type::array:
    case avro::schema_type::map:
      return random_items(of, random, depth);
    case avro::schema_type::record: {
      ordered_json all = ordered_json::object();
      for (const avro::schema_field& field : of.fields)
        all[field.name] = random_value(*field.type, random, depth + 1);
      return all;
    }
    case avro::schema_type::union_of:
      return random_branch(of, random, depth);
  }
  return nullptr;
}

result<std::string> text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return error(errc::config_invalid, "cannot read " + file.string());
  return text.str();
}

bool is_envelope(const ordered_json& line) {
  if (!line.is_object() || !line.contains("value")) return false;
  for (const auto& [name, part] : line.items()) {
    if (name != "key" && name != "value" && name != "headers") return false;
  }
  return true;
}

result<sample> sample_of(const std::string& text, const std::optional<avro::schema>& schema) {
  const ordered_json line = ordered_json::parse(text, nullptr, false);
  if (line.is_discarded()) return error(errc::config_invalid, "the line is not JSON");
  sample made;
  const bool wrapped = is_envelope(line);
  const ordered_json& value = wrapped ? line["value"] : line;
  if (wrapped && line.contains("key") && !line["key"].is_null())
    made.key = line["key"].is_string() ? line["key"].get<std::string>() : line["key"].dump();
  if (wrapped && line.contains("headers")) {
    for (const auto& [name, header] : line["headers"].items())
      made.headers.emplace_back(name, header.is_string() ? header.get<std::string>() : header.dump());
  }
  if (wrapped && value.is_null()) return made;
  byte_buffer& into = made.value.emplace();
  if (schema) {
    if (auto done = avro::encode_json(*schema, value.dump(), into); !done) return done.error();
  } else {
    const std::string plain = value.dump();
    into.assign(as_bytes(plain).begin(), as_bytes(plain).end());
  }
  return made;
}

result<void> read_lines(const fs::path& file, const std::optional<avro::schema>& schema,
                        topic_samples& into) {
  const auto text = text_of(file);
  if (!text) return text.error();
  std::istringstream lines(*text);
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto one = sample_of(line, schema);
    if (!one)
      return error(errc::config_invalid,
                   file.string() + ":" + std::to_string(number) + ": " + one.error().message());
    into.records.push_back(std::move(*one));
  }
  return {};
}

result<void> make_records(const avro::schema& schema, std::uint64_t count, std::uint64_t seed,
                          topic_samples& into) {
  random_source random(seed);
  for (std::uint64_t i = 0; i < count; ++i) {
    sample made;
    made.key = "key-" + std::to_string(random.next() % keys);
    if (auto done = avro::encode_json(schema, random_json(schema, random), made.value.emplace()); !done)
      return done.error().in("a record of topic " + into.topic + " cannot be made");
    into.records.push_back(std::move(made));
  }
  return {};
}

}  // namespace

std::string random_json(const avro::schema& of, random_source& random) {
  return random_value(of.root(), random, 0).dump();
}

result<std::vector<topic_samples>> read_samples(const std::string& folder, std::uint64_t made,
                                                std::uint64_t seed) {
  std::error_code failed;
  std::map<std::string, fs::path> schemas;
  std::map<std::string, fs::path> lines;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string topic = entry.path().stem().string();
    if (entry.path().extension() == ".avsc") schemas[topic] = entry.path();
    if (entry.path().extension() == ".jsonl" || entry.path().extension() == ".json")
      lines[topic] = entry.path();
  }
  if (failed)
    return error(errc::config_invalid, "cannot read the folder " + folder + ": " + failed.message());
  std::map<std::string, topic_samples> all;
  for (const auto& [topic, file] : lines) all[topic].topic = topic;
  for (const auto& [topic, file] : schemas) all[topic].topic = topic;
  std::vector<topic_samples> found;
  for (auto& [topic, of] : all) {
    std::optional<avro::schema> schema;
    if (const auto file = schemas.find(topic); file != schemas.end()) {
      auto text = text_of(file->second);
      if (!text) return text.error();
      auto parsed = avro::schema::parse(*text);
      if (!parsed)
        return error(errc::config_invalid, file->second.string() + ": " + parsed.error().message());
      of.schema = std::move(*text);
      schema = std::move(*parsed);
    }
    const auto file = lines.find(topic);
    auto done =
        file != lines.end() ? read_lines(file->second, schema, of) : make_records(*schema, made, seed, of);
    if (!done) return done.error();
    found.push_back(std::move(of));
  }
  if (found.empty())
    return error(errc::config_invalid,
                 "the folder " + folder + " has no samples: expected files TOPIC.jsonl and TOPIC.avsc");
  return found;
}

}  // namespace millrace::dev

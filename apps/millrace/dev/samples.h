// Sample records of `millrace dev`: files of a folder, or values made from a schema.
//
//   orders.avsc    the schema of the values of topic `orders`
//   orders.jsonl   one record a line: {"key": "k", "value": VALUE, "headers": {"name": "text"}}, or VALUE alone.
//                  With a schema, VALUE is Avro's JSON encoding; a value of null is a tombstone. Without one, the bytes
//                  are the JSON text.
//
// With a schema alone, records are made: every value is valid, and the same seed makes the same records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/avro/schema.h>
#include <millrace/base/bytes.h>
#include <millrace/base/random.h>
#include <millrace/base/result.h>

namespace millrace::dev {

struct sample {
  std::optional<std::string> key;
  std::optional<byte_buffer> value;  // without a frame
  std::vector<std::pair<std::string, std::string>> headers;
};

struct topic_samples {
  std::string topic;
  std::string schema;  // "": the values have none
  std::vector<sample> records;
};

// Reads the folder. `made` records are made for each topic that has a schema and no records. errc::config_invalid with
// file and line.
[[nodiscard]] result<std::vector<topic_samples>> read_samples(const std::string& folder, std::uint64_t made,
                                                              std::uint64_t seed);

// A random value of a schema in Avro's JSON encoding.
[[nodiscard]] std::string random_json(const avro::schema& of, random_source& random);

}  // namespace millrace::dev

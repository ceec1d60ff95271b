// A vocabulary for tests of JSON by a schema: documents as text, in and out, through a value of any schema.
#pragma once

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <millrace/avro/json.h>
#include <millrace/avro/json_plan.h>
#include <millrace/avro/value.h>

#include "wire.h"

namespace millrace::avro {

// What a document is by a schema, in the plain form of json.h; else the error.
[[nodiscard]] inline std::string read_json(std::string_view type, std::string_view document,
                                           const json_options& options = {}) {
  const schema of = schema_from(type);
  const auto plan = json_decoder<value>::compile(of, options);
  if (!plan) return "not compiled: " + plan.error().to_string();
  // One exact heap copy, so that a read past its end is seen by the sanitizer.
  const byte_buffer exact(as_bytes(document).begin(), as_bytes(document).end());
  arena memory;
  value decoded;
  const auto read = plan->decode(exact, memory, decoded);
  if (!read) return read.error().to_string();
  const auto shown = to_json(of, decoded);
  return shown ? *shown : "not shown: " + shown.error().to_string();
}

// The document that is written after one was read; else the error.
[[nodiscard]] inline std::string rewrite_json(std::string_view type, std::string_view document,
                                              const json_options& options = {}) {
  const schema of = schema_from(type);
  const auto decoder = json_decoder<value>::compile(of, options);
  const auto encoder = json_encoder<value>::compile(of, options);
  if (!decoder || !encoder) return "not compiled";
  arena memory;
  value decoded;
  const auto read = decoder->decode(as_bytes(document), memory, decoded);
  if (!read) return read.error().to_string();
  byte_buffer out = {std::byte{'>'}};
  const auto written = encoder->encode(decoded, out);
  if (!written) {
    EXPECT_EQ(string_of(out), ">") << "nothing is left behind";
    return written.error().to_string();
  }
  return string_of(out).substr(1);
}

// The type of the branch that a document chooses.
[[nodiscard]] inline std::string branch_of_json(std::string_view type, std::string_view document,
                                                const json_options& options = {}) {
  const schema of = schema_from(type);
  const auto plan = json_decoder<value>::compile(of, options);
  if (!plan) return "not compiled: " + plan.error().to_string();
  arena memory;
  value decoded;
  const auto read = plan->decode(as_bytes(document), memory, decoded);
  if (!read) return read.error().to_string();
  const schema_node& node = decoded.type();
  return node.is_named() ? node.name : std::string(to_string(node.type));
}

}  // namespace millrace::avro

// `millrace avro`: schemas, data and files of Avro on the command line.
//
// Each command writes its answer to `out` and what went wrong to `err`, and returns the exit code: 0 yes or
// done; 1 the data or the schemas are not as they should be; 78 the command cannot be carried out as it was
// given (a file that cannot be read, a schema that is invalid, options that contradict each other).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <millrace/app/exit_code.h>

#include "commands/terminal.h"

namespace millrace::app::avro_commands {

// schema check FILE...: one line for each file, "FILE: ok" or the error with its place. Files may name the
// types of `references`. Code 1 when any is invalid.
struct check_arguments {
  std::vector<std::string> files;
  std::vector<std::string> references;
};
[[nodiscard]] int check_schemas(const check_arguments& arguments, const terminal& to);

struct schema_arguments {
  std::string file;
  std::vector<std::string> references;
};
// schema canonical: the Parsing Canonical Form.
[[nodiscard]] int print_canonical(const schema_arguments& arguments, const terminal& to);

enum class fingerprint_algorithm : std::uint8_t { rabin, md5, sha256 };
struct fingerprint_arguments {
  std::string file;
  std::vector<std::string> references;
  fingerprint_algorithm algorithm = fingerprint_algorithm::rabin;
};
// schema fingerprint: a digest of the canonical form in hexadecimal. rabin is CRC-64-AVRO, its eight bytes in
// the order of single-object encoding.
[[nodiscard]] int print_fingerprint(const fingerprint_arguments& arguments, const terminal& to);

// schema diff BEFORE AFTER: what changed, a line each; code 1 when anything did.
struct pair_arguments {
  std::string before;
  std::string after;
  std::vector<std::string> references;
};
[[nodiscard]] int diff_schemas(const pair_arguments& arguments, const terminal& to);

// compat OLD NEW: whether programs with one schema can read what programs with the other wrote, both ways,
// and every place where not. Code 1 when a direction that `require` asks for fails.
enum class compat_direction : std::uint8_t { backward, forward, full };  // new reads old; old reads new; both
struct compat_arguments {
  pair_arguments schemas;
  compat_direction require = compat_direction::full;
};
[[nodiscard]] int check_compatibility(const compat_arguments& arguments, const terminal& to);

// decode INPUT: a line of JSON for each record.
struct decode_arguments {
  std::string input;               // a file; "-" is standard input
  std::optional<std::string> hex;  // in place of `input`: one datum in hexadecimal
  bool hex_lines = false;          // `input` holds a datum in hexadecimal a line
  bool framed = false;             // each datum stands behind Confluent's frame, of either version
  bool single_object = false;      // each datum stands behind the header of single-object encoding
  std::string schema_file;         // the writer's; "": `input` is a container file, which has its own
  std::string reader_file;         // "": as the writer's
  std::vector<std::string> references;
  bool avro_json = false;  // Avro's JSON encoding, which `encode` reads; otherwise JSON for people
  std::optional<std::uint64_t> records_max;
};
[[nodiscard]] int decode_data(const decode_arguments& arguments, const terminal& to);

// header FILE: a container file's codec, metadata and schema.
[[nodiscard]] int print_header(const std::string& file, const terminal& to);

// encode INPUT: lines of Avro's JSON encoding to data.
enum class encode_form : std::uint8_t { container, datum, hex };
struct encode_arguments {
  std::string input;  // a file; "-" is standard input
  std::string schema_file;
  std::vector<std::string> references;
  std::string output = "-";  // a file; "-" is standard output
  encode_form form = encode_form::container;
  std::optional<std::int32_t> framed_id;  // puts Confluent's frame with this schema id before each datum
  bool single_object = false;             // puts the header of single-object encoding before each datum
  std::string codec = "deflate";          // of a container
  std::optional<int> level;
};
[[nodiscard]] int encode_data(const encode_arguments& arguments, const terminal& to);

}  // namespace millrace::app::avro_commands

// Avro schemas (specification 1.12): parsing, validation, inspection, output.
//
// Example:
//
//   const auto schema = avro::schema::parse(R"({"type": "array", "items": "long"})");
//   if (!schema) return schema.error();  // "$.items: unknown type 'lng'"
//   invariant(schema->root().item->type == avro::schema_type::int64, "the items are longs");
//
// Threads: a `schema` is an immutable shared handle. A copy is cheap, and any thread may use any copy.
// Lifetime: nodes live as long as any copy of the handle, or of a plan compiled from it.
// Errors: errc::schema_invalid with the JSON path, or errc::limit_exceeded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/avro/limits.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// The types of the specification.
enum class schema_type : std::uint8_t {
  null,
  boolean,
  int32,
  int64,
  float32,
  float64,
  bytes,
  string,
  record,
  enumeration,
  array,
  map,
  union_of,
  fixed,
};
// Returns Avro's name: "int", "record".
[[nodiscard]] std::string_view to_string(schema_type type) noexcept;

// Logical types. `none` also stands for a logical type that is unknown, or on a base type that it does not
// fit: the specification requires to ignore those and to use the base type.
enum class logical_type : std::uint8_t {
  none,
  decimal,
  big_decimal,
  uuid,
  date,
  time_millis,
  time_micros,
  timestamp_millis,
  timestamp_micros,
  timestamp_nanos,
  local_timestamp_millis,
  local_timestamp_micros,
  local_timestamp_nanos,
  duration,
};
// Returns Avro's name: "timestamp-millis"; "" for none.
[[nodiscard]] std::string_view to_string(logical_type type) noexcept;

struct schema_node;

// An attribute that the specification does not define, kept as JSON text.
using schema_property = std::pair<std::string, std::string>;

// A field of a record.
struct schema_field {
  std::string name;
  std::vector<std::string> aliases;
  std::string doc;
  const schema_node* type = nullptr;
  std::optional<std::string> default_json;  // JSON text, as it stood in the schema
  std::string order;                        // "" or "ascending", "descending", "ignore"
  std::vector<schema_property> properties;
};

// One type. A reference to a named type points to the node of its definition, so recursive schemas are cyclic
// graphs.
struct schema_node {
  schema_type type = schema_type::null;
  logical_type logical = logical_type::none;
  std::string name;                  // full name of a record, enum or fixed
  std::vector<std::string> aliases;  // full names
  std::string doc;
  std::vector<schema_field> fields;           // of a record
  std::vector<std::string> symbols;           // of an enum
  std::optional<std::string> default_symbol;  // of an enum
  std::vector<const schema_node*> branches;   // of a union
  const schema_node* item = nullptr;          // items of an array, values of a map
  std::size_t size = 0;                       // of a fixed
  std::int32_t precision = 0;                 // of a decimal
  std::int32_t scale = 0;
  // A logical type that is not applied is here too.
  std::vector<schema_property> properties;

  // Derived: the fewest bytes that a value takes on the wire (at most 65,535), and whether a value of this
  // record can contain another one.
  std::uint32_t wire_bytes_min = 0;
  bool recursive = false;

  [[nodiscard]] bool is_named() const noexcept {
    return type == schema_type::record || type == schema_type::enumeration || type == schema_type::fixed;
  }
};

// Returns the name without its namespace ("com.example.Page" → "Page"), and the namespace ("com.example").
[[nodiscard]] std::string_view unqualified(std::string_view full_name) noexcept;
[[nodiscard]] std::string_view name_space(std::string_view full_name) noexcept;

// Options of parsing.
struct parse_options {
  avro::limits limits;
  // false: a default of the wrong type is not checked and fails only where a plan needs it. For writers'
  // schemas of a registry, whose defaults are never used.
  bool check_defaults = true;
  // true: a union's default must fit its first branch, as it had to before Avro 1.12.0. false: any branch.
  bool first_branch_defaults = false;
  // true: names may hold any characters but quotes, backslashes and control characters.
  bool lenient_names = false;
};

inline constexpr std::size_t schema_set_texts_max = 1000;

// A parsed schema.
class schema {
 public:
  // Parses a text. A name must be defined before it is used. A second definition is accepted only when both
  // are equal (AVRO-4071).
  [[nodiscard]] static result<schema> parse(std::string_view text, const parse_options& options = {});
  // Parses a text that uses the named types of `references`, which the new schema keeps alive. Two references
  // may define a name when both definitions are equal.
  [[nodiscard]] static result<schema> parse(std::string_view text, std::span<const schema> references,
                                            const parse_options& options = {});
  // Parses texts that use each other's types, in any order, and returns one schema for each, in theirs. At
  // most `schema_set_texts_max` texts; the limit of the text size is on all of them together. An error names
  // the text by its number: "text 2: $.fields[0].type: ...".
  [[nodiscard]] static result<std::vector<schema>> parse_set(std::span<const std::string_view> texts,
                                                             const parse_options& options = {});

  // The type of the schema.
  [[nodiscard]] const schema_node& root() const noexcept;
  // The text that was parsed.
  [[nodiscard]] const std::string& text() const noexcept;
  // Returns a named type of the text or its references by full name; nullptr when there is none.
  [[nodiscard]] const schema_node* find(std::string_view full_name) const noexcept;

  // Returns self-contained JSON: every attribute, and each named type where it is first used.
  [[nodiscard]] std::string to_json() const;
  // Returns the Parsing Canonical Form: the structure only. Schemas of equal form may differ in defaults,
  // aliases and logical types, so it must not be the key of a cache of readers.
  [[nodiscard]] std::string canonical() const;
  // Returns the CRC-64-AVRO (Rabin) of the canonical form.
  [[nodiscard]] std::uint64_t fingerprint() const;
  // Returns digests of the canonical form. Returns errc::unsupported where the system's policy forbids MD5.
  [[nodiscard]] result<std::array<std::byte, 16>> fingerprint_md5() const;
  [[nodiscard]] result<std::array<std::byte, 32>> fingerprint_sha256() const;

 private:
  friend class schema_parser;
  struct document;
  explicit schema(std::shared_ptr<const document> held) : document_(std::move(held)) {}

  std::shared_ptr<const document> document_;
};

// Returns the CRC-64-AVRO of any text; `schema::fingerprint()` is that of `canonical()`.
[[nodiscard]] std::uint64_t rabin_fingerprint(std::string_view text) noexcept;

}  // namespace millrace::avro

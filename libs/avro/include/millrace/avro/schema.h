// Avro schemas (specification 1.12): parse, validate, look at, write back.
//
//   auto schema = avro::schema::parse(text);
//   if (!schema) return schema.error();     // "$.fields[2].type: unknown type 'Pge'"
//
// A `schema` is an immutable shared handle: copying is cheap, any thread may use any copy, and its nodes live
// as long as any copy of the handle (or of a plan compiled from it).
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
// Avro's own word: "int", "record".
[[nodiscard]] std::string_view to_string(schema_type type) noexcept;

// `none` also stands for a logical type that is unknown, or on a base type it does not fit: the specification
// says to ignore those and use the base type.
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
// Avro's own word: "timestamp-millis"; "" for none.
[[nodiscard]] std::string_view to_string(logical_type type) noexcept;

struct schema_node;

// An attribute that the specification does not define, kept as JSON text.
using schema_property = std::pair<std::string, std::string>;

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

  // Derived. The fewest bytes a value takes on the wire (saturates at 65535), and whether a value of this
  // record can contain another one.
  std::uint32_t wire_bytes_min = 0;
  bool recursive = false;

  [[nodiscard]] bool is_named() const noexcept {
    return type == schema_type::record || type == schema_type::enumeration || type == schema_type::fixed;
  }
};

// "com.example.Page" → "Page", and → "com.example".
[[nodiscard]] std::string_view unqualified(std::string_view full_name) noexcept;
[[nodiscard]] std::string_view name_space(std::string_view full_name) noexcept;

struct parse_options {
  avro::limits limits;
  // Off: a default of the wrong type is kept unseen and fails only where a plan needs it. For writers'
  // schemas that come from a registry: their defaults are never used.
  bool check_defaults = true;
  // On: a union's default must fit its first branch, as it had to before Avro 1.12.0. Off: any branch.
  bool first_branch_defaults = false;
  // On: names may hold any characters but quotes, backslashes and control characters.
  bool lenient_names = false;
};

inline constexpr std::size_t schema_set_texts_max = 1000;

class schema {
 public:
  // errc::schema_invalid naming the JSON path, or errc::limit_exceeded. A name must be defined before it is
  // used; defining it again is accepted only when both definitions are equal (AVRO-4071).
  [[nodiscard]] static result<schema> parse(std::string_view text, const parse_options& options = {});
  // The named types of `references` are known to the text. The new schema keeps them alive. Two references
  // may define a name when both definitions are equal: references have references in common.
  [[nodiscard]] static result<schema> parse(std::string_view text, std::span<const schema> references,
                                            const parse_options& options = {});
  // Texts that use each other's types, in any order; one schema for each, in theirs. The limit of the text
  // size is on all of them together, which are at most `schema_set_texts_max`. An error names the text by its
  // number: "text 2: $.fields[0].type: ...".
  [[nodiscard]] static result<std::vector<schema>> parse_set(std::span<const std::string_view> texts,
                                                             const parse_options& options = {});

  [[nodiscard]] const schema_node& root() const noexcept;
  // The text that was parsed.
  [[nodiscard]] const std::string& text() const noexcept;
  // A named type defined in the text or its references, by full name; nullptr when there is none.
  [[nodiscard]] const schema_node* find(std::string_view full_name) const noexcept;

  // Self-contained JSON: every attribute, and each named type where it is first used.
  [[nodiscard]] std::string to_json() const;
  // Parsing Canonical Form: the structure only. Schemas of equal form may differ in defaults, aliases and
  // logical types: never the key of a cache of readers.
  [[nodiscard]] std::string canonical() const;
  // CRC-64-AVRO (Rabin) of the canonical form.
  [[nodiscard]] std::uint64_t fingerprint() const;
  // Digests of the canonical form. errc::unsupported where the system's policy forbids MD5.
  [[nodiscard]] result<std::array<std::byte, 16>> fingerprint_md5() const;
  [[nodiscard]] result<std::array<std::byte, 32>> fingerprint_sha256() const;

 private:
  friend class schema_parser;
  struct document;
  explicit schema(std::shared_ptr<const document> held) : document_(std::move(held)) {}

  std::shared_ptr<const document> document_;
};

// CRC-64-AVRO of any text; `schema::fingerprint()` is that of `canonical()`.
[[nodiscard]] std::uint64_t rabin_fingerprint(std::string_view text) noexcept;

}  // namespace millrace::avro

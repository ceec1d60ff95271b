// Two schemas side by side: can data of one be read by the other, and what changed between them. For people
// who evolve schemas; decoding itself settles this when a plan is compiled.
//
// Paths are those of decode errors: "page.url", "tags[]" for the items of an array or the values of a map,
// "payload{shop.Order}" for a branch of a union; "" is the root.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <millrace/avro/schema.h>
#include <millrace/base/result.h>

namespace millrace::avro {

enum class incompatibility_kind : std::uint8_t {
  always,     // no record of the writer can be read: the plan does not compile
  sometimes,  // the records that hold what `why` names cannot be read: errc::unresolvable
};

struct incompatibility {
  incompatibility_kind kind = incompatibility_kind::always;
  std::string path;
  std::string why;     // both sides, by their names
  std::string remedy;  // what would make the schemas fit; may be empty
};

// Why data of `writer` cannot be read by `reader`; empty: every datum can. Never more than
// `incompatibilities_max`.
inline constexpr std::size_t incompatibilities_max = 1000;
[[nodiscard]] std::vector<incompatibility> find_incompatibilities(const schema& writer, const schema& reader);

enum class change_kind : std::uint8_t { added, removed, changed };

struct schema_change {
  change_kind kind = change_kind::changed;
  std::string path;
  std::string what;  // "field int, default 0"; "type int → long"
};

// What differs, in the order of the schemas: structure, names, defaults, aliases, order, logical types, other
// attributes, documentation. Fields are matched by name, whatever their place. Empty: the schemas mean the
// same. Never more than `schema_changes_max`.
inline constexpr std::size_t schema_changes_max = 10'000;
[[nodiscard]] std::vector<schema_change> find_changes(const schema& before, const schema& after);

// A type in a few words: "array of string", "record shop.Order", "null or long (timestamp-micros)".
[[nodiscard]] std::string summary(const schema_node& type);

}  // namespace millrace::avro

// Comparison of two schemas: whether data of one can be read by the other, and the changes between them. For
// tools; decoding settles the same question when a plan is compiled.
//
// Example:
//
//   const auto before = avro::schema::parse(R"("int")");
//   const auto after = avro::schema::parse(R"("string")");
//   if (!before || !after) return error(errc::schema_invalid, "an example's schema");
//   const auto found = avro::find_incompatibilities(*before, *after);
//   invariant(found.size() == 1 && found.front().path.empty(), "an int is not read as a string");
//
// A path is that of a decode error: "page.url"; "tags[]" for the items of an array or the values of a map;
// "payload{shop.Order}" for a branch of a union; "" for the root.
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <millrace/avro/schema.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// The extent of an incompatibility.
enum class incompatibility_kind : std::uint8_t {
  always,     // no record of the writer can be read: the plan does not compile
  sometimes,  // the records that hold what `why` names cannot be read: errc::unresolvable
};

// One reason why data cannot be read.
struct incompatibility {
  incompatibility_kind kind = incompatibility_kind::always;
  std::string path;
  std::string why;     // the types of both sides
  std::string remedy;  // a change that makes the schemas fit; may be empty
};

// Returns the reasons why data of `writer` cannot be read by `reader`, at most `incompatibilities_max`.
// Empty: every datum can be read.
inline constexpr std::size_t incompatibilities_max = 1000;
[[nodiscard]] std::vector<incompatibility> find_incompatibilities(const schema& writer, const schema& reader);

// Kinds of change.
enum class change_kind : std::uint8_t { added, removed, changed };

// One difference.
struct schema_change {
  change_kind kind = change_kind::changed;
  std::string path;
  std::string what;  // "field int, default 0"; "type int → long"
};

// Returns the differences in the order of the schemas, at most `schema_changes_max`: structure, names,
// defaults, aliases, order, logical types, other attributes, documentation. Fields are matched by name,
// whatever their position. Empty: the schemas mean the same.
inline constexpr std::size_t schema_changes_max = 10'000;
[[nodiscard]] std::vector<schema_change> find_changes(const schema& before, const schema& after);

// Returns a short text of a type: "array of string", "record shop.Order", "null or long (timestamp-micros)".
[[nodiscard]] std::string summary(const schema_node& type);

}  // namespace millrace::avro

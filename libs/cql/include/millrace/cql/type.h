// A CQL type as the server names it, parsed once at start-up and compared with C++ types.
//
// Example:
//
//   const auto tags = cql::type::parse("frozen<set<text>>");
//   if (!tags) return tags.error();
//   invariant(tags->is("set") && tags->parameters[0].is("text"), "frozen is dropped");
//
// Threads: a plain value.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::cql {

// Limit of nesting.
inline constexpr std::size_t type_depth_max = 16;

// A parsed type.
//
// * "map<text, frozen<list<int>>>" is {"map", {{"text"}, {"list", {{"int"}}}}}: frozen is dropped and varchar
//   is text. The dimension of a vector is kept as its text, as a second parameter.
// * "udt<app.address, street text, number int>" is {"udt", {{"text"}, {"int"}}} with the names of the fields
//   and of the type. The characters "<>," of a quoted name become "_".
struct type {
  std::string name;
  std::vector<type> parameters;
  std::vector<std::string> fields = {};  // of a user-defined type: the names of the parameters
  std::string defined_as = {};           // of a user-defined type: "app.address"

  // Parses the server's text. Returns errc::malformed for any other text.
  [[nodiscard]] static result<type> parse(std::string_view text);
  // The text of the type.
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool is(std::string_view simple_name) const noexcept { return name == simple_name; }
};

// Whether cells of the type `actual` can be read, and written, as cells of the type `expected`. Types and the
// names of their fields agree; a user-defined type may have more fields at its end, at any depth.
[[nodiscard]] bool can_read(const type& expected, const type& actual);

}  // namespace millrace::cql

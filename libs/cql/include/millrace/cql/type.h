// A CQL type as the server names it, parsed once at start-up to be compared with C++ types.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::cql {

inline constexpr std::size_t type_depth_max = 16;

// "map<text, frozen<list<int>>>" is {"map", {{"text"}, {"list", {{"int"}}}}}: frozen is dropped and varchar
// is text. The dimension of a vector is kept as its text, as a second parameter.
//
// "udt<app.address, street text, number int>" is {"udt", {{"text"}, {"int"}}} with the fields' names and the
// type's own. A field whose name holds one of "<>," cannot be parsed.
struct type {
  std::string name;
  std::vector<type> parameters;
  std::vector<std::string> fields = {};  // of a user-defined type: the names of the parameters
  std::string defined_as = {};           // of a user-defined type: "app.address"

  // errc::malformed for anything else.
  [[nodiscard]] static result<type> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool is(std::string_view simple_name) const noexcept { return name == simple_name; }
};

}  // namespace millrace::cql

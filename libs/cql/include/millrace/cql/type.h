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
// is text. The dimension of a vector and the fields of a user-defined type are kept as their text.
struct type {
  std::string name;
  std::vector<type> parameters;

  // errc::malformed for anything else.
  [[nodiscard]] static result<type> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] bool is(std::string_view simple_name) const noexcept { return name == simple_name; }
};

}  // namespace millrace::cql

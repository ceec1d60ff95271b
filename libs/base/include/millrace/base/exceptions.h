// Exceptions that code of the user threw, as error values. Millrace itself returns errors.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <typeinfo>

#include <millrace/base/errors.h>

namespace millrace {

// Of the name of the type, and of what(): each is cut to it, between the characters of UTF-8.
inline constexpr std::size_t exception_text_bytes_max = 512;

struct exception_text {
  std::string type;  // "std::out_of_range"; "int" when no object of a class was thrown
  std::string what;  // empty: it says nothing, as only a std::exception and a string do
};
// `thrown` is not null. Callable anywhere; what() is called.
[[nodiscard]] exception_text describe(const std::exception_ptr& thrown);

// The message is "TYPE: WHAT". As every message it must not hold a record's payload; whoever throws sees to
// that.
[[nodiscard]] error error_of(errc code, const exception_text& thrown);

// "example::enrich_visits", or the mangled name when it cannot be read.
[[nodiscard]] std::string readable_name(const std::type_info& type);

}  // namespace millrace

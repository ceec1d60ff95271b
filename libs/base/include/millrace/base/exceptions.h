// Conversion of exceptions that user code threw into error values. Millrace itself returns errors and throws
// nothing.
//
// Example:
//
//   try {
//     throw std::out_of_range("no such column");
//   } catch (...) {
//     const millrace::exception_text thrown = millrace::describe(std::current_exception());
//     return millrace::error_of(millrace::errc::processor_threw, thrown);
//   }
//
// Example prelude:
//
//   #include <stdexcept>
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <typeinfo>

#include <millrace/base/errors.h>

namespace millrace {

// Limit of each part of exception_text in bytes. A longer text is cut at the end of a UTF-8 character.
inline constexpr std::size_t exception_text_bytes_max = 512;

// The type and the message of an exception.
struct exception_text {
  std::string type;  // "std::out_of_range"; "int" when no object of a class was thrown
  std::string what;  // empty unless the object is a std::exception or a string
};
// Describes an exception; `thrown` must not be null. Calls what() of a std::exception.
[[nodiscard]] exception_text describe(const std::exception_ptr& thrown);

// Returns an error with the message "TYPE: WHAT". A message must not hold the payload of a record; the code
// that throws has to ensure that.
[[nodiscard]] error error_of(errc code, const exception_text& thrown);

// Returns the demangled name of a type, for example "example::enrich_visits", or the mangled name when
// demangling fails.
[[nodiscard]] std::string readable_name(const std::type_info& type);

}  // namespace millrace

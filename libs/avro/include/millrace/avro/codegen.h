// Code generation: from a schema to a C++ header with structs of views and their descriptions, for decoder<T>
// and encoder<T>.
//
// Example:
//
//   const auto schema = avro::schema::parse(R"({"type": "record", "name": "shop.Order", "fields": []})");
//   if (!schema) return schema.error();
//   const auto header = avro::generate_header(*schema, {.name_space = "shop", .source = "order.avsc"});
//   if (!header) return header.error();
//   invariant(header->find("namespace shop") != std::string::npos, "the namespace is as requested");
//
// Threads: the function is pure and callable from any thread.
#pragma once

#include <string>

#include <millrace/avro/schema.h>
#include <millrace/base/result.h>

namespace millrace::avro {

// Options of one header.
struct codegen_options {
  // The C++ namespace, "tracking" or "shop::tracking". Empty: the last part of the root's Avro namespace, or
  // "records" without one.
  std::string name_space;
  // A name for the first line of the header, for example the file of the schema.
  std::string source;
};

// Returns the text of the header. The root of the schema is a record, or holds records.
//
// The names and docs of a schema are untrusted: they only become an identifier, a comment or a quoted string
// (CVE-2025-33042). A name that C++ does not allow gets a `_`. Types of the same name in several namespaces
// get the last part of their namespace in front. A record inside itself becomes an arena_ptr.
// Errors: errc::unsupported when the schema holds no record, or a union without branches;
// errc::config_invalid when `name_space` is not a C++ namespace.
[[nodiscard]] result<std::string> generate_header(const schema& of, const codegen_options& options = {});

}  // namespace millrace::avro

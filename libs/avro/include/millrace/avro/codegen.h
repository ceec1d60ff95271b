// Schema → C++ header: structs of views with their descriptions, for decoder<T> and encoder<T>.
#pragma once

#include <string>

#include <millrace/avro/schema.h>
#include <millrace/base/result.h>

namespace millrace::avro {

struct codegen_options {
  // "tracking" or "shop::tracking". Empty: the last part of the root's Avro namespace, "records" without one.
  std::string name_space;
  // Named in the header's first line, e.g. the file the schema came from.
  std::string source;
};

// The root is a record, or holds records. What the schema's author wrote (names, docs) is input like any
// other: it can only become an identifier, a comment or a quoted string (CVE-2025-33042). Names that C++ does
// not allow get a `_`; types of one name in several namespaces get their namespace's last part in front; a
// record inside itself becomes arena_ptr. errc::unsupported: the schema holds no record, or a union without
// branches; errc::config_invalid: no C++ namespace.
[[nodiscard]] result<std::string> generate_header(const schema& of, const codegen_options& options = {});

}  // namespace millrace::avro

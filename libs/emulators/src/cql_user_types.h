// User-defined types of one keyspace: how the types of columns and fields are resolved against them, and how
// they change. Texts are Cassandra's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cql_ast.h"
#include "cql_store.h"

namespace millrace::emulators::cql {

using user_types = std::map<std::string, type, std::less<>>;
using tables_by_name = std::map<std::string, std::shared_ptr<stored_table>, std::less<>>;

// Replaces the names of user-defined types inside a declared type by the types.
[[nodiscard]] verdict resolve_type(type& of, const user_types& known, std::string_view keyspace);

[[nodiscard]] verdict add_field(type& to, const column_declaration& field, const user_types& known);
[[nodiscard]] verdict rename_fields(type& of,
                                    const std::vector<std::pair<std::string, std::string>>& renamed);

// A type in a partition key gets no more fields: the keys would have other tokens.
[[nodiscard]] verdict check_unkeyed(const type& of, const column_declaration& added,
                                    const tables_by_name& tables);
// A type in use is not dropped.
[[nodiscard]] verdict check_unused(const type& of, const user_types& known, const tables_by_name& tables);

}  // namespace millrace::emulators::cql

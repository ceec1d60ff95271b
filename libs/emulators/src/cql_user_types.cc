#include "cql_user_types.h"

#include <algorithm>

#include <fmt/format.h>

namespace millrace::emulators::cql {
namespace {

constexpr std::size_t fields_max = 1'024;

std::string name_of(const type& of) { return quoted_name(of.keyspace) + "." + quoted_name(of.name); }

// What may not be inside a collection.
verdict check_element(const type& of) {
  if (of.id == type_id::counter) return invalid("Counters are not allowed inside collections");
  if (!of.multi_cell()) return {};
  return invalid(fmt::format("Non-frozen {} are not allowed inside collections: {}",
                             of.id == type_id::user ? "UDTs" : "collections", to_string(of)));
}

std::string tables_with(const type& of, const tables_by_name& tables, bool only_in_keys) {
  std::string out;
  for (const auto& [name, table] : tables) {
    const auto schema = table->schema();
    const bool uses = std::any_of(schema->columns.begin(), schema->columns.end(), [&](const column& each) {
      return (!only_in_keys || each.is == column::role::partition_key) && refers_to(each.of, of.name);
    });
    if (uses) out.append(out.empty() ? "" : ", ").append(schema->keyspace + "." + name);
  }
  return out;
}

}  // namespace

verdict resolve_type(type& of, const user_types& known, std::string_view keyspace) {
  for (type& each : of.parameters) {
    if (verdict bad = resolve_type(each, known, keyspace)) return bad;
    if (of.collection() && !of.frozen) {
      if (verdict bad = check_element(each)) return bad;
    }
  }
  if (of.id != type_id::user || !of.fields.empty()) return {};
  if (!of.keyspace.empty() && of.keyspace != keyspace) {
    return invalid(fmt::format(
        "Statement on keyspace {} cannot refer to a user type in keyspace {}; user types can only "
        "be used in the keyspace they are defined in",
        keyspace, of.keyspace));
  }
  const auto found = known.find(of.name);
  if (found == known.end()) return invalid(fmt::format("Unknown type {}.{}", keyspace, of.name));
  of = of.frozen ? frozen(found->second) : found->second;
  return {};
}

verdict add_field(type& to, const column_declaration& field, const user_types& known) {
  if (std::find(to.fields.begin(), to.fields.end(), field.name) != to.fields.end()) {
    return invalid(fmt::format("Cannot add field {} to type {}: a field with name {} already exists",
                               field.name, name_of(to), field.name));
  }
  if (to.fields.size() >= fields_max) return invalid("Too many fields");
  type of = field.of;
  if (of.id == type_id::user && of.name == to.name && !known.contains(to.name))
    return invalid(fmt::format("Unknown type {}.{}", to.keyspace, of.name));
  if (verdict bad = resolve_type(of, known, to.keyspace)) return bad;
  if (refers_to(of, to.name)) {
    return invalid(fmt::format(
        "Cannot add new field {} of type {} to user type {} as it would create a circular reference",
        field.name, to_string(of), name_of(to)));
  }
  if (of.id == type_id::counter) return invalid("A user type cannot contain counters");
  if (of.id == type_id::user && !of.frozen) return invalid("A user type cannot contain non-frozen UDTs");
  to.fields.push_back(field.name);
  to.parameters.push_back(std::move(of));
  return {};
}

verdict rename_fields(type& of, const std::vector<std::pair<std::string, std::string>>& renamed) {
  std::vector<std::string> names = of.fields;
  for (const auto& [from, to] : renamed) {
    const auto found = std::find(of.fields.begin(), of.fields.end(), from);
    // Cassandra's spelling.
    if (found == of.fields.end())
      return invalid(fmt::format("Unkown field {} in user type {}", from, name_of(of)));
    names[static_cast<std::size_t>(found - of.fields.begin())] = to;
  }
  for (const std::string& each : names) {
    if (std::count(names.begin(), names.end(), each) > 1)
      return invalid(fmt::format("Duplicate field name {} in type {}", each, of.keyspace));
  }
  of.fields = std::move(names);
  return {};
}

verdict check_unkeyed(const type& of, const column_declaration& added, const tables_by_name& tables) {
  const std::string used = tables_with(of, tables, true);
  if (used.empty()) return {};
  return invalid(fmt::format(
      "Cannot add new field {} of type {} to user type {} as the type is being used in partition key "
      "by the following tables: {}",
      added.name, to_string(added.of), name_of(of), used));
}

verdict check_unused(const type& of, const user_types& known, const tables_by_name& tables) {
  for (const auto& [name, each] : known) {
    if (name != of.name && refers_to(each, of.name)) {
      return invalid(fmt::format("Cannot drop user type '{}.{}' as it is still used by user types {}",
                                 of.keyspace, of.name, name));
    }
  }
  const std::string used = tables_with(of, tables, false);
  if (used.empty()) return {};
  return invalid(fmt::format("Cannot drop user type '{}.{}' as it is still used by tables {}", of.keyspace,
                             of.name, used));
}

}  // namespace millrace::emulators::cql

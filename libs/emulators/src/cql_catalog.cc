#include "cql_catalog.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "cql_murmur3.h"
#include "cql_user_types.h"

namespace millrace::emulators::cql {
namespace {

uuid table_id(std::string_view keyspace_name, std::string_view table, std::uint64_t generation) {
  const auto hash = murmur3(fmt::format("{}.{}#{}", keyspace_name, table, generation));
  uuid out;
  std::memcpy(out.bytes.data(), hash.data(), out.bytes.size());
  out.bytes[6] = (out.bytes[6] & std::byte{0x0F}) | std::byte{0x40};
  out.bytes[8] = (out.bytes[8] & std::byte{0x3F}) | std::byte{0x80};
  return out;
}

verdict check_keys(const create_table& what, std::string_view keyspace_name) {
  if (what.partition_key.empty()) {
    return invalid(fmt::format("No PRIMARY KEY specified for table '{}.{}' (exactly one required)",
                               keyspace_name, what.name.table));
  }
  std::vector<std::string> keys = what.partition_key;
  keys.insert(keys.end(), what.clustering.begin(), what.clustering.end());
  for (const std::string& key : keys) {
    const auto found = std::find_if(what.columns.begin(), what.columns.end(),
                                    [&](const auto& each) { return each.name == key; });
    if (found == what.columns.end()) {
      return invalid(fmt::format("Unknown column '{}' referenced in PRIMARY KEY for table '{}.{}'", key,
                                 keyspace_name, what.name.table));
    }
    if (found->of.multi_cell()) {
      return invalid(fmt::format("Invalid non-frozen {} type {} for PRIMARY KEY column '{}'",
                                 found->of.id == type_id::user ? "user-defined" : "collection",
                                 to_string(found->of), key));
    }
    if (found->of.id == type_id::counter)
      return invalid(fmt::format("counter type is not supported for PRIMARY KEY column '{}'", key));
    if (found->is_static)
      return invalid(fmt::format("Static column '{}' cannot be part of the PRIMARY KEY", key));
    if (std::count(keys.begin(), keys.end(), key) > 1) {
      return invalid(fmt::format("Duplicate column '{}' in PRIMARY KEY clause for table '{}.{}'", key,
                                 keyspace_name, what.name.table));
    }
  }
  for (const auto& [name, descending] : what.order) {
    if (std::find(what.clustering.begin(), what.clustering.end(), name) == what.clustering.end()) {
      return invalid("Only clustering key columns can be defined in CLUSTERING ORDER directive");
    }
  }
  return {};
}

// What holds of the columns besides the key of a table.
verdict check_columns(const table_schema& of) {
  bool counters = false;
  bool others = false;
  for (const column& each : of.columns) {
    if (each.is == column::role::static_ && of.clustering_columns == 0) {
      return invalid(
          "Static columns are only useful (and thus allowed) if the table has at least one clustering "
          "column");
    }
    if (each.primary_key()) continue;
    (each.of.id == type_id::counter ? counters : others) = true;
  }
  if (counters && others) return invalid("Cannot mix counter and non counter columns in the same table");
  return {};
}

void sort_columns(table_schema& of) {
  std::sort(of.columns.begin(), of.columns.end(), [](const column& a, const column& b) {
    return std::tie(a.is, a.position, a.name) < std::tie(b.is, b.position, b.name);
  });
}

column::role role_of(const column_declaration& from) {
  return from.is_static ? column::role::static_ : column::role::regular;
}

bool names_option(const std::vector<std::pair<std::string, std::string>>& options, std::string_view name) {
  return std::any_of(options.begin(), options.end(), [name](const auto& each) { return each.first == name; });
}

failure no_table(std::string_view name) { return invalid(fmt::format("table {} does not exist", name)); }
failure no_keyspace(std::string_view name) {
  return invalid(fmt::format("keyspace {} does not exist", name));
}

std::string_view effective(const table_name& name, std::string_view session_keyspace) {
  return name.keyspace.empty() ? session_keyspace : std::string_view(name.keyspace);
}

failure keyspace_missing() {
  return invalid("No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename");
}

}  // namespace

catalog::catalog(const cluster& of, bool scylla, bool tablets_by_default)
    : cluster_(of), scylla_(scylla), tablets_by_default_(tablets_by_default) {
  create_system_tables();
  describe_schema();
}

answer<std::shared_ptr<stored_table>> catalog::find(const table_name& name,
                                                    std::string_view session_keyspace) const {
  const std::shared_lock guard(mutex_);
  return find_locked(name, session_keyspace);
}

answer<std::shared_ptr<stored_table>> catalog::find_locked(const table_name& name,
                                                           std::string_view session_keyspace) const {
  const std::string_view wanted = effective(name, session_keyspace);
  if (wanted.empty()) return keyspace_missing();
  const auto in = keyspaces_.find(wanted);
  if (in == keyspaces_.end()) return no_keyspace(wanted);
  const auto found = in->second.tables.find(name.table);
  if (found == in->second.tables.end()) return no_table(name.table);
  return found->second;
}

bool catalog::has_keyspace(std::string_view name) const {
  const std::shared_lock guard(mutex_);
  return keyspaces_.contains(name);
}

placement catalog::placement_of(std::string_view keyspace_name) const {
  const std::shared_lock guard(mutex_);
  const auto found = keyspaces_.find(keyspace_name);
  return found == keyspaces_.end() ? placement{}
                                   : placement::read(found->second.replication, found->second.tablets);
}

// tablets = {'enabled': true, 'initial': N}, ScyllaDB's option of CREATE KEYSPACE.
verdict catalog::set_tablets(keyspace& of, const create_keyspace& from) const {
  if (!from.tablets.empty() && !scylla_) return failure{code::syntax, "Unknown property 'tablets'", {}};
  const bool network = placement::read(of.replication, {}).is == placement::strategy::network;
  bool enabled = from.tablets.empty() ? scylla_ && tablets_by_default_ && network : true;
  unsigned initial = 0;
  for (const auto& [key, option] : from.tablets) {
    if (key == "enabled" && (option == "true" || option == "false")) {
      enabled = option == "true";
    } else if (key == "initial" && !option.empty() && option.find_first_not_of("0123456789") == option.npos &&
               option.size() < 10) {
      initial = static_cast<unsigned>(std::stoul(option));
    } else {
      return failure{code::config, fmt::format("Unknown sub-option or value of tablets: '{}'", key), {}};
    }
  }
  if (enabled && !network)
    return failure{code::config, "Tablets are only supported with NetworkTopologyStrategy", {}};
  if (enabled) of.tablets = initial;
  return {};
}

stored_table& catalog::system_table(std::string_view keyspace_name, std::string_view table) const {
  return *keyspaces_.find(keyspace_name)->second.tables.find(table)->second;
}

verdict catalog::check_not_system(const keyspace& in, std::string_view name) {
  if (!in.system) return {};
  return failure{code::unauthorized, fmt::format("{} keyspace is not user-modifiable.", name), {}};
}

answer<schema_change> catalog::create(const create_keyspace& what) {
  const std::unique_lock guard(mutex_);
  if (keyspaces_.contains(what.name)) {
    if (what.if_not_exists) return schema_change{{}, "KEYSPACE", what.name, {}};
    failure exists{code::already_exists, fmt::format("Cannot add existing keyspace \"{}\"", what.name), {}};
    put_string(exists.extra, what.name);
    put_string(exists.extra, "");
    return exists;
  }
  const auto strategy = std::find_if(what.replication.begin(), what.replication.end(),
                                     [](const auto& option) { return option.first == "class"; });
  if (strategy == what.replication.end()) {
    return failure{code::config, "Missing replication strategy class", {}};
  }
  keyspace fresh;
  for (const auto& [key, option] : what.replication) {
    if (key != "class") {
      // Cassandra stores the factor of "replication_factor" per datacentre.
      const bool network = strategy->second.ends_with("NetworkTopologyStrategy");
      if (network && key == "replication_factor") {
        for (const std::string& datacenter : cluster_.view()->datacenters()) {
          if (!names_option(what.replication, datacenter)) fresh.replication.emplace_back(datacenter, option);
        }
      } else {
        fresh.replication.emplace_back(key, option);
      }
    } else if (option.find('.') == std::string::npos) {
      fresh.replication.emplace_back(key, "org.apache.cassandra.locator." + option);
    } else {
      fresh.replication.emplace_back(key, option);
    }
  }
  if (verdict bad = set_tablets(fresh, what)) return std::move(*bad);
  keyspaces_.emplace(what.name, std::move(fresh));
  describe_schema();
  return schema_change{"CREATED", "KEYSPACE", what.name, {}};
}

answer<std::pair<const std::string, catalog::keyspace>*> catalog::writable(std::string_view name) {
  if (name.empty()) return keyspace_missing();
  const auto in = keyspaces_.find(name);
  if (in == keyspaces_.end()) return invalid(fmt::format("Keyspace '{}' doesn't exist", name));
  if (verdict bad = check_not_system(in->second, name)) return std::move(*bad);
  return &*in;
}

answer<std::shared_ptr<const table_schema>> catalog::design(create_table what, const keyspace& in,
                                                            std::string keyspace_name,
                                                            std::uint64_t generation) {
  for (column_declaration& each : what.columns) {
    if (verdict bad = resolve_type(each.of, in.types, keyspace_name)) return std::move(*bad);
  }
  if (verdict bad = check_keys(what, keyspace_name)) return std::move(*bad);
  if (what.columns.size() > columns_max) return invalid("Too many columns");
  auto out = std::make_shared<table_schema>();
  out->keyspace = std::move(keyspace_name);
  out->name = what.name.table;
  out->id = table_id(out->keyspace, out->name, generation);
  out->partition_columns = static_cast<std::uint16_t>(what.partition_key.size());
  out->clustering_columns = static_cast<std::uint16_t>(what.clustering.size());
  for (const column_declaration& each : what.columns) {
    if (out->find(each.name) != nullptr) {
      return invalid(fmt::format("Duplicate column '{}' declaration for table '{}.{}'", each.name,
                                 out->keyspace, out->name));
    }
    column next{each.name, each.of, role_of(each), 0, 0, false};
    const auto place = [&](const std::vector<std::string>& keys, column::role role) {
      const auto found = std::find(keys.begin(), keys.end(), each.name);
      if (found == keys.end()) return;
      next.is = role;
      next.position = static_cast<std::uint16_t>(found - keys.begin());
    };
    place(what.partition_key, column::role::partition_key);
    place(what.clustering, column::role::clustering);
    for (const auto& [name, descending] : what.order)
      next.descending = next.descending || (name == each.name && descending);
    if (!next.primary_key()) next.slot = out->slots++;
    out->columns.push_back(std::move(next));
  }
  sort_columns(*out);
  if (verdict bad = check_columns(*out)) return std::move(*bad);
  return std::shared_ptr<const table_schema>(std::move(out));
}

answer<schema_change> catalog::create(const create_table& what, std::string_view session_keyspace) {
  const std::string wanted(effective(what.name, session_keyspace));
  const std::unique_lock guard(mutex_);
  auto found = writable(wanted);
  if (!found) return std::move(found.why());
  keyspace& in = (*found)->second;
  if (in.tables.contains(what.name.table)) {
    if (what.if_not_exists) return schema_change{{}, "TABLE", wanted, what.name.table};
    failure exists{
        code::already_exists,
        fmt::format("Cannot add already existing table \"{}\" to keyspace \"{}\"", what.name.table, wanted),
        {}};
    put_string(exists.extra, wanted);
    put_string(exists.extra, what.name.table);
    return exists;
  }
  if (in.tables.size() >= tables_max) return invalid("Too many tables");
  answer<std::shared_ptr<const table_schema>> schema = design(what, in, wanted, schema_versions_);
  if (!schema) return std::move(schema.why());
  in.tables.emplace(what.name.table, std::make_shared<stored_table>(std::move(*schema)));
  describe_schema();
  return schema_change{"CREATED", "TABLE", wanted, what.name.table};
}

answer<schema_change> catalog::add(const add_columns& what, std::string_view session_keyspace) {
  const std::unique_lock guard(mutex_);
  answer<std::shared_ptr<stored_table>> table = find_locked(what.table, session_keyspace);
  if (!table) return std::move(table.why());
  auto next = std::make_shared<table_schema>(*(*table)->schema());
  auto in = writable(next->keyspace);
  if (!in) return std::move(in.why());
  for (const column_declaration& each : what.columns) {
    if (next->find(each.name) != nullptr) {
      return invalid(fmt::format("Column with name '{}' already exists", each.name));
    }
    if (next->columns.size() >= columns_max) return invalid("Too many columns");
    column fresh{each.name, each.of, role_of(each), 0, next->slots++, false};
    if (verdict bad = resolve_type(fresh.of, (*in)->second.types, next->keyspace)) return std::move(*bad);
    next->columns.push_back(std::move(fresh));
  }
  sort_columns(*next);
  if (verdict bad = check_columns(*next)) return std::move(*bad);
  schema_change change{"UPDATED", "TABLE", next->keyspace, next->name};
  (*table)->replace_schema(std::move(next));
  describe_schema();
  generation_.fetch_add(1, std::memory_order_acq_rel);
  return change;
}

answer<schema_change> catalog::drop(const drop_columns& what, std::string_view session_keyspace) {
  const std::unique_lock guard(mutex_);
  answer<std::shared_ptr<stored_table>> table = find_locked(what.table, session_keyspace);
  if (!table) return std::move(table.why());
  auto next = std::make_shared<table_schema>(*(*table)->schema());
  if (auto in = writable(next->keyspace); !in) return std::move(in.why());
  for (const std::string& name : what.columns) {
    const column* found = next->find(name);
    if (found == nullptr) {
      return invalid(
          fmt::format("Column {} was not found in table '{}.{}'", name, next->keyspace, next->name));
    }
    if (found->primary_key()) return invalid(fmt::format("Cannot drop PRIMARY KEY column {}", name));
    // Its slot is never used again: a column of that name that is added later is empty.
    next->columns.erase(next->columns.begin() + (found - next->columns.data()));
  }
  for (const std::string& name : what.columns) undescribe_column(*next, name);
  schema_change change{"UPDATED", "TABLE", next->keyspace, next->name};
  (*table)->replace_schema(std::move(next));
  describe_schema();
  generation_.fetch_add(1, std::memory_order_acq_rel);
  return change;
}

answer<schema_change> catalog::create(const create_type& what, std::string_view session_keyspace) {
  const std::string wanted(effective(what.name, session_keyspace));
  const std::unique_lock guard(mutex_);
  auto in = writable(wanted);
  if (!in) return std::move(in.why());
  auto& types = (*in)->second.types;
  if (types.contains(what.name.table)) {
    if (what.if_not_exists) return schema_change{{}, "TYPE", wanted, what.name.table};
    return invalid(fmt::format("A user type with name '{}' already exists", what.name.table));
  }
  if (types.size() >= tables_max) return invalid("Too many types");
  type made{type_id::user, false, {}, wanted, what.name.table};
  for (const column_declaration& each : what.fields) {
    if (verdict bad = add_field(made, each, types)) return std::move(*bad);
  }
  types.emplace(what.name.table, std::move(made));
  describe_schema();
  return schema_change{"CREATED", "TYPE", wanted, what.name.table};
}

answer<schema_change> catalog::alter(const alter_type& what, std::string_view session_keyspace) {
  const std::string wanted(effective(what.name, session_keyspace));
  const std::unique_lock guard(mutex_);
  auto in = writable(wanted);
  if (!in) return std::move(in.why());
  keyspace& of = (*in)->second;
  const auto found = of.types.find(what.name.table);
  if (found == of.types.end())
    return invalid(fmt::format("Type {}.{} doesn't exist", wanted, what.name.table));
  type next = found->second;
  for (const column_declaration& each : what.added) {
    if (verdict bad = add_field(next, each, of.types)) return std::move(*bad);
    if (verdict bad = check_unkeyed(next, each, of.tables)) return std::move(*bad);
  }
  if (verdict bad = rename_fields(next, what.renamed)) return std::move(*bad);
  // Types and columns hold whole copies of the types inside them: all of them are replaced.
  for (auto& [name, each] : of.types) replace_user_type(each, next);
  for (const auto& [name, table] : of.tables) {
    auto schema = std::make_shared<table_schema>(*table->schema());
    bool uses = false;
    for (column& each : schema->columns) uses = replace_user_type(each.of, next) || uses;
    if (uses) table->replace_schema(std::move(schema));
  }
  describe_schema();
  generation_.fetch_add(1, std::memory_order_acq_rel);
  return schema_change{"UPDATED", "TYPE", wanted, what.name.table};
}

answer<schema_change> catalog::drop(const drop_type& what, std::string_view session_keyspace) {
  const std::string wanted(effective(what.name, session_keyspace));
  const std::unique_lock guard(mutex_);
  auto in = writable(wanted);
  if (!in) return std::move(in.why());
  keyspace& of = (*in)->second;
  const auto found = of.types.find(what.name.table);
  if (found == of.types.end()) {
    if (what.if_exists) return schema_change{{}, "TYPE", wanted, what.name.table};
    return invalid(fmt::format("Type '{}.{}' doesn't exist", wanted, what.name.table));
  }
  if (verdict bad = check_unused(found->second, of.types, of.tables)) return std::move(*bad);
  undescribe_type(found->second);
  of.types.erase(found);
  describe_schema();
  return schema_change{"DROPPED", "TYPE", wanted, what.name.table};
}

answer<schema_change> catalog::drop(const drop_statement& what, std::string_view session_keyspace) {
  const bool whole = what.what.table.empty();
  const std::string wanted(effective(what.what, session_keyspace));
  if (wanted.empty()) return keyspace_missing();
  const std::unique_lock guard(mutex_);
  const auto in = keyspaces_.find(wanted);
  schema_change change{{}, whole ? "KEYSPACE" : "TABLE", wanted, what.what.table};
  const bool exists = in != keyspaces_.end() && (whole || in->second.tables.contains(what.what.table));
  if (!exists) {
    if (what.if_exists) return change;
    if (whole || in == keyspaces_.end()) return invalid(fmt::format("Keyspace '{}' doesn't exist", wanted));
    return invalid(fmt::format("Table '{}.{}' doesn't exist", wanted, what.what.table));
  }
  if (verdict bad = check_not_system(in->second, wanted)) return std::move(*bad);
  if (whole) {
    for (const auto& [name, table] : in->second.tables) undescribe(*table->schema());
    for (const auto& [name, of] : in->second.types) undescribe_type(of);
    system_table("system_schema", "keyspaces").forget(wanted, {});
    if (scylla_) system_table("system_schema", "scylla_keyspaces").forget(wanted, {});
    keyspaces_.erase(in);
  } else {
    const auto table = in->second.tables.find(what.what.table);
    undescribe(*table->second->schema());
    in->second.tables.erase(table);
  }
  describe_schema();
  generation_.fetch_add(1, std::memory_order_acq_rel);
  change.change = "DROPPED";
  return change;
}

}  // namespace millrace::emulators::cql

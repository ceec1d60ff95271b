#include "cql_catalog.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "cql_murmur3.h"

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
    if (found->of.collection() && !found->of.frozen) {
      return invalid(fmt::format("Invalid non-frozen collection type {} for PRIMARY KEY column '{}'",
                                 to_string(found->of), key));
    }
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

catalog::catalog(topology of) : topology_(std::move(of)) {
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
      fresh.replication.emplace_back(
          network && key == "replication_factor" ? topology_.nodes.front().datacenter : key, option);
    } else if (option.find('.') == std::string::npos) {
      fresh.replication.emplace_back(key, "org.apache.cassandra.locator." + option);
    } else {
      fresh.replication.emplace_back(key, option);
    }
  }
  keyspaces_.emplace(what.name, std::move(fresh));
  describe_schema();
  return schema_change{"CREATED", "KEYSPACE", what.name, {}};
}

answer<std::shared_ptr<const table_schema>> catalog::design(const create_table& what,
                                                            std::string keyspace_name) const {
  if (verdict bad = check_keys(what, keyspace_name)) return std::move(*bad);
  if (what.columns.size() > columns_max) return invalid("Too many columns");
  auto out = std::make_shared<table_schema>();
  out->keyspace = std::move(keyspace_name);
  out->name = what.name.table;
  out->id = table_id(out->keyspace, out->name, schema_versions_);
  out->partition_columns = static_cast<std::uint16_t>(what.partition_key.size());
  out->clustering_columns = static_cast<std::uint16_t>(what.clustering.size());
  for (const column_declaration& each : what.columns) {
    if (out->find(each.name) != nullptr) {
      return invalid(fmt::format("Duplicate column '{}' declaration for table '{}.{}'", each.name,
                                 out->keyspace, out->name));
    }
    column next{each.name, each.of, column::role::regular, 0, 0, false};
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
    if (next.is == column::role::regular) next.slot = out->slots++;
    out->columns.push_back(std::move(next));
  }
  std::sort(out->columns.begin(), out->columns.end(), [](const column& a, const column& b) {
    return std::tie(a.is, a.position, a.name) < std::tie(b.is, b.position, b.name);
  });
  return std::shared_ptr<const table_schema>(std::move(out));
}

answer<schema_change> catalog::create(const create_table& what, std::string_view session_keyspace) {
  const std::string wanted(effective(what.name, session_keyspace));
  if (wanted.empty()) return keyspace_missing();
  const std::unique_lock guard(mutex_);
  const auto in = keyspaces_.find(wanted);
  if (in == keyspaces_.end()) return invalid(fmt::format("Keyspace '{}' doesn't exist", wanted));
  if (verdict bad = check_not_system(in->second, wanted)) return std::move(*bad);
  if (in->second.tables.contains(what.name.table)) {
    if (what.if_not_exists) return schema_change{{}, "TABLE", wanted, what.name.table};
    failure exists{
        code::already_exists,
        fmt::format("Cannot add already existing table \"{}\" to keyspace \"{}\"", what.name.table, wanted),
        {}};
    put_string(exists.extra, wanted);
    put_string(exists.extra, what.name.table);
    return exists;
  }
  if (in->second.tables.size() >= tables_max) return invalid("Too many tables");
  answer<std::shared_ptr<const table_schema>> schema = design(what, wanted);
  if (!schema) return std::move(schema.why());
  in->second.tables.emplace(what.name.table, std::make_shared<stored_table>(std::move(*schema)));
  describe_schema();
  return schema_change{"CREATED", "TABLE", wanted, what.name.table};
}

answer<schema_change> catalog::add(const add_columns& what, std::string_view session_keyspace) {
  const std::unique_lock guard(mutex_);
  answer<std::shared_ptr<stored_table>> table = find_locked(what.table, session_keyspace);
  if (!table) return std::move(table.why());
  auto next = std::make_shared<table_schema>(*(*table)->schema());
  if (verdict bad = check_not_system(keyspaces_.find(next->keyspace)->second, next->keyspace))
    return std::move(*bad);
  for (const column_declaration& each : what.columns) {
    if (next->find(each.name) != nullptr) {
      return invalid(fmt::format("Column with name '{}' already exists", each.name));
    }
    if (next->columns.size() >= columns_max) return invalid("Too many columns");
    next->columns.push_back({each.name, each.of, column::role::regular, 0, next->slots++, false});
  }
  std::sort(next->columns.begin() + next->partition_columns + next->clustering_columns, next->columns.end(),
            [](const column& a, const column& b) { return a.name < b.name; });
  schema_change change{"UPDATED", "TABLE", next->keyspace, next->name};
  (*table)->replace_schema(std::move(next));
  describe_schema();
  generation_.fetch_add(1, std::memory_order_acq_rel);
  return change;
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
    system_table("system_schema", "keyspaces").forget(wanted, {});
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

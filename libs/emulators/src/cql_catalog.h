// Keyspaces and tables of one emulated cluster, its topology, and the system tables in which drivers read
// both.
//
// Threads: every member function may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cql_ast.h"
#include "cql_cluster.h"
#include "cql_store.h"

namespace millrace::emulators::cql {

inline constexpr std::string_view release_version = "5.0.6";
// Keyspaces that clients read and never change.
[[nodiscard]] inline bool is_system_keyspace(std::string_view name) noexcept {
  return name == "system" || name.starts_with("system_");
}

inline constexpr std::size_t tables_max = 4096;
inline constexpr std::size_t columns_max = 1024;
inline constexpr std::uint64_t traces_max = 100'000;

struct schema_change {
  std::string change;  // CREATED, UPDATED, DROPPED
  std::string target;  // KEYSPACE, TABLE, TYPE
  std::string keyspace;
  std::string table;  // of TABLE and TYPE: its name
};

class catalog {
 public:
  // With `scylla`, statements get the metadata that ScyllaDB sends instead of Cassandra's, and keyspaces may
  // have tablets; they do so unless told otherwise when `tablets_by_default`. The cluster outlives the
  // catalogue.
  catalog(const cluster& of, bool scylla, bool tablets_by_default);
  [[nodiscard]] bool scylla() const noexcept { return scylla_; }

  // The table, or Cassandra's reason why not: no keyspace named, unknown keyspace, unknown table.
  [[nodiscard]] answer<std::shared_ptr<stored_table>> find(const table_name& name,
                                                           std::string_view session_keyspace) const;
  [[nodiscard]] bool has_keyspace(std::string_view name) const;
  // Of an unknown keyspace: strategy::local.
  [[nodiscard]] placement placement_of(std::string_view keyspace_name) const;

  // DDL. A success without change (IF NOT EXISTS) is a schema_change whose `change` is empty.
  answer<schema_change> create(const create_keyspace& what);
  answer<schema_change> create(const create_table& what, std::string_view session_keyspace);
  answer<schema_change> add(const add_columns& what, std::string_view session_keyspace);
  answer<schema_change> drop(const drop_columns& what, std::string_view session_keyspace);
  answer<schema_change> create(const create_type& what, std::string_view session_keyspace);
  // Gives every table that uses the type a new schema, which outdates the statements of the table.
  answer<schema_change> alter(const alter_type& what, std::string_view session_keyspace);
  answer<schema_change> drop(const drop_type& what, std::string_view session_keyspace);
  answer<schema_change> drop(const drop_statement& what, std::string_view session_keyspace);

  // The tables of `system` that every node has its own of: local, peers, peers_v2. nullptr for others.
  [[nodiscard]] std::shared_ptr<stored_table> topology_table(std::string_view name, unsigned node) const;

  // Keeps the trace of a request in system_traces, the first traces_max of them.
  void keep_trace(std::string_view id, unsigned node, unsigned shard);

  // Moves with every change after which a compiled statement may be wrong.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }

 private:
  struct keyspace {
    std::vector<std::pair<std::string, std::string>> replication;
    std::map<std::string, std::shared_ptr<stored_table>, std::less<>> tables;
    bool system = false;
    std::map<std::string, type, std::less<>> types = {};  // user-defined, not frozen
    std::optional<unsigned> tablets = {};
  };

  [[nodiscard]] answer<std::shared_ptr<stored_table>> find_locked(const table_name& name,
                                                                  std::string_view session_keyspace) const;
  void create_system_tables();
  // Rewrites system_schema and the schema version; a driver that reads meanwhile sees every table that was
  // there before and after. Caller holds the lock exclusively.
  void describe_schema();
  void undescribe(const table_schema& schema);
  void undescribe_column(const table_schema& schema, std::string_view column);
  void undescribe_type(const type& of);
  // A keyspace that DDL may change.
  answer<std::pair<const std::string, keyspace>*> writable(std::string_view name);
  [[nodiscard]] stored_table& system_table(std::string_view keyspace_name, std::string_view table) const;
  static answer<std::shared_ptr<const table_schema>> design(create_table what, const keyspace& in,
                                                            std::string keyspace_name,
                                                            std::uint64_t generation);
  verdict set_tablets(keyspace& of, const create_keyspace& from) const;
  [[nodiscard]] static verdict check_not_system(const keyspace& in, std::string_view name);

  const cluster& cluster_;
  const bool scylla_;
  const bool tablets_by_default_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, keyspace, std::less<>> keyspaces_;
  std::atomic<std::uint64_t> generation_{1};
  uuid schema_version_;
  std::uint64_t schema_versions_ = 0;
  std::atomic<std::uint64_t> traces_{0};
};

}  // namespace millrace::emulators::cql

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
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cql_ast.h"
#include "cql_store.h"

namespace millrace::emulators::cql {

inline constexpr std::string_view release_version = "5.0.6";
// Keyspaces that clients read and never change.
[[nodiscard]] inline bool is_system_keyspace(std::string_view name) noexcept {
  return name == "system" || name.starts_with("system_");
}

inline constexpr std::size_t tables_max = 4096;
inline constexpr std::size_t columns_max = 1024;

struct topology {
  struct node {
    std::string datacenter;
    std::string rack;
    std::string address;  // IPv4
  };

  std::string cluster_name;
  std::uint16_t port = 0;
  std::vector<node> nodes;
};

struct schema_change {
  std::string change;  // CREATED, UPDATED, DROPPED
  std::string target;  // KEYSPACE, TABLE
  std::string keyspace;
  std::string table;  // of TABLE
};

class catalog {
 public:
  explicit catalog(topology of);

  // The table, or Cassandra's reason why not: no keyspace named, unknown keyspace, unknown table.
  [[nodiscard]] answer<std::shared_ptr<stored_table>> find(const table_name& name,
                                                           std::string_view session_keyspace) const;
  [[nodiscard]] bool has_keyspace(std::string_view name) const;

  // DDL. A success without change (IF NOT EXISTS) is a schema_change whose `change` is empty.
  answer<schema_change> create(const create_keyspace& what);
  answer<schema_change> create(const create_table& what, std::string_view session_keyspace);
  answer<schema_change> add(const add_columns& what, std::string_view session_keyspace);
  answer<schema_change> drop(const drop_statement& what, std::string_view session_keyspace);

  // The tables of `system` that every node has its own of: local, peers, peers_v2. nullptr for others.
  [[nodiscard]] std::shared_ptr<stored_table> topology_table(std::string_view name, unsigned node) const;

  // Moves with every change after which a compiled statement may be wrong.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }

 private:
  struct keyspace {
    std::vector<std::pair<std::string, std::string>> replication;
    std::map<std::string, std::shared_ptr<stored_table>, std::less<>> tables;
    bool system = false;
  };

  [[nodiscard]] answer<std::shared_ptr<stored_table>> find_locked(const table_name& name,
                                                                  std::string_view session_keyspace) const;
  void create_system_tables();
  // Rewrites system_schema and the schema version; a driver that reads meanwhile sees every table that was
  // there before and after. Caller holds the lock exclusively.
  void describe_schema();
  void undescribe(const table_schema& schema);
  [[nodiscard]] stored_table& system_table(std::string_view keyspace_name, std::string_view table) const;
  answer<std::shared_ptr<const table_schema>> design(const create_table& what,
                                                     std::string keyspace_name) const;
  [[nodiscard]] static verdict check_not_system(const keyspace& in, std::string_view name);

  topology topology_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, keyspace, std::less<>> keyspaces_;
  std::atomic<std::uint64_t> generation_{1};
  uuid schema_version_;
  std::uint64_t schema_versions_ = 0;
};

}  // namespace millrace::emulators::cql

// The catalogue as drivers read it: the tables of system, system_schema and system_virtual_schema, with the
// columns of Cassandra 5.0, filled from the topology and the schema.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include <millrace/base/assert.h>
#include <millrace/base/bytes.h>

#include "cql_catalog.h"
#include "cql_murmur3.h"
#include "cql_parser.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::array system_tables{
    "CREATE TABLE system.local (key text PRIMARY KEY, bootstrapped text, broadcast_address inet, "
    "broadcast_port int, "
    "cluster_name text, cql_version text, data_center text, gossip_generation int, host_id uuid, "
    "listen_address inet, "
    "listen_port int, native_protocol_version text, partitioner text, rack text, release_version text, "
    "rpc_address inet, rpc_port int, schema_version uuid, tokens set<text>, truncated_at map<uuid, blob>)",
    "CREATE TABLE system.peers (peer inet PRIMARY KEY, data_center text, host_id uuid, preferred_ip inet, "
    "rack text, "
    "release_version text, rpc_address inet, schema_version uuid, tokens set<text>)",
    "CREATE TABLE system.peers_v2 (peer inet, peer_port int, data_center text, host_id uuid, native_address "
    "inet, "
    "native_port int, preferred_ip inet, preferred_port int, rack text, release_version text, schema_version "
    "uuid, "
    "tokens set<text>, PRIMARY KEY (peer, peer_port))",
    "CREATE TABLE system_schema.keyspaces (keyspace_name text PRIMARY KEY, durable_writes boolean, "
    "replication frozen<map<text, text>>)",
    "CREATE TABLE system_schema.tables (keyspace_name text, table_name text, additional_write_policy text, "
    "allow_auto_snapshot boolean, bloom_filter_fp_chance double, caching frozen<map<text, text>>, cdc "
    "boolean, "
    "comment text, compaction frozen<map<text, text>>, compression frozen<map<text, text>>, crc_check_chance "
    "double, "
    "dclocal_read_repair_chance double, default_time_to_live int, extensions frozen<map<text, blob>>, "
    "flags frozen<set<text>>, gc_grace_seconds int, id uuid, incremental_backups boolean, max_index_interval "
    "int, "
    "memtable text, memtable_flush_period_in_ms int, min_index_interval int, read_repair text, "
    "read_repair_chance double, speculative_retry text, PRIMARY KEY (keyspace_name, table_name))",
    "CREATE TABLE system_schema.columns (keyspace_name text, table_name text, column_name text, "
    "clustering_order text, "
    "column_name_bytes blob, kind text, position int, type text, "
    "PRIMARY KEY (keyspace_name, table_name, column_name))",
    "CREATE TABLE system_schema.types (keyspace_name text, type_name text, field_names frozen<list<text>>, "
    "field_types frozen<list<text>>, PRIMARY KEY (keyspace_name, type_name))",
    "CREATE TABLE system_schema.functions (keyspace_name text, function_name text, argument_types "
    "frozen<list<text>>, "
    "argument_names frozen<list<text>>, body text, called_on_null_input boolean, language text, return_type "
    "text, "
    "PRIMARY KEY (keyspace_name, function_name, argument_types))",
    "CREATE TABLE system_schema.aggregates (keyspace_name text, aggregate_name text, "
    "argument_types frozen<list<text>>, final_func text, initcond text, return_type text, state_func text, "
    "state_type text, PRIMARY KEY (keyspace_name, aggregate_name, argument_types))",
    "CREATE TABLE system_schema.triggers (keyspace_name text, table_name text, trigger_name text, "
    "options frozen<map<text, text>>, PRIMARY KEY (keyspace_name, table_name, trigger_name))",
    "CREATE TABLE system_schema.indexes (keyspace_name text, table_name text, index_name text, kind text, "
    "options frozen<map<text, text>>, PRIMARY KEY (keyspace_name, table_name, index_name))",
    "CREATE TABLE system_schema.views (keyspace_name text, view_name text, base_table_id uuid, "
    "base_table_name text, "
    "include_all_columns boolean, where_clause text, PRIMARY KEY (keyspace_name, view_name))",
    "CREATE TABLE system_schema.dropped_columns (keyspace_name text, table_name text, column_name text, "
    "dropped_time timestamp, kind text, type text, PRIMARY KEY (keyspace_name, table_name, column_name))",
    "CREATE TABLE system_traces.sessions (session_id uuid PRIMARY KEY, client inet, command text, "
    "coordinator "
    "inet, "
    "duration int, parameters map<text, text>, request text, started_at timestamp)",
    "CREATE TABLE system_traces.events (session_id uuid, event_id timeuuid, activity text, source inet, "
    "source_elapsed int, thread text, PRIMARY KEY (session_id, event_id))",
    "CREATE TABLE system_virtual_schema.keyspaces (keyspace_name text PRIMARY KEY)",
    "CREATE TABLE system_virtual_schema.tables (keyspace_name text, table_name text, comment text, "
    "PRIMARY KEY (keyspace_name, table_name))",
    "CREATE TABLE system_virtual_schema.columns (keyspace_name text, table_name text, column_name text, "
    "clustering_order text, column_name_bytes blob, kind text, position int, type text, "
    "PRIMARY KEY (keyspace_name, table_name, column_name))",
};

// Where drivers read that a server is ScyllaDB's and which keyspaces have tablets.
constexpr std::array scylla_tables{
    "CREATE TABLE system_schema.scylla_keyspaces (keyspace_name text PRIMARY KEY, initial_tablets int, "
    "storage_options frozen<map<text, text>>, storage_type text)",
    "CREATE TABLE system_schema.scylla_tables (keyspace_name text, table_name text, cdc frozen<map<text, "
    "text>>, "
    "in_memory boolean, partitioner text, version uuid, PRIMARY KEY (keyspace_name, table_name))",
};

using texts = std::vector<std::pair<std::string, std::string>>;

std::string int_cell(std::int32_t number) {
  std::string out;
  put_i32(out, number);
  return out;
}
std::string double_cell(double number) {
  std::string out;
  put_number(out, std::bit_cast<std::uint64_t>(number));
  return out;
}
std::string uuid_cell(const uuid& id) { return std::string(as_text(id.bytes)); }
std::string boolean_cell(bool yes) { return std::string(1, yes ? '\1' : '\0'); }
std::string inet_cell(const std::string& address) {
  std::array<char, 4> raw{};
  const int parsed = inet_pton(AF_INET, address.c_str(), raw.data());
  invariant(parsed == 1, "the emulator's address is an IPv4 address");
  return {raw.data(), raw.size()};
}
std::string set_cell(const std::vector<std::string>& items) {
  std::string out;
  put_i32(out, static_cast<std::int32_t>(items.size()));
  for (const std::string_view each : items) put_bytes(out, each);
  return out;
}
std::string map_cell(const texts& entries) {
  std::string out;
  put_i32(out, static_cast<std::int32_t>(entries.size()));
  for (const auto& [key, mapped] : entries) {
    put_bytes(out, key);
    put_bytes(out, mapped);
  }
  return out;
}
// One row, given as serialised cells by column name, key columns included.
void put_row(stored_table& into, const texts& cells) {
  const std::shared_ptr<const table_schema> schema = into.schema();
  std::vector<std::string_view> key(schema->partition_columns);
  std::vector<std::string_view> clustering(schema->clustering_columns);
  std::vector<cell_write> writes;
  for (const auto& [name, bytes] : cells) {
    const column* at = schema->find(name);
    invariant(at != nullptr, "the emulator's system tables have the columns it fills");
    switch (at->is) {
      case column::role::partition_key:
        key[at->position] = bytes;
        break;
      case column::role::clustering:
        clustering[at->position] = bytes;
        break;
      case column::role::static_:
      case column::role::regular:
        writes.push_back({at->slot, {bytes, value::state::present}});
        break;
    }
  }
  std::string key_bytes;
  put_partition_key(key_bytes, key);
  std::string clustering_bytes;
  for (const std::string_view each : clustering) put_clustering(clustering_bytes, each);
  static std::atomic<std::int64_t> last_timestamp{0};  // every rewrite wins over the one before
  into.write(key_bytes, clustering_bytes, {++last_timestamp, 0, true, false, writes});
}

std::string_view kind_name(column::role is) {
  switch (is) {
    case column::role::partition_key:
      return "partition_key";
    case column::role::clustering:
      return "clustering";
    case column::role::static_:
      return "static";
    case column::role::regular:
      return "regular";
  }
  return "regular";
}

void describe_columns(stored_table& into, const table_schema& schema) {
  for (const column& each : schema.columns) {
    const bool clusters = each.is == column::role::clustering;
    put_row(into, {{"keyspace_name", schema.keyspace},
                   {"table_name", schema.name},
                   {"column_name", each.name},
                   {"clustering_order", !clusters         ? "none"
                                        : each.descending ? "desc"
                                                          : "asc"},
                   {"column_name_bytes", each.name},
                   {"kind", std::string(kind_name(each.is))},
                   {"position", int_cell(each.primary_key() ? each.position : -1)},
                   {"type", to_string(each.of)}});
  }
}

void describe_type(stored_table& into, const type& of) {
  const auto list_cell = [](const std::vector<std::string>& items) {
    std::string out;
    put_i32(out, static_cast<std::int32_t>(items.size()));
    for (const std::string& each : items) put_bytes(out, each);
    return out;
  };
  std::vector<std::string> types;
  types.reserve(of.parameters.size());
  for (const type& each : of.parameters) types.push_back(to_string(each));
  put_row(into, {{"keyspace_name", of.keyspace},
                 {"type_name", of.name},
                 {"field_names", list_cell(of.fields)},
                 {"field_types", list_cell(types)}});
}

void describe_table(stored_table& into, const table_schema& schema) {
  const bool counts = std::any_of(schema.columns.begin(), schema.columns.end(),
                                  [](const column& each) { return each.of.id == type_id::counter; });
  put_row(into, {{"keyspace_name", schema.keyspace},
                 {"table_name", schema.name},
                 {"additional_write_policy", "99p"},
                 {"allow_auto_snapshot", boolean_cell(true)},
                 {"bloom_filter_fp_chance", double_cell(0.01)},
                 {"caching", map_cell({{"keys", "ALL"}, {"rows_per_partition", "NONE"}})},
                 {"cdc", boolean_cell(false)},
                 {"comment", ""},
                 {"compaction",
                  map_cell({{"class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"},
                            {"max_threshold", "32"},
                            {"min_threshold", "4"}})},
                 {"compression", map_cell({{"chunk_length_in_kb", "16"},
                                           {"class", "org.apache.cassandra.io.compress.LZ4Compressor"}})},
                 {"crc_check_chance", double_cell(1)},
                 {"dclocal_read_repair_chance", double_cell(0)},
                 {"default_time_to_live", int_cell(0)},
                 {"extensions", map_cell({})},
                 {"flags", counts ? set_cell({"compound", "counter"}) : set_cell({"compound"})},
                 {"gc_grace_seconds", int_cell(864'000)},
                 {"id", uuid_cell(schema.id)},
                 {"incremental_backups", boolean_cell(true)},
                 {"max_index_interval", int_cell(2048)},
                 {"memtable", ""},
                 {"memtable_flush_period_in_ms", int_cell(0)},
                 {"min_index_interval", int_cell(128)},
                 {"read_repair", "BLOCKING"},
                 {"read_repair_chance", double_cell(0)},
                 {"speculative_retry", "99p"}});
}

}  // namespace

void catalog::create_system_tables() {
  const texts local{{"class", "org.apache.cassandra.locator.LocalStrategy"}};
  for (const char* name : {"system", "system_schema", "system_traces", "system_virtual_schema"}) {
    keyspaces_.emplace(name, keyspace{local, {}, true});
  }
  std::vector<const char*> texts_of_tables(system_tables.begin(), system_tables.end());
  if (scylla_) texts_of_tables.insert(texts_of_tables.end(), scylla_tables.begin(), scylla_tables.end());
  for (const char* text : texts_of_tables) {
    answer<parsed_statement> parsed = parse_statement(text);
    invariant(static_cast<bool>(parsed), "the emulator's own system DDL parses");
    const auto& what = std::get<create_table>(parsed->is);
    auto schema = design(what, {}, what.name.keyspace, 0);
    invariant(static_cast<bool>(schema), "the emulator's own system DDL is valid");
    keyspaces_.find(what.name.keyspace)
        ->second.tables.emplace(what.name.table, std::make_shared<stored_table>(*schema));
  }
}

std::shared_ptr<stored_table> catalog::topology_table(std::string_view name, unsigned node) const {
  if (name != "local" && name != "peers" && name != "peers_v2") return nullptr;
  const std::shared_ptr<const cluster_view> in = cluster_.view();
  const std::shared_lock guard(mutex_);
  auto out = std::make_shared<stored_table>(system_table("system", name).schema());
  for (std::size_t at = 0; at < in->nodes.size(); ++at) {
    const cluster_node& of = in->nodes[at];
    if (!of.present || (name == "local") != (at == node)) continue;
    std::vector<std::string> tokens;
    tokens.reserve(of.tokens.size());
    for (const std::int64_t each : of.tokens) tokens.push_back(std::to_string(each));
    texts cells{{"data_center", of.datacenter},
                {"host_id", uuid_cell(of.host_id)},
                {"rack", of.rack},
                {"release_version", std::string(release_version)},
                {"schema_version", uuid_cell(schema_version_)},
                {"tokens", set_cell(tokens)}};
    if (name == "local") {
      const texts own{{"key", "local"},
                      {"bootstrapped", "COMPLETED"},
                      {"broadcast_address", inet_cell(of.address)},
                      {"broadcast_port", int_cell(in->port)},
                      {"cluster_name", in->name},
                      {"cql_version", "3.4.7"},
                      {"gossip_generation", int_cell(1)},
                      {"listen_address", inet_cell(of.address)},
                      {"listen_port", int_cell(in->port)},
                      {"native_protocol_version", "4"},
                      {"partitioner", "org.apache.cassandra.dht.Murmur3Partitioner"},
                      {"rpc_address", inet_cell(of.address)},
                      {"rpc_port", int_cell(in->port)}};
      cells.insert(cells.end(), own.begin(), own.end());
    } else {
      cells.emplace_back("peer", inet_cell(of.address));
      if (name == "peers") {
        cells.emplace_back("rpc_address", inet_cell(of.address));
      } else {
        cells.emplace_back("peer_port", int_cell(in->port));
        cells.emplace_back("native_address", inet_cell(of.address));
        cells.emplace_back("native_port", int_cell(in->port));
      }
    }
    put_row(*out, cells);
  }
  return out;
}

// Servers write traces a moment after the answer; here they are there at once.
void catalog::keep_trace(std::string_view id, unsigned node, unsigned shard) {
  if (traces_.fetch_add(1, std::memory_order_relaxed) >= traces_max) return;
  const std::string coordinator = inet_cell(cluster_.view()->nodes[node].address);
  const std::string key(id);
  const std::shared_lock guard(mutex_);
  put_row(system_table("system_traces", "sessions"),
          {{"session_id", key}, {"coordinator", coordinator}, {"request", "Execute CQL3 prepared query"}});
  put_row(system_table("system_traces", "events"),
          {{"session_id", key},
           {"event_id", key},
           {"activity", "Processing a statement"},
           {"source", coordinator},
           {"source_elapsed", int_cell(1)},
           {"thread", scylla_ ? fmt::format("shard {}", shard) : "Native-Transport-Requests-1"}});
}

void catalog::describe_schema() {
  ++schema_versions_;
  schema_version_ = random_looking(fmt::format("schema {} {}", cluster_.view()->port, schema_versions_));
  stored_table& keyspaces = system_table("system_schema", "keyspaces");
  stored_table& tables = system_table("system_schema", "tables");
  stored_table& columns = system_table("system_schema", "columns");
  stored_table& types = system_table("system_schema", "types");
  for (const auto& [name, in] : keyspaces_) {
    put_row(keyspaces, {{"keyspace_name", name},
                        {"durable_writes", boolean_cell(true)},
                        {"replication", map_cell(in.replication)}});
    for (const auto& [type_name, of] : in.types) describe_type(types, of);
    if (in.tablets) {
      put_row(
          system_table("system_schema", "scylla_keyspaces"),
          {{"keyspace_name", name}, {"initial_tablets", int_cell(static_cast<std::int32_t>(*in.tablets))}});
    }
    for (const auto& [table_name, table] : in.tables) {
      const std::shared_ptr<const table_schema> schema = table->schema();
      describe_table(tables, *schema);
      describe_columns(columns, *schema);
      if (scylla_) {
        put_row(system_table("system_schema", "scylla_tables"),
                {{"keyspace_name", name}, {"table_name", table_name}, {"version", uuid_cell(schema->id)}});
      }
    }
  }
}

void catalog::undescribe(const table_schema& schema) {
  std::string table;
  put_clustering(table, schema.name);
  system_table("system_schema", "tables").forget(schema.keyspace, table);
  if (scylla_) system_table("system_schema", "scylla_tables").forget(schema.keyspace, table);
  for (const column& each : schema.columns) undescribe_column(schema, each.name);
}

void catalog::undescribe_column(const table_schema& schema, std::string_view column) {
  std::string key;
  put_clustering(key, schema.name);
  put_clustering(key, column);
  system_table("system_schema", "columns").forget(schema.keyspace, key);
}

void catalog::undescribe_type(const type& of) {
  std::string key;
  put_clustering(key, of.name);
  system_table("system_schema", "types").forget(of.keyspace, key);
}

}  // namespace millrace::emulators::cql

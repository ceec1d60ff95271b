#include "memory_tables.h"

#include <set>

namespace millrace::harness {
namespace {

std::vector<statements::column> columns_of(const std::vector<emulators::cql_named_type>& from) {
  std::vector<statements::column> all;
  all.reserve(from.size());
  for (const emulators::cql_named_type& each : from) all.push_back({each.name, each.type});
  return all;
}

// Those that the emulator has. Indexes and views are left out, as are changes of keyspaces and rights.
bool is_executed(const cql::declared_statement& of) {
  using kind = cql::declared_statement::kind;
  switch (of.is) {
    case kind::keyspace:
    case kind::table:
    case kind::type:
    case kind::use:
      return true;
    case kind::alteration:
      return !of.name.empty();
    case kind::removal:
      return !of.keyspace.empty();
    case kind::index:
    case kind::view:
      return false;
    case kind::other:
      return of.text.starts_with("INSERT") || of.text.starts_with("insert");
  }
  return false;
}

}  // namespace

result<std::unique_ptr<memory_tables>> memory_tables::make(const cql::declared_schema& schema,
                                                           const std::string& keyspace) {
  std::unique_ptr<memory_tables> made(new memory_tables(keyspace));
  std::set<std::string> missing;
  for (const auto& [name, table] : schema.tables()) missing.insert(table.keyspace);
  for (const cql::declared_statement& each : schema.statements()) {
    if (each.is == cql::declared_statement::kind::keyspace) missing.erase(each.keyspace);
  }
  for (const std::string& each : missing) {
    const auto done =
        made->tables_.execute("CREATE KEYSPACE \"" + each +
                              "\" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    if (!done) return done.error();
  }
  for (const cql::declared_statement& each : schema.statements()) {
    if (!is_executed(each)) continue;
    if (auto done = made->tables_.execute(each.text); !done)
      return done.error().in("schema, line " + std::to_string(each.line));
  }
  return made;
}

result<memory_tables::description> memory_tables::describe(std::string_view cql) {
  const auto described = tables_.describe(cql);
  if (!described) return described.error();
  return description{columns_of(described->parameters), columns_of(described->columns)};
}

result<memory_tables::answer> memory_tables::execute(std::string_view cql, bytes_view parameters,
                                                     std::int64_t write_time_us) {
  const auto done = tables_.run(cql, parameters, write_time_us);
  if (!done) return done.error();
  answer made{columns_of(done->columns), {}};
  for (const auto& cells : done->rows) {
    simulation::row& to = made.rows.emplace_back();
    for (const std::optional<byte_buffer>& each : cells) {
      if (each) {
        to.emplace_back(*each);
      } else {
        to.emplace_back(std::nullopt);
      }
    }
  }
  return made;
}

result<void> memory_tables::execute_text(std::string_view cql, std::int64_t write_time_us) {
  return tables_.execute(cql, write_time_us);
}

}  // namespace millrace::harness

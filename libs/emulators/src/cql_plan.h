// A statement compiled against the catalogue: names resolved, markers typed, metadata encoded. Executing a
// plan looks no name up and parses no text.
//
// A plan is immutable and may be executed by several threads at once. It keeps its table alive, is outdated
// once the catalogue has another table or schema of that name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cql_ast.h"
#include "cql_catalog.h"
#include "millrace/emulators/cql_emulator.h"

namespace millrace::emulators::cql {

inline constexpr std::size_t markers_max = 4096;
inline constexpr std::size_t in_values_max = 1024;

struct marker {
  std::string name;
  type of;
};

// Where a value comes from when a plan runs.
struct source {
  std::optional<std::size_t> marker;
  std::string constant;  // already serialised
  bool null = false;
};

struct restriction {
  const column* on = nullptr;  // of token(): nothing
  relation::op is = relation::op::eq;
  std::vector<source> values;
  bool in_marker = false;
};

struct mutation_plan {
  std::vector<source> partition_key;
  std::vector<source> clustering;  // of a DELETE: may be empty, then it deletes the partition
  std::vector<std::pair<std::uint16_t, source>> cells;
  std::optional<source> timestamp;
  std::optional<source> ttl;
  bool inserts = false;
  bool deletes = false;  // whole rows
  if_clause::what condition = if_clause::what::nothing;
  std::vector<restriction> conditions;  // of if_clause::what::columns
};

struct output {
  selector::what is = selector::what::column;
  const column* of = nullptr;
};

struct selection_plan {
  std::vector<output> outputs;
  std::vector<restriction> partition_key;  // all of it, or nothing: then the table is scanned
  std::vector<restriction> clustering;     // leading ones, equal: they find one row when complete
  std::vector<restriction> filters;        // everything else
  std::vector<restriction> tokens;
  std::optional<source> limit;
  bool reversed = false;
  bool counts = false;
  std::string metadata;  // flags are not part of it: [column count][global spec][columns]
  std::int32_t columns = 0;
};

// DDL, USE and TRUNCATE are executed from their syntax.
struct plan {
  operation kind = operation::select;
  std::string keyspace;
  std::string table_name;  // "keyspace.table", as faults and latencies name it
  std::shared_ptr<stored_table> table;
  std::shared_ptr<const table_schema> schema;
  std::vector<marker> markers;
  std::vector<std::uint16_t> key_markers;  // of each partition key column, when all are markers
  std::variant<std::monostate, mutation_plan, selection_plan, statement> does;

  // The metadata part of a RESULT Prepared frame: bind variables, then the result's columns.
  void put_prepared_metadata(std::string& out) const;
};

[[nodiscard]] answer<std::shared_ptr<const plan>> compile(const catalog& in, std::string_view text,
                                                          std::string_view session_keyspace);

}  // namespace millrace::emulators::cql

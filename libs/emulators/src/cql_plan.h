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

// What becomes of one column.
struct cell_plan {
  const column* to = nullptr;
  source from;
  change is = change::set;
  source at = {};         // of an element: its key
  std::size_t field = 0;  // of put_field
};

struct mutation_plan {
  std::vector<source> partition_key;
  std::vector<source> clustering;  // of a DELETE: may be empty, then it deletes the partition
  std::vector<cell_plan> cells;
  std::optional<source> timestamp;
  std::optional<source> ttl;
  bool inserts = false;
  bool deletes = false;  // whole rows
  bool only_static = false;
  bool counts = false;  // on a table of counters
  if_clause::what condition = if_clause::what::nothing;
  std::vector<restriction> conditions;  // of if_clause::what::columns
  // What the answer of a conditional statement shows beside [applied], in ScyllaDB always and in Cassandra
  // when the condition did not hold. Cassandra announces no columns in PREPARED, ScyllaDB does.
  std::vector<const column*> shown;
  bool announces = false;
  std::string metadata;  // [global spec][columns], [applied] first
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
  bool distinct = false;
  std::string metadata;  // flags are not part of it: [column count][global spec][columns]
  std::int32_t columns = 0;
};

// DDL, USE and TRUNCATE are executed from their syntax.
struct plan {
  operation kind = operation::select;
  std::string keyspace;
  std::string table_name;    // "keyspace.table", as faults and latencies name it
  bool unqualified = false;  // the statement did not name the keyspace
  std::shared_ptr<stored_table> table;
  std::shared_ptr<const table_schema> schema;
  std::vector<marker> markers;
  std::vector<std::uint16_t> key_markers;  // of each partition key column, when all are markers
  std::variant<std::monostate, mutation_plan, selection_plan, statement> does;
  std::string metadata_id;  // of the result's columns

  // The metadata part of a RESULT Prepared frame: bind variables, then the result's columns. With `mark`,
  // the flags of a conditional statement say so (ScyllaDB's extension).
  void put_prepared_metadata(std::string& out, bool mark) const;
};

// In the flags of the bind variables.
inline constexpr std::uint32_t lwt_mark = 0x80000000U;

[[nodiscard]] answer<std::shared_ptr<const plan>> compile(const catalog& in, std::string_view text,
                                                          std::string_view session_keyspace);

}  // namespace millrace::emulators::cql

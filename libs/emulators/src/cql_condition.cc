// Writes with IF: one at a time, each sees what the one before left.
#include <chrono>
#include <mutex>

#include "cql_executor.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::int32_t flag_global_table = 0x0001;

std::int64_t wall_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// The current row, as an answer contains it: names and types, and a row of cells.
struct found_row {
  std::vector<const column*> columns;
  std::string cells;
};

bool condition_holds(const restriction& of, const partition& in, const row& at, std::span<const value> values,
                     std::int64_t now_s) {
  const cell* stored = live_cell(in, at, of.on->slot, now_s);
  const value wanted = resolve(of.values[0], values);
  if (stored == nullptr || !wanted.present()) {
    return of.is == relation::op::eq && stored == nullptr && !wanted.present();
  }
  return holds(of.is, compare(of.on->of, stored->bytes, wanted.bytes));
}

void show(found_row& to, const table_schema& schema, std::string_view key, const partition& in, const row& at,
          std::int64_t now_s) {
  std::vector<std::string_view> partition_parts;
  std::vector<std::string_view> clustering_parts;
  split_partition_key(partition_parts, key, schema.partition_columns);
  split_clustering(clustering_parts, at.clustering, schema.clustering_columns);
  for (const column* each : to.columns) {
    switch (each->is) {
      case column::role::partition_key:
        put_bytes(to.cells, partition_parts[each->position]);
        break;
      case column::role::clustering:
        put_bytes(to.cells, clustering_parts[each->position]);
        break;
      case column::role::regular:
        if (const cell* stored = live_cell(in, at, each->slot, now_s))
          put_bytes(to.cells, stored->bytes);
        else
          put_null(to.cells);
        break;
    }
  }
}

void put_answer(std::string& out, const table_schema& schema, bool applied, const found_row& found) {
  put_i32(out, result_rows);
  put_i32(out, flag_global_table);
  put_i32(out, static_cast<std::int32_t>(1 + found.columns.size()));
  put_string(out, schema.keyspace);
  put_string(out, schema.name);
  put_string(out, "[applied]");
  put_option(out, simple(type_id::boolean));
  for (const column* each : found.columns) {
    put_string(out, each->name);
    put_option(out, each->of);
  }
  put_i32(out, 1);
  put_i32(out, 1);
  put_u8(out, applied ? 1 : 0);
  out += found.cells;
}

}  // namespace

verdict executor::run_conditional(std::string& out, const plan& what, std::span<const value> values) {
  static std::mutex one_at_a_time;
  const std::lock_guard guard(one_at_a_time);
  const auto& does = std::get<mutation_plan>(what.does);
  if (verdict bad = mutate(what, values, std::nullopt, false)) return bad;
  const std::int64_t now_s = wall_s();
  bool applies = does.condition == if_clause::what::absent;
  found_row found;
  what.table->visit(key_, [&](const partition& in) {
    const row* at = stored_table::find(*what.schema, in, clustering_);
    if (at == nullptr || !live_row(in, *at, now_s)) return;
    applies = does.condition == if_clause::what::present;
    if (does.condition == if_clause::what::absent) {
      for (const column& each : what.schema->columns) found.columns.push_back(&each);
    }
    if (does.condition == if_clause::what::columns) {
      applies = true;
      for (const restriction& each : does.conditions) {
        applies = applies && condition_holds(each, in, *at, values, now_s);
        found.columns.push_back(each.on);
      }
    }
    if (!applies) show(found, *what.schema, key_, in, *at, now_s);
  });
  if (applies) {
    found = {};
    if (verdict bad = mutate(what, values, std::nullopt, true)) return bad;
  }
  put_answer(out, *what.schema, applies, found);
  return {};
}

}  // namespace millrace::emulators::cql

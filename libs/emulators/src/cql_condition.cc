// Writes with IF: one at a time, each sees what the one before left.
#include <algorithm>
#include <chrono>
#include <mutex>

#include "cql_executor.h"

namespace millrace::emulators::cql {
namespace {

std::int64_t wall_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

bool condition_holds(const restriction& of, const partition& in, const row* at, std::span<const value> values,
                     std::int64_t now_s) {
  const cell* stored = live_cell(in, at, *of.on, now_s);
  const value wanted = resolve(of.values[0], values);
  if (stored == nullptr || !wanted.present()) {
    return of.is == relation::op::eq && stored == nullptr && !wanted.present();
  }
  return holds(of.is, compare(of.on->of, stored->bytes, wanted.bytes));
}

// The row as it was before the write, as the answer shows it. `at` is absent when only static cells exist.
std::string show(const mutation_plan& does, const table_schema& schema, std::string_view key,
                 const partition& in, const row* at, std::int64_t now_s) {
  std::string out;
  std::vector<std::string_view> partition_parts;
  std::vector<std::string_view> clustering_parts(schema.clustering_columns);
  split_partition_key(partition_parts, key, schema.partition_columns);
  if (at != nullptr) split_clustering(clustering_parts, at->clustering, schema.clustering_columns);
  for (const column* each : does.shown) {
    switch (each->is) {
      case column::role::partition_key:
        put_bytes(out, partition_parts[each->position]);
        break;
      case column::role::clustering:
        if (at != nullptr)
          put_bytes(out, clustering_parts[each->position]);
        else
          put_null(out);
        break;
      case column::role::static_:
      case column::role::regular:
        put_column(out, in, at, *each, now_s);
        break;
    }
  }
  return out;
}

// Cassandra names columns only when it shows a row, which it does when the condition failed on one, and always
// sends the metadata. ScyllaDB answers with the columns it announced, null where there was no row, and leaves
// their metadata out when asked to.
void put_answer(std::string& out, const plan& what, bool applied, const std::optional<std::string>& shown,
                const request_options& with) {
  const auto& does = std::get<mutation_plan>(what.does);
  put_i32(out, result_rows);
  if (does.announces) {
    put_rows_metadata(out, what, static_cast<std::int32_t>(1 + does.shown.size()), does.metadata, with, {});
  } else if (!applied && shown) {
    put_rows_metadata(out, what, static_cast<std::int32_t>(1 + does.shown.size()), does.metadata, {}, {});
  } else {
    std::string only_applied;
    put_string(only_applied, what.schema->keyspace);
    put_string(only_applied, what.schema->name);
    put_string(only_applied, "[applied]");
    put_option(only_applied, simple(type_id::boolean));
    put_rows_metadata(out, what, 1, only_applied, {}, {});
  }
  put_i32(out, 1);
  put_i32(out, 1);
  put_u8(out, applied ? 1 : 0);
  if (does.announces && !shown) {
    for (std::size_t i = 0; i < does.shown.size(); ++i) put_null(out);
  } else if (shown && (does.announces || !applied)) {
    out += *shown;
  }
}

}  // namespace

verdict executor::run_conditional(std::string& out, const plan& what, std::span<const value> values,
                                  const request_options& with) {
  static std::mutex one_at_a_time;
  const std::lock_guard guard(one_at_a_time);
  const auto& does = std::get<mutation_plan>(what.does);
  if (verdict bad = mutate(what, values, std::nullopt, false)) return bad;
  const std::int64_t now_s = wall_s();
  const auto applies_to = [&](const partition& in, const row* at, bool exists) {
    if (does.condition == if_clause::what::absent) return !exists;
    if (does.condition == if_clause::what::present) return exists;
    return std::all_of(does.conditions.begin(), does.conditions.end(),
                       [&](const restriction& each) { return condition_holds(each, in, at, values, now_s); });
  };
  bool applies = applies_to(partition{}, nullptr, false);
  std::optional<std::string> shown;
  what.table->visit(key_, [&](const partition& in) {
    const row* at = does.only_static ? nullptr : stored_table::find(*what.schema, in, clustering_);
    if (at != nullptr && !live_row(in, *at, now_s)) at = nullptr;
    const bool statics = live_statics(in, now_s);
    applies = applies_to(in, at, does.only_static ? statics : at != nullptr);
    if (at != nullptr || statics) shown = show(does, *what.schema, key_, in, at, now_s);
  });
  if (applies) {
    if (verdict bad = mutate(what, values, std::nullopt, true)) return bad;
  }
  put_answer(out, what, applies, shown, with);
  return {};
}

}  // namespace millrace::emulators::cql

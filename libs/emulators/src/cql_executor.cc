#include "cql_executor.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "cql_murmur3.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::size_t key_bytes_max = 65'535;

std::int64_t wall_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

verdict check_values(const plan& what, std::span<const value> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].present()) continue;
    if (verdict bad = validate(what.markers[i].of, values[i].bytes)) return bad;
  }
  return {};
}

failure null_key(const column& of) {
  return invalid(fmt::format("Invalid null value in condition for column {}", of.name));
}

// The elements of a bound list, for `in ?`.
std::vector<std::string_view> elements(std::string_view list) {
  std::vector<std::string_view> out;
  wire_reader in(list);
  const std::int32_t count = in.i32();
  for (std::int32_t i = 0; i < count && in.ok(); ++i) out.push_back(in.bytes().bytes);
  return out;
}

std::vector<std::string_view> candidates(const restriction& of, std::span<const value> values) {
  if (of.in_marker) return elements(resolve(of.values[0], values).bytes);
  std::vector<std::string_view> out;
  out.reserve(of.values.size());
  for (const source& each : of.values) out.push_back(resolve(each, values).bytes);
  return out;
}

}  // namespace

value resolve(const source& from, std::span<const value> values) {
  if (from.marker) return values[*from.marker];
  if (from.null) return {};
  return {from.constant, value::state::present};
}

verdict check_collections(const plan& what, std::span<const value> values, const collection_limits& limits) {
  const auto* does = std::get_if<mutation_plan>(&what.does);
  if (does == nullptr || (limits.bytes == 0 && limits.items == 0)) return {};
  const auto violated = [](std::string_view name, std::string detected) {
    return invalid(fmt::format("Guardrail {} violated: {}", name, detected));
  };
  for (const cell_plan& each : does->cells) {
    const value to = resolve(each.from, values);
    if (!each.to->of.collection() || !to.present() || each.is == change::put_element) continue;
    const auto items = static_cast<std::size_t>(std::max(wire_reader(to.bytes).i32(), 0));
    const std::string where = fmt::format("{} in table {}", each.to->name, what.table_name);
    if (limits.bytes != 0 && to.bytes.size() > limits.bytes) {
      return violated(
          "collection_size",
          fmt::format("Detected collection {} of size {}, this exceeds the failure threshold of {}.", where,
                      to.bytes.size(), limits.bytes));
    }
    if (limits.items != 0 && items > limits.items) {
      return violated(
          "items_per_collection",
          fmt::format("Detected collection {} with {} items, this exceeds the failure threshold of {}.",
                      where, items, limits.items));
    }
  }
  return {};
}

bool holds(relation::op is, int order) {
  switch (is) {
    case relation::op::eq:
    case relation::op::in:
      return order == 0;
    case relation::op::lt:
      return order < 0;
    case relation::op::le:
      return order <= 0;
    case relation::op::gt:
      return order > 0;
    case relation::op::ge:
      return order >= 0;
  }
  return false;
}

std::int64_t server_timestamp() noexcept {
  static std::atomic<std::int64_t> last{0};
  std::int64_t before = last.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do next = std::max(before + 1, wall_us());
  while (!last.compare_exchange_weak(before, next, std::memory_order_relaxed));
  return next;
}

verdict executor::run(std::string& out, const plan& what, std::span<const value> values,
                      const request_options& with) {
  if (std::holds_alternative<selection_plan>(what.does)) return select(out, what, values, with);
  if (std::get<mutation_plan>(what.does).condition != if_clause::what::nothing) {
    return run_conditional(out, what, values, with);
  }
  if (verdict bad = mutate(what, values, with.timestamp)) return bad;
  put_i32(out, result_void);
  return {};
}

verdict executor::take_key(const plan& what, std::span<const value> values) {
  const auto& does = std::get<mutation_plan>(what.does);
  parts_.clear();
  std::size_t length = 0;
  for (std::size_t i = 0; i < does.partition_key.size(); ++i) {
    const value part = resolve(does.partition_key[i], values);
    if (!part.present()) return null_key(what.schema->columns[i]);
    parts_.push_back(part.bytes);
    // Of several components each has a length of two bytes and an end of one.
    length += part.bytes.size() + (does.partition_key.size() > 1 ? 3 : 0);
  }
  if (length == 0) return invalid("Key may not be empty");
  if (length > key_bytes_max)
    return invalid(fmt::format("Key length of {} is longer than maximum of {}", length, key_bytes_max));
  key_.clear();
  put_partition_key(key_, parts_);
  clustering_.clear();
  for (std::size_t i = 0; i < does.clustering.size(); ++i) {
    const value part = resolve(does.clustering[i], values);
    if (!part.present()) return null_key(what.schema->clustering(i));
    put_clustering(clustering_, part.bytes);
  }
  if (clustering_.size() > key_bytes_max + sizeof(std::int32_t) * does.clustering.size()) {
    return invalid(fmt::format("The sum of all clustering columns is too long ({} > {})",
                               clustering_.size() - sizeof(std::int32_t) * does.clustering.size(),
                               key_bytes_max));
  }
  return {};
}

verdict executor::take_cells(const mutation_plan& does, std::span<const value> values) {
  cells_.clear();
  ordered_.clear();
  for (const cell_plan& each : does.cells) {
    cell_write next{each.to->slot, resolve(each.from, values), each.to->is == column::role::static_};
    const bool counter = each.to->of.id == type_id::counter;
    if (counter && each.is != change::set && next.to.is == value::state::null) {
      return invalid(fmt::format("Invalid null value for counter {}",
                                 each.is == change::subtract ? "decrement" : "increment"));
    }
    // A collection, or a user-defined type, of no parts is none.
    const bool whole = each.is == change::set && each.to->of.multi_cell() && next.to.present();
    if (whole && no_parts(each.to->of, next.to.bytes)) next.to = {};
    if (whole && next.to.present() && !ordered(each.to->of, next.to.bytes)) {
      const cell_edit from_nothing{change::append, &each.to->of, next.to, {}, 0};
      ordered_.push_back(edited(from_nothing, std::nullopt).value_or(std::string()));
      next.to.bytes = ordered_.back();
    }
    if (each.is != change::set) next.edit = {each.is, &each.to->of, next.to, {}, each.field};
    const bool element = each.is == change::put_element || each.is == change::remove_element;
    if (element) {
      next.edit.key = resolve(each.at, values);
      if (!next.edit.key.present()) {
        return invalid(fmt::format("Invalid {} {} key",
                                   next.edit.key.is == value::state::unset ? "unset" : "null",
                                   each.to->of.id == type_id::map ? "map" : "set"));
      }
    }
    // To add nothing to a collection changes nothing.
    const bool adds = each.is == change::append || each.is == change::prepend || each.is == change::subtract;
    if (adds && !next.to.present()) continue;
    cells_.push_back(next);
  }
  return {};
}

verdict executor::mutate(const plan& what, std::span<const value> values,
                         std::optional<std::int64_t> timestamp, bool apply) {
  const auto& does = std::get<mutation_plan>(what.does);
  if (verdict bad = check_values(what, values)) return bad;
  if (verdict bad = take_key(what, values)) return bad;
  std::int64_t at = timestamp ? *timestamp : 0;
  if (does.timestamp) {
    const value given = resolve(*does.timestamp, values);
    if (given.present())
      at = wire_reader(given.bytes).i64();
    else if (given.is == value::state::null)
      return invalid("Invalid null value of timestamp");
    else if (!timestamp)
      at = server_timestamp();
  } else if (!timestamp) {
    at = server_timestamp();
  }
  std::int64_t expires_at = 0;
  if (does.ttl) {
    const value given = resolve(*does.ttl, values);
    const std::int32_t ttl = given.present() ? wire_reader(given.bytes).i32() : 0;
    if (ttl < 0) return invalid(fmt::format("A TTL must be greater or equal to 0, but was {}", ttl));
    if (ttl > 0) expires_at = wall_us() / 1'000'000 + ttl;
  }
  if (verdict bad = take_cells(does, values)) return bad;
  if (!apply) return {};
  if (does.deletes) {
    what.table->remove(key_, clustering_, at);
    return {};
  }
  what.table->write(key_, clustering_, {at, expires_at, does.inserts, does.only_static, cells_});
  return {};
}

void put_column(std::string& out, const partition& in, const row* of, const column& by, std::int64_t now_s) {
  const cell* stored = live_cell(in, of, by, now_s);
  if (stored == nullptr) return put_null(out);
  // What was stored when the type had fewer fields is completed; a frozen value is sent as it was stored.
  if (by.of.id == type_id::user && !by.of.frozen) return put_bytes(out, complete(by.of, stored->bytes));
  put_bytes(out, stored->bytes);
}

// One SELECT in progress: filters rows, encodes those that pass, remembers where the page ended.
struct executor::selection {
  const plan& what;
  const selection_plan& does;
  std::span<const value> values;
  std::string& rows;
  std::int64_t now_s = wall_us() / 1'000'000;
  std::int32_t page = std::numeric_limits<std::int32_t>::max();
  std::int32_t remaining = std::numeric_limits<std::int32_t>::max();
  std::int32_t found = 0;
  bool more = false;
  bool too_large = false;
  cursor last = {};
  std::int64_t token = 0;
  std::string_view key = {};
  std::vector<std::string_view> key_parts = {};
  std::vector<std::string_view> clustering_parts = {};

  void enter(std::int64_t partition_token, std::string_view partition_key) {
    token = partition_token;
    key = partition_key;
    split_partition_key(key_parts, key, what.schema->partition_columns);
  }

  bool passes(const restriction& by, const partition& in, const row* of) const {
    std::string_view held;
    switch (by.on->is) {
      case column::role::partition_key:
        held = key_parts[by.on->position];
        break;
      case column::role::clustering:
        if (of == nullptr) return false;
        held = clustering_parts[by.on->position];
        break;
      case column::role::static_:
      case column::role::regular: {
        const cell* stored = live_cell(in, of, *by.on, now_s);
        if (stored == nullptr) return false;
        held = stored->bytes;
        break;
      }
    }
    const auto fits = [&](std::string_view wanted) { return holds(by.is, compare(by.on->of, held, wanted)); };
    if (by.values.size() == 1 && !by.in_marker) return fits(resolve(by.values[0], values).bytes);
    const std::vector<std::string_view> wanted = candidates(by, values);
    return std::any_of(wanted.begin(), wanted.end(), fits);
  }

  // A live row, or nothing for a partition that has static cells only. False: the page or the limit is full.
  bool offer(const partition& in, const row* of) {
    if (of != nullptr) split_clustering(clustering_parts, of->clustering, what.schema->clustering_columns);
    for (const restriction& each : does.clustering) {
      if (!passes(each, in, of)) return true;
    }
    for (const restriction& each : does.filters) {
      if (!passes(each, in, of)) return true;
    }
    if (!does.counts && found >= std::min(page, remaining)) {
      more = found < remaining;
      return false;
    }
    ++found;
    if (does.counts) return true;
    encode_row(in, of);
    too_large = rows.size() > result_bytes_max;
    if (page != std::numeric_limits<std::int32_t>::max()) {
      last.token = token;
      last.key = key;
      last.clustering = of == nullptr ? std::string() : of->clustering;
    }
    return !too_large;
  }

  void encode_row(const partition& in, const row* of) const {
    for (const output& each : does.outputs) {
      if (each.is == selector::what::token) {
        put_i32(rows, 8);
        put_i64(rows, token);
        continue;
      }
      if (each.of->is == column::role::clustering && of == nullptr) {
        put_null(rows);
        continue;
      }
      if (each.of->primary_key()) {
        put_bytes(rows, each.of->is == column::role::clustering ? clustering_parts[each.of->position]
                                                                : key_parts[each.of->position]);
        continue;
      }
      const cell* stored = live_cell(in, of, *each.of, now_s);
      if (stored == nullptr || (each.is == selector::what::ttl && stored->expires_at == 0)) {
        put_null(rows);
      } else if (each.is == selector::what::column) {
        put_column(rows, in, of, *each.of, now_s);
      } else if (each.is == selector::what::write_time) {
        put_i32(rows, 8);
        put_i64(rows, stored->written_at);
      } else {
        put_i32(rows, 4);
        put_i32(rows, static_cast<std::int32_t>(stored->expires_at - now_s));
      }
    }
  }

  // All rows of a partition, or those behind `after`. False: full.
  bool offer_all(const partition& in, const std::string* after) {
    if (does.distinct && after != nullptr) return true;
    bool any = false;
    for (std::size_t i = 0; i < in.rows.size(); ++i) {
      const row& of = *in.rows[does.reversed ? in.rows.size() - 1 - i : i];
      if (!live_row(in, of, now_s)) continue;
      if (does.distinct) return offer(in, &of);
      any = true;
      if (after != nullptr) {
        const int order = compare_clustering(*what.schema, of.clustering, *after);
        if (does.reversed ? order >= 0 : order <= 0) continue;
      }
      if (!offer(in, &of)) return false;
    }
    const bool lone_statics = !any && after == nullptr && does.clustering.empty() && live_statics(in, now_s);
    return !lone_statics || offer(in, nullptr);
  }

  // Is the partition inside the token range? Negative: not yet, positive: behind its end.
  int within(std::int64_t partition_token) const {
    for (const restriction& each : does.tokens) {
      const std::int64_t bound = wire_reader(resolve(each.values[0], values).bytes).i64();
      const int order = partition_token < bound ? -1 : (partition_token > bound ? 1 : 0);
      if (holds(each.is, order)) continue;
      const bool upper = each.is == relation::op::lt || each.is == relation::op::le ||
                         (each.is == relation::op::eq && order > 0);
      return upper ? 1 : -1;
    }
    return 0;
  }
};

bool executor::parse_cursor(std::string_view state, cursor& out) {
  wire_reader in(state);
  out.token = in.i64();
  out.key = in.long_string();
  out.clustering = in.long_string();
  out.remaining = in.i32();
  return in.ok() && in.left() == 0;
}

verdict executor::collect_keys(const plan& what, const selection_plan& does, std::span<const value> values) {
  keys_.assign(1, {0, std::string()});
  const bool composite = does.partition_key.size() > 1;
  for (const restriction& each : does.partition_key) {
    std::vector<std::pair<std::int64_t, std::string>> grown;
    for (const std::string_view part : candidates(each, values)) {
      for (const auto& [token, prefix] : keys_) {
        std::string next = prefix;
        if (composite) {
          put_string(next, part);
          next.push_back('\0');
        } else {
          next = part;
        }
        grown.emplace_back(0, std::move(next));
        if (grown.size() > in_values_max)
          return invalid("Too many values in IN restrictions of the partition key");
      }
    }
    keys_ = std::move(grown);
  }
  for (auto& [token, key] : keys_) {
    if (key.empty()) return invalid("Key may not be empty");
    token = token_of(key);
  }
  if (keys_.size() > 1) {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
  }
  static_cast<void>(what);
  return {};
}

verdict executor::select(std::string& out, const plan& what, std::span<const value> values,
                         const request_options& with) {
  const auto& does = std::get<selection_plan>(what.does);
  if (verdict bad = check_values(what, values)) return bad;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i].present())
      return invalid(fmt::format("Invalid null value in condition for column {}", what.markers[i].name));
  }
  rows_.clear();
  selection now{what, does, values, rows_};
  if (does.limit) {
    now.remaining = wire_reader(resolve(*does.limit, values).bytes).i32();
    if (now.remaining <= 0) return invalid("LIMIT must be strictly positive");
  }
  if (with.page_size > 0) now.page = with.page_size;
  cursor resume;
  const bool resumes = !with.paging_state.empty();
  if (resumes) {
    if (!parse_cursor(with.paging_state, resume))
      return failure{code::protocol, "Invalid value for the paging state", {}};
    now.remaining = resume.remaining;
  }
  if (with.empty_page) {
    now.more = true;
    now.last = resumes ? resume : cursor{std::numeric_limits<std::int64_t>::min(), {}, {}, now.remaining};
    put_rows(out, now, with);
    return {};
  }
  if (does.partition_key.empty()) {
    std::optional<std::pair<std::int64_t, std::string>> after;
    if (resumes) after.emplace(resume.token, resume.key);
    what.table->scan(after, true, [&](std::int64_t token, std::string_view key, const partition& in) {
      const int place = now.within(token);
      if (place != 0) return place < 0;
      now.enter(token, key);
      const bool continues = resumes && token == resume.token && key == resume.key;
      return now.offer_all(in, continues ? &resume.clustering : nullptr);
    });
  } else {
    if (verdict bad = collect_keys(what, does, values)) return bad;
    const bool one_row = does.clustering.size() == what.schema->clustering_columns;
    clustering_.clear();
    for (const restriction& each : does.clustering)
      put_clustering(clustering_, resolve(each.values[0], values).bytes);
    bool full = false;
    for (const auto& [token, key] : keys_) {
      const bool continues = resumes && token == resume.token && key == resume.key;
      if (resumes && !continues &&
          std::pair(token, std::string_view(key)) < std::pair(resume.token, std::string_view(resume.key)))
        continue;
      if (continues && one_row) continue;
      if (now.within(token) != 0) continue;
      what.table->visit(key, [&](const partition& in) {
        now.enter(token, key);
        if (!one_row) {
          full = !now.offer_all(in, continues ? &resume.clustering : nullptr);
        } else if (const row* only = stored_table::find(*what.schema, in, clustering_)) {
          full = live_row(in, *only, now.now_s) && !now.offer(in, only);
        }
      });
      if (full) break;
    }
  }
  if (now.too_large) return invalid("The result is larger than the emulator sends; use paging");
  put_rows(out, now, with);
  return {};
}

void put_rows_metadata(std::string& out, const plan& what, std::int32_t columns, std::string_view metadata,
                       const request_options& with, const std::optional<std::string>& paging_state) {
  constexpr std::int32_t global_table = 0x0001;
  constexpr std::int32_t has_more = 0x0002;
  constexpr std::int32_t no_metadata = 0x0004;
  constexpr std::int32_t metadata_changed = 0x0008;
  const bool changed = with.metadata_id && *with.metadata_id != what.metadata_id;
  const bool skip = with.skip_metadata && !changed;
  // Servers leave the flag of the table set when they leave the columns out.
  put_i32(out, global_table | (paging_state ? has_more : 0) | (skip ? no_metadata : 0) |
                   (changed ? metadata_changed : 0));
  put_i32(out, columns);
  if (paging_state) put_bytes(out, *paging_state);
  if (changed) put_string(out, what.metadata_id);
  if (!skip) out += metadata;
}

void executor::put_rows(std::string& out, const selection& found, const request_options& with) const {
  const selection_plan& does = found.does;
  std::optional<std::string> state;
  if (found.more) {
    state.emplace();
    put_i64(*state, found.last.token);
    put_bytes(*state, found.last.key);
    put_bytes(*state, found.last.clustering);
    put_i32(*state, found.remaining - found.found);
  }
  put_i32(out, result_rows);
  put_rows_metadata(out, found.what, does.columns, does.metadata, with, state);
  if (does.counts) {
    put_i32(out, 1);
    put_i32(out, 8);
    put_i64(out, found.found);
    return;
  }
  put_i32(out, found.found);
  out += rows_;
}

}  // namespace millrace::emulators::cql

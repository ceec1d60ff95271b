#include "cql_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "cql_murmur3.h"

namespace millrace::emulators::cql {
namespace {

// Does `next` win over `now`? Cells.reconcile of Cassandra.
bool supersedes(const cell& now, std::int64_t at, bool tombstone, std::string_view bytes) {
  if (now.is == cell::state::absent || at != now.written_at)
    return now.is == cell::state::absent || at > now.written_at;
  if (tombstone != (now.is == cell::state::tombstone)) return tombstone;
  return !tombstone && bytes > std::string_view(now.bytes);
}

std::int64_t wall_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool expired(std::int64_t expires_at, std::int64_t now_s) { return expires_at != 0 && now_s >= expires_at; }

bool apply_edit(cell& target, const cell_edit& by, const row_write& what, std::int64_t floor,
                std::int64_t now_s) {
  const bool live =
      target.is == cell::state::value && target.written_at > floor && !expired(target.expires_at, now_s);
  if (target.is == cell::state::tombstone) floor = std::max(floor, target.written_at);
  if (what.at <= floor) return false;
  std::optional<std::string> next =
      edited(by, live ? std::optional<std::string_view>(target.bytes) : std::nullopt);
  target.is = next ? cell::state::value : cell::state::tombstone;
  target.bytes = std::move(next).value_or(std::string());
  target.written_at = std::max(target.written_at, what.at);
  if (!live || what.expires_at != 0) target.expires_at = what.expires_at;
  return true;
}

// Writes the cells of static columns, or those of the others. True when any of them changed the row.
bool apply(partition& in, row& to, const row_write& what, bool statics) {
  const std::int64_t floor = std::max(in.deleted_at, to.deleted_at);
  bool changed = what.inserts && !statics && what.at >= to.inserted_at;
  if (changed) {
    to.inserted_at = what.at;
    to.insert_expires_at = what.expires_at;
  }
  for (const cell_write& each : what.cells) {
    if (each.to.is == value::state::unset || each.in_static != statics) continue;
    if (to.cells.size() <= each.slot) to.cells.resize(each.slot + 1U);
    cell& target = to.cells[each.slot];
    if (each.edit.is != change::set) {
      changed = apply_edit(target, each.edit, what, floor, wall_s()) || changed;
      continue;
    }
    const bool tombstone = !each.to.present();
    if (!supersedes(target, what.at, tombstone, each.to.bytes)) {
      changed =
          changed || (what.at == target.written_at && tombstone == (target.is == cell::state::tombstone) &&
                      each.to.bytes == target.bytes);
      continue;
    }
    target.written_at = what.at;
    target.expires_at = what.expires_at;
    target.bytes.assign(each.to.bytes);
    target.is = tombstone ? cell::state::tombstone : cell::state::value;
    changed = true;
  }
  return changed && what.at > floor;
}

}  // namespace

const column* table_schema::find(std::string_view column_name) const noexcept {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const column& each) { return each.name == column_name; });
  return found == columns.end() ? nullptr : &*found;
}

void put_partition_key(std::string& out, std::span<const std::string_view> components) {
  if (components.size() == 1) {
    out.append(components[0]);
    return;
  }
  for (const std::string_view each : components) {
    put_string(out, each);
    out.push_back('\0');
  }
}

void split_partition_key(std::vector<std::string_view>& out, std::string_view key, std::size_t components) {
  out.clear();
  if (components == 1) {
    out.push_back(key);
    return;
  }
  wire_reader in(key);
  for (std::size_t i = 0; i < components; ++i) {
    out.push_back(in.string());
    in.u8();
  }
}

void put_clustering(std::string& out, std::string_view component) { put_bytes(out, component); }

void split_clustering(std::vector<std::string_view>& out, std::string_view key, std::size_t components) {
  out.clear();
  wire_reader in(key);
  for (std::size_t i = 0; i < components; ++i) out.push_back(in.bytes().bytes);
}

const cell* live_cell(const partition& in, const row& of, std::size_t slot, std::int64_t now_s) noexcept {
  if (slot >= of.cells.size()) return nullptr;
  const cell& found = of.cells[slot];
  if (found.is != cell::state::value || found.written_at <= std::max(in.deleted_at, of.deleted_at))
    return nullptr;
  return expired(found.expires_at, now_s) ? nullptr : &found;
}

const cell* live_cell(const partition& in, const row* of, const column& by, std::int64_t now_s) noexcept {
  if (by.is == column::role::static_) of = in.statics.get();
  return of == nullptr ? nullptr : live_cell(in, *of, by.slot, now_s);
}

bool live_statics(const partition& in, std::int64_t now_s) noexcept {
  return in.statics != nullptr && live_row(in, *in.statics, now_s);
}

bool live_row(const partition& in, const row& of, std::int64_t now_s) noexcept {
  if (of.inserted_at > std::max(in.deleted_at, of.deleted_at) && !expired(of.insert_expires_at, now_s))
    return true;
  for (std::size_t slot = 0; slot < of.cells.size(); ++slot) {
    if (live_cell(in, of, slot, now_s) != nullptr) return true;
  }
  return false;
}

int compare_clustering(const table_schema& schema, std::string_view left, std::string_view right) {
  wire_reader a(left);
  wire_reader b(right);
  for (std::size_t i = 0; i < schema.clustering_columns && a.left() != 0 && b.left() != 0; ++i) {
    const column& by = schema.clustering(i);
    const int order = compare(by.of, a.bytes().bytes, b.bytes().bytes);
    if (order != 0) return by.descending ? -order : order;
  }
  return 0;
}

std::shared_ptr<const table_schema> stored_table::schema() const {
  const std::lock_guard guard(schema_mutex_);
  return schema_;
}

void stored_table::replace_schema(std::shared_ptr<const table_schema> schema) {
  const std::lock_guard guard(schema_mutex_);
  retired_.push_back(std::exchange(schema_, std::move(schema)));
  order_ = schema_.get();
}

stored_table::shard& stored_table::shard_of(std::string_view key) const {
  return shards_[shard_index(token_of(key))];
}

std::size_t stored_table::lower_bound(const table_schema& schema, const partition& in,
                                      std::string_view clustering) {
  const auto& rows = in.rows;
  // Rows mostly arrive in order.
  if (!rows.empty() && compare_clustering(schema, rows.back()->clustering, clustering) < 0)
    return rows.size();
  const auto found = std::lower_bound(rows.begin(), rows.end(), clustering,
                                      [&](const std::unique_ptr<row>& each, std::string_view key) {
                                        return compare_clustering(schema, each->clustering, key) < 0;
                                      });
  return static_cast<std::size_t>(found - rows.begin());
}

const row* stored_table::find(const table_schema& schema, const partition& in, std::string_view clustering) {
  const std::size_t at = lower_bound(schema, in, clustering);
  if (at == in.rows.size() || compare_clustering(schema, in.rows[at]->clustering, clustering) != 0)
    return nullptr;
  return in.rows[at].get();
}

void stored_table::write(std::string_view key, std::string_view clustering, const row_write& what) {
  const table_schema& schema = *order_.load(std::memory_order_acquire);
  shard& in = shard_of(key);
  const std::lock_guard guard(in.mutex);
  auto found = in.partitions.find(key);
  if (found == in.partitions.end()) found = in.partitions.emplace(std::string(key), partition{}).first;
  partition& part = found->second;
  const bool statics =
      std::any_of(what.cells.begin(), what.cells.end(), [](const auto& each) { return each.in_static; });
  bool changed = false;
  if (statics) {
    if (part.statics == nullptr) part.statics = std::make_unique<row>();
    changed = apply(part, *part.statics, what, true);
  }
  ++in.counts.writes;
  if (what.only_static) {
    if (!changed) ++in.counts.superseded_writes;
    return;
  }
  const std::size_t at = lower_bound(schema, part, clustering);
  if (at == part.rows.size() || compare_clustering(schema, part.rows[at]->clustering, clustering) != 0) {
    auto fresh = std::make_unique<row>();
    fresh->clustering = clustering;
    fresh->cells.resize(schema.slots);
    part.rows.insert(part.rows.begin() + static_cast<std::ptrdiff_t>(at), std::move(fresh));
  }
  row& to = *part.rows[at];
  ++to.writes;
  if (to.writes == 1) ++in.counts.keys_written;
  if (to.writes == 2) ++in.counts.keys_rewritten;
  changed = apply(part, to, what, false) || changed;
  if (!changed) ++in.counts.superseded_writes;
}

void stored_table::remove(std::string_view key, std::string_view clustering, std::int64_t at) {
  const table_schema& schema = *order_.load(std::memory_order_acquire);
  shard& in = shard_of(key);
  const std::lock_guard guard(in.mutex);
  ++in.counts.deletes;
  auto found = in.partitions.find(key);
  if (found == in.partitions.end()) found = in.partitions.emplace(std::string(key), partition{}).first;
  partition& part = found->second;
  if (clustering.empty()) {
    part.deleted_at = std::max(part.deleted_at, at);
    return;
  }
  const std::size_t place = lower_bound(schema, part, clustering);
  if (place == part.rows.size() ||
      compare_clustering(schema, part.rows[place]->clustering, clustering) != 0) {
    auto fresh = std::make_unique<row>();
    fresh->clustering = clustering;
    part.rows.insert(part.rows.begin() + static_cast<std::ptrdiff_t>(place), std::move(fresh));
  }
  part.rows[place]->deleted_at = std::max(part.rows[place]->deleted_at, at);
}

void stored_table::truncate() {
  for (shard& each : shards_) {
    const std::lock_guard guard(each.mutex);
    each.partitions.clear();
    each.counts = {};
  }
}

bool stored_table::forget(std::string_view key, std::string_view clustering) {
  const table_schema& schema = *order_.load(std::memory_order_acquire);
  shard& in = shard_of(key);
  const std::lock_guard guard(in.mutex);
  const auto found = in.partitions.find(key);
  if (found == in.partitions.end()) return false;
  partition& part = found->second;
  const std::size_t at = lower_bound(schema, part, clustering);
  if (at == part.rows.size() || compare_clustering(schema, part.rows[at]->clustering, clustering) != 0)
    return false;
  part.rows.erase(part.rows.begin() + static_cast<std::ptrdiff_t>(at));
  if (part.rows.empty() && part.statics == nullptr && part.deleted_at == never) in.partitions.erase(found);
  return true;
}

void stored_table::scan(const std::optional<std::pair<std::int64_t, std::string>>& after, bool inclusive,
                        const scan_step& see) const {
  struct place {
    std::int64_t token;
    std::string_view key;
    const partition* at;
  };
  std::vector<place> places;
  for (std::size_t i = after ? shard_index(after->first) : 0; i < shards_.size(); ++i) {
    const std::lock_guard guard(shards_[i].mutex);
    places.clear();
    for (const auto& [key, part] : shards_[i].partitions) {
      const std::int64_t token = token_of(key);
      if (after) {
        const auto order = std::pair(token, std::string_view(key)) <=>
                           std::pair(after->first, std::string_view(after->second));
        if (order < 0 || (order == 0 && !inclusive)) continue;
      }
      places.push_back({token, key, &part});
    }
    std::sort(places.begin(), places.end(), [](const place& a, const place& b) {
      return a.token != b.token ? a.token < b.token : a.key < b.key;
    });
    for (const place& each : places) {
      if (!see(each.token, each.key, *each.at)) return;
    }
  }
}

table_counts stored_table::counts() const {
  table_counts out;
  for (const shard& each : shards_) {
    const std::lock_guard guard(each.mutex);
    out.writes += each.counts.writes;
    out.superseded_writes += each.counts.superseded_writes;
    out.deletes += each.counts.deletes;
    out.keys_written += each.counts.keys_written;
    out.keys_rewritten += each.counts.keys_rewritten;
  }
  return out;
}

}  // namespace millrace::emulators::cql

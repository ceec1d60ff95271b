// Tables in memory, with Cassandra's rules for which write wins: every cell carries its own timestamp, a
// deletion covers what is not newer than itself, and of two cells with one timestamp a deletion beats a value
// and a larger value beats a smaller one (Cells.reconcile). Nothing is ever compacted away, so that a write
// that arrives late is judged by everything that happened before.
//
// Threads: every member function may be called from any thread. A table is cut into shards by token, each
// under its own mutex, so a verifier that reads does not stop the server, and no rehash is long.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <millrace/base/values.h>

#include "cql_edit.h"
#include "cql_type.h"
#include "cql_wire.h"

namespace millrace::emulators::cql {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

struct column {
  enum class role : std::uint8_t { partition_key, clustering, static_, regular };

  std::string name;
  type of;
  role is = role::regular;
  std::uint16_t position = 0;  // within the partition key, or the clustering key
  std::uint16_t slot = 0;      // of a column that is not in the key: where rows store its cell
  bool descending = false;

  [[nodiscard]] bool primary_key() const noexcept {
    return is == role::partition_key || is == role::clustering;
  }
};

// Immutable once published. Columns are in the order of SELECT *: partition key, clustering, static by name,
// regular by name.
struct table_schema {
  std::string keyspace;
  std::string name;
  uuid id;
  std::vector<column> columns;
  std::uint16_t partition_columns = 0;
  std::uint16_t clustering_columns = 0;
  std::uint16_t slots = 0;

  [[nodiscard]] const column* find(std::string_view column_name) const noexcept;
  [[nodiscard]] const column& clustering(std::size_t position) const noexcept {
    return columns[partition_columns + position];
  }
};

// The serialised partition key of its components: a lone one as it is, several each with a length and a 0.
void put_partition_key(std::string& out, std::span<const std::string_view> components);
void split_partition_key(std::vector<std::string_view>& out, std::string_view key, std::size_t components);
// Clustering keys are kept as their components, each [int length][bytes].
void put_clustering(std::string& out, std::string_view component);
void split_clustering(std::vector<std::string_view>& out, std::string_view key, std::size_t components);

struct cell {
  enum class state : std::uint8_t { absent, value, tombstone };

  std::int64_t written_at = never;  // microseconds
  std::int64_t expires_at = 0;      // seconds of the wall clock; 0: never
  std::string bytes;
  state is = state::absent;
};

struct row {
  std::string clustering;
  std::vector<cell> cells;  // by slot; may be shorter than the schema after an ALTER
  std::int64_t inserted_at = never;
  std::int64_t insert_expires_at = 0;
  std::int64_t deleted_at = never;
  std::uint64_t writes = 0;
};

struct partition {
  std::vector<std::unique_ptr<row>> rows;  // in clustering order
  std::unique_ptr<row> statics;            // the cells of static columns, once one was written
  std::int64_t deleted_at = never;
};

// The cell as a reader at `now_s` sees it: nothing when never written, deleted, expired or null.
[[nodiscard]] const cell* live_cell(const partition& in, const row& of, std::size_t slot,
                                    std::int64_t now_s) noexcept;
// The same of a column that is not in the key; `of` may be absent.
[[nodiscard]] const cell* live_cell(const partition& in, const row* of, const column& by,
                                    std::int64_t now_s) noexcept;
[[nodiscard]] bool live_statics(const partition& in, std::int64_t now_s) noexcept;
[[nodiscard]] bool live_row(const partition& in, const row& of, std::int64_t now_s) noexcept;

struct cell_write {
  std::uint16_t slot = 0;
  value to;  // null deletes the cell, unset leaves it alone
  bool in_static = false;
  // With a change other than `set`, the operand is there and `to` is unused. The parts of a cell have no
  // timestamps of their own: an edit counts when it is newer than the last deletion of the cell.
  cell_edit edit = {};
};
struct row_write {
  std::int64_t at = 0;  // timestamp, microseconds
  std::int64_t expires_at = 0;
  bool inserts = false;  // INSERT makes a row that exists even when all its cells are null
  bool only_static = false;
  std::span<const cell_write> cells;
};

struct table_counts {
  std::uint64_t writes = 0;
  std::uint64_t superseded_writes = 0;
  std::uint64_t deletes = 0;
  std::uint64_t keys_written = 0;
  std::uint64_t keys_rewritten = 0;
};

class stored_table {
 public:
  explicit stored_table(std::shared_ptr<const table_schema> schema) : schema_(std::move(schema)) {}

  [[nodiscard]] std::shared_ptr<const table_schema> schema() const;
  void replace_schema(std::shared_ptr<const table_schema> schema);

  void write(std::string_view key, std::string_view clustering, const row_write& what);
  // Deletes the row, or with `cells` only those; an empty clustering key of a table that has one deletes all
  // rows of the partition that exist or will be written with no newer timestamp.
  void remove(std::string_view key, std::string_view clustering, std::int64_t at);
  void truncate();
  // Takes the row out as if it had never been written; its counts stay in the table's.
  bool forget(std::string_view key, std::string_view clustering);

  // Calls `see` under the shard's lock; not at all when the partition was never written. `see` must not call
  // back into the table.
  template <typename F>
  void visit(std::string_view key, F&& see) const {
    shard& in = shard_of(key);
    const std::lock_guard guard(in.mutex);
    if (const auto found = in.partitions.find(key); found != in.partitions.end()) see(found->second);
  }
  [[nodiscard]] static const row* find(const table_schema& schema, const partition& in,
                                       std::string_view clustering);
  // Partitions with a token above `after` (or equal to it and a larger key), in token order, until `see` says
  // false.
  using scan_step = std::function<bool(std::int64_t token, std::string_view key, const partition&)>;
  void scan(const std::optional<std::pair<std::int64_t, std::string>>& after, bool inclusive,
            const scan_step& see) const;

  [[nodiscard]] table_counts counts() const;

 private:
  struct key_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const noexcept { return std::hash<std::string_view>()(key); }
  };
  struct shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, partition, key_hash, std::equal_to<>> partitions;
    table_counts counts;
  };
  static constexpr unsigned shard_bits = 6;

  [[nodiscard]] static std::size_t shard_index(std::int64_t token) noexcept {
    return (static_cast<std::uint64_t>(token) ^ (1ULL << 63U)) >> (64 - shard_bits);
  }
  [[nodiscard]] shard& shard_of(std::string_view key) const;
  static std::size_t lower_bound(const table_schema& schema, const partition& in,
                                 std::string_view clustering);

  mutable std::array<shard, 1U << shard_bits> shards_;
  mutable std::mutex schema_mutex_;
  std::shared_ptr<const table_schema> schema_;
  std::atomic<const table_schema*> order_{schema_.get()};  // only its clustering columns, which never change
  std::vector<std::shared_ptr<const table_schema>> retired_;
};

// Order of two serialised clustering keys under the table's CLUSTERING ORDER; a shorter prefix compares as
// equal to what it begins.
[[nodiscard]] int compare_clustering(const table_schema& schema, std::string_view left,
                                     std::string_view right);

}  // namespace millrace::emulators::cql

// Executes plans against their tables and writes RESULT bodies.
//
// Threads: one executor per serving thread; it keeps scratch buffers between calls.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cql_plan.h"

namespace millrace::emulators::cql {

inline constexpr std::size_t result_bytes_max = std::size_t{256} << 20U;

// What a request says beside its statement and values.
struct request_options {
  std::optional<std::int64_t> timestamp;  // the client's default, microseconds
  std::int32_t page_size = 0;             // 0: all rows
  std::string_view paging_state;
  bool skip_metadata = false;
  // The id of the result's columns as the client knows them, where it negotiated to send it.
  std::optional<std::string_view> metadata_id;
  bool empty_page = false;  // a page without rows: the next one begins where this one would have
};

class executor {
 public:
  // Appends the body of a RESULT frame, or appends nothing and says why not. The plan is a mutation or a
  // selection; `values` holds one value per marker.
  verdict run(std::string& out, const plan& what, std::span<const value> values, const request_options& with);
  // Only the effect of a mutation, as a batch needs it; without `apply`, only whether it would be refused.
  verdict mutate(const plan& what, std::span<const value> values, std::optional<std::int64_t> timestamp,
                 bool apply = true);

 private:
  struct cursor {
    std::int64_t token = 0;
    std::string key;
    std::string clustering;
    std::int32_t remaining = 0;
  };
  struct selection;

  verdict run_conditional(std::string& out, const plan& what, std::span<const value> values,
                          const request_options& with);
  verdict take_key(const plan& what, std::span<const value> values);
  verdict take_cells(const mutation_plan& does, std::span<const value> values);
  verdict select(std::string& out, const plan& what, std::span<const value> values,
                 const request_options& with);
  verdict collect_keys(const plan& what, const selection_plan& does, std::span<const value> values);
  static bool parse_cursor(std::string_view state, cursor& out);
  void put_rows(std::string& out, const selection& found, const request_options& with) const;

  std::string key_;
  std::string clustering_;
  std::string rows_;
  std::vector<std::string_view> parts_;
  std::vector<cell_write> cells_;
  std::deque<std::string> ordered_;  // values that were sent out of order
  std::vector<std::pair<std::int64_t, std::string>> keys_;
};

// The metadata of a ROWS result. The columns are left out when the client asked for that, unless it knows
// others than these.
void put_rows_metadata(std::string& out, const plan& what, std::int32_t columns, std::string_view metadata,
                       const request_options& with, const std::optional<std::string>& paging_state);
// A column that is not in the key as a reader gets it; `of` may be absent.
void put_column(std::string& out, const partition& in, const row* of, const column& by, std::int64_t now_s);

// Cassandra's guardrails of collections; 0: no limit.
struct collection_limits {
  std::size_t bytes = 0;
  std::size_t items = 0;
};
// Of the collections that a mutation writes whole, frozen or not.
[[nodiscard]] verdict check_collections(const plan& what, std::span<const value> values,
                                        const collection_limits& limits);

// The value a plan takes from its text or its markers.
[[nodiscard]] value resolve(const source& from, std::span<const value> values);
// Whether `order` (of two values) satisfies the relation.
[[nodiscard]] bool holds(relation::op is, int order);

// A write timestamp of the server's own: the wall clock in microseconds, and never the same twice.
[[nodiscard]] std::int64_t server_timestamp() noexcept;

inline constexpr std::int32_t result_void = 1;
inline constexpr std::int32_t result_rows = 2;
inline constexpr std::int32_t result_set_keyspace = 3;
inline constexpr std::int32_t result_prepared = 4;
inline constexpr std::int32_t result_schema_change = 5;

}  // namespace millrace::emulators::cql

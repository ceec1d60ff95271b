// The tables of the CQL emulator without its server: no socket, no thread. For tests in one process with simulated
// time, which need rows that a statement writes and another reads.
//
// Statements, types and limits are those of cql_emulator.h. A TTL expires by the real clock, whatever the timestamps
// of writes are.
//
// Example:
//
//   emulators::cql_tables tables("app");
//   for (const char* each : {"CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
//                            "CREATE TABLE app.visit (id text PRIMARY KEY, score double)",
//                            "INSERT INTO visit (id, score) VALUES ('v1', 0.5)"}) {
//     if (const auto done = tables.execute(each); !done) return done.error();
//   }
//   const auto rows = tables.run("SELECT score FROM visit WHERE id = 'v1'", {}, std::nullopt);
//   if (!rows) return rows.error();
//   invariant(rows->rows.size() == 1, "the row that was inserted");
//
// Threads: one.
// Errors: errc::db_invalid with the server's text.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/result.h>

namespace millrace::emulators {

// A parameter or column: its name and type as the product's client names them, for example {"tags", "set<text>"}.
struct cql_named_type {
  std::string name;
  std::string type;
};

// Parameters and columns of a statement.
struct cql_description {
  std::vector<cql_named_type> parameters;
  std::vector<cql_named_type> columns;
};

// Rows, cell by cell; nullopt: null. Empty for a write without IF.
struct cql_rows {
  std::vector<cql_named_type> columns;
  std::vector<std::vector<std::optional<byte_buffer>>> rows;
};

// The tables.
class cql_tables {
 public:
  // Statements that name no keyspace are of `keyspace`.
  explicit cql_tables(std::string keyspace = {});
  cql_tables(const cql_tables&) = delete;
  cql_tables& operator=(const cql_tables&) = delete;
  ~cql_tables();

  // Executes a statement without parameters: DDL, TRUNCATE, USE, or a write at `timestamp_us` (nullopt: the real
  // clock's).
  [[nodiscard]] result<void> execute(std::string_view cql,
                                     std::optional<std::int64_t> timestamp_us = std::nullopt);
  // Describes a statement as PREPARE does.
  [[nodiscard]] result<cql_description> describe(std::string_view cql);
  // Executes a statement with its parameters in wire form (an int32 length each; -1 null, -2 unset). A write takes
  // effect at `timestamp_us`; nullopt: the real clock's.
  [[nodiscard]] result<cql_rows> run(std::string_view cql, bytes_view parameters,
                                     std::optional<std::int64_t> timestamp_us);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace millrace::emulators

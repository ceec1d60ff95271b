// The schema that a file of CQL declares (schema.cql), and the statements of an application checked against it without
// a server.
//
// Read are CREATE, ALTER and DROP of keyspaces, tables, types, indexes and materialized views, and USE. Other statements
// (INSERT of initial rows, GRANT) are kept as text. Options behind WITH are not checked.
//
// Example:
//
//   const auto schema = cql::declared_schema::parse(
//       "CREATE TABLE app.visit (id text, at timestamp, score double, PRIMARY KEY ((id), at));", "");
//   invariant(schema.problems().empty(), "the text is a schema");
//   const auto described = schema.describe("INSERT INTO visit (id, at) VALUES (?, ?)", "app");
//   if (!described) return described.error();
//   invariant(described->parameters[1].type == "timestamp", "each '?' has the type of its column");
//
// Threads: plain values. The functions are pure and callable from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/statement/declaration.h>

namespace millrace::cql {

// An error of the text. `line` and `column` count from 1, in bytes; `width` is the length of the faulty token.
struct schema_problem {
  std::size_t line = 0;
  std::size_t column = 0;
  std::size_t width = 1;
  std::string message;
};

// A column of a table. The type is written as a server writes it: "set<text>", "udt<app.address, street text>".
struct declared_column {
  enum class role : std::uint8_t { partition_key, clustering, fixed, regular };  // fixed: static

  std::string name;
  std::string type;
  role is = role::regular;
  bool indexed = false;

  [[nodiscard]] bool in_key() const noexcept { return is == role::partition_key || is == role::clustering; }
};

// A table or a materialized view.
struct declared_table {
  std::string keyspace;
  std::string name;
  std::vector<declared_column> columns;

  // The column of that name; nullptr without one.
  [[nodiscard]] const declared_column* find(std::string_view column) const noexcept;
  // The names of all columns.
  [[nodiscard]] std::vector<std::string> column_names() const;
};

// A statement of the file.
struct declared_statement {
  enum class kind : std::uint8_t { keyspace, table, type, index, view, alteration, removal, use, other };

  kind is = kind::other;
  std::string text;         // without the semicolon
  std::string keyspace;     // of what it makes or changes; "" when neither the text nor USE names one
  std::string name;         // of the table, type, index or view
  bool repeatable = false;  // IF NOT EXISTS
  std::size_t line = 0;     // of its first token
  // The byte of `text` before which "keyspace." completes the name of the table, type or view (of an index: of its
  // table); npos when the text names the keyspace.
  std::size_t qualify_at = std::string::npos;
};

// The parameters and columns of a statement, as a server would describe them.
struct statement_description {
  std::vector<statements::column> parameters;
  std::vector<statements::column> columns;
  // False: the type of a parameter or column is not known without a server, for example that of a function. Its
  // `type` is empty.
  bool complete = true;
};

// The schema.
class declared_schema {
 public:
  // Reads a text. Names without a keyspace are of the keyspace of the last USE, or of `default_keyspace`. Never fails
  // as a whole: problems() has every error, and what could be read is there.
  [[nodiscard]] static declared_schema parse(std::string_view text, std::string default_keyspace);

  // The errors, the statements in their order, and the tables by keyspace and name.
  [[nodiscard]] const std::vector<schema_problem>& problems() const noexcept { return problems_; }
  [[nodiscard]] const std::vector<declared_statement>& statements() const noexcept { return statements_; }
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, declared_table>& tables() const noexcept {
    return tables_;
  }

  // Describes a statement that a client prepares in a session of `keyspace`. Returns errc::db_invalid with the name
  // that was probably meant for a table or column that the schema does not declare, and for a statement that a server
  // refuses: an INSERT without a column of the primary key, an UPDATE or DELETE that does not name its partition, a
  // SELECT that needs ALLOW FILTERING.
  [[nodiscard]] result<statement_description> describe(std::string_view cql, std::string_view keyspace) const;

  // Describes a declared statement and runs its check() when the description is complete. Returns whether it ran.
  // Errors: those of describe() and of check(), with the name of the statement.
  [[nodiscard]] result<bool> check(statements::statement_declaration& statement,
                                   std::string_view keyspace) const;

 private:
  friend class schema_reader;

  std::map<std::pair<std::string, std::string>, declared_table> tables_;
  std::vector<declared_statement> statements_;
  std::vector<schema_problem> problems_;
};

}  // namespace millrace::cql

// Statements as parsed, before any name is looked up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cql_type.h"

namespace millrace::emulators::cql {

struct table_name {
  std::string keyspace;  // empty: the session's
  std::string table;
};

// A bind marker or a literal.
struct term {
  std::optional<std::size_t> marker;
  literal written;
};

struct selector {
  enum class what : std::uint8_t { column, count, write_time, ttl, token };

  what is = what::column;
  std::vector<std::string> columns;  // of count: none
  std::string alias;
};

struct relation {
  enum class op : std::uint8_t { eq, lt, le, gt, ge, in };

  std::vector<std::string> columns;  // more than one, or one under token(): the arguments of token()
  bool token = false;
  op is = op::eq;
  std::vector<term> terms;  // of `in (…)`: any number
  bool in_marker = false;   // `in ?`: terms[0] is a marker for a list
};

struct using_clause {
  std::optional<term> timestamp;
  std::optional<term> ttl;
};

// IF: of an INSERT only `absent`.
struct if_clause {
  enum class what : std::uint8_t { nothing, absent, present, columns };

  what is = what::nothing;
  std::vector<relation> columns;
};

struct select_statement {
  table_name from;
  std::vector<selector> selectors;  // empty: *
  std::vector<relation> where;
  std::optional<term> limit;
  bool filtering = false;
  bool distinct = false;
  bool descending = false;
  std::string order_by;
};
// column = to, or one of the forms that change a part of the column.
struct assignment {
  enum class form : std::uint8_t {
    set,
    append,    // column = column + to
    prepend,   // column = to + column
    subtract,  // column = column - to
    element,   // column[at] = to
    field,     // column.name = to
  };

  std::string column;
  term to;
  form is = form::set;
  term at = {};
  std::string name = {};
};
// A column of a DELETE, or a part of it.
struct deletion {
  std::string column;
  std::optional<term> element = {};
  std::string field = {};
};
struct insert_statement {
  table_name into;
  std::vector<assignment> columns;
  using_clause with;
  if_clause condition;
};
struct update_statement {
  table_name table;
  std::vector<assignment> set;
  std::vector<relation> where;
  using_clause with;
  if_clause condition;
};
struct delete_statement {
  table_name from;
  std::vector<deletion> columns;
  std::vector<relation> where;
  using_clause with;
  if_clause condition;
};
struct create_keyspace {
  std::string name;
  bool if_not_exists = false;
  std::vector<std::pair<std::string, std::string>> replication;
  std::vector<std::pair<std::string, std::string>> tablets = {};  // ScyllaDB's option; empty: not given
};
struct column_declaration {
  std::string name;
  type of;  // user-defined types inside it are not resolved yet
  bool is_static = false;
};
struct create_table {
  table_name name;
  bool if_not_exists = false;
  std::vector<column_declaration> columns;
  std::vector<std::string> partition_key;
  std::vector<std::string> clustering;
  std::vector<std::pair<std::string, bool>> order;  // column, descending
};
struct add_columns {
  table_name table;
  std::vector<column_declaration> columns;
};
struct drop_columns {
  table_name table;
  std::vector<std::string> columns;
};
struct drop_statement {
  table_name what;  // of a keyspace: `table` is empty
  bool if_exists = false;
};
struct create_type {
  table_name name;
  bool if_not_exists = false;
  std::vector<column_declaration> fields;
};
struct alter_type {
  table_name name;
  std::vector<column_declaration> added;
  std::vector<std::pair<std::string, std::string>> renamed;  // from, to
};
struct drop_type {
  table_name name;
  bool if_exists = false;
};
struct truncate_statement {
  table_name table;
};
struct use_statement {
  std::string keyspace;
};

using statement = std::variant<select_statement, insert_statement, update_statement, delete_statement,
                               create_keyspace, create_table, add_columns, drop_columns, drop_statement,
                               create_type, alter_type, drop_type, truncate_statement, use_statement>;

struct parsed_statement {
  statement is;
  std::vector<std::string> markers;  // names of `:name` markers, empty for `?`
};

}  // namespace millrace::emulators::cql

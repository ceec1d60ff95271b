// What a statement's text says about itself, without a server: enough to tie writes to lookups, and to refuse
// what a replay would not repeat. Not a parser of CQL: what it does not understand it leaves to the server.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::statements {

struct statement_text {
  enum class verb : std::uint8_t { select, insert, update, remove, other };

  verb does = verb::other;
  std::string table;                    // "visit" or "keyspace.visit"; unquoted names in lower case
  std::vector<std::string> parameters;  // the column of each '?'; "" when it is none, or cannot be told
  std::string name;                     // for metrics and messages, without the keyspace: "insert visit"
  bool selects_all_columns = false;     // SELECT *; count(*) is not
  bool sets_timestamp = false;          // USING TIMESTAMP
  bool sets_ttl = false;                // USING TTL
  bool conditional = false;             // IF: a lightweight transaction
  std::string volatile_function = {};   // one that yields something else each time: "now"
  // Columns that change in place, e.g. c = c + ?, by what is added: a parameter (its type decides), a set or
  // map written out (harmless), or something else (a counter or a list).
  struct in_place {
    enum class operand : std::uint8_t { parameter, set_or_map, other };
    std::string column;
    operand by = operand::other;
    std::size_t parameter = 0;  // of operand::parameter
    bool element = false;       // column[...] = ...
  };
  std::vector<in_place> changes_in_place;

  [[nodiscard]] static statement_text of(std::string_view cql);
  [[nodiscard]] bool writes() const noexcept {
    return does == verb::insert || does == verb::update || does == verb::remove;
  }
};

// Whether two table names may be one: a name without keyspace stands for any.
[[nodiscard]] bool same_table(std::string_view a, std::string_view b) noexcept;

}  // namespace millrace::statements

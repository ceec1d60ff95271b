// The parts of a statement's text that are known without a server: enough to tie writes to lookups, and to
// refuse a replay-safe write that a replay would not repeat. It is not a CQL parser; a text that it does not
// understand is left to the server.
//
// Example:
//
//   const auto text = statements::statement_text::of("INSERT INTO app.visit (id, at) VALUES (?, ?)");
//   invariant(text.writes() && text.table == "app.visit", "the text names its table");
//   invariant(text.parameters.size() == 2, "each '?' is a parameter");
//
// Threads: a plain value. The functions are pure and callable from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::statements {

// The result of reading one text.
struct statement_text {
  enum class verb : std::uint8_t { select, insert, update, remove, other };

  verb does = verb::other;
  std::string table;                    // "visit" or "keyspace.visit"; unquoted names in lower case
  std::vector<std::string> parameters;  // the column of each '?'; "" when it belongs to none, or is unknown
  std::string name;                     // for metrics and messages, without the keyspace: "insert visit"
  bool selects_all_columns = false;     // SELECT *; count(*) is not
  bool sets_timestamp = false;          // USING TIMESTAMP
  bool sets_ttl = false;                // USING TTL
  bool conditional = false;             // IF: a lightweight transaction
  std::string volatile_function = {};   // a function whose result differs per call: "now"
  // Columns that change in place, for example c = c + ?, by the operand: a parameter (its type decides), a
  // literal set or map (harmless), or another (a counter or a list).
  struct in_place {
    enum class operand : std::uint8_t { parameter, set_or_map, other };
    std::string column;
    operand by = operand::other;
    std::size_t parameter = 0;  // of operand::parameter
    bool element = false;       // column[...] = ...
  };
  std::vector<in_place> changes_in_place;

  // Reads a text. Never fails; unknown parts keep their defaults.
  [[nodiscard]] static statement_text of(std::string_view cql);
  // True for INSERT, UPDATE and DELETE.
  [[nodiscard]] bool writes() const noexcept {
    return does == verb::insert || does == verb::update || does == verb::remove;
  }
};

// Returns whether two names may mean the same table. A name without keyspace matches any keyspace.
[[nodiscard]] bool same_table(std::string_view a, std::string_view b) noexcept;

}  // namespace millrace::statements

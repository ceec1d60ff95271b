// A statement that a processor declares as a member, and its options.
//
// Threads: built and prepared by its worker's thread before the first record; immutable afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/statement/invalidations.h>
#include <millrace/statement/statement_text.h>

namespace millrace::statements {

// A name and a CQL type as text, e.g. {"score", "double"}, {"tags", "set<text>"}.
struct column {
  std::string name;
  std::string type;
};

// Who says when a write happened. record: the record (write_clock.h), so that a replay, a retry or a zombie
// writes the same cells again and a later record always wins; refused for what a replay would not repeat.
enum class write_time : std::uint8_t { server, record };

// For statement_options::invalidates: other rows than these writes' may be stale until they expire.
inline constexpr char no_lookup[] = "-";

struct statement_options {
  milliseconds timeout{5'000};   // our deadline; keep it above the server's own timeout
  bool idempotent = true;        // under at-least-once delivery every statement must be
  std::string consistency = {};  // "" = the session's default
  // SERIAL or LOCAL_SERIAL, of statements with IF; "" = the server's, SERIAL
  std::string serial_consistency = {};
  std::uint32_t page_rows = 1'000;  // of a SELECT: rows that the server sends at once
  bool trace = false;               // the server keeps a trace of every execution: for a closer look only
  write_time written = write_time::server;
  // Lookups whose row this statement writes, by name, or no_lookup. A write to a table that a lookup reads
  // must say.
  std::vector<std::string> invalidates = {};
};

// A statement that a processor declares as a member. The engine prepares it at start-up and hands back what
// the server said, so that names, arity and types are checked once, before the first record.
class statement_declaration {
 public:
  explicit statement_declaration(std::string cql, statement_options options = {});
  statement_declaration(const statement_declaration&) = delete;
  statement_declaration& operator=(const statement_declaration&) = delete;

  [[nodiscard]] const std::string& cql() const noexcept { return cql_; }
  [[nodiscard]] const statement_options& options() const noexcept { return options_; }
  // Short name for metrics and messages: "select visitor_profile". Derived from the text.
  [[nodiscard]] const std::string& name() const noexcept { return text_.name; }
  // Set by the store when prepared.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  void prepared_as(std::uint32_t id) noexcept { id_ = id; }
  [[nodiscard]] const statement_text& text() const noexcept { return text_; }
  // The column of each parameter, as the server or else the text names it.
  [[nodiscard]] const std::vector<std::string>& parameters() const noexcept { return text_.parameters; }

  // The same with their types, as the server names them; empty before check().
  [[nodiscard]] const std::vector<column>& parameter_columns() const noexcept { return parameter_columns_; }

  // A key that every execution of this statement invalidates: which of its parameters make it up.
  struct invalidation {
    invalidation_channel* channel;
    std::vector<std::size_t> key;
  };
  void invalidate_with(invalidation what) { invalidations_.push_back(std::move(what)); }
  // To be called when the statement was executed with these cells, or may have been, before its caller
  // learns of it.
  void written(bytes_view cells) const {
    if (!invalidations_.empty()) post_invalidations(cells);
  }

  // Checks this statement's C++ types against the server's. errc::db_type_mismatch names statement, column
  // and both types.
  [[nodiscard]] virtual result<void> check(const std::vector<column>& parameters,
                                           const std::vector<column>& columns) = 0;

 protected:
  ~statement_declaration() = default;
  void parameters_are(std::vector<column> parameters);

 private:
  void post_invalidations(bytes_view cells) const;

  std::string cql_;
  statement_text text_;
  std::vector<column> parameter_columns_;
  std::vector<invalidation> invalidations_;
  statement_options options_;
  std::uint32_t id_ = 0;
};

}  // namespace millrace::statements

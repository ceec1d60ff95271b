// A statement that a processor declares as a member, and its options. Applications use the typed form,
// cql::statement.
//
// Example:
//
//   const statements::statement_options replay_safe{.timeout = seconds(2), .written = statements::write_time::record};
//   const statements::statement_options counting{.idempotent = false};
//   invariant(!replay_safe.idempotent && !*counting.idempotent, "only the second says whether it may be repeated");
//
// Threads: a declaration is built and prepared by its worker's thread before the first record, and immutable
// afterwards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/statement/invalidations.h>
#include <millrace/statement/statement_text.h>

namespace millrace::statements {

// A column or parameter: its name and its CQL type as text, for example {"score", "double"} or {"tags",
// "set<text>"}.
struct column {
  std::string name;
  std::string type;
};

// The source of a write's timestamp. server: the server's clock. record: the record's write time
// (write_clock.h), so that a replay, a retry or a member that lost the partition writes the same cells again
// and a later record always wins. `record` is refused for a statement that a replay would not repeat.
enum class write_time : std::uint8_t { server, record };

// A value of statement_options::invalidates: the statement invalidates no cached row, and other rows are read
// from the cache until they expire.
inline constexpr char no_lookup[] = "-";

// Options of one statement.
struct statement_options {
  // Deadline of the client; longer than the server's own timeout. Empty: the session's request_timeout.
  std::optional<milliseconds> timeout = {};
  // Whether a repetition has the effect of one execution: records are repeated after a crash, and requests after
  // errors. Empty: true, for a statement that shows nothing else. A write with now() or uuid(), of a counter, or that
  // appends to a list, must say it (check_idempotence()). false: sent once per attempt, never speculatively.
  std::optional<bool> idempotent = {};
  std::string consistency = {};  // "": the session's
  // SERIAL or LOCAL_SERIAL, for statements with IF; "": the server's default, SERIAL
  std::string serial_consistency = {};
  std::uint32_t page_rows = 1'000;  // of a SELECT: rows per page
  bool trace = false;               // the server keeps a trace of every execution; costly
  write_time written = write_time::server;
  // Names of the lookups whose row this statement writes, or no_lookup. Required of a write to a table that a
  // lookup reads.
  std::vector<std::string> invalidates = {};
};

// A declared statement. The engine prepares it at start-up and passes the server's metadata to check(), so
// that names, arity and types are checked once, before the first record.
class statement_declaration {
 public:
  // Registers the statement with the declaration_scope of the thread (declarations.h).
  explicit statement_declaration(std::string cql, statement_options options = {});
  statement_declaration(const statement_declaration&) = delete;
  statement_declaration& operator=(const statement_declaration&) = delete;

  // The text and the options as declared.
  [[nodiscard]] const std::string& cql() const noexcept { return cql_; }
  [[nodiscard]] const statement_options& options() const noexcept { return options_; }
  // Whether it may be executed twice.
  [[nodiscard]] bool idempotent() const noexcept { return options_.idempotent.value_or(true); }
  // Short name for metrics and messages, derived from the text: "select visitor_profile".
  [[nodiscard]] const std::string& name() const noexcept { return text_.name; }
  // The store's number of the statement, which the store sets when it has prepared it.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  void prepared_as(std::uint32_t id) noexcept { id_ = id; }
  // The parts of the text that are known without a server.
  [[nodiscard]] const statement_text& text() const noexcept { return text_; }
  // The column of each parameter, as the server names it, or the text before check().
  [[nodiscard]] const std::vector<std::string>& parameters() const noexcept { return text_.parameters; }

  // The same with their types, as the server names them. Empty before check().
  [[nodiscard]] const std::vector<column>& parameter_columns() const noexcept { return parameter_columns_; }

  // A lookup key that every execution of this statement invalidates: the channel of the lookup, and the
  // parameters that form the key.
  struct invalidation {
    invalidation_channel* channel;
    std::vector<std::size_t> key;
  };
  // Adds a key to invalidate. Start-up only.
  void invalidate_with(invalidation what) { invalidations_.push_back(std::move(what)); }
  // Invalidates the keys of one execution. To be called when the statement was executed with these cells, or
  // may have been, before its caller resumes.
  void written(bytes_view cells) const {
    if (!invalidations_.empty()) post_invalidations(cells);
  }

  // Checks this statement's C++ types against the server's. Returns errc::db_type_mismatch with statement,
  // column and both types.
  [[nodiscard]] virtual result<void> check(const std::vector<column>& parameters,
                                           const std::vector<column>& columns) = 0;
  // Returns the columns that a row of its result must have, for tests that prime rows: each with the CQL types that
  // its C++ type can read ("text or ascii"), and its name where a name is required. nullopt: not known.
  [[nodiscard]] virtual std::optional<std::vector<column>> result_columns() const { return std::nullopt; }

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

// The port to the database (SELECT, INSERT), implemented by libs/cql over the driver and by the simulation.
// One per worker, on its thread. Cells are in CQL wire form: int32 big-endian length (-1 null, -2 unset) and
// the bytes.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/bytes.h>
#include <millrace/base/clock.h>
#include <millrace/base/result.h>
#include <millrace/stream/invalidations.h>
#include <millrace/stream/statement_text.h>

namespace millrace::stream {

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
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
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
  std::string name_;
  statement_text text_;
  std::vector<column> parameter_columns_;
  std::vector<invalidation> invalidations_;
  statement_options options_;
  std::uint32_t id_ = 0;
};

// Rows as they came from the server. Counted by intrusive reference: rows outlive the request, and may be
// shared.
class rows_owner {
 public:
  rows_owner() = default;
  rows_owner(const rows_owner&) = delete;
  rows_owner& operator=(const rows_owner&) = delete;

  bytes_view cells;  // row after row, cell after cell, each with its int32 length
  std::uint32_t row_count = 0;
  std::uint32_t column_count = 0;
  bool has_more_pages = false;
  bytes_view paging_state;          // with has_more_pages: where the next page begins
  std::span<const column> columns;  // only of statements with IF, whose answers vary: "[applied]" first

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) destroy();
  }

 protected:
  ~rows_owner() = default;
  virtual void destroy() noexcept = 0;

 private:
  std::uint32_t references_ = 0;
};

class rows_ref {
 public:
  rows_ref() = default;
  explicit rows_ref(rows_owner* owner) noexcept : owner_(owner) {
    if (owner_ != nullptr) owner_->retain();
  }
  rows_ref(const rows_ref& other) noexcept : rows_ref(other.owner_) {}
  rows_ref(rows_ref&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
  rows_ref& operator=(rows_ref other) noexcept {
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~rows_ref() {
    if (owner_ != nullptr) owner_->release();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return owner_ != nullptr; }
  [[nodiscard]] const rows_owner* operator->() const noexcept { return owner_; }

 private:
  rows_owner* owner_ = nullptr;
};

// One request. Lives in the awaiting coroutine's frame until completed; the store completes every submitted
// request exactly once, also at shutdown (errc::cancelled), so the frame is never destroyed before.
struct store_request {
  const statement_declaration* statement = nullptr;
  bytes_view cells;                                // the bound values; valid until completion
  std::optional<std::int64_t> write_timestamp_us;  // USING TIMESTAMP of a write, set by the driver protocol
  // Pages are joined until there are so many rows; with 0 the answer is the page itself.
  std::uint32_t rows_max = 5'000;
  bytes_view paging_state;  // of the page before; valid until completion
  // An unlogged batch: its statements, all on one partition; valid until completion. `statement` is the
  // first's, `cells` is empty.
  struct part {
    const statement_declaration* statement;
    bytes_view cells;
  };
  std::span<const part> batch;
  // Filled by the store, which then calls on_complete on the worker's loop:
  std::optional<result<rows_ref>> answer;
  void (*on_complete)(store_request&) = nullptr;
  std::coroutine_handle<> waiting;
};

class store {
 public:
  store() = default;
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  virtual ~store() = default;

  // Start-up only; blocks up to the session's timeout. Prepares and runs declaration.check().
  [[nodiscard]] virtual result<void> prepare(statement_declaration& declaration) = 0;
  // Never blocks: requests of a turn go out together at its end.
  virtual void submit(store_request& request) = 0;
  [[nodiscard]] virtual std::size_t in_flight() const noexcept = 0;
};

}  // namespace millrace::stream

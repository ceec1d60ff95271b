// A database as a table of answers: the rows of each statement by its text, their delay, and failures. It
// implements the port stream/store.h.
//
// Example:
//
//   manual_clock time;
//   runtime::loop loop(time);
//   simulation::simulated_store database(loop, {});
//   database.prime("SELECT segment, score FROM profile WHERE id = ?", {{"gold", 0.9}});
//   invariant(database.executed().empty(), "no statement was executed yet");
//
// Threads: the loop's thread.
// Errors: those of the fates; errc::cancelled after sever().
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/errors.h>
#include <millrace/base/values.h>
#include <millrace/runtime/loop.h>
#include <millrace/simulation/cell.h>
#include <millrace/stream/context.h>
#include <millrace/stream/store.h>

namespace millrace::simulation {

using row = std::vector<cell>;

// One execution of a statement that reached the tables. Each statement of a batch is one.
struct executed_statement {
  std::string cql;
  std::vector<cell> parameters;
  std::optional<std::int64_t> write_timestamp_us;
};

// The fate of one request.
struct store_fate {
  nanoseconds until_applied{0};
  nanoseconds until_answered{0};  // after it was applied
  std::optional<error> failure;
  bool applied_although = false;  // a timeout whose write took effect
};

// Tables in memory, which execute the statements of a store that have no primed rows.
class simulated_tables {
 public:
  struct description {
    std::vector<statements::column> parameters;
    std::vector<statements::column> columns;
  };
  struct answer {
    std::vector<statements::column> columns;
    std::vector<row> rows;
  };

  simulated_tables() = default;
  simulated_tables(const simulated_tables&) = delete;
  simulated_tables& operator=(const simulated_tables&) = delete;
  virtual ~simulated_tables() = default;

  // Describes a statement. Errors: those of a database that refuses it.
  [[nodiscard]] virtual result<description> describe(std::string_view cql) = 0;
  // Executes a statement with its parameters in wire form; a write takes effect at `write_time_us`. Errors: those of a
  // database that refuses it.
  [[nodiscard]] virtual result<answer> execute(std::string_view cql, bytes_view parameters,
                                               std::int64_t write_time_us) = 0;
};

// The database.
class simulated_store final : public stream::store {
 public:
  using answer_function = std::function<result<std::vector<row>>(std::span<const cell> parameters)>;
  struct options {
    std::function<store_fate(const executed_statement&)> fate_of;  // not set: immediate, without failure
    std::function<void(const executed_statement&)> on_applied;
    // Describe and execute statements without primed rows; outlive the store. nullptr: such statements have no rows.
    simulated_tables* tables = nullptr;
  };

  simulated_store(runtime::loop& loop, options settings);
  ~simulated_store() override;

  // Sets the rows of a statement, computed or fixed, instead of those of its tables. Texts are compared with white
  // space folded.
  void answer(std::string_view cql, answer_function rows_for);
  void prime(std::string_view cql, std::vector<row> rows);
  // Sets the metadata that prepare() passes to the declaration's check(); without it nothing is checked. The
  // columns are also those of the answers of a statement with IF: "[applied]" first.
  void describe(std::string_view cql, std::vector<statements::column> parameters,
                std::vector<statements::column> columns);

  // Checks what was primed against the statements that were prepared. Returns errc::db_invalid for a text that none of
  // them has, with the nearest one, and errc::db_type_mismatch for rows with another number of cells, or a cell of
  // another CQL type, than the C++ result can read.
  [[nodiscard]] result<void> check_primed();

  // The executions in the order in which they took effect.
  [[nodiscard]] const std::vector<executed_statement>& executed() const noexcept { return executed_; }
  // The largest number of requests in flight so far.
  [[nodiscard]] std::size_t in_flight_max() const noexcept { return in_flight_max_; }
  // Ends the process: nothing takes effect any more, and outstanding requests are answered with
  // errc::cancelled.
  void sever();

  // stream::store
  [[nodiscard]] result<void> prepare(statements::statement_declaration& declaration) override;
  void submit(stream::store_request& request) override;
  [[nodiscard]] std::size_t in_flight() const noexcept override { return flights_.size(); }

 private:
  struct flight;
  struct table_entry {
    answer_function rows_for;
    std::vector<row> fixed;  // of prime()
    std::optional<std::pair<std::vector<statements::column>, std::vector<statements::column>>> described;
  };
  void move_on(flight& f);
  [[nodiscard]] result<stream::rows_ref> apply(const flight& f);
  [[nodiscard]] result<stream::rows_ref> execute_in_tables(const flight& f);
  [[nodiscard]] result<void> check_rows(const statements::statement_declaration& of,
                                        std::span<const row> rows) const;

  runtime::loop& loop_;
  options options_;
  std::map<std::string, table_entry, std::less<>> statements_;
  std::vector<std::unique_ptr<flight>> flights_;
  std::map<std::string, const statements::statement_declaration*, std::less<>> prepared_;
  bool primed_unchecked_ = false;
  std::vector<executed_statement> executed_;
  std::int64_t last_write_us_ = 0;
  std::uint32_t last_id_ = 0;
  std::size_t in_flight_max_ = 0;
  bool severed_ = false;
};

// Executes a statement, for processors without typed statements: `co_await execute(ctx, statement, cells)`
// yields stream::answer<stream::rows_ref>.
class [[nodiscard]] execute {
 public:
  execute(stream::context ctx, const statements::statement_declaration& statement,
          std::initializer_list<cell> values, std::optional<std::int64_t> write_timestamp_us = std::nullopt);
  execute(const execute&) = delete;
  execute& operator=(const execute&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  stream::answer<stream::rows_ref> await_resume();

 private:
  stream::context ctx_;
  byte_buffer cells_;
  stream::store_request request_;
};

// Returns a statement's text with white space folded, as executed_statement::cql has it.
[[nodiscard]] std::string folded_cql(std::string_view cql);

}  // namespace millrace::simulation

// The common part of statements, pages and batches: the part of a statement that does not depend on its
// signature, and the wait for a store's answer. Processors include statement.h.
//
// Threads: the worker's thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/cql/row.h>
#include <millrace/stream/context.h>
#include <millrace/stream/store.h>

namespace millrace::cql::internal {

// The promise of a statement about its answers, which the text must agree with.
enum class promise : std::uint8_t { nothing, rows, applied };

class statement_base : public statements::statement_declaration {
 public:
  // Compares the server's metadata with the C++ types. Also refuses SELECT *, and IF where the signature is
  // not `applied`.
  [[nodiscard]] result<void> check(const std::vector<statements::column>& parameters,
                                   const std::vector<statements::column>& columns) final;
  [[nodiscard]] std::optional<std::vector<statements::column>> result_columns() const final;

  // The write timestamp of statement_options::written: a record deletes at its write time and writes one
  // microsecond later.
  [[nodiscard]] std::optional<std::int64_t> write_time_of(stream::context ctx) const noexcept {
    if (options().written != statements::write_time::record) return std::nullopt;
    return ctx.write_time_us() + (text().does == statements::statement_text::verb::remove ? 0 : 1);
  }
  [[nodiscard]] error unreadable_row(const row_fault& fault) const;
  [[nodiscard]] error unexpected_rows(const stream::rows_ref& answer) const;
  [[nodiscard]] error too_many_rows() const;
  // The error of a void statement that received rows, or of a conditional one that received none.
  [[nodiscard]] error unexpected_answer() const;

  // Returns the position of each field of a conditional statement's row among the columns of `answer`; empty
  // when the answer has none of them, because there was no row. Returns errc::db_type_mismatch with column
  // and both types.
  [[nodiscard]] result<std::vector<std::size_t>> places_of_fields(const stream::rows_owner& answer) const;

 protected:
  statement_base(std::string_view cql, statements::statement_options options, promise promised,
                 std::vector<expectation> parameters, std::vector<expectation> columns)
      : statement_declaration(std::string(cql), std::move(options)),
        promised_(promised),
        expected_parameters_(std::move(parameters)),
        expected_columns_(std::move(columns)) {}
  ~statement_base() = default;

 private:
  promise promised_;
  std::vector<expectation> expected_parameters_;
  std::vector<expectation> expected_columns_;
  std::vector<std::string> column_names_;  // as the server named them
};

// `co_await submitted(store, request)` resumes on the worker's loop once the store has answered.
class submitted {
 public:
  submitted(stream::store& to, stream::store_request& request) noexcept : to_(to), request_(request) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    request_.waiting = waiting;
    request_.on_complete = [](stream::store_request& done) { done.waiting.resume(); };
    to_.submit(request_);
  }
  void await_resume() const noexcept {}

 private:
  stream::store& to_;
  stream::store_request& request_;
};

// Every row of an answer.
template <row_type R>
[[nodiscard]] result<rows<R>> decoded_rows(const statement_base& of, const stream::rows_ref& answered) {
  std::vector<R> values;
  if (answered) {
    values.resize(answered->row_count);
    cell_reader cells(answered->cells);
    for (R& value : values) {
      const row_fault fault = read_row(cells, value);
      if (fault.fault != cell_fault::none || fault.torn) return of.unreadable_row(fault);
    }
  }
  return rows<R>(std::move(values), answered);
}

}  // namespace millrace::cql::internal

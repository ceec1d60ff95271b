// Typed statements, declared as members of a processor.
//
//   struct profile { std::string_view segment; double score; };
//
//   statement<profile(std::string_view visitor)> select_profile_{
//       "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?"};
//   statement<void(std::string_view, timestamp)> insert_visit_{"INSERT INTO visit (...) VALUES (?, ?)"};
//
//   auto found = co_await select_profile_(ctx, nav->visitor_id);     // result<std::optional<row<profile>>>
//   if (!found) co_return found.error();
//   if (*found) use((*found)->score);
//
//   signature                 awaits to
//   void(Args...)             result<void>
//   R(Args...)                result<std::optional<row<R>>>: no row is not an error, a second one is
//   std::vector<R>(Args...)   result<rows<R>>: at most rows_max
//
// Replay-safe writes: {.written = write_time::record} gives a write the record's write time, so that a replay
// writes the same cells and a later record wins (docs/decisions/0006-write-times-follow-the-log.md).
//
// The engine prepares every statement at start-up and calls check(): number, names and types of columns and
// parameters must fit, and SELECT * is refused (a column added later would shift the others). The first
// mismatch is errc::db_type_mismatch, naming statement, column and both types.
//
// Errors of a call: what the store says (db_timeout, db_unavailable, cancelled, ...; a write that fails may
// have happened); db_unexpected_rows when one row was promised and more came; limit_exceeded beyond rows_max;
// unresolvable when a value does not fit its field, e.g. an unexpected null; db_protocol for torn answers.
//
// Threads: a statement belongs to the worker of its processor.
#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/cql/cell.h>
#include <millrace/cql/row.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/context.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

namespace internal {

template <typename R>
struct answer_of {
  static_assert(row_type<R>, "a row is a struct of 1 to 32 fields with codecs, or a type with a codec");
  using row_value = R;
  using type = std::optional<row<R>>;
};
template <>
struct answer_of<void> {
  using type = void;
};
template <typename R>
struct answer_of<std::vector<R>> {
  static_assert(row_type<R>, "a row is a struct of 1 to 32 fields with codecs, or a type with a codec");
  using row_value = R;
  using type = rows<R>;
};

// The part of a statement that does not depend on its signature.
class statement_base : public stream::statement_declaration {
 public:
  [[nodiscard]] result<void> check(const std::vector<stream::column>& parameters,
                                   const std::vector<stream::column>& columns) final;

 protected:
  statement_base(std::string_view cql, stream::statement_options options, std::vector<expectation> parameters,
                 std::vector<expectation> columns)
      : statement_declaration(std::string(cql), std::move(options)),
        expected_parameters_(std::move(parameters)),
        expected_columns_(std::move(columns)) {}
  ~statement_base() = default;

  // Of statement_options::written: a record deletes at its write time and writes just after it.
  [[nodiscard]] std::optional<std::int64_t> write_time_of(stream::context ctx) const noexcept {
    if (options().written != stream::write_time::record) return std::nullopt;
    return ctx.write_time_us() + (text().does == stream::statement_text::verb::remove ? 0 : 1);
  }
  [[nodiscard]] error unreadable_row(const row_fault& fault) const;
  [[nodiscard]] error unexpected_rows(const stream::rows_ref& answer) const;
  [[nodiscard]] error too_many_rows() const;

 private:
  std::vector<expectation> expected_parameters_;
  std::vector<expectation> expected_columns_;
  std::vector<std::string> column_names_;  // as the server named them
};

// co_await submitted(store, request): resumes on the worker's loop once the store has answered.
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

}  // namespace internal

template <typename Signature>
class statement;
template <typename Signature>
class lookup;

template <typename R, typename... Args>
class statement<R(Args...)> final : public internal::statement_base {
  static_assert((parameter_value<std::remove_cvref_t<Args>> && ...), "a parameter's type has no codec");

 public:
  using answer = typename internal::answer_of<R>::type;

  explicit statement(std::string_view cql, stream::statement_options options = {})
      : statement_base(cql, std::move(options), {internal::expect<std::remove_cvref_t<Args>>()...},
                       expected_columns()) {}

  // The arguments are encoded before this returns; they need not live until the answer comes.
  [[nodiscard]] runtime::task<result<answer>> operator()(stream::context ctx,
                                                         const std::remove_cvref_t<Args>&... args) const {
    return run(this, ctx, write_time_of(ctx), encoded(args...));
  }

  // As above, with a write timestamp of one's own: replays write the same cell version, and of two writes the
  // later timestamp wins, whatever their order of arrival.
  [[nodiscard]] runtime::task<result<answer>> written_at(timestamp_micros time, stream::context ctx,
                                                         const std::remove_cvref_t<Args>&... args) const {
    return run(this, ctx, std::int64_t{time.time_since_epoch().count()}, encoded(args...));
  }

 private:
  template <typename Signature>
  friend class lookup;

  [[nodiscard]] static std::vector<internal::expectation> expected_columns() {
    if constexpr (std::is_void_v<R>)
      return {};
    else
      return internal::expect_columns<typename internal::answer_of<R>::row_value>();
  }

  [[nodiscard]] static cell_buffer encoded(const std::remove_cvref_t<Args>&... args) {
    cell_buffer cells;
    (codec<std::remove_cvref_t<Args>>::encode(cells, args), ...);
    return cells;
  }

  static runtime::task<result<answer>> run(const statement* self, stream::context ctx,
                                           std::optional<std::int64_t> write_timestamp_us,
                                           cell_buffer cells) {
    stream::store_request request;
    request.statement = self;
    request.cells = cells.view();
    request.write_timestamp_us = write_timestamp_us;
    internal::submitted wait(ctx.database(), request);
    co_await wait;
    self->written(request.cells);
    ctx.resumed();
    invariant(request.answer.has_value(), "a store completes a request with its answer");
    if (!*request.answer) co_return request.answer->error();
    if constexpr (std::is_void_v<R>)
      co_return result<void>();
    else
      co_return self->decoded(**request.answer, static_cast<answer*>(nullptr));
  }

  template <typename T>
  [[nodiscard]] result<answer> decoded(const stream::rows_ref& answered, std::optional<row<T>>*) const {
    if (!answered || answered->row_count == 0) return answer(std::nullopt);
    if (answered->row_count > 1 || answered->has_more_pages) return unexpected_rows(answered);
    T value{};
    cell_reader cells(answered->cells);
    const internal::row_fault fault = internal::read_row(cells, value);
    if (fault.fault != cell_fault::none || fault.torn) return unreadable_row(fault);
    return answer(std::in_place, std::move(value), answered);
  }

  template <typename T>
  [[nodiscard]] result<answer> decoded(const stream::rows_ref& answered, rows<T>*) const {
    std::vector<T> values;
    if (answered) {
      if (answered->row_count > rows_max || answered->has_more_pages) return too_many_rows();
      values.resize(answered->row_count);
      cell_reader cells(answered->cells);
      for (T& value : values) {
        const internal::row_fault fault = internal::read_row(cells, value);
        if (fault.fault != cell_fault::none || fault.torn) return unreadable_row(fault);
      }
    }
    return answer(std::move(values), answered);
  }
};

}  // namespace millrace::cql

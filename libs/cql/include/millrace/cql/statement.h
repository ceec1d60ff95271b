// Typed statements, declared as members of a processor.
//
// Example prelude:
//
//   struct profile {
//     std::string_view segment;
//     double score;
//   };
//
// Example, at namespace scope:
//
//   #include <millrace/stream/must.h>
//   #include <millrace/stream/outcome.h>
//
//   class scoring {
//    public:
//     runtime::task<stream::outcome> score(stream::context ctx, std::string_view visitor, timestamp at) {
//       // std::optional<row<profile>>
//       const auto found = co_await stream::must(select_profile_(ctx, visitor));
//       if (found && (*found)->score < 0.5) co_return stream::outcome::skipped("low score");
//       const auto written = co_await insert_visit_(ctx, visitor, at);  // answer<void>
//       if (!written) co_return written.error();                        // what must() does
//       co_return stream::outcome::done();
//     }
//
//    private:
//     cql::statement<profile(std::string_view visitor)> select_profile_{
//         "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?"};
//     cql::statement<void(std::string_view visitor, timestamp at)> insert_visit_{
//         "INSERT INTO visit (visitor_id, event_time) VALUES (?, ?)",
//         {.written = statements::write_time::record}};
//   };
//
// Signatures:
//
//   signature                 awaits to
//   void(Args...)             answer<void>
//   R(Args...)                answer<std::optional<row<R>>>: no row is not an error, a second one is
//   std::vector<R>(Args...)   answer<rows<R>>: at most rows_max
//   applied<R>(Args...)       answer<applied<R>>: INSERT, UPDATE or DELETE with IF; see applied.h
//   pages<R>(Args...)         gives pages<R>, whose next() awaits to answer<rows<R>>; see pages.h
//
// stream::answer<T> is a result<T> that must be looked at (stream/answer.h): stream::must() yields its value
// or ends the attempt with its error, `if (!x) co_return x.error();` is the same by hand, and an answer that is
// ignored fails the attempt.
//
// Options: the second argument of the constructor has the statement's own consistency, timeout, idempotence,
// page size and tracing (statements::statement_options). Several writes of one partition in one request:
// batch.h.
//
// Replay-safe writes: {.written = write_time::record} gives a write the record's write time, so that a replay
// writes the same cells and a later record wins (docs/decisions/0006-write-times-follow-the-log.md).
//
// Check at start-up: the engine prepares every statement and calls check(). Number, names and types of
// columns and parameters must fit, and SELECT * is refused, because a column added later would shift the
// others. The first mismatch is errc::db_type_mismatch with statement, column and both types. When a column
// gets another type while the program runs, the statement fails with the same error from then on.
//
// Errors of a call:
//
//   code                       cause
//   errc::db_*, cancelled      the store's error; a write that fails may have taken effect
//   errc::db_unexpected_rows   a statement of one row returned several
//   errc::limit_exceeded       more rows than rows_max
//   errc::unresolvable         a value does not fit its field, for example an unexpected null
//   errc::db_protocol          the answer ends inside a cell
//
// Threads: a statement belongs to the worker of its processor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/base/values.h>
#include <millrace/cql/applied.h>
#include <millrace/cql/cell.h>
#include <millrace/cql/pages.h>
#include <millrace/cql/row.h>
#include <millrace/cql/statement_base.h>
#include <millrace/runtime/task.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/context.h>
#include <millrace/stream/store.h>

namespace millrace::cql {

namespace internal {

template <typename R>
struct answer_of {
  static_assert(
      row_type<R>,
      "statement<R(Args...)>: R is a row by value: a struct of 1 to 32 fields, or a type with a CQL "
      "mapping; a std::vector of it; pages; applied; or void");
  using row_value = R;
  using type = std::optional<row<R>>;
  static constexpr promise promised = promise::rows;
  static constexpr bool one_row = true;
};
template <>
struct answer_of<void> {
  using row_value = void;
  using type = void;
  static constexpr promise promised = promise::nothing;
};
template <typename R>
struct answer_of<std::vector<R>> {
  static_assert(
      row_type<R>,
      "statement<R(Args...)>: R is a row by value: a struct of 1 to 32 fields, or a type with a CQL "
      "mapping; a std::vector of it; pages; applied; or void");
  using row_value = R;
  using type = rows<R>;
  static constexpr promise promised = promise::rows;
};
template <typename R>
struct answer_of<pages<R>> {
  using row_value = R;
  using type = rows<R>;
  static constexpr promise promised = promise::rows;
};
template <>
struct answer_of<applied<>> {
  using row_value = void;
  using type = applied<>;
  static constexpr promise promised = promise::applied;
};
template <typename R>
struct answer_of<applied<R>> {
  static_assert(row_struct<R>,
                "statement<applied<R>(Args...)>: R is a struct whose fields are named like the columns");
  using row_value = R;
  using type = applied<R>;
  static constexpr promise promised = promise::applied;
};

template <typename R>
inline constexpr bool is_pages = false;
template <typename R>
inline constexpr bool is_pages<pages<R>> = true;

// Two rows are enough to know that one was promised in vain.
inline constexpr std::uint32_t rows_of_one = 2;

}  // namespace internal

template <typename Signature>
class statement;
template <typename Signature>
class lookup;

// A statement of signature R(Args...).
template <typename R, typename... Args>
class statement<R(Args...)> final : public internal::statement_base {
  static_assert(
      (parameter_value<std::remove_cvref_t<Args>> && ...),
      "statement<R(Args...)>: the type of an argument has no CQL mapping; docs/concepts/cql.md lists the "
      "types, and millrace::cql::codec<T> adds one");

  using traits = internal::answer_of<R>;
  using row_value = typename traits::row_value;
  static constexpr bool is_one_row = requires { traits::one_row; };

 public:
  using answer = typename traits::type;
  using call = std::conditional_t<internal::is_pages<R>, R, runtime::task<stream::answer<answer>>>;

  // Declares a statement; see statements::declaration_scope.
  explicit statement(std::string_view cql, statements::statement_options options = {})
      : statement_base(cql, fitting(std::move(options)), traits::promised,
                       {internal::expect<std::remove_cvref_t<Args>>()...}, expected_columns()) {}

  // Executes the statement. The arguments are encoded before this returns; they need not live until the
  // answer arrives.
  [[nodiscard]] call operator()(stream::context ctx, const std::remove_cvref_t<Args>&... args) const {
    if constexpr (internal::is_pages<R>)
      return R(*this, ctx, encoded(args...));
    else
      return run(this, ctx, write_time_of(ctx), encoded(args...));
  }

  // Executes the statement with a given write timestamp: replays write the same cell version, and of two
  // writes the later timestamp wins, whatever their order of arrival. Not for statements with IF, which have
  // their own timestamps.
  [[nodiscard]] runtime::task<stream::answer<answer>> written_at(
      timestamp_micros time, stream::context ctx, const std::remove_cvref_t<Args>&... args) const
    requires(traits::promised == internal::promise::nothing)
  {
    return run(this, ctx, std::int64_t{time.time_since_epoch().count()}, encoded(args...));
  }

 private:
  template <typename Signature>
  friend class lookup;

  [[nodiscard]] static statements::statement_options fitting(statements::statement_options options) {
    if constexpr (is_one_row) options.page_rows = internal::rows_of_one;
    return options;
  }

  [[nodiscard]] static std::vector<internal::expectation> expected_columns() {
    if constexpr (std::is_void_v<row_value>)
      return {};
    else
      return internal::expect_columns<row_value>();
  }

  [[nodiscard]] static cell_buffer encoded(const std::remove_cvref_t<Args>&... args) {
    cell_buffer cells;
    (codec<std::remove_cvref_t<Args>>::encode(cells, args), ...);
    return cells;
  }

  static runtime::task<stream::answer<answer>> run(const statement* self, stream::context ctx,
                                                   std::optional<std::int64_t> write_timestamp_us,
                                                   cell_buffer cells) {
    stream::store_request request;
    request.statement = self;
    request.cells = cells.view();
    request.write_timestamp_us = write_timestamp_us;
    request.rows_max = is_one_row ? internal::rows_of_one : static_cast<std::uint32_t>(rows_max);
    ctx.asks(request);
    internal::submitted wait(ctx.database(), request);
    co_await wait;
    self->written(request.cells);
    ctx.answered(request);
    co_return stream::answer<answer>(self->read(request), ctx.duty_for(*self));
  }

  [[nodiscard]] result<answer> read(const stream::store_request& request) const {
    invariant(request.answer.has_value(), "a store completes a request with its answer");
    if (!*request.answer) return request.answer->error();
    if constexpr (std::is_void_v<R>) {
      if (**request.answer && (**request.answer)->row_count > 0) return unexpected_answer();
      return {};
    } else {
      return decoded(**request.answer, static_cast<answer*>(nullptr));
    }
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
    if (answered && (answered->row_count > rows_max || answered->has_more_pages)) return too_many_rows();
    return internal::decoded_rows<T>(*this, answered);
  }

  template <typename T>
  [[nodiscard]] result<answer> decoded(const stream::rows_ref& answered, applied<T>*) const {
    if (!answered || answered->row_count != 1) return unexpected_answer();
    cell_reader reader(answered->cells);
    bool was_applied = false;
    internal::row_fault fault;
    if (!internal::read_cell(reader, was_applied, fault)) return unreadable_row(fault);
    if constexpr (std::is_same_v<T, no_row>) {
      return answer(was_applied);
    } else {
      if (was_applied) return answer(true, std::nullopt);
      auto places = places_of_fields(*answered.operator->());
      if (!places) return places.error();
      if (places->empty()) return answer(false, std::nullopt);
      T value{};
      if (fault = internal::read_places(*answered.operator->(), *places, value);
          fault.fault != cell_fault::none || fault.torn) {
        return unreadable_row(fault);
      }
      return answer(false, row<T>(std::move(value), answered));
    }
  }
};

}  // namespace millrace::cql

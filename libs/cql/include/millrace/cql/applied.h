// The answer of a conditional write (INSERT ... IF NOT EXISTS, UPDATE and DELETE ... IF ...).
//
// Example prelude:
//
//   #include <millrace/cql/statement.h>
//   #include <millrace/stream/must.h>
//
//   struct owner {
//     std::string_view holder;
//   };
//
//   const cql::statement<cql::applied<owner>(std::string_view id, std::string_view holder)>* claim = nullptr;
//
// Example, in a coroutine:
//
//   const auto claimed = co_await stream::must((*claim)(ctx, "id", "me"));
//   if (!claimed && claimed.current()) {
//     const std::string holder((*claimed.current())->holder);
//     co_return error(errc::rejected, "held by " + holder);
//   }
//
// R is a struct whose fields are columns by name, in any order: the columns that the database answers with
// when the condition did not hold (for IF NOT EXISTS the whole row, otherwise the columns of the condition).
// applied<> ignores them.
//
// Failure: a conditional write that fails with a timeout may have been applied. Repeating it then finds its
// own effect and answers "not applied"; compare current() with the values to be written.
// Threads: the worker's thread.
#pragma once

#include <optional>
#include <utility>

#include <millrace/cql/row.h>

namespace millrace::cql {

// The R of applied<>.
struct no_row {};

template <typename R = no_row>
class applied {
 public:
  applied(bool was_applied, std::optional<row<R>> current)
      : applied_(was_applied), current_(std::move(current)) {}

  // True when the condition held and the write took place.
  [[nodiscard]] explicit operator bool() const noexcept { return applied_; }
  // The row that was present instead; nullopt when the write was applied, or when there was no row.
  [[nodiscard]] const std::optional<row<R>>& current() const noexcept { return current_; }

 private:
  bool applied_;
  std::optional<row<R>> current_;
};

template <>
class applied<no_row> {
 public:
  explicit applied(bool was_applied) : applied_(was_applied) {}
  [[nodiscard]] explicit operator bool() const noexcept { return applied_; }

 private:
  bool applied_;
};

}  // namespace millrace::cql

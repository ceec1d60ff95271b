// The answer of a conditional write (INSERT ... IF NOT EXISTS, UPDATE and DELETE ... IF ...).
//
//   struct owner { std::string_view holder; };
//   statement<applied<owner>(std::string_view, std::string_view)> claim_{
//       "INSERT INTO claim (id, holder) VALUES (?, ?) IF NOT EXISTS"};
//
//   auto claimed = co_await claim_(ctx, id, me);                 // result<applied<owner>>
//   if (!claimed) co_return claimed.error();
//   if (!*claimed && claimed->current()) log(claimed->current()->holder);
//
// R is a struct whose fields are columns by name, in any order: those that the database answers with when the
// condition did not hold (for IF NOT EXISTS the whole row, otherwise the columns of the condition). applied<>
// does not look at them.
//
// A conditional write that fails with a timeout may have been applied; repeating it then finds its own effect
// and answers "not applied". Compare current() with what was to be written.
#pragma once

#include <optional>
#include <utility>

#include <millrace/cql/row.h>

namespace millrace::cql {

struct no_row {};

template <typename R = no_row>
class applied {
 public:
  applied(bool was_applied, std::optional<row<R>> current)
      : applied_(was_applied), current_(std::move(current)) {}

  // Whether the condition held and the write took place.
  [[nodiscard]] explicit operator bool() const noexcept { return applied_; }
  // What was there instead; nothing when it was applied or when there was no row at all.
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

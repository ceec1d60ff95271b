// must(): the value of something that may fail, or the end of the attempt.
//
// `must(x)` yields the value of a result, an answer or a found row. When there is none, process() is left as
// if it had returned the error, or the outcome of a lookup's miss policy. `co_await must(awaitable)` is the
// same for whatever awaits to such a value: statements, lookups, batches, pages, tasks of results, and all()
// (all.h) of several.
//
// Example prelude:
//
//   runtime::task<result<int>> stock_of(std::string_view article);
//   result<int> parsed(std::string_view text);
//
// Example, in a coroutine:
//
//   const int stock = co_await stream::must(stock_of("tea"));
//   const int wanted = stream::must(parsed("12"));
//   if (wanted > stock) co_return error(errc::rejected, "out of stock");
//
// Values:
//
//   what                                value
//   result<T>, stream::answer<T>        T; nothing for void
//   cql::found<R>                       found<R>, which has a row then
//   std::tuple of such, from all()      a tuple of the values, with std::monostate for void
//   std::vector of such, from all()     a vector of the values; nothing for void
//
// From an lvalue it yields a reference to the value. Of several failures, in the order of the tuple or vector,
// the first error ends the attempt; without an error, the first outcome of a miss policy does.
//
// Mechanism: must() throws stream::early_end, which is not derived from std::exception. It passes through
// coroutines of runtime::task<T> and destroys what is in scope. The engine, and the simulation's
// processor_runner, take it for the outcome that it holds: retries, circuit breakers, dead-letter records and
// metrics are those of a returned error. A `catch (...)` of the user catches it, too, and has to throw it again.
//
// Outside of a processor's run, in a plain thread or in the constructor of a processor, it is an exception
// that nobody expects: test the result there instead. A codec or an encoding of the user must not throw it
// either; it is errc::processor_threw there.
//
// Cost: nothing without a failure; with one, that of an exception.
// Threads: the worker's thread.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <millrace/base/result.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/outcome.h>

namespace millrace::stream {

// Thrown by must(). Holds the outcome with which process() ends.
class early_end final {
 public:
  explicit early_end(outcome how) : how_(std::move(how)) {}

  [[nodiscard]] const outcome& how() const noexcept { return how_; }

 private:
  outcome how_;
};

namespace internal {

template <typename T>
concept has_error = requires(const T& what) {
  { what.ok() } -> std::same_as<bool>;
  { what.error() } -> std::convertible_to<millrace::error>;
  typename T::value_type;
};
template <typename T>
concept has_ending = requires(const T& what) {
  { static_cast<bool>(what) };
  { what.ending() } -> std::same_as<outcome>;
};
template <typename T>
concept may_fail = has_error<T> || has_ending<T>;

template <typename A>
concept awaiter = requires(A& what) {
  what.await_ready();
  what.await_resume();
};
template <typename A>
concept has_awaiter = requires(A&& what) { std::forward<A>(what).operator co_await(); };
// What `co_await` takes; an rvalue, unless its type says otherwise.
template <typename A>
concept awaitable = has_awaiter<A> || awaiter<std::remove_reference_t<A>>;

template <has_awaiter A>
[[nodiscard]] auto awaiter_of(A&& what) {
  return std::forward<A>(what).operator co_await();
}
template <typename A>
  requires(!has_awaiter<A>)
[[nodiscard]] A&& awaiter_of(A&& what) noexcept {
  return std::forward<A>(what);
}
template <awaitable A>
using awaited = decltype(awaiter_of(std::declval<A>()).await_resume());

[[noreturn]] void end_early(outcome how);

template <typename T>
[[nodiscard]] bool succeeded(const T& what) {
  if constexpr (may_fail<T>) return static_cast<bool>(what);
  return true;
}
template <may_fail T>
[[nodiscard]] outcome end_of(const T& failed) {
  if constexpr (has_error<T>)
    return outcome(millrace::error(failed.error()));
  else
    return failed.ending();
}

// The end of several parts: the first failure, and without one the first other end.
class first_end {
 public:
  [[nodiscard]] explicit operator bool() const noexcept { return thrown_ != nullptr; }
  // While an exception is caught: notes it.
  void threw() noexcept;
  void ended(outcome how);
  template <typename T>
  void look_at(const T& part) {
    if constexpr (may_fail<T>)
      if (!succeeded(part)) ended(end_of(part));
  }
  // Throws what was noted.
  [[noreturn]] void raise() { std::rethrow_exception(std::exchange(thrown_, nullptr)); }

 private:
  void note(std::exception_ptr thrown, bool is_failure) noexcept;

  std::exception_ptr thrown_;
  bool is_failure_ = false;
};

// The value of a part that has succeeded.
template <typename T>
[[nodiscard]] auto value_of_part(T part) {  // NOLINT(performance-unnecessary-value-param): it is moved from
  if constexpr (has_error<T>) {
    if constexpr (std::is_void_v<typename T::value_type>)
      return std::monostate();
    else
      return typename T::value_type(*std::move(part));
  } else {
    return part;
  }
}

}  // namespace internal

// The value of a result or an answer.
template <typename T>
  requires internal::has_error<std::remove_cvref_t<T>>
decltype(auto) must(T&& what) {
  using value_type = typename std::remove_cvref_t<T>::value_type;
  if (!what.ok()) internal::end_early(outcome(millrace::error(std::forward<T>(what).error())));
  if constexpr (std::is_void_v<value_type>)
    return;
  else if constexpr (std::is_lvalue_reference_v<T>)
    return *what;
  else
    return value_type(*std::forward<T>(what));
}

// The found row of a lookup, or its default row.
template <typename T>
  requires internal::has_ending<std::remove_cvref_t<T>>
[[nodiscard]] T must(T&& what) {
  if (!what) internal::end_early(what.ending());
  return std::forward<T>(what);
}

// The values of several parts. Parts that cannot fail are passed on.
template <typename... T>
[[nodiscard]] auto must(std::tuple<T...>&& parts) {
  const bool all_succeeded =
      std::apply([](const auto&... part) { return (... && internal::succeeded(part)); }, parts);
  if (!all_succeeded) {
    internal::first_end end;
    std::apply([&end](const auto&... part) { (end.look_at(part), ...); }, parts);
    end.raise();
  }
  return std::apply(
      [](auto&... part) {
        return std::tuple<decltype(internal::value_of_part(std::move(part)))...>{
            internal::value_of_part(std::move(part))...};
      },
      parts);
}
template <internal::may_fail T>
auto must(std::vector<T>&& parts) {
  internal::first_end end;
  for (const T& part : parts) end.look_at(part);
  if (end) end.raise();
  using value_type = decltype(internal::value_of_part(std::declval<T>()));
  if constexpr (!std::is_same_v<value_type, std::monostate>) {
    std::vector<value_type> values;
    values.reserve(parts.size());
    for (T& part : parts) values.push_back(internal::value_of_part(std::move(part)));
    return values;
  }
}

namespace internal {
template <typename T>
inline constexpr bool is_parts = false;
template <typename... T>
inline constexpr bool is_parts<std::tuple<T...>> = true;
template <may_fail T>
inline constexpr bool is_parts<std::vector<T>> = true;
}  // namespace internal

// Anything else does not compile.
template <typename T>
  requires(!internal::may_fail<std::remove_cvref_t<T>> && !internal::awaitable<T> && !internal::is_parts<T>)
void must(T&&) {
  static_assert(
      internal::may_fail<std::remove_cvref_t<T>>,
      "must() takes what may fail: a result, an answer of a statement, what a lookup found, or a task of "
      "one; a task that has a name is moved");
}

namespace internal {
template <typename Inner>
struct must_awaiter {
  Inner of;  // a reference to what is its own awaiter

  bool await_ready() { return of.await_ready(); }
  auto await_suspend(std::coroutine_handle<> waiting) { return of.await_suspend(waiting); }
  decltype(auto) await_resume() { return must(of.await_resume()); }
};
}  // namespace internal

// Awaits `what_` and yields the value; see must().
template <typename A>
class [[nodiscard]] must_call {
 public:
  explicit must_call(A&& what) : what_(std::forward<A>(what)) {}

  auto operator co_await() && {
    using inner = decltype(internal::awaiter_of(std::declval<A>()));
    return internal::must_awaiter<inner>{internal::awaiter_of(std::forward<A>(what_))};
  }

 private:
  A what_;  // a reference to an lvalue
};

// `co_await must(what)`.
template <typename A>
  requires(internal::awaitable<A> && !internal::may_fail<std::remove_cvref_t<A>>)
[[nodiscard]] must_call<A> must(A&& what) {
  return must_call<A>(std::forward<A>(what));
}

}  // namespace millrace::stream

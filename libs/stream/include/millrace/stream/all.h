// all(): several waits of one attempt at once.
//
// Example prelude:
//
//   #include <ranges>
//
//   #include <millrace/stream/answer.h>
//   #include <millrace/stream/must.h>
//
//   runtime::task<stream::answer<int>> stock_of(stream::context ctx, int article);
//   runtime::task<stream::answer<void>> insert(stream::context ctx, int article);
//
// Example, in a coroutine:
//
//   // std::tuple<answer<int>, answer<int>>
//   const auto [here, there] = co_await stream::all(stock_of(ctx, 1), stock_of(ctx, 2));
//   if (!here) co_return here.error();
//   if (!there) co_return there.error();
//
//   // std::tuple<int, std::monostate>, or the end of the attempt with the first error
//   [[maybe_unused]] const auto [stock, done] = co_await stream::must(stream::all(stock_of(ctx, 1), insert(ctx, 1)));
//
//   // A range, at most 8 at once.
//   std::vector<runtime::task<stream::answer<void>>> inserts;
//   for (int article = 0; article < 100; ++article) inserts.push_back(insert(ctx, article));
//   co_await stream::must(stream::all(std::move(inserts), 8));
//
//   // The same, where each is made when its turn comes.
//   const auto begin = [ctx](int article) { return insert(ctx, article); };
//   co_await stream::must(stream::all(std::views::iota(0, 100) | std::views::transform(begin), 8));
//
// `all(a, b, ...)` takes what `co_await` takes: statements, lookups, tasks, other calls of all(). They begin in
// order; the caller resumes when all have ended. An lvalue is taken by reference. void becomes std::monostate.
//
// `all(range, limit)` takes a range of them and holds at most `limit` at work (0 counts as 1). A range of
// tasks is moved from, in order. A view makes each when its turn comes; lookups, which have begun when they
// are made, have to be given like this. The results are in the order of the range.
//
// Errors: a part that ends with an error stops no other part; the results hold the errors. must() ends the
// attempt with the first one.
// Failure: an exception in a part, or in the view, begins no further part of a range. The others are awaited,
// then the first exception is thrown and the results are dropped. A part that must() has left with the outcome of
// a miss policy yields to the first part that has failed.
// Cancellation: each wait ends as it does alone.
// Memory: all(a, b, ...) allocates nothing for tasks, and a coroutine frame for each other part that has to
// wait. all(range, limit) has `limit` frames and the results.
// Threads: the worker's thread. all() is awaited in the expression that calls it.
#pragma once

#include <algorithm>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <millrace/runtime/task.h>
#include <millrace/stream/must.h>

namespace millrace::stream {

namespace internal {

template <typename T>
inline constexpr bool is_task = false;
template <typename T>
inline constexpr bool is_task<runtime::task<T>> = true;

// The result of a part; std::monostate for void.
template <awaitable A>
using part_value =
    std::conditional_t<std::is_void_v<awaited<A>>, std::monostate, std::remove_cvref_t<awaited<A>>>;

template <awaitable A>
[[nodiscard]] runtime::task<part_value<A>> waiting_for(std::remove_reference_t<A>* what) {
  if constexpr (std::is_void_v<awaited<A>>) {
    co_await static_cast<A&&>(*what);
    co_return std::monostate();
  } else {
    co_return co_await static_cast<A&&>(*what);
  }
}

// One part of all(a, b, ...). It stays at its address from begin() to take().
template <awaitable A>
class part final {
 public:
  explicit part(A&& what) : what_(std::forward<A>(what)) {}

  // Runs the part to its first wait.
  void begin(runtime::join& with) noexcept {
    try {
      if constexpr (awaiter<std::remove_reference_t<A>>) {
        if (what_.await_ready()) return;
      }
      wait_ = waiting_for<A>(std::addressof(what_));
      wait_.start(with);
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }
  // Throws what the part threw.
  [[nodiscard]] part_value<A> take() {
    if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (wait_.valid()) return wait_.take();
    if constexpr (!awaiter<std::remove_reference_t<A>>) {
      invariant_broken("a part of all() is taken after it has begun");
    } else if constexpr (std::is_void_v<awaited<A>>) {
      what_.await_resume();
      return {};
    } else {
      return what_.await_resume();
    }
  }

 private:
  A what_;
  runtime::task<part_value<A>> wait_;
  std::exception_ptr thrown_;
};

template <typename T>
class part<runtime::task<T>> final {
 public:
  explicit part(runtime::task<T>&& what) : what_(std::move(what)) {}

  void begin(runtime::join& with) noexcept { what_.start(with); }
  [[nodiscard]] part_value<runtime::task<T>> take() {
    if constexpr (std::is_void_v<T>) {
      what_.take();
      return {};
    } else {
      return what_.take();
    }
  }

 private:
  runtime::task<T> what_;
};

// Takes the result of a part. An exception is noted.
template <typename Part, typename T>
void take_part(Part& from, std::optional<T>& into, first_end& end) {
  try {
    into.emplace(from.take());
  } catch (...) {
    end.threw();
  }
}

// The parts of all(range, limit), which `limit` coroutines work off.
template <std::ranges::input_range Range>
class range_run {
 public:
  using work = std::remove_cvref_t<std::ranges::range_reference_t<Range>>;
  using value = part_value<work>;

  explicit range_run(Range& range) : next_(std::ranges::begin(range)), end_(std::ranges::end(range)) {}

  // Begins and awaits one part after the other.
  static runtime::task<void> work_off(range_run* self) {
    try {
      while (self->has_more()) {
        const std::size_t place = self->values_.size();
        self->values_.emplace_back();
        work one(std::ranges::iter_move(self->next_));
        ++self->next_;
        if constexpr (std::is_void_v<awaited<work>>) {
          co_await std::move(one);
          self->values_[place].emplace();
        } else {
          value got = co_await std::move(one);
          self->values_[place].emplace(std::move(got));
        }
      }
    } catch (...) {
      self->threw_.threw();
    }
  }
  [[nodiscard]] bool has_more() { return !threw_ && next_ != end_; }
  // While an exception is caught.
  void threw() noexcept { threw_.threw(); }

  // The results; throws what was noted.
  [[nodiscard]] std::vector<value> values() {
    if (threw_) {
      for (const std::optional<value>& each : values_) {
        if (each) threw_.look_at(*each);
      }
      threw_.raise();
    }
    std::vector<value> all;
    all.reserve(values_.size());
    for (std::optional<value>& each : values_) all.push_back(*std::move(each));
    return all;
  }

 private:
  std::ranges::iterator_t<Range> next_;
  std::ranges::sentinel_t<Range> end_;
  std::vector<std::optional<value>> values_;
  first_end threw_;
};

template <std::ranges::input_range Range>
[[nodiscard]] runtime::task<std::vector<typename range_run<Range>::value>> all_of(Range range,
                                                                                  std::size_t limit) {
  range_run<Range> run(range);
  std::vector<runtime::task<void>> workers;
  runtime::join ended;
  try {
    while (workers.size() < limit && run.has_more()) {
      workers.push_back(range_run<Range>::work_off(&run));
      workers.back().start(ended);
    }
  } catch (...) {
    run.threw();
  }
  co_await ended;
  co_return run.values();
}

}  // namespace internal

// Awaits several parts; see all().
template <internal::awaitable... A>
class [[nodiscard]] all_call {
 public:
  using value_type = std::tuple<internal::part_value<A>...>;

  explicit all_call(A&&... what) : parts_(std::forward<A>(what)...) {}

  auto operator co_await() && noexcept {
    struct awaiter {
      all_call& of;
      runtime::join ended;

      bool await_ready() noexcept {
        std::apply([this](auto&... each) { (each.begin(ended), ...); }, of.parts_);
        return ended.await_ready();
      }
      void await_suspend(std::coroutine_handle<> waiting) noexcept { ended.await_suspend(waiting); }
      value_type await_resume() { return of.take(std::index_sequence_for<A...>()); }
    };
    return awaiter{*this, {}};
  }

 private:
  template <std::size_t... I>
  value_type take(std::index_sequence<I...>) {
    std::tuple<std::optional<internal::part_value<A>>...> taken;
    internal::first_end end;
    (internal::take_part(std::get<I>(parts_), std::get<I>(taken), end), ...);
    if (end) {
      const auto look_at = [&end](const auto& each) {
        if (each) end.look_at(*each);
      };
      (look_at(std::get<I>(taken)), ...);
      end.raise();
    }
    return value_type(*std::move(std::get<I>(taken))...);
  }

  std::tuple<internal::part<A>...> parts_;
};

// `co_await all(a, b, ...)` yields a tuple of the results.
template <internal::awaitable... A>
  requires(sizeof...(A) > 0)
[[nodiscard]] all_call<A...> all(A&&... what) {
  return all_call<A...>(std::forward<A>(what)...);
}

// Anything else does not compile.
template <typename... A>
  requires(sizeof...(A) > 0 && !(internal::awaitable<A> && ...) &&
           !(sizeof...(A) == 2 && std::ranges::range<std::tuple_element_t<0, std::tuple<A..., int>>>))
void all(A&&...) {
  static_assert(
      (internal::awaitable<A> && ...),
      "all(a, b, ...) takes what co_await takes: calls of statements and lookups, and tasks; a task that "
      "has a name is moved");
}

// `co_await all(range, limit)` yields a vector of the results.
template <std::ranges::input_range Range>
  requires internal::awaitable<std::remove_cvref_t<std::ranges::range_reference_t<Range>>>
[[nodiscard]] auto all(Range&& range, std::size_t limit) {
  static_assert(!std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>> ||
                    (!std::is_lvalue_reference_v<Range> &&
                     internal::is_task<std::remove_cvref_t<std::ranges::range_reference_t<Range>>>),
                "all(range, limit) takes a container of tasks, moved, or a view that makes each part");
  return internal::all_of(std::views::all(std::forward<Range>(range)), std::max<std::size_t>(limit, 1));
}

}  // namespace millrace::stream

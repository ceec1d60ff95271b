// task<T>: a lazily started coroutine. It runs when it is awaited by another coroutine, or when it is started
// with a `deferred` that the loop calls after it has finished. Frames come from the thread's frame pool.
//
// Example, at namespace scope:
//
//   #include <millrace/runtime/wait.h>
//
//   runtime::task<result<int>> answer(runtime::loop& loop) {
//     co_await runtime::sleep_for(loop, milliseconds(20));
//     co_return 21;
//   }
//
//   runtime::task<result<int>> twice(runtime::loop& loop) {
//     const result<int> once = co_await answer(loop);
//     if (!once) co_return once.error();
//     co_return 2 * *once;
//   }
//
//   runtime::task<result<int>> sum(runtime::loop& loop) {
//     runtime::task<result<int>> left = answer(loop);
//     runtime::task<result<int>> right = twice(loop);
//     runtime::join both;
//     left.start(both);
//     right.start(both);
//     co_await both;
//     const result<int> one = left.take();
//     const result<int> two = right.take();
//     if (!one) co_return one.error();
//     if (!two) co_return two.error();
//     co_return *one + *two;
//   }
//
// Rules for coroutines (docs/guide/coroutines.md has all, and how each is found):
//
// * Parameters are values, or references to objects that provably outlive the coroutine. `T&&` and, except as the
//   first parameter, `const T&` do not compile, because they bind to temporaries.
// * A lambda coroutine captures nothing. `millrace check` finds one that does.
// * A task yields no view: task<std::string_view> and the like do not compile.
// * A task that was started is never destroyed before it has finished; that breaks an invariant.
//
// Failure: expected failures are results. An exception that leaves a coroutine ends it: the frame unwinds,
// and the exception is thrown where the result is taken, by `co_await` in the awaiting coroutine or by
// take(). An exception that is never taken aborts the process. No cost arises while no exception is thrown.
// Threads: a task belongs to the thread of its loop.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/runtime/frame_pool.h>
#include <millrace/runtime/loop.h>

namespace millrace::runtime {

template <typename T = void>
class task;

namespace internal {
class promise_base;
}  // namespace internal

// The end of several tasks, for one coroutine: each task is started with the join, then `co_await` resumes
// when all have finished. Their results are taken from the tasks. Nothing is allocated. A join that is
// destroyed while one of its tasks runs breaks an invariant.
class join {
 public:
  join() = default;
  join(const join&) = delete;
  join& operator=(const join&) = delete;
  ~join() { invariant(running_ == 0, "a join ended with running tasks"); }

  // Returns the number of tasks that have not finished.
  [[nodiscard]] std::size_t running() const noexcept { return running_; }

  [[nodiscard]] bool await_ready() const noexcept { return running_ == 0; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept { waiting_ = waiting; }
  void await_resume() const noexcept {}

 private:
  template <typename U>
  friend class task;
  friend class internal::promise_base;

  // The coroutine to resume after the end of a task.
  [[nodiscard]] std::coroutine_handle<> ended() noexcept {
    if (--running_ > 0 || !waiting_) return std::noop_coroutine();
    return std::exchange(waiting_, nullptr);
  }

  std::size_t running_ = 0;
  std::coroutine_handle<> waiting_;
};

namespace internal {

template <typename T>
inline constexpr bool is_plain_view = false;
template <typename Char, typename Traits>
inline constexpr bool is_plain_view<std::basic_string_view<Char, Traits>> = true;
template <typename T, std::size_t Extent>
inline constexpr bool is_plain_view<std::span<T, Extent>> = true;
template <typename T>
inline constexpr bool is_plain_view<std::optional<T>> = is_plain_view<T>;
// A view, or an optional, result or answer of one.
template <typename T>
[[nodiscard]] consteval bool is_view() {
  if constexpr (requires(const T& what) {
                  typename T::value_type;
                  what.error();
                }) {
    return is_plain_view<typename T::value_type>;
  } else {
    return is_plain_view<T>;
  }
}

// A parameter that binds to a temporary. The first type of a member function is that of its object, which looks like a
// parameter; no member function of a class of std is a coroutine of ours.
template <typename T>
[[nodiscard]] consteval bool is_of_std() {
  const std::string_view spelt = __PRETTY_FUNCTION__;
  const std::size_t at = spelt.find("T = ");
  return at != std::string_view::npos && spelt.substr(at + 4).starts_with("std::");
}
template <typename Parameter, bool IsFirst>
[[nodiscard]] consteval bool binds_to_temporary() {
  using type = std::remove_reference_t<Parameter>;
  constexpr bool binds = std::is_rvalue_reference_v<Parameter> ||
                         (std::is_lvalue_reference_v<Parameter> && std::is_const_v<type>);
  constexpr bool may_be_object = IsFirst && std::is_class_v<type>;
  if constexpr (binds && may_be_object)
    return is_of_std<std::remove_cv_t<type>>();
  else
    return binds;
}
template <typename... Parameters>
inline constexpr bool parameters_are_values = true;
template <typename First, typename... Rest>
inline constexpr bool parameters_are_values<First, Rest...> =
    !binds_to_temporary<First, true>() && (!binds_to_temporary<Rest, false>() && ...);

class promise_base {
 public:
  static void* operator new(std::size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { free_frame(frame, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> finished) noexcept {
      promise_base& self = finished.promise();
      if (self.continuation_) return self.continuation_;
      if (self.join_ != nullptr) return self.join_->ended();
      // Not called from here: it will destroy this frame, whose awaiter is still on the stack.
      self.loop_->defer(*self.done_);
      return std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  final_awaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { thrown_ = std::current_exception(); }

 protected:
  void rethrow() {
    if (thrown_ != nullptr) [[unlikely]]
      std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

 private:
  template <typename U>
  friend class runtime::task;

  std::exception_ptr thrown_;
  std::coroutine_handle<> continuation_;
  loop* loop_ = nullptr;
  deferred* done_ = nullptr;
  join* join_ = nullptr;
};

template <typename T>
class promise final : public promise_base {
  static_assert(!is_view<T>(),
                "task<T>: T is a view, which outlives what the coroutine owns; return std::string, "
                "std::vector or the row that keeps the memory");

 public:
  task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& value) {
    static_assert(
        std::is_constructible_v<T, U&&>,
        "co_return of a value that is no T of the coroutine's task<T>; process() ends with an outcome, "
        "for example outcome::done(), or with an error");
    if constexpr (std::is_constructible_v<T, U&&>) value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow();
    if (!value_) invariant_broken("the result of a task is taken once, after it has finished");
    T value = std::move(*value_);
    value_.reset();
    return value;
  }

 private:
  std::optional<T> value_;
};

template <>
class promise<void> final : public promise_base {
 public:
  task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() { rethrow(); }
};

}  // namespace internal

template <typename T>
class [[nodiscard]] task {
 public:
  using promise_type = internal::promise<T>;
  using handle_type = std::coroutine_handle<promise_type>;

  task() = default;
  explicit task(handle_type handle) noexcept : handle_(handle) {}
  task(task&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), started_(std::exchange(other.started_, false)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
      started_ = std::exchange(other.started_, false);
    }
    return *this;
  }
  task(const task&) = delete;
  task& operator=(const task&) = delete;
  ~task() { destroy(); }

  // True when the task holds a coroutine, and true when that coroutine has finished.
  [[nodiscard]] bool valid() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] bool finished() const noexcept { return handle_ != nullptr && handle_.done(); }

  // Runs the coroutine to its first wait. `done` is deferred on `l` once the task has finished, even if that
  // is at once.
  void start(loop& l, deferred& done) {
    invariant(handle_ != nullptr && !started_, "a task is started once");
    started_ = true;
    handle_.promise().loop_ = &l;
    handle_.promise().done_ = &done;
    handle_.resume();
  }
  // The same for one of several tasks that a coroutine waits for.
  void start(join& with) noexcept {
    invariant(handle_ != nullptr && !started_, "a task is started once");
    started_ = true;
    handle_.promise().join_ = &with;
    ++with.running_;
    handle_.resume();
  }
  // Returns the value of a finished task that was started and not awaited, once. Throws what the coroutine
  // threw.
  T take() {
    invariant(finished(), "the result of a task is taken after it has finished");
    return handle_.promise().take();
  }

  auto operator co_await() && noexcept {
    struct awaiter {
      handle_type handle;
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiting) noexcept {
        handle.promise().continuation_ = waiting;
        return handle;
      }
      T await_resume() { return handle.promise().take(); }
    };
    invariant(handle_ != nullptr && !started_, "a task is awaited once");
    started_ = true;
    return awaiter{handle_};
  }

 private:
  void destroy() noexcept {
    if (handle_ == nullptr) return;
    invariant(!started_ || handle_.done(), "a running task was destroyed");
    invariant(handle_.promise().thrown_ == nullptr, "the exception of a task was not taken");
    handle_.destroy();
    handle_ = nullptr;
  }

  handle_type handle_ = nullptr;
  bool started_ = false;
};

template <typename T>
task<T> internal::promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}
inline task<void> internal::promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<promise<void>>::from_promise(*this));
}

}  // namespace millrace::runtime

// The coroutines that return a task. The parameters are those that the function declares, its object first.
template <typename T, typename... Parameters>
struct std::coroutine_traits<millrace::runtime::task<T>, Parameters...> {
  static_assert(
      millrace::runtime::internal::parameters_are_values<Parameters...>,
      "a coroutine has a parameter of type const T& or T&&, which may refer to a temporary that ends "
      "before the coroutine does; take it by value");
  using promise_type = millrace::runtime::internal::promise<T>;
};

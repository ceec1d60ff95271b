// answer<T>: the result of a statement, or of a call of a service, which must be looked at.
//
// A write may fail, and a processor that ignores its result would have the record committed all the same. An
// answer therefore knows whether it was looked at. When process() returns done or skipped and an answer was
// destroyed that nobody had looked at, the attempt fails with errc::answer_ignored and the name of the statement
// or service: it is retried within the bounds of `engine.retry`, and then the record is sent to the dead-letter topic.
//
// Example prelude:
//
//   #include <millrace/stream/must.h>
//
//   runtime::task<stream::answer<void>> insert(stream::context ctx);  // as a statement returns it
//
// Example, in a coroutine:
//
//   co_await stream::must(insert(ctx));      // the error ends the attempt
//
//   const auto written = co_await insert(ctx);
//   if (!written) co_return written.error();  // the same by hand
//
//   const auto best_effort = co_await insert(ctx);
//   best_effort.ignore();                     // its error does not matter
//
// Looked at: ok(), the conversion to bool, error(), access to the value, the conversion to a result, and
// ignore(). A move or a copy transfers the duty to the new object. A function of the user that awaits a
// statement returns an answer, so that its caller has the duty; an answer that is made from a result or an
// error has none.
//
// Threads: the worker's thread.
// Lifetime: an answer that nobody has looked at must not outlive its attempt, as its context must not. One
// that was looked at may be kept like any value.
// Failure: reading the value of a failed answer, or the error of a successful one, breaks an invariant and
// aborts the process, as it does for a result.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <millrace/base/errors.h>
#include <millrace/base/result.h>

namespace millrace::stream {

class execution;

// The duty to look at an answer. The last owner that is destroyed with it reports to the execution.
class answer_duty {
 public:
  // No duty.
  answer_duty() = default;
  // `name` is that of a statement or service; its declaration owns it.
  answer_duty(execution& run, const std::string& name) noexcept : run_(&run), name_(&name) {}
  answer_duty(const answer_duty& other) noexcept
      : run_(std::exchange(other.run_, nullptr)), name_(other.name_) {}
  answer_duty& operator=(const answer_duty& other) noexcept {
    if (this == &other) return *this;
    if (run_ != nullptr) report();
    run_ = std::exchange(other.run_, nullptr);
    name_ = other.name_;
    return *this;
  }
  ~answer_duty() {
    if (run_ != nullptr) [[unlikely]]
      report();
  }

  // The answer was looked at.
  void fulfil() const noexcept { run_ = nullptr; }

 private:
  void report() noexcept;

  mutable execution* run_ = nullptr;
  const std::string* name_ = nullptr;
};

// A result<T> with the duty to look at it. The functions are those of result<T>.
template <typename T>
class [[nodiscard]] answer {
 public:
  using value_type = T;

  // NOLINTBEGIN(google-explicit-constructor,performance-*): a result or an error reads as the answer it is.
  // An answer without a duty.
  answer(result<T> what) : result_(std::move(what)) {}
  answer(millrace::error failure) : result_(std::move(failure)) {}

  answer(result<T> what, answer_duty duty) : result_(std::move(what)), duty_(std::move(duty)) {}
  // NOLINTEND(google-explicit-constructor,performance-*)
  [[nodiscard]] bool ok() const noexcept { return looked_at().ok(); }
  [[nodiscard]] explicit operator bool() const noexcept { return ok(); }
  // The answer does not matter.
  void ignore() const noexcept { duty_.fulfil(); }

  [[nodiscard]] decltype(auto) value() & { return looked_at().value(); }
  [[nodiscard]] decltype(auto) value() const& { return looked_at().value(); }
  // Of a temporary, the value itself: `for (const auto& row : *co_await select_(ctx))` keeps it.
  [[nodiscard]] auto value() && { return std::move(looked_at()).value(); }
  [[nodiscard]] decltype(auto) operator*() & { return looked_at().value(); }
  [[nodiscard]] decltype(auto) operator*() const& { return looked_at().value(); }
  [[nodiscard]] auto operator*() && { return std::move(looked_at()).value(); }
  [[nodiscard]] auto* operator->() { return &looked_at().value(); }
  [[nodiscard]] const auto* operator->() const { return &looked_at().value(); }
  template <typename U>
    requires(!std::is_void_v<T>)
  [[nodiscard]] T value_or(U&& fallback) const& {
    return looked_at().value_or(std::forward<U>(fallback));
  }

  [[nodiscard]] const millrace::error& error() const& { return looked_at().error(); }
  [[nodiscard]] millrace::error&& error() && { return std::move(looked_at()).error(); }

  // NOLINTBEGIN(google-explicit-constructor): an answer reads as the result it is.
  operator result<T>() const& { return looked_at(); }
  operator result<T>() && { return std::move(looked_at()); }
  // NOLINTEND(google-explicit-constructor)

 private:
  [[nodiscard]] result<T>& looked_at() noexcept {
    duty_.fulfil();
    return result_;
  }
  [[nodiscard]] const result<T>& looked_at() const noexcept {
    duty_.fulfil();
    return result_;
  }

  result<T> result_;
  answer_duty duty_;
};

// Returns the error of an attempt that did not look at an answer of the statement or service of this name.
[[nodiscard]] error ignored_answer(std::string_view name);

}  // namespace millrace::stream

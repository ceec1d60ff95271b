// result<T>: a value or an error. Functions and coroutines return it for every expected failure. Exceptions
// are for start-up only.
//
// Example prelude:
//
//   #include <charconv>
//   #include <string_view>
//
//   millrace::result<int> parse(std::string_view text) {
//     int value = 0;
//     const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
//     if (failed != std::errc() || end != text.data() + text.size()) {
//       return millrace::error(millrace::errc::malformed, "not a number");
//     }
//     return value;
//   }
//
// Example:
//
//   millrace::result<int> parsed = parse("42");
//   if (!parsed) return parsed.error();
//   const int number = *parsed;
//   millrace::invariant(number == 42, "the text was parsed");
//
// Failure: reading the value of a failed result, or the error of a successful one, breaks an invariant and
// aborts the process.
// Threads: a result is a plain value.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <millrace/base/assert.h>
#include <millrace/base/errors.h>

namespace millrace {

// Holds a T or an error. `ok()` and the conversion to bool are true when it holds a value. `value()`, `*` and
// `->` return the value, `error()` the error, and `value_or()` the value or a fallback.
template <typename T>
class [[nodiscard]] result {
  static_assert(!std::is_reference_v<T> && !std::is_same_v<std::remove_cv_t<T>, millrace::error>);

 public:
  using value_type = T;

  // NOLINTBEGIN(google-explicit-constructor): a value or an error reads as the result it is.
  template <typename U = T>
    requires(std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, result> &&
             !std::is_same_v<std::remove_cvref_t<U>, millrace::error>)
  result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  result(millrace::error failure) : state_(std::in_place_index<1>, std::move(failure)) {}
  // NOLINTEND(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return ok(); }

  [[nodiscard]] T& value() & {
    invariant(ok(), "result::value() of a failed result");
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    invariant(ok(), "result::value() of a failed result");
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    invariant(ok(), "result::value() of a failed result");
    return std::move(*std::get_if<0>(&state_));
  }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  [[nodiscard]] const millrace::error& error() const& {
    invariant(!ok(), "result::error() of a good result");
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] millrace::error&& error() && {
    invariant(!ok(), "result::error() of a good result");
    return std::move(*std::get_if<1>(&state_));
  }

  template <typename U>
  [[nodiscard]] T value_or(U&& fallback) const& {
    return ok() ? value() : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  std::variant<T, millrace::error> state_;
};

// Success without a value, or an error. Success is returned as `{}`.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;

  result() = default;
  result(millrace::error failure) : failure_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const noexcept { return !failure_.has_value(); }
  [[nodiscard]] explicit operator bool() const noexcept { return ok(); }
  void value() const { invariant(ok(), "result::value() of a failed result"); }

  [[nodiscard]] const millrace::error& error() const& {
    if (!failure_) invariant_broken("result::error() of a good result");
    return *failure_;
  }
  [[nodiscard]] millrace::error&& error() && {
    if (!failure_) invariant_broken("result::error() of a good result");
    return std::move(*failure_);
  }

 private:
  std::optional<millrace::error> failure_;
};

}  // namespace millrace

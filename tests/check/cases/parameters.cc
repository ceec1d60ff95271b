// What a coroutine refers to. A comment `finding: RULE` marks a line that has one; every other line has none.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/app/millrace.h>

namespace parameters {

using namespace millrace;

task<result<int>> length_of(std::string_view text) { co_return static_cast<int>(text.size()); }
task<result<int>> length_of_copy(std::string text) { co_return static_cast<int>(text.size()); }

// References.
task<result<int>> length_of_kept(
    std::string& text) {  // finding: cppcoreguidelines-avoid-reference-coroutine-parameters
  co_return static_cast<int>(text.size());
}
task<result<int>> length_of_kept(std::string* text) { co_return static_cast<int>(text->size()); }
// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): the caller waits
task<result<int>> length_of_accepted(std::string& text) { co_return static_cast<int>(text.size()); }

// Functions that are no coroutines.
task<result<int>> forwards_local(std::string text) {
  const std::string local = text + "!";
  return length_of(local);  // finding: millrace-forwarded-local
}
task<result<int>> forwards_parameter(std::string text) {
  return length_of(text);  // finding: millrace-forwarded-local
}
task<result<int>> forwards_reference(std::string text) {
  return length_of_kept(text);  // finding: millrace-forwarded-local
}
task<result<int>> forwards_accepted(std::string text) {
  return length_of(text);  // NOLINT(millrace-forwarded-local): the text is a literal
}
task<result<int>> forwards_temporary(int number) {
  return length_of(std::to_string(number));  // finding: millrace-dangling-task
}
task<result<int>> forwards_value(std::string text) { return length_of_copy(std::move(text)); }
task<result<int>> forwards_view(std::string_view text) { return length_of(text); }
task<result<int>> forwards_argument(const std::string& text) { return length_of(text); }

// Temporaries.
task<result<int>> keeps_task(int number) {
  auto kept = length_of(std::to_string(number));  // finding: millrace-dangling-task
  co_return co_await std::move(kept);
}
task<result<int>> keeps_tasks(std::vector<int> numbers) {
  std::vector<task<result<int>>> kept;
  for (const int each : numbers) {
    kept.push_back(length_of(std::to_string(each)));  // finding: millrace-dangling-task
    kept.push_back(length_of_copy(std::to_string(each)));
    kept.push_back(length_of("literal"));
  }
  co_await must(all(std::move(kept), 8));
  co_return 0;
}
task<result<int>> keeps_text(int number) {
  const std::string text = std::to_string(number);
  auto kept = length_of(text);
  co_return co_await std::move(kept);
}

// Lambdas.
task<result<int>> has_lambdas(int number) {
  const auto captures =
      [number]() -> task<result<int>> {  // finding: cppcoreguidelines-avoid-capturing-lambda-coroutines
    co_return number;
  };
  const int first = co_await must(captures());
  const auto takes = [](int given) -> task<result<int>> { co_return given; };
  const int second = co_await must(takes(number));
  const auto forwards = [number](int given) { return length_of_copy(std::to_string(given + number)); };
  const std::string prefix = std::to_string(number);
  const auto refers = [&prefix](int) { return length_of(prefix); };
  const int third = co_await must(refers(1));
  co_return first + second + third + co_await must(forwards(1));
}

}  // namespace parameters

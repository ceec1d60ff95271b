#include "check/rules.h"

#include <algorithm>

namespace millrace::check {
namespace {

constexpr rule all_rules[] = {
    {"bugprone-dangling-handle", "", "keep the string or the vector in a variable that lives as long"},
    {"bugprone-use-after-move", "", "use the value before it is moved, or copy it"},
    {"clang-diagnostic-dangling", "", "keep the temporary in a variable first"},
    {"clang-diagnostic-return-stack-address", "", "return a value, or make the function a coroutine"},
    {"clang-diagnostic-unused-result", "",
     "co_await must(...), test the answer, or call ignore() on it; a task has to be awaited"},
    {"cppcoreguidelines-avoid-capturing-lambda-coroutines", "",
     "capture nothing, and pass what the coroutine needs as parameters by value"},
    {"cppcoreguidelines-avoid-reference-coroutine-parameters", "",
     "take the parameter by value; a reference to what outlives the coroutine may be a pointer"},
    {"misc-coroutine-hostile-raii", "",
     "end the lock's block before co_await; a processor belongs to one thread and needs no lock"},
    {"millrace-temporary-in-co-await",
     "a co_await expression contains a temporary with a destructor, which GCC 12 "
     "may destroy twice or too early",
     "put the temporary into a variable first"},
    {"millrace-conditional-in-co-await",
     "a co_await expression contains ?:, whose operands GCC 12 may destroy twice",
     "put the chosen value into a variable first"},
    {"millrace-dangling-task",
     "a task is kept whose coroutine refers to a temporary argument, which ends before the task runs",
     "await the task in the same expression, or keep the argument in a variable that outlives the task"},
    {"millrace-forwarded-local",
     "a function returns the task of a coroutine that refers to a local variable of the function",
     "make the function a coroutine (co_return co_await ...), or let the coroutine take the argument by "
     "value"},
    {"millrace-blocking-call",
     "a coroutine calls a function that blocks the thread: every record of the worker waits",
     "wait with ctx.sleep_for(), or do it outside of the worker's thread"},
    {"millrace-member-loop",
     "a loop over a member of the object waits in its body; another record may change the member meanwhile",
     "loop over a copy, or make the member const"},
    {"millrace-place-across-co-await",
     "an iterator or a reference into a member of the object is used after a co_await; another record may "
     "have "
     "changed the member meanwhile",
     "copy the element before the wait, or look it up again after it"},
    {"millrace-caught-must", "catch (...) around must() takes the end of the attempt for an exception",
     "end the block with `throw;`, or catch std::exception"},
    {"millrace-view-in-processor",
     "a member of a processor views memory of a record or a row, or is a context; they end with process()",
     "keep a std::string or a std::vector; make a member const that views a literal"},
};

}  // namespace

std::span<const rule> rules() { return all_rules; }

const rule* find_rule(std::string_view name) {
  // clang-diagnostic-dangling stands for dangling-gsl, dangling-field and the like.
  constexpr std::string_view dangling = "clang-diagnostic-dangling";
  if (name.starts_with(dangling)) name = dangling;
  const auto* const found = std::ranges::find(all_rules, name, &rule::name);
  return found == std::end(all_rules) ? nullptr : found;
}

std::vector<std::string> query_commands() {
  std::vector<std::string> commands;
  std::string_view rest = query_text();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && !line.starts_with('#')) commands.emplace_back(line);
  }
  return commands;
}

}  // namespace millrace::check

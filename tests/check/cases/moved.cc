// The rules of clang-tidy that are not about coroutines alone. A comment `finding: RULE` marks a line that has one; every
// other line has none.
#include <string>
#include <string_view>
#include <utility>

std::string_view of_local();
std::string_view of_local() {
  const std::string local = "local";
  return local;  // finding: bugprone-dangling-handle clang-diagnostic-return-stack-address
}

std::string_view of_argument(std::string_view text);
std::string_view of_argument(std::string_view text) { return text; }

std::size_t of_temporary(const std::string& text);
std::size_t of_temporary(const std::string& text) {
  // finding below: bugprone-dangling-handle clang-diagnostic-dangling-gsl
  const std::string_view view = text + "!";
  return view.size();
}

std::size_t moves(std::string text);
std::size_t moves(std::string text) {
  const std::string moved = std::move(text);
  return moved.size() + text.size();  // finding: bugprone-use-after-move
}

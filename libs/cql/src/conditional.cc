#include "conditional.h"

#include <cctype>
#include <string>

namespace millrace::cql {
namespace {

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Words in lower case and signs, one after the other; quoted texts, quoted names and comments are one "'"
// each.
class words {
 public:
  explicit words(std::string_view cql) : rest_(cql) {}

  // False at the end.
  bool next(std::string& word) {
    skip_blanks();
    if (rest_.empty()) return false;
    const char first = rest_.front();
    if (first == '\'' || first == '"') {
      // A doubled quote inside ends one text and begins the next, which comes to the same here.
      const std::size_t end = rest_.find(first, 1);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      word = "'";
      return true;
    }
    std::size_t size = 1;
    while (in_word(first) && size < rest_.size() && in_word(rest_[size])) ++size;
    word.clear();
    for (const char c : rest_.substr(0, size)) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    rest_.remove_prefix(size);
    return true;
  }

 private:
  void skip_blanks() {
    while (!rest_.empty()) {
      if (std::isspace(static_cast<unsigned char>(rest_.front())) != 0)
        rest_.remove_prefix(1);
      else if (rest_.starts_with("--") || rest_.starts_with("//"))
        skip_to("\n");
      else if (rest_.starts_with("/*"))
        skip_to("*/");
      else
        return;
    }
  }
  void skip_to(std::string_view end) {
    const std::size_t at = rest_.find(end, 2);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + end.size());
  }

  std::string_view rest_;
};

}  // namespace

bool is_conditional(std::string_view cql) {
  words all(cql);
  std::string word;
  if (!all.next(word) || (word != "insert" && word != "update" && word != "delete")) return false;
  while (all.next(word)) {
    if (word == "if") return true;
  }
  return false;
}

bool selects_everything(std::string_view cql) {
  words all(cql);
  std::string word;
  if (!all.next(word) || word != "select") return false;
  int depth = 0;
  while (all.next(word) && word != "from") {
    if (word == "(") ++depth;
    if (word == ")") --depth;
    if (word == "*" && depth == 0) return true;
  }
  return false;
}

}  // namespace millrace::cql

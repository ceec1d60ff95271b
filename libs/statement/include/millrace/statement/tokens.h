// The tokens of a CQL statement. This is the product's only tokenizer; statement_text reads its tokens.
//
// Lenient: every text has tokens. An unterminated string, quoted name or comment extends to the end of the
// text, and a character that CQL does not know is a symbol; the server refuses such a statement. Comments and
// white space are dropped. Time and memory are linear in the text.
//
// Example:
//
//   const auto tokens = statements::tokens_of("SELECT a FROM t WHERE b = 'x'");
//   invariant(tokens.front().word("select"), "words are in lower case");
//   invariant(statements::joined(tokens) == "select a from t where b = 'x'", "spaces separate tokens");
//
// Threads: the functions are pure and callable from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::statements {

// A token: its sort and its text.
struct token {
  enum class sort : std::uint8_t {
    word,         // an identifier or a keyword, in lower case
    quoted_word,  // "An identifier", without its quotes
    text,         // 'a string' or $$a string$$, without its quotes
    number,       // 1, 1.5e-3, and a duration such as 1h30m
    uuid,
    blob,    // 0xff
    marker,  // ? or :name, always as "?"
    symbol,  // one character: >= is two symbols
  };

  sort is = sort::symbol;
  std::string text;

  // Return whether the token is the keyword, given in lower case; the symbol; a name or a keyword.
  [[nodiscard]] bool word(std::string_view keyword) const noexcept {
    return is == sort::word && text == keyword;
  }
  [[nodiscard]] bool symbol(char c) const noexcept { return is == sort::symbol && text[0] == c; }
  [[nodiscard]] bool name() const noexcept { return is == sort::word || is == sort::quoted_word; }

  friend bool operator==(const token&, const token&) = default;
};

// Returns the tokens of a statement, in order. Cannot fail.
[[nodiscard]] std::vector<token> tokens_of(std::string_view cql);
// The same; `offsets` receives the byte of the text at which each token begins.
[[nodiscard]] std::vector<token> tokens_of(std::string_view cql, std::vector<std::size_t>& offsets);

// Returns a statement with the same tokens: separated by spaces, words in lower case, markers as '?', strings
// in single quotes.
[[nodiscard]] std::string joined(const std::vector<token>& tokens);

}  // namespace millrace::statements

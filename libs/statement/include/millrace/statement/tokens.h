// The tokens of a CQL statement: the product's only tokenizer. statement_text reads them; nothing else cuts
// up a statement.
//
// Lenient: every text has tokens. An unterminated string, quoted name or comment extends to the end of the
// text, and a character that CQL does not know is a symbol; the server refuses such a statement. Comments and
// white space are dropped. Time and memory are linear in the text. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::statements {

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

  // Whether the token is the keyword, given in lower case.
  [[nodiscard]] bool word(std::string_view keyword) const noexcept {
    return is == sort::word && text == keyword;
  }
  [[nodiscard]] bool symbol(char c) const noexcept { return is == sort::symbol && text[0] == c; }
  [[nodiscard]] bool name() const noexcept { return is == sort::word || is == sort::quoted_word; }

  friend bool operator==(const token&, const token&) = default;
};

// The tokens of the statement, in order. Cannot fail.
[[nodiscard]] std::vector<token> tokens_of(std::string_view cql);

// A statement with the same tokens: separated by spaces, words in lower case, markers as '?', strings in
// single quotes.
[[nodiscard]] std::string joined(const std::vector<token>& tokens);

}  // namespace millrace::statements

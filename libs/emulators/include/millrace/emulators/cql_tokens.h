// The tokens that the CQL emulator reads in a statement. The emulator's lexer is written apart from the
// product's tokenizer (libs/statement), so that tests can compare the two.
//
// Example:
//
//   const auto tokens = emulators::cql_tokens("SELECT a FROM t WHERE b >= 1");
//   if (!tokens) return tokens.error();
//   invariant(tokens->size() == 8, "the symbol >= is one token");
//
// Threads: the function is pure and callable from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::emulators {

// A token: its sort and its text.
struct cql_token {
  enum class sort : std::uint8_t {
    word,  // in lower case
    quoted_word,
    text,    // a string, without its quotes
    number,  // also a duration
    uuid,
    blob,
    symbol,  // one or two characters: >= is one symbol; a marker :name is a symbol and a word
  };

  sort is = sort::symbol;
  std::string text;
};

// Returns the tokens of a statement, in order. Returns errc::malformed where a server refuses the text: an
// unterminated string or comment, an unknown character.
[[nodiscard]] result<std::vector<cql_token>> cql_tokens(std::string_view statement);

}  // namespace millrace::emulators

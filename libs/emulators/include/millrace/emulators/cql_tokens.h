// The tokens that the CQL emulator reads in a statement. The emulator's lexer is written apart from the
// product's tokenizer (libs/statement), so that tests can compare the two. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <millrace/base/result.h>

namespace millrace::emulators {

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

// errc::malformed where a server refuses the text: an unterminated string or comment, an unknown character.
[[nodiscard]] result<std::vector<cql_token>> cql_tokens(std::string_view statement);

}  // namespace millrace::emulators

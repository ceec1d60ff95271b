// Cuts the text of a CQL statement into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cql_failure.h"

namespace millrace::emulators::cql {

struct token {
  enum class sort : std::uint8_t {
    end,
    word,  // a name or keyword, lower-cased unless it was quoted
    text,  // 'a string', unquoted, '' unescaped
    integer,
    real,
    uuid,
    blob,    // 0x…
    symbol,  // ( ) [ ] { } , ; : . = < > <= >= != + - * ?
  };

  sort is = sort::end;
  bool quoted = false;  // a word in double quotes is never a keyword
  std::string text;
  std::uint32_t at = 0;  // byte offset
};

inline constexpr std::size_t statement_tokens_max = 65'536;

[[nodiscard]] answer<std::vector<token>> tokenize(std::string_view statement);

// A syntax error at a byte offset, in the shape of Cassandra's: "line 1:7 …".
[[nodiscard]] failure syntax_error(std::string_view statement, std::size_t at, std::string_view what);

}  // namespace millrace::emulators::cql

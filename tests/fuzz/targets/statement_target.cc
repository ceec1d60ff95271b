// CQL statements: the tokenizer and what statement_text reads from its tokens.
#include <algorithm>

#include <millrace/base/assert.h>
#include <millrace/statement/statement_text.h>
#include <millrace/statement/tokens.h>

#include "targets.h"

namespace millrace::statements::fuzz {

void statement(bytes_view input) {
  const std::string_view cql = as_text(input);
  const std::vector<token> tokens = tokens_of(cql);
  invariant(tokens.size() <= cql.size(), "every token takes at least one character");
  invariant(
      std::none_of(tokens.begin(), tokens.end(),
                   [](const token& one) { return one.is == token::sort::symbol && one.text.size() != 1; }),
      "a symbol is one character");
  const std::string text = joined(tokens);
  invariant(tokens_of(text) == tokens, "the joined tokens have the same tokens");

  const statement_text read = statement_text::of(cql);
  const auto markers = static_cast<std::size_t>(std::count_if(
      tokens.begin(), tokens.end(), [](const token& one) { return one.is == token::sort::marker; }));
  invariant(read.parameters.size() == markers, "every marker is a parameter");
  for (const statement_text::in_place& change : read.changes_in_place) {
    invariant(change.by != statement_text::in_place::operand::parameter || change.parameter < markers,
              "a change in place names a parameter that exists");
  }
  const statement_text again = statement_text::of(text);
  invariant(again.does == read.does && again.table == read.table && again.name == read.name &&
                again.parameters == read.parameters && again.conditional == read.conditional &&
                again.selects_all_columns == read.selects_all_columns,
            "comments, white space and the case of keywords say nothing");
}

}  // namespace millrace::statements::fuzz

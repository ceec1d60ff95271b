#include <gtest/gtest.h>

#include <millrace/emulators/cql_tokens.h>
#include <millrace/statement/tokens.h>

namespace millrace::statements {
namespace {

using sort = token::sort;

std::vector<token> expected(std::initializer_list<std::pair<sort, const char*>> all) {
  std::vector<token> tokens;
  for (const auto& [is, text] : all) tokens.push_back({is, text});
  return tokens;
}

TEST(Tokens, WordsAreInLowerCaseUnlessTheyAreQuoted) {
  EXPECT_EQ(tokens_of("Select \"Day\" "), expected({{sort::word, "select"}, {sort::quoted_word, "Day"}}));
}

TEST(Tokens, ADoubledQuoteStandsForOne) {
  EXPECT_EQ(tokens_of("'it''s' \"a\"\"b\""), expected({{sort::text, "it's"}, {sort::quoted_word, "a\"b"}}));
}

TEST(Tokens, AStringBetweenDollarsKeepsItsQuotes) {
  EXPECT_EQ(tokens_of("$$it's$$ if"), expected({{sort::text, "it's"}, {sort::word, "if"}}));
}

TEST(Tokens, CommentsAreDropped) {
  EXPECT_EQ(tokens_of("a -- ? \n b // ?\n c /* ? \n */ d /* open"),
            expected({{sort::word, "a"}, {sort::word, "b"}, {sort::word, "c"}, {sort::word, "d"}}));
}

TEST(Tokens, NumbersBlobsAndUuidsAreOneTokenEach) {
  EXPECT_EQ(tokens_of("1.5e-3 1h30m 0xFF 1 . 2 123e4567-e89b-12d3-a456-426614174000"),
            expected({{sort::number, "1.5e-3"},
                      {sort::number, "1h30m"},
                      {sort::blob, "0xFF"},
                      {sort::number, "1"},
                      {sort::symbol, "."},
                      {sort::number, "2"},
                      {sort::uuid, "123e4567-e89b-12d3-a456-426614174000"}}));
}

TEST(Tokens, TheColonBehindAKeyBeginsNoMarker) {
  const auto markers = [](std::string_view cql) {
    std::size_t count = 0;
    for (const token& one : tokens_of(cql)) count += one.is == sort::marker ? 1U : 0U;
    return count;
  };
  EXPECT_EQ(markers("a = ? AND b = :b LIMIT :n"), 3U);
  EXPECT_EQ(markers("m = {'a':1, 'b':true, 2:c, d:e}"), 0U);
  EXPECT_EQ(markers("m = {:key::value}"), 2U);
  EXPECT_EQ(markers("m = {'a':?, :k: 1}"), 2U);
}

TEST(Tokens, WhatIsNotTerminatedExtendsToTheEnd) {
  EXPECT_EQ(tokens_of("'abc"), expected({{sort::text, "abc"}}));
  EXPECT_EQ(tokens_of("$$"), expected({{sort::text, ""}}));
  EXPECT_EQ(tokens_of("\""), expected({{sort::quoted_word, ""}}));
}

constexpr const char* statements[] = {
    "SELECT segment, score FROM visitor_profile WHERE visitor_id = ?",
    "SELECT * FROM Ks.\"Table\" WHERE a >= ? AND b < 3 AND c != 'x' ORDER BY d DESC LIMIT 10 ALLOW FILTERING",
    "SELECT count(*), writetime(a), token(k) FROM t WHERE token(k) > -9223372036854775808",
    "INSERT INTO t (a, b, c) VALUES (?, 'it''s', $$it's$$) IF NOT EXISTS USING TTL 5 AND TIMESTAMP ?",
    "insert into t (id, b, f, d) values (123e4567-e89b-12d3-a456-426614174000, 0xCAFE, -1.5E-3, 1h30m)",
    "UPDATE t SET a = a + {'x'}, m['k'] = ?, l = ? + l, c += 1 WHERE k IN (1, 2, 3) IF v >= 2.25",
    "DELETE m['k'], l[0] FROM t USING TIMESTAMP 12 WHERE k = 'a -- b' -- a comment\n AND c = /* ? */ 3;",
    "BEGIN UNLOGGED BATCH INSERT INTO a (b) VALUES (1); DELETE FROM c WHERE d = 2; APPLY BATCH",
    "CREATE TABLE IF NOT EXISTS ks.t (a text, b frozen<map<text, int>>, PRIMARY KEY ((a), b)) WITH x = {'y': "
    "1}",
    "SELECT a FROM t // to the end\n WHERE \"Mixed\"\"Case\" = true AND f = NaN AND g = ?",
    "",
    "   \n\t",
    ";",
};

sort sort_of(emulators::cql_token::sort is) {
  switch (is) {
    case emulators::cql_token::sort::word:
      return sort::word;
    case emulators::cql_token::sort::quoted_word:
      return sort::quoted_word;
    case emulators::cql_token::sort::text:
      return sort::text;
    case emulators::cql_token::sort::number:
      return sort::number;
    case emulators::cql_token::sort::uuid:
      return sort::uuid;
    case emulators::cql_token::sort::blob:
      return sort::blob;
    case emulators::cql_token::sort::symbol:
      break;
  }
  return sort::symbol;
}

// The emulator's tokens in the product's terms: a symbol of two characters is two, '?' is a marker.
std::vector<token> by_the_emulator(std::string_view cql) {
  const auto cut = emulators::cql_tokens(cql);
  EXPECT_TRUE(cut.ok()) << cql;
  std::vector<token> all;
  if (!cut) return all;
  for (const emulators::cql_token& one : *cut) {
    if (one.is != emulators::cql_token::sort::symbol) {
      all.push_back({sort_of(one.is), one.text});
      continue;
    }
    for (const char c : one.text) all.push_back({c == '?' ? sort::marker : sort::symbol, std::string(1, c)});
  }
  return all;
}

TEST(Tokens, AreThoseOfTheEmulatorsLexer) {
  for (const char* cql : statements) EXPECT_EQ(tokens_of(cql), by_the_emulator(cql)) << cql;
}

TEST(Tokens, APrefixThatTheEmulatorAcceptsHasTheSameTokens) {
  std::size_t compared = 0;
  for (const std::string_view cql : statements) {
    for (std::size_t size = 0; size <= cql.size(); ++size) {
      const std::string_view prefix = cql.substr(0, size);
      if (!emulators::cql_tokens(prefix)) continue;
      EXPECT_EQ(tokens_of(prefix), by_the_emulator(prefix)) << prefix;
      ++compared;
    }
  }
  EXPECT_GT(compared, 800U);
}

TEST(Tokens, JoinedTokensHaveTheSameTokens) {
  for (const char* cql : statements) EXPECT_EQ(tokens_of(joined(tokens_of(cql))), tokens_of(cql)) << cql;
}

}  // namespace
}  // namespace millrace::statements

#include <gtest/gtest.h>

#include <millrace/statement/statement_text.h>

namespace millrace::statements {
namespace {

using verb = statement_text::verb;
using names = std::vector<std::string>;

TEST(StatementText, NamesTheColumnOfEachParameter) {
  EXPECT_EQ(statement_text::of("SELECT a FROM ks.t WHERE id = ? AND \"Day\"=?").parameters,
            (names{"id", "Day"}));
  EXPECT_EQ(statement_text::of("INSERT INTO t (Id, day, n) VALUES (?, 'x,y(?', ?)").parameters,
            (names{"id", "n"}));
  EXPECT_EQ(statement_text::of("INSERT INTO t (id, m, n) VALUES (?, {'a': ?}, f(?, 1))").parameters,
            (names{"id", "", ""}));
  EXPECT_EQ(statement_text::of("UPDATE t SET a = ?, b = b + ? WHERE id = :id").parameters,
            (names{"a", "b", "id"}));
  EXPECT_EQ(statement_text::of("DELETE FROM t WHERE id = ? -- AND x = ?\n AND /* y = ? */ z = ?").parameters,
            (names{"id", "z"}));
  EXPECT_EQ(statement_text::of("SELECT a FROM t WHERE id = ? LIMIT ?").parameters.size(), 2U);
}

TEST(StatementText, RecognisesKindAndTable) {
  const auto is = [](std::string_view cql, verb does, std::string_view table) {
    const statement_text text = statement_text::of(cql);
    EXPECT_EQ(text.does, does) << cql;
    EXPECT_EQ(text.table, table) << cql;
  };
  is("select a from Ks.T where b = 1", verb::select, "ks.t");
  is("INSERT INTO \"T\" (a) VALUES (1)", verb::insert, "T");
  is("UPDATE t USING TTL 5 SET a = 1 WHERE b = 2", verb::update, "t");
  is("DELETE a FROM t WHERE b = 2", verb::remove, "t");
  is("BEGIN BATCH", verb::other, "");
  is("", verb::other, "");
  is("'", verb::other, "");
  EXPECT_TRUE(same_table("t", "ks.t"));
  EXPECT_FALSE(same_table("a.t", "b.t"));
  EXPECT_FALSE(same_table("", ""));
}

TEST(StatementText, RecognisesWritesThatAReplayWouldChange) {
  EXPECT_TRUE(statement_text::of("INSERT INTO t (a) VALUES (?) USING TTL ? AND TIMESTAMP ?").sets_timestamp);
  EXPECT_TRUE(statement_text::of("INSERT INTO t (a) VALUES (?) USING TTL ? AND TIMESTAMP ?").sets_ttl);
  EXPECT_FALSE(statement_text::of("UPDATE t SET timestamp = ?, ttl = ? WHERE a = ?").sets_timestamp);
  EXPECT_TRUE(statement_text::of("INSERT INTO t (a) VALUES (?) IF NOT EXISTS").conditional);
  EXPECT_FALSE(statement_text::of("INSERT INTO t (a) VALUES ('if')").conditional);
  EXPECT_EQ(statement_text::of("INSERT INTO t (a) VALUES (toTimestamp(NOW()))").volatile_function, "now");
  EXPECT_EQ(statement_text::of("INSERT INTO t (now, uuid) VALUES (?, ?)").volatile_function, "");
}

TEST(StatementText, RecognisesChangesInPlace) {
  using operand = statement_text::in_place::operand;
  const auto changes = [](std::string_view cql) { return statement_text::of(cql).changes_in_place; };
  EXPECT_TRUE(changes("UPDATE t SET a = ?, b = [1, 2] WHERE c = ?").empty());
  const auto counted = changes("UPDATE t SET a = ?, c = c + 1 WHERE k = ?");
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].column, "c");
  EXPECT_EQ(counted[0].by, operand::other);
  EXPECT_EQ(changes("UPDATE t SET s = s + {'x'} WHERE k = ?").at(0).by, operand::set_or_map);
  EXPECT_EQ(changes("UPDATE t SET l = l + ['x'] WHERE k = ?").at(0).by, operand::other);
  EXPECT_EQ(changes("UPDATE t SET c += 1 WHERE k = ?").at(0).by, operand::other);
  const auto bound = changes("UPDATE t SET a = ?, l = ? + l WHERE k = ?");
  EXPECT_EQ(bound.at(0).by, operand::parameter);
  EXPECT_EQ(bound.at(0).parameter, 1U);
  const auto element = changes("UPDATE t SET m[?] = ? WHERE k = ?");
  EXPECT_TRUE(element.at(0).element);
  EXPECT_EQ(element.at(0).by, operand::parameter);
  EXPECT_EQ(changes("UPDATE t SET m['x'] = ? WHERE k = ?").at(0).by, operand::set_or_map);
  EXPECT_EQ(changes("UPDATE t SET m[0] = ? WHERE k = ?").at(0).by, operand::other);
  EXPECT_EQ(changes("DELETE l[?] FROM t WHERE k = ?").size(), 1U);
}

TEST(StatementText, NamesAStatementByItsCommandAndTable) {
  const auto name = [](std::string_view cql) { return statement_text::of(cql).name; };
  EXPECT_EQ(name("INSERT INTO ks.visit (a) VALUES (?)"), "insert visit");
  EXPECT_EQ(name("SELECT a, b FROM t WHERE a = ?"), "select t");
  EXPECT_EQ(name("update ks.t set a = ?"), "update t");
  EXPECT_EQ(name("DELETE FROM \"T\" WHERE a = ?"), "delete T");
  EXPECT_EQ(name("/* from x */ DELETE a FROM t"), "delete t");
  EXPECT_EQ(name("TRUNCATE t"), "truncate");
  EXPECT_EQ(name("?"), "");
}

TEST(StatementText, SeesSelectOfAllColumns) {
  const auto all = [](std::string_view cql) { return statement_text::of(cql).selects_all_columns; };
  EXPECT_TRUE(all("SELECT * FROM t"));
  EXPECT_TRUE(all("SELECT a, /* b */ * FROM t"));
  EXPECT_FALSE(all("SELECT count(*) FROM t"));
  EXPECT_FALSE(all("SELECT a FROM t WHERE b = '*'"));
  EXPECT_FALSE(all("DELETE FROM t WHERE a = 2 * 3"));
}

TEST(StatementText, ATextBetweenDollarsIsNoClause) {
  EXPECT_FALSE(statement_text::of("INSERT INTO t (a) VALUES ($$it's if$$)").conditional);
  EXPECT_EQ(statement_text::of("UPDATE t SET m = {'a':true, 'b':1}, c = ? WHERE k = ?").parameters,
            (names{"c", "k"}));
}

}  // namespace
}  // namespace millrace::statements

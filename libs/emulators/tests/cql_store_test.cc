// Which write wins, how often a key was written, and reading tables beside the server.
#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

class cql_writes : public emulator_test {
 protected:
  void write(std::string_view name, std::int64_t at) {
    EXPECT_TRUE(client.execute(insert_, {"a", std::string(name)}, {.timestamp = at}).ok());
  }
  void remove(std::int64_t at) { ask("DELETE FROM ks.person WHERE id = 'a'", {}, {.timestamp = at}); }
  std::string name() { return one("SELECT name FROM ks.person WHERE id = 'a'"); }

 private:
  void SetUp() override {
    emulator_test::SetUp();
    insert_ = prepare("INSERT INTO ks.person (id, name) VALUES (?, ?)");
  }

  prepared insert_;
};

TEST_F(cql_writes, the_newest_timestamp_wins_in_any_order) {
  write("new", 20);
  write("late replay", 10);
  EXPECT_EQ(name(), "new");
  EXPECT_EQ(table("person").counts().superseded_writes, 1);
}

TEST_F(cql_writes, on_a_tie_the_larger_value_wins) {
  write("b", 10);
  write("a", 10);
  EXPECT_EQ(name(), "b");
  write("c", 10);
  EXPECT_EQ(name(), "c");
}

TEST_F(cql_writes, a_repeated_write_is_counted_and_changes_nothing) {
  write("same", 10);
  write("same", 10);
  EXPECT_EQ(table("person").counts().superseded_writes, 0);
  EXPECT_EQ(table("person").counts().keys_rewritten, 1);
}

TEST_F(cql_writes, a_deletion_covers_older_and_equal_timestamps) {
  write("old", 10);
  remove(20);
  EXPECT_EQ(name(), "(none)");
  write("zombie", 15);
  EXPECT_EQ(name(), "(none)");
  write("tie", 20);
  EXPECT_EQ(name(), "(none)");
  write("new", 21);
  EXPECT_EQ(name(), "new");
}

TEST_F(cql_writes, a_row_deletion_leaves_its_neighbours) {
  run("INSERT INTO ks.visit (visitor, at, page) VALUES ('v', 1, 'x')");
  run("INSERT INTO ks.visit (visitor, at, page) VALUES ('v', 2, 'y')");
  run("DELETE FROM ks.visit WHERE visitor = 'v' AND at = 1");
  EXPECT_EQ(one("SELECT page FROM ks.visit WHERE visitor = 'v'"), "y");
  run("DELETE page FROM ks.visit WHERE visitor = 'v' AND at = 2");
  EXPECT_EQ(one("SELECT page FROM ks.visit WHERE visitor = 'v'"), "(null)");
  run("DELETE FROM ks.visit WHERE visitor = 'v'");
  EXPECT_EQ(one("SELECT page FROM ks.visit WHERE visitor = 'v'"), "(none)");
}

TEST_F(cql_writes, the_timestamp_of_the_statement_overrides_that_of_the_request) {
  ask("INSERT INTO ks.person (id, name) VALUES ('a', 'x') USING TIMESTAMP 5 AND TTL 1000", {},
      {.timestamp = 99});
  EXPECT_EQ(one("SELECT writetime(name) FROM ks.person WHERE id = 'a'"), bigint_cell(5));
  EXPECT_NE(one("SELECT ttl(name) FROM ks.person WHERE id = 'a'"), "(null)");
  ask("INSERT INTO ks.person (id, name) VALUES (?, ?) USING TIMESTAMP ?", {"a", "y", bigint_cell(6)});
  EXPECT_EQ(name(), "y");
  EXPECT_EQ(one("SELECT ttl(name) FROM ks.person WHERE id = 'a'"), "(null)");
}

TEST_F(cql_writes, writes_of_a_key_are_counted) {
  const prepared insert = prepare("INSERT INTO ks.visit (visitor, at, page) VALUES (?, ?, ?)");
  for (const std::int64_t at : {1, 2, 2, 2}) client.execute(insert, {"v", bigint_cell(at), "p"});
  const emulated_table visits = table("visit");
  const emulated_table_counts counts = visits.counts();
  EXPECT_EQ(counts.writes, 4);
  EXPECT_EQ(counts.keys_written, 2);
  EXPECT_EQ(counts.keys_rewritten, 1);
  const std::string second = bigint_cell(2);
  const std::array<bytes_view, 2> key{as_bytes("v"), as_bytes(second)};
  EXPECT_EQ(visits.writes_of(key), 3);
  EXPECT_EQ(visits.writes_of(std::array<bytes_view, 2>{as_bytes("w"), as_bytes(second)}), 0);
}

TEST_F(cql_writes, a_verifier_reads_and_removes_rows) {
  write("Ada", 10);
  emulated_table people = table("person");
  EXPECT_EQ(people.columns().size(), 3);
  EXPECT_EQ(people.columns()[1].type, "int");
  const std::array<bytes_view, 1> key{as_bytes("a")};
  std::string seen;
  EXPECT_TRUE(people.visit(key, [&](const emulated_row& row) {
    seen = std::string(as_text(row.cell("name")->bytes));
    EXPECT_EQ(row.cell("name")->written_at_us, 10);
    EXPECT_EQ(as_text(row.cell("id")->bytes), "a");
    EXPECT_FALSE(row.cell("age"));
    EXPECT_FALSE(row.cell("nope"));
    EXPECT_EQ(row.writes(), 1);
  }));
  EXPECT_EQ(seen, "Ada");
  EXPECT_FALSE(people.visit({}, [](const emulated_row&) { FAIL(); })) << "not a whole primary key";
  EXPECT_TRUE(people.forget(key));
  EXPECT_FALSE(people.forget(key));
  EXPECT_FALSE(people.visit(key, [](const emulated_row&) { FAIL(); }));
  EXPECT_EQ(people.counts().writes, 1);
}

TEST_F(cql_writes, all_rows_are_visited_once) {
  for (int i = 0; i < 200; ++i)
    run("INSERT INTO ks.visit (visitor, at) VALUES ('" + std::to_string(i % 50) + "', " + std::to_string(i) +
        ")");
  int rows = 0;
  table("visit").visit_all([&](const emulated_row&) { ++rows; });
  EXPECT_EQ(rows, 200);
}

}  // namespace
}  // namespace millrace::emulators::test

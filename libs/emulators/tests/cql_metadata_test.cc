// Which prepared statements a schema change forgets, and the metadata that answers carry afterwards: as
// Cassandra, and with shards as ScyllaDB with its extensions.
#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr std::int32_t unprepared = 0x2500;
constexpr std::int32_t invalid = 0x2200;
constexpr std::int32_t flag_no_metadata = 0x0004;
constexpr std::int32_t flag_metadata_changed = 0x0008;
constexpr std::uint32_t lwt_mark = 0x80000000U;

class cql_prepared : public emulator_test {};

TEST_F(cql_prepared, are_forgotten_when_their_table_changes) {
  run("CREATE TYPE ks.address (street text)");
  run("CREATE TABLE ks.home (id text PRIMARY KEY, at frozen<list<frozen<address>>>)");
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases{
      {"ALTER TABLE ks.person ADD extra int", {"person"}},
      {"ALTER TABLE ks.person DROP extra", {"person"}},
      // Cassandra gives the columns of the table a new type, and so does ScyllaDB.
      {"ALTER TYPE ks.address ADD zip int", {"home"}},
      {"ALTER TYPE ks.address RENAME zip TO code", {"home"}},
      {"CREATE TYPE ks.other (a int)", {}},
      {"CREATE TABLE ks.another (id int PRIMARY KEY)", {}},
      {"DROP TABLE ks.another", {}},
      {"DROP TABLE ks.home", {"home"}},
  };
  for (const auto& [change, forgotten] : cases) {
    std::vector<std::pair<std::string, prepared>> statements;
    statements.emplace_back("person", prepare("SELECT name FROM ks.person WHERE id = ?"));
    statements.emplace_back("home", prepare("SELECT at FROM ks.home WHERE id = ?"));
    run(change);
    for (const auto& [name, statement] : statements) {
      const bool is_forgotten = std::find(forgotten.begin(), forgotten.end(), name) != forgotten.end();
      EXPECT_EQ(client.execute(statement, {"a"}).error, is_forgotten ? unprepared : -1)
          << change << ": " << name;
    }
  }
}

TEST_F(cql_prepared, a_table_of_the_same_name_has_other_types_and_no_rows) {
  const prepared old = prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)");
  ASSERT_TRUE(client.execute(old, {"a", int_cell(1)}).ok());
  run("DROP TABLE ks.person");
  run("CREATE TABLE ks.person (id int PRIMARY KEY, age text)");
  EXPECT_EQ(client.execute(old, {"a", int_cell(1)}).error, unprepared);
  const prepared fresh = prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)");
  EXPECT_EQ(fresh.id, old.id) << "the id is a hash of the text";
  EXPECT_EQ(fresh.binds, (std::vector<column_spec>{{"id", 0x09}, {"age", 0x0D}}));
  EXPECT_EQ(client.execute(old, {"abcde", int_cell(1)}).error, invalid)
      << "values of the old types do not fit";
  EXPECT_EQ(one("SELECT count(*) FROM ks.person"), bigint_cell(0));
}

TEST_F(cql_prepared, a_dropped_column_does_not_come_back) {
  run("INSERT INTO ks.person (id, age) VALUES ('a', 7)");
  run("ALTER TABLE ks.person DROP (age)");
  EXPECT_EQ(client.query("SELECT age FROM ks.person").error, invalid);
  EXPECT_EQ(ask("SELECT column_name FROM system_schema.columns WHERE keyspace_name = 'ks' AND table_name = "
                "'person'")
                .rows.size(),
            2);
  run("ALTER TABLE ks.person ADD age int");
  EXPECT_EQ(one("SELECT age FROM ks.person WHERE id = 'a'"), "(null)");
  EXPECT_EQ(client.query("ALTER TABLE ks.person DROP id").message, "Cannot drop PRIMARY KEY column id");
  EXPECT_EQ(client.query("ALTER TABLE ks.person DROP nope").message,
            "Column nope was not found in table 'ks.person'");
}

// Protocol v4 has no defence: another client has prepared the statement again, so that the server knows the id,
// and this one still has the columns of before. Cassandra and ScyllaDB leave out what was asked to be left out.
TEST_F(cql_prepared, another_client_hides_a_change_from_one_that_skips_metadata) {
  const prepared select = prepare("SELECT * FROM ks.person WHERE id = ?");
  run("INSERT INTO ks.person (id, name) VALUES ('a', 'Ada')");
  run("ALTER TABLE ks.person ADD extra int");
  cql_client other(emulator->port());
  other.start();
  EXPECT_EQ(other.prepare("SELECT * FROM ks.person WHERE id = ?").statement.id, select.id);
  const reply found = client.execute(select, {"a"}, {.skip_metadata = true});
  EXPECT_EQ(found.flags & flag_no_metadata, flag_no_metadata);
  EXPECT_EQ(found.rows.at(0).size(), select.results.size() + 1);
}

TEST_F(cql_prepared, cassandra_announces_nothing_of_a_condition_and_describes_every_answer) {
  const prepared claim = prepare("INSERT INTO ks.person (id, name) VALUES (?, ?) IF NOT EXISTS");
  EXPECT_TRUE(claim.results.empty());
  EXPECT_EQ(claim.flags & lwt_mark, 0U);
  const reply first = client.execute(claim, {"a", "Ada"}, {.skip_metadata = true});
  EXPECT_EQ(first.columns, (std::vector<column_spec>{{"[applied]", 0x04}}));
  const reply second = client.execute(claim, {"a", "Bob"}, {.skip_metadata = true});
  EXPECT_EQ(second.flags & flag_no_metadata, 0);
  EXPECT_EQ(second.columns,
            (std::vector<column_spec>{{"[applied]", 0x04}, {"id", 0x0D}, {"age", 0x09}, {"name", 0x0D}}));
  EXPECT_EQ(second.rows.at(0), (std::vector<cell>{std::string(1, '\0'), "a", std::nullopt, "Ada"}));
}

TEST_F(cql_prepared, cassandra_offers_no_extensions) {
  client.send(0x05, "");
  EXPECT_EQ(client.receive().body.find("SCYLLA"), std::string::npos);
  cql_client hopeful(emulator->port());
  ASSERT_EQ(hopeful.start_with({"SCYLLA_LWT_ADD_METADATA_MARK"}).op, 0x02);
  EXPECT_EQ(hopeful.prepare("DELETE FROM ks.person WHERE id = ? IF EXISTS").statement.flags & lwt_mark, 0U);
}

TEST_F(cql_prepared, a_condition_on_no_row_sees_null) {
  const reply applied = ask("UPDATE ks.person SET name = 'x' WHERE id = 'fresh' IF age = null");
  EXPECT_EQ(applied.rows.at(0)[0], std::string(1, '\1'));
  EXPECT_EQ(one("SELECT name FROM ks.person WHERE id = 'fresh'"), "x");
}

class scylla_metadata : public testing::Test {
 protected:
  void SetUp() override {
    run("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    run("CREATE TYPE ks.address (street text)");
    run("CREATE TABLE ks.person (id text PRIMARY KEY, name text, age int, at frozen<address>)");
    ASSERT_EQ(client.start_with({"SCYLLA_USE_METADATA_ID", "SCYLLA_LWT_ADD_METADATA_MARK"}).op, 0x02);
  }
  void run(std::string_view statement) {
    const result<void> done = emulator->execute(statement);
    ASSERT_TRUE(done) << statement << ": " << done.error().message();
  }
  prepared prepare(std::string_view text) {
    const reply answer = client.prepare(text);
    EXPECT_TRUE(answer.ok()) << text << ": " << answer.message;
    return answer.statement;
  }

  std::unique_ptr<cql_emulator> emulator = start({.shards = 2});
  cql_client client{emulator->port()};
};

TEST_F(scylla_metadata, extensions_are_offered_with_shards) {
  client.send(0x05, "");
  const std::string offered = client.receive().body;
  EXPECT_NE(offered.find(short_text("SCYLLA_USE_METADATA_ID")), std::string::npos);
  EXPECT_NE(offered.find(short_text("SCYLLA_LWT_ADD_METADATA_MARK") + std::string("\0\1", 2) +
                         short_text("LWT_OPTIMIZATION_META_BIT_MASK=2147483648")),
            std::string::npos);
  const auto older = start({.shards = 2, .metadata_id = false});
  cql_client plain(older->port());
  plain.send(0x05, "");
  EXPECT_EQ(plain.receive().body.find("METADATA_ID"), std::string::npos);
}

TEST_F(scylla_metadata, an_id_of_other_columns_brings_them_with_the_rows) {
  const prepared before = prepare("SELECT * FROM ks.person WHERE id = ?");
  EXPECT_EQ(before.metadata_id.size(), 16U);
  run("INSERT INTO ks.person (id, name) VALUES ('a', 'Ada')");
  const reply same = client.execute(before, {"a"}, {.skip_metadata = true});
  EXPECT_EQ(same.flags & (flag_no_metadata | flag_metadata_changed), flag_no_metadata);
  for (const std::string change :
       {"ALTER TABLE ks.person ADD extra int", "ALTER TYPE ks.address ADD zip int"}) {
    const prepared old = prepare("SELECT * FROM ks.person WHERE id = ?");
    run(change);
    EXPECT_EQ(client.execute(old, {"a"}).error, unprepared) << change;
    const prepared now = prepare("SELECT * FROM ks.person WHERE id = ?");
    EXPECT_EQ(now.id, old.id);
    EXPECT_NE(now.metadata_id, old.metadata_id) << change;
    const reply found = client.execute(old, {"a"}, {.skip_metadata = true});
    EXPECT_EQ(found.flags & (flag_no_metadata | flag_metadata_changed), flag_metadata_changed);
    EXPECT_EQ(found.metadata_id, now.metadata_id);
    EXPECT_EQ(found.columns, now.results);
    EXPECT_EQ(found.rows.at(0).size(), now.results.size());
    EXPECT_EQ(client.execute(now, {"a"}, {.skip_metadata = true}).flags & flag_metadata_changed, 0);
  }
}

TEST_F(scylla_metadata, a_page_that_says_more_also_says_what_changed) {
  for (const char* id : {"a", "b", "c"})
    run(std::string("INSERT INTO ks.person (id, age) VALUES ('") + id + "', 1)");
  prepared stale = prepare("SELECT id, age FROM ks.person");
  const std::string current = stale.metadata_id;
  stale.metadata_id = std::string(16, 'x');
  const reply page = client.execute(stale, {}, {.page_size = 2, .skip_metadata = true});
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.metadata_id, current);
  EXPECT_EQ(page.rows.size(), 2U);
  EXPECT_EQ(page.rows[0][1], int_cell(1));
}

TEST_F(scylla_metadata, a_connection_that_did_not_negotiate_gets_no_ids) {
  cql_client plain(emulator->port());
  plain.start();
  const prepared select = plain.prepare("SELECT name FROM ks.person WHERE id = ?").statement;
  EXPECT_EQ(select.results, (std::vector<column_spec>{{"name", 0x0D}}));
  EXPECT_TRUE(plain.execute(select, {"a"}).ok());
  EXPECT_EQ(plain.prepare("DELETE FROM ks.person WHERE id = ? IF EXISTS").statement.flags & lwt_mark, 0U);
}

TEST_F(scylla_metadata, conditional_statements_are_marked_and_announce_their_columns) {
  const std::vector<column_spec> whole = [&] {
    std::vector<column_spec> out{{"[applied]", 0x04}};
    const prepared all = prepare("SELECT * FROM ks.person");
    out.insert(out.end(), all.results.begin(), all.results.end());
    return out;
  }();
  const std::vector<std::pair<std::string, std::vector<column_spec>>> cases{
      {"INSERT INTO ks.person (id, name) VALUES (?, 'x') IF NOT EXISTS", whole},
      {"UPDATE ks.person SET name = 'x' WHERE id = ? IF EXISTS", whole},
      {"DELETE FROM ks.person WHERE id = ? IF EXISTS", whole},
      // In the order of the table, each once.
      {"UPDATE ks.person SET at = null WHERE id = ? IF name = 'x' AND age > 1 AND age < 5",
       {{"[applied]", 0x04}, {"age", 0x09}, {"name", 0x0D}}},
  };
  for (const auto& [text, announced] : cases) {
    const prepared statement = prepare(text);
    EXPECT_EQ(statement.flags & lwt_mark, lwt_mark) << text;
    EXPECT_EQ(statement.results, announced) << text;
  }
  EXPECT_EQ(prepare("INSERT INTO ks.person (id, name) VALUES (?, ?)").flags & lwt_mark, 0U);
  EXPECT_EQ(prepare("SELECT name FROM ks.person WHERE id = ?").flags & lwt_mark, 0U);
}

TEST_F(scylla_metadata, conditional_answers_always_have_the_announced_columns) {
  const prepared claim = prepare("INSERT INTO ks.person (id, name) VALUES (?, ?) IF NOT EXISTS");
  const cell yes = std::string(1, '\1');
  const cell no = std::string(1, '\0');
  const reply first = client.execute(claim, {"a", "Ada"});
  EXPECT_EQ(first.columns, claim.results);
  EXPECT_EQ(first.rows.at(0), (std::vector<cell>{yes, {}, {}, {}, {}})) << "there was no row";
  const reply second = client.execute(claim, {"a", "Bob"}, {.skip_metadata = true});
  EXPECT_EQ(second.flags & flag_no_metadata, flag_no_metadata);
  EXPECT_EQ(second.rows.at(0), (std::vector<cell>{no, "a", {}, {}, "Ada"}));

  const prepared change = prepare("UPDATE ks.person SET name = ? WHERE id = ? IF name = ?");
  EXPECT_EQ(client.execute(change, {"Cem", "a", "Ada"}).rows.at(0), (std::vector<cell>{yes, "Ada"}))
      << "the row as it was before";
  EXPECT_EQ(client.execute(change, {"Dan", "a", "Ada"}).rows.at(0), (std::vector<cell>{no, "Cem"}));
  EXPECT_EQ(client.execute(change, {"Dan", "nobody", "Ada"}).rows.at(0), (std::vector<cell>{no, {}}));
}

}  // namespace
}  // namespace millrace::emulators::test

// Statements: schema, metadata, types, reading and writing, the errors of each.
#include <algorithm>
#include <tuple>

#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

class cql_statements : public emulator_test {};

TEST_F(cql_statements, inserted_rows_are_selected) {
  const prepared insert = prepare("INSERT INTO ks.person (id, name, age) VALUES (?, ?, ?)");
  EXPECT_EQ(insert.key, std::vector<std::uint16_t>{0});
  EXPECT_EQ(insert.binds, (std::vector<column_spec>{{"id", 0x0D}, {"name", 0x0D}, {"age", 0x09}}));
  EXPECT_TRUE(client.execute(insert, {"a", "Ada", int_cell(36)}).ok());

  const prepared select = prepare("SELECT name, age FROM ks.person WHERE id = ?");
  EXPECT_EQ(select.results, (std::vector<column_spec>{{"name", 0x0D}, {"age", 0x09}}));
  const reply found = client.execute(select, {"a"});
  ASSERT_EQ(found.rows.size(), 1);
  EXPECT_EQ(found.rows[0], (std::vector<cell>{"Ada", int_cell(36)}));
  EXPECT_EQ(found.columns, select.results);
  EXPECT_TRUE(client.execute(select, {"nobody"}).rows.empty());
  EXPECT_TRUE(client.execute(select, {"a"}, {.skip_metadata = true}).columns.empty());
}

TEST_F(cql_statements, key_indexes_follow_the_key_not_the_text) {
  run("CREATE TABLE ks.pair (a int, b text, c int, v int, PRIMARY KEY ((a, b), c))");
  EXPECT_EQ(prepare("INSERT INTO ks.pair (v, c, b, a) VALUES (?, ?, ?, ?)").key,
            (std::vector<std::uint16_t>{3, 2}));
  EXPECT_EQ(prepare("SELECT v FROM ks.pair WHERE c = ? AND b = ? AND a = ?").key,
            (std::vector<std::uint16_t>{2, 1}));
  EXPECT_TRUE(prepare("SELECT v FROM ks.pair WHERE a = 1 AND b = ?").key.empty())
      << "a literal cannot be routed by";
  const prepared insert = prepare("INSERT INTO ks.pair (a, b, c, v) VALUES (?, ?, ?, ?)");
  client.execute(insert, {int_cell(1), "x", int_cell(2), int_cell(3)});
  EXPECT_EQ(one("SELECT v FROM ks.pair WHERE a = 1 AND b = 'x' AND c = 2"), int_cell(3));
  EXPECT_EQ(one("SELECT v FROM ks.pair WHERE a = 1 AND b = 'y' AND c = 2"), "(none)");
}

TEST_F(cql_statements, system_tables_describe_node_and_schema) {
  EXPECT_EQ(one("SELECT cluster_name FROM system.local WHERE key = 'local'"), "millrace emulator");
  EXPECT_EQ(one("SELECT partitioner FROM system.local"), "org.apache.cassandra.dht.Murmur3Partitioner");
  EXPECT_TRUE(ask("SELECT peer FROM system.peers").rows.empty());
  const reply columns =
      ask("SELECT column_name, kind, position, type FROM system_schema.columns WHERE keyspace_name = 'ks' "
          "AND table_name = 'visit'");
  const std::vector<std::vector<cell>> expected{{"at", "clustering", int_cell(0), "bigint"},
                                                {"page", "regular", int_cell(-1), "text"},
                                                {"visitor", "partition_key", int_cell(0), "text"}};
  EXPECT_EQ(columns.rows, expected);
  const prepared by_keyspaces =
      prepare("SELECT table_name FROM system_schema.tables WHERE keyspace_name IN ?");
  EXPECT_EQ(by_keyspaces.binds[0].type, 0x20);
  EXPECT_EQ(client.execute(by_keyspaces, {int_cell(1) + long_text("ks")}).rows.size(), 2);
  const std::string before = one("SELECT schema_version FROM system.local");
  run("DROP TABLE ks.visit");
  EXPECT_NE(one("SELECT schema_version FROM system.local"), before);
  EXPECT_EQ(ask("SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'ks'").rows.size(), 1);
}

TEST_F(cql_statements, literals_of_every_type_are_stored_in_wire_form) {
  using bytes = std::string;
  const std::vector<std::tuple<std::string, std::string, bytes>> cases{
      {"ascii", "'abc'", "abc"},
      {"bigint", "-2", "\xff\xff\xff\xff\xff\xff\xff\xfe"},
      {"blob", "0x00ff", bytes("\0\xff", 2)},
      {"boolean", "true", "\1"},
      {"date", "'1970-01-02'", bytes("\x80\0\0\1", 4)},
      {"decimal", "-1.28", bytes("\0\0\0\2\x80", 5)},
      {"decimal", "1.28", bytes("\0\0\0\2\0\x80", 6)},
      {"double", "1.5", bytes("\x3f\xf8\0\0\0\0\0\0", 8)},
      {"duration", "1mo2d3ns", "\2\4\6"},
      {"float", "-2", bytes("\xc0\0\0\0", 4)},
      {"inet", "'127.0.0.1'", bytes("\x7f\0\0\1", 4)},
      {"int", "-1", "\xff\xff\xff\xff"},
      {"smallint", "258", "\1\2"},
      {"text", "'it''s'", "it's"},
      {"time", "'00:00:00.000000001'", bytes("\0\0\0\0\0\0\0\1", 8)},
      {"timestamp", "'1970-01-01T00:00:01Z'", bytes("\0\0\0\0\0\0\3\xe8", 8)},
      {"timestamp", "'1970-01-01 01:00:01.5+0100'", bytes("\0\0\0\0\0\0\5\xdc", 8)},
      {"timestamp", "7", bytes("\0\0\0\0\0\0\0\7", 8)},
      {"tinyint", "-128", "\x80"},
      {"uuid", "01020304-0506-4708-890A-0b0c0d0e0f10",
       "\1\2\3\4\5\6\x47\x08\x89\x0a\x0b\x0c\x0d\x0e\x0f\x10"},
      {"timeuuid", "01020304-0506-1708-890a-0b0c0d0e0f10",
       "\1\2\3\4\5\6\x17\x08\x89\x0a\x0b\x0c\x0d\x0e\x0f\x10"},
      {"varint", "256", bytes("\1\0", 2)},
      {"varint", "-129", bytes("\xff\x7f", 2)},
      {"list<tinyint>", "[2, 1]", int_cell(2) + long_text("\2") + long_text("\1")},
      {"set<tinyint>", "{2, 1, 2}", int_cell(2) + long_text("\1") + long_text("\2")},
      {"map<text, frozen<list<tinyint>>>", "{'k': [1]}",
       int_cell(1) + long_text("k") + long_text(int_cell(1) + long_text("\1"))},
      {"tuple<tinyint, text>", "(1, 'a')", long_text("\1") + long_text("a")},
  };
  for (const auto& [type, written, stored] : cases) {
    run("CREATE TABLE ks.typed (id int PRIMARY KEY, v " + type + ")");
    run("INSERT INTO ks.typed (id, v) VALUES (1, " + written + ")");
    EXPECT_EQ(one("SELECT v FROM ks.typed WHERE id = 1"), stored) << type << " " << written;
    const prepared rewrite = prepare("INSERT INTO ks.typed (id, v) VALUES (2, ?)");
    EXPECT_TRUE(client.execute(rewrite, {stored}).ok()) << "what is read can be bound: " << type;
    EXPECT_EQ(client.execute(rewrite, {"\xc3\x28 not a value of any fixed size"}).ok(),
              type == "blob" || type == "varint" || type == "decimal")
        << type << " is checked";
    run("DROP TABLE ks.typed");
  }
}

TEST_F(cql_statements, literals_out_of_range_are_refused) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"tinyint", "128"},
      {"int", "2147483648"},
      {"decimal", "1e-2147483648"},
      {"decimal", "nan"},
      {"varint", "infinity"},
      {"duration", "9999999999999999h"},
      {"duration", "1parsec"},
      {"time", "'24:00:00.0'"},
      {"timestamp", "'2024-13-01'"},
      {"timestamp", "'2024-01-01 10:00:1e300'"},
      {"inet", "'300.1.1.1'"},
      {"boolean", "1"},
      {"uuid", "'x'"},
      {"text", "1"},
      {"list<int>", "{1}"},
      {"map<int, int>", "{1}"},
  };
  for (const auto& [type, written] : cases) {
    run("CREATE TABLE ks.typed (id int PRIMARY KEY, v " + type + ")");
    EXPECT_EQ(client.query("INSERT INTO ks.typed (id, v) VALUES (1, " + written + ")").error, 0x2200)
        << type << " " << written;
    run("DROP TABLE ks.typed");
  }
  run("CREATE TABLE ks.typed (id int PRIMARY KEY, v double)");
  EXPECT_TRUE(client.query("INSERT INTO ks.typed (id, v) VALUES (1, 1e999)").ok()) << "infinity, as in Java";
}

TEST_F(cql_statements, clustering_order_is_the_types_order) {
  run("CREATE TABLE ks.ordered (p int, c int, PRIMARY KEY (p, c))");
  run("CREATE TABLE ks.reversed (p int, c varint, PRIMARY KEY (p, c)) WITH CLUSTERING ORDER BY (c DESC)");
  for (const char* number : {"5", "-300", "0", "70000", "-1"}) {
    run(std::string("INSERT INTO ks.ordered (p, c) VALUES (1, ") + number + ")");
    run(std::string("INSERT INTO ks.reversed (p, c) VALUES (1, ") + number + ")");
  }
  std::vector<cell> read;
  for (const auto& row : ask("SELECT c FROM ks.ordered WHERE p = 1").rows) read.push_back(row[0]);
  EXPECT_EQ(read,
            (std::vector<cell>{int_cell(-300), int_cell(-1), int_cell(0), int_cell(5), int_cell(70'000)}));
  EXPECT_EQ(one("SELECT c FROM ks.ordered WHERE p = 1 ORDER BY c DESC LIMIT 1"), int_cell(70'000));
  EXPECT_EQ(one("SELECT c FROM ks.reversed WHERE p = 1 LIMIT 1"), std::string("\1\x11\x70", 3));
  EXPECT_EQ(ask("SELECT c FROM ks.ordered WHERE p = 1 AND c > -300 AND c <= 5").rows.size(), 3);
}

TEST_F(cql_statements, null_deletes_a_cell_and_unset_leaves_it) {
  const prepared insert = prepare("INSERT INTO ks.person (id, name, age) VALUES (?, ?, ?)");
  client.execute(insert, {"a", "Ada", int_cell(36)});
  client.execute(insert, {"a", unset, cell{}});
  EXPECT_EQ(one("SELECT name FROM ks.person WHERE id = 'a'"), "Ada");
  EXPECT_EQ(one("SELECT age FROM ks.person WHERE id = 'a'"), "(null)");
}

TEST_F(cql_statements, an_inserted_row_exists_without_cells_an_updated_one_does_not) {
  run("INSERT INTO ks.person (id) VALUES ('inserted')");
  run("UPDATE ks.person SET name = null WHERE id = 'updated'");
  EXPECT_EQ(one("SELECT id FROM ks.person WHERE id = 'inserted'"), "inserted");
  EXPECT_EQ(one("SELECT id FROM ks.person WHERE id = 'updated'"), "(none)");
}

TEST_F(cql_statements, pages_end_at_the_page_size_and_continue_from_there) {
  for (int i = 0; i < 25; ++i) {
    run("INSERT INTO ks.visit (visitor, at, page) VALUES ('v', " + std::to_string(i) + ", 'p')");
    run("INSERT INTO ks.person (id, age) VALUES ('" + std::to_string(i) + "', 1)");
  }
  for (const std::string text : {"SELECT at FROM ks.visit WHERE visitor = 'v'", "SELECT id FROM ks.person",
                                 "SELECT at FROM ks.visit WHERE visitor = 'v' ORDER BY at DESC"}) {
    std::vector<cell> seen;
    std::string state;
    std::size_t pages = 0;
    do {
      const reply page = ask(text, {}, {.page_size = 10, .paging_state = state});
      for (const auto& row : page.rows) seen.push_back(row[0]);
      state = page.paging_state;
      ++pages;
    } while (!state.empty() && pages < 10);
    EXPECT_EQ(pages, 3) << text;
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()) - seen.begin(), 25) << text;
  }
  const reply limited = ask("SELECT at FROM ks.visit WHERE visitor = 'v' LIMIT 12", {}, {.page_size = 10});
  const reply rest = ask("SELECT at FROM ks.visit WHERE visitor = 'v' LIMIT 12", {},
                         {.page_size = 10, .paging_state = limited.paging_state});
  EXPECT_EQ(limited.rows.size() + rest.rows.size(), 12);
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(client.query("SELECT id FROM ks.person", {}, {.page_size = 10, .paging_state = "junk"}).error,
            0x000A);
}

TEST_F(cql_statements, tables_are_counted_and_scanned_by_token_range) {
  for (int i = 0; i < 100; ++i)
    run("INSERT INTO ks.person (id, age) VALUES ('" + std::to_string(i) + "', 1)");
  EXPECT_EQ(one("SELECT count(*) FROM ks.person"), bigint_cell(100));
  EXPECT_EQ(one("SELECT count(*) FROM ks.person WHERE id IN ('1', '2', 'x')"), bigint_cell(2));
  const auto lower = ask("SELECT id FROM ks.person WHERE token(id) <= 0").rows.size();
  const auto upper = ask("SELECT id FROM ks.person WHERE token(id) > 0").rows.size();
  EXPECT_EQ(lower + upper, 100);
  EXPECT_GT(lower, 20);
  EXPECT_GT(upper, 20);
}

TEST_F(cql_statements, tokens_are_those_of_the_drivers) {
  // Expected values from scylla-driver's cassandra.murmur3; the second has bytes over 0x7f in its tail.
  run("CREATE TABLE ks.blobs (id blob PRIMARY KEY)");
  const std::vector<std::pair<std::string, std::int64_t>> known{
      {"0x313233", -7468325962851647638LL},
      {"0x00ff10fa99", -7014524706476729975LL},
      {"0xffffffffffffffffffffffffffffffffffffffff", 6996911144616199499LL},
      {"0x0123456789abcdef0123456789abcdef", 7106092891388100052LL},
      {"0x80808080808080808080808080808080808080808080808080808080808080808080808080",
       -1590270886525246265LL}};
  for (const auto& [key, token] : known) {
    run("INSERT INTO ks.blobs (id) VALUES (" + key + ")");
    EXPECT_EQ(one("SELECT token(id) FROM ks.blobs WHERE id = " + key), bigint_cell(token)) << key;
  }
}

TEST_F(cql_statements, ddl_answers_name_the_change) {
  EXPECT_EQ(ask("USE ks").words, std::vector<std::string>{"ks"});
  EXPECT_EQ(ask("CREATE TABLE t (id int PRIMARY KEY)").words,
            (std::vector<std::string>{"CREATED", "TABLE", "ks", "t"}));
  EXPECT_EQ(ask("CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY)").kind, 1);
  EXPECT_EQ(ask("ALTER TABLE t ADD v text").words, (std::vector<std::string>{"UPDATED", "TABLE", "ks", "t"}));
  ask("INSERT INTO t (id, v) VALUES (1, 'x')");
  EXPECT_EQ(one("SELECT v FROM t WHERE id = 1"), "x");
  EXPECT_EQ(ask("TRUNCATE t").kind, 1);
  EXPECT_EQ(one("SELECT count(*) FROM t"), bigint_cell(0));
  EXPECT_EQ(ask("DROP TABLE t").words, (std::vector<std::string>{"DROPPED", "TABLE", "ks", "t"}));
  EXPECT_EQ(ask("DROP KEYSPACE ks").words, (std::vector<std::string>{"DROPPED", "KEYSPACE", "ks"}));
}

TEST_F(cql_statements, batches_apply_all_or_nothing) {
  const prepared insert = prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)");
  EXPECT_EQ(client.batch({{insert, {"a", int_cell(1)}}, {insert, {"b", int_cell(2)}}}, 77).kind, 1);
  EXPECT_EQ(one("SELECT writetime(age) FROM ks.person WHERE id = 'b'"), bigint_cell(77));
  EXPECT_EQ(client.batch({{insert, {"c", int_cell(1)}}, {insert, {"d", "wrong size"}}}).error, 0x2200);
  EXPECT_EQ(one("SELECT count(*) FROM ks.person"), bigint_cell(2));
  EXPECT_EQ(client.batch({{prepare("SELECT id FROM ks.person WHERE id = 'a'"), {}}}).error, 0x2200);
  EXPECT_EQ(emulator->counters().batched_rows, 2);
  EXPECT_EQ(emulator->counters().of(operation::insert), 0) << "batched rows are not requests";
}

TEST_F(cql_statements, a_dropped_table_unprepares_its_statements) {
  const prepared insert = prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)");
  run("DROP TABLE ks.person");
  run("CREATE TABLE ks.person (id text PRIMARY KEY, age text)");
  EXPECT_EQ(client.execute(insert, {"a", int_cell(1)}).error, 0x2500);
  EXPECT_EQ(prepare("INSERT INTO ks.person (id, age) VALUES (?, ?)").binds[1].type, 0x0D);
}

TEST_F(cql_statements, errors_are_those_of_cassandra) {
  constexpr std::int32_t syntax = 0x2000;
  constexpr std::int32_t unauthorized = 0x2100;
  constexpr std::int32_t invalid = 0x2200;
  constexpr std::int32_t exists = 0x2400;
  const std::vector<std::tuple<std::string, std::int32_t, std::string>> cases{
      {"SELEC 1", syntax, "line 1:0 no viable alternative at input 'selec'"},
      {"SELECT id FROM", syntax, "line 1:14 mismatched input '<EOF>'"},
      {"SELECT id FROM ks.person WHERE id = 'a' garbage", syntax,
       "line 1:40 no viable alternative at input 'garbage'"},
      {"SELECT id FROM person", invalid,
       "No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename"},
      {"SELECT id FROM nope.t", invalid, "keyspace nope does not exist"},
      {"SELECT id FROM ks.nope", invalid, "table nope does not exist"},
      {"SELECT nope FROM ks.person", invalid, "Undefined column name nope in table ks.person"},
      {"INSERT INTO ks.person (id, nope) VALUES ('a', 1)", invalid,
       "Undefined column name nope in table ks.person"},
      {"INSERT INTO ks.person (name) VALUES ('a')", invalid, "Some partition key parts are missing: id"},
      {"INSERT INTO ks.visit (visitor) VALUES ('a')", invalid, "Some clustering keys are missing: at"},
      {"INSERT INTO ks.person (id, age) VALUES ('a', 'x')", invalid,
       "Invalid STRING constant (x) for \"age\" of type int"},
      {"INSERT INTO ks.person (id) VALUES (null)", invalid, "Invalid null value in condition for column id"},
      {"INSERT INTO ks.person (id) VALUES ('')", invalid, "Key may not be empty"},
      {"INSERT INTO ks.person (id) VALUES ('a', 'b')", invalid, "Unmatched column names/values"},
      {"UPDATE ks.person SET id = 'b' WHERE id = 'a'", invalid, "PRIMARY KEY part id found in SET part"},
      {"SELECT id FROM ks.person WHERE age = 3", invalid, "ALLOW FILTERING"},
      {"SELECT id FROM ks.person LIMIT 0", invalid, "LIMIT must be strictly positive"},
      {"USE nope", invalid, "Keyspace 'nope' does not exist"},
      {"CREATE TABLE ks.t (id int)", invalid,
       "No PRIMARY KEY specified for table 'ks.t' (exactly one required)"},
      {"CREATE TABLE ks.t (id nope PRIMARY KEY)", invalid, "Unknown type ks.nope"},
      {"CREATE TABLE ks.person (id int PRIMARY KEY)", exists,
       "Cannot add already existing table \"person\" to keyspace \"ks\""},
      {"DROP TABLE ks.nope", invalid, "Table 'ks.nope' doesn't exist"},
      {"INSERT INTO system.local (key) VALUES ('x')", unauthorized,
       "system keyspace is not user-modifiable."},
      {"UPDATE ks.person SET name = 'b' WHERE id = 'a' IF id = 'a'", invalid,
       "PRIMARY KEY column 'id' cannot have IF conditions"},
  };
  for (const auto& [statement, code, text] : cases) {
    const reply answer = client.query(statement);
    EXPECT_EQ(answer.error, code) << statement << ": " << answer.message;
    EXPECT_NE(answer.message.find(text), std::string::npos) << statement << ": " << answer.message;
  }
  EXPECT_EQ(client.query("SELECT id FROM ks.person WHERE id = ?").message,
            "There were 1 markers(?) in CQL but 0 bound variables");
  const result<void> direct = emulator->execute("SELECT nope FROM ks.person");
  ASSERT_FALSE(direct);
  EXPECT_EQ(direct.error().code(), errc::db_invalid);
}

TEST_F(cql_statements, a_failed_condition_returns_the_current_row) {
  const std::string claim = "INSERT INTO ks.person (id, name) VALUES ('lamp', 'ada') IF NOT EXISTS";
  const reply first = client.query(claim);
  ASSERT_EQ(first.error, -1) << first.message;
  ASSERT_EQ(first.columns.size(), 1U);
  EXPECT_EQ(first.columns[0].name, "[applied]");
  EXPECT_EQ(first.rows[0][0], std::string(1, '\x01'));
  const reply second = client.query(claim);
  ASSERT_EQ(second.error, -1) << second.message;
  EXPECT_EQ(second.columns.size(), client.query("SELECT * FROM ks.person").columns.size() + 1);
  EXPECT_EQ(second.rows[0][0], std::string(1, '\0'));
  EXPECT_EQ(second.rows[0][1], "lamp");

  const reply wrong = client.query("UPDATE ks.person SET name = 'bob' WHERE id = 'lamp' IF name = 'cem'");
  ASSERT_EQ(wrong.error, -1) << wrong.message;
  ASSERT_EQ(wrong.columns.size(), 2U);
  EXPECT_EQ(wrong.rows[0][1], "ada");
  EXPECT_EQ(
      client.query("UPDATE ks.person SET name = 'bob' WHERE id = 'none' IF name = 'cem'").columns.size(), 1U);
  EXPECT_EQ(client.query("UPDATE ks.person SET name = 'bob' WHERE id = 'lamp' IF name = 'ada'").rows[0][0],
            std::string(1, '\x01'));
  EXPECT_EQ(client.query("DELETE FROM ks.person WHERE id = 'lamp' IF EXISTS").rows[0][0],
            std::string(1, '\x01'));
  EXPECT_EQ(client.query("DELETE FROM ks.person WHERE id = 'lamp' IF EXISTS").rows[0][0],
            std::string(1, '\0'));
}

}  // namespace
}  // namespace millrace::emulators::test

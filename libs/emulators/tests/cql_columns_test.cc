// Columns that are more than one value a row: counters, collections changed in place, static columns.
#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr std::int32_t invalid = 0x2200;

class cql_columns : public emulator_test {
 protected:
  void refuses(const std::string& statement, const std::string& text) {
    const reply answer = client.query(statement);
    EXPECT_EQ(answer.error, invalid) << statement << ": " << answer.message;
    EXPECT_NE(answer.message.find(text), std::string::npos) << statement << ": " << answer.message;
  }
  static std::string list(const std::vector<std::string>& items) {
    std::string out = int_cell(static_cast<std::int32_t>(items.size()));
    for (const std::string& each : items) out += long_text(each);
    return out;
  }
};

class cql_counters : public cql_columns {
  void SetUp() override {
    emulator_test::SetUp();
    run("CREATE TABLE ks.hits (page text PRIMARY KEY, views counter, likes counter)");
  }
};

TEST_F(cql_counters, increments_and_decrements_add_up) {
  const prepared up = prepare("UPDATE ks.hits SET views = views + ? WHERE page = ?");
  EXPECT_EQ(up.binds[0], (column_spec{"views", 0x05}));
  for (const std::int64_t by : {5, 7, -2}) ASSERT_TRUE(client.execute(up, {bigint_cell(by), "a"}).ok());
  run("UPDATE ks.hits SET views -= 3, likes += 1 WHERE page = 'a'");
  const reply found = ask("SELECT views, likes FROM ks.hits WHERE page = 'a'");
  EXPECT_EQ(found.columns, (std::vector<column_spec>{{"views", 0x05}, {"likes", 0x05}}));
  EXPECT_EQ(found.rows.at(0), (std::vector<cell>{bigint_cell(7), bigint_cell(1)}));
  EXPECT_EQ(one("SELECT views FROM ks.hits WHERE page = 'none'"), "(none)");
  EXPECT_TRUE(client.execute(up, {unset, "a"}).ok());
  EXPECT_EQ(one("SELECT views FROM ks.hits WHERE page = 'a'"), bigint_cell(7));
  EXPECT_EQ(client.execute(up, {std::nullopt, "a"}).message, "Invalid null value for counter increment");
  EXPECT_EQ(client.execute(up, {int_cell(1), "a"}).error, invalid);
}

TEST_F(cql_counters, what_counters_do_not_have_is_refused) {
  refuses("INSERT INTO ks.hits (page, views) VALUES ('a', 1)",
          "INSERT statements are not allowed on counter tables, use UPDATE instead");
  refuses(
      "UPDATE ks.hits SET views = 1 WHERE page = 'a'",
      "Cannot set the value of counter column views (counters can only be incremented/decremented, not set)");
  refuses("UPDATE ks.hits USING TIMESTAMP 1 SET views = views + 1 WHERE page = 'a'",
          "Cannot provide custom timestamp for counter updates");
  refuses("UPDATE ks.hits USING TTL 1 SET views = views + 1 WHERE page = 'a'",
          "Cannot provide custom TTL for counter updates");
  refuses("UPDATE ks.hits SET views = views + 1 WHERE page = 'a' IF EXISTS",
          "Conditional updates are not supported on counter tables");
  refuses("UPDATE ks.person SET age = age + 1 WHERE id = 'a'",
          "Invalid operation (age = age + 1) for non counter column age");
  refuses("CREATE TABLE ks.mixed (id int PRIMARY KEY, c counter, v int)",
          "Cannot mix counter and non counter columns in the same table");
  refuses("CREATE TABLE ks.keyed (id counter PRIMARY KEY)",
          "counter type is not supported for PRIMARY KEY column 'id'");
  refuses("CREATE TABLE ks.listed (id int PRIMARY KEY, c list<counter>)", "Counters are not allowed inside");
  refuses("ALTER TABLE ks.hits ADD v int", "Cannot mix counter and non counter columns in the same table");
  const reply other = client.query("UPDATE ks.hits SET views = likes + 1 WHERE page = 'a'");
  EXPECT_EQ(other.error, 0x2000) << other.message;
}

TEST_F(cql_counters, are_batched_with_counters_only) {
  const prepared up = prepare("UPDATE ks.hits SET views = views + ? WHERE page = ?");
  const prepared plain = prepare("INSERT INTO ks.person (id) VALUES (?)");
  const std::pair<prepared, std::vector<cell>> counted{up, {bigint_cell(1), "a"}};
  const std::pair<prepared, std::vector<cell>> written{plain, {"a"}};
  EXPECT_EQ(client.batch({counted, counted}, {}, 2).kind, 1);
  EXPECT_EQ(client.batch({counted}, {}, 1).kind, 1) << "an unlogged batch may count";
  EXPECT_EQ(one("SELECT views FROM ks.hits WHERE page = 'a'"), bigint_cell(3));
  EXPECT_EQ(client.batch({counted}, {}, 0).message, "Cannot include a counter statement in a logged batch");
  EXPECT_EQ(client.batch({counted, written}, {}, 2).message,
            "Cannot include non-counter statement in a counter batch");
  EXPECT_EQ(client.batch({counted, written}, {}, 1).message,
            "Counter and non-counter mutations cannot exist in the same batch");
  EXPECT_EQ(one("SELECT views FROM ks.hits WHERE page = 'a'"), bigint_cell(3));
  EXPECT_EQ(one("SELECT count(*) FROM ks.person"), bigint_cell(0));
}

TEST_F(cql_counters, a_deleted_counter_begins_anew) {
  run("UPDATE ks.hits SET views = views + 4 WHERE page = 'a'");
  run("DELETE views FROM ks.hits WHERE page = 'a'");
  EXPECT_EQ(one("SELECT views FROM ks.hits WHERE page = 'a'"), "(none)");
}

class cql_collections : public cql_columns {
  void SetUp() override {
    emulator_test::SetUp();
    run("CREATE TABLE ks.bag (id int PRIMARY KEY, l list<text>, s set<int>, m map<text, int>, "
        "f frozen<set<int>>)");
  }
};

TEST_F(cql_collections, lists_grow_at_both_ends) {
  const prepared append = prepare("UPDATE ks.bag SET l = l + ? WHERE id = 1");
  const prepared prepend = prepare("UPDATE ks.bag SET l = ? + l WHERE id = 1");
  EXPECT_EQ(append.binds[0].type, 0x20);
  client.execute(append, {list({"b"})});
  client.execute(append, {list({"c", "b"})});
  client.execute(prepend, {list({"x", "a"})});
  EXPECT_EQ(one("SELECT l FROM ks.bag WHERE id = 1"), list({"x", "a", "b", "c", "b"}));
  run("UPDATE ks.bag SET l = l - ['b', 'x'] WHERE id = 1");
  EXPECT_EQ(one("SELECT l FROM ks.bag WHERE id = 1"), list({"a", "c"}));
  EXPECT_TRUE(client.execute(append, {std::nullopt}).ok());
  EXPECT_TRUE(client.execute(append, {unset}).ok());
  EXPECT_EQ(one("SELECT l FROM ks.bag WHERE id = 1"), list({"a", "c"}));
}

TEST_F(cql_collections, sets_are_ordered_and_have_no_element_twice) {
  const prepared add = prepare("UPDATE ks.bag SET s = s + ? WHERE id = 1");
  const prepared discard = prepare("UPDATE ks.bag SET s = s - ? WHERE id = 1");
  EXPECT_EQ(discard.binds[0].type, 0x22);
  client.execute(add, {list({int_cell(5), int_cell(-1)})});
  client.execute(add, {list({int_cell(3), int_cell(5)})});
  EXPECT_EQ(one("SELECT s FROM ks.bag WHERE id = 1"), list({int_cell(-1), int_cell(3), int_cell(5)}));
  client.execute(discard, {list({int_cell(3), int_cell(9)})});
  run("DELETE s[-1] FROM ks.bag WHERE id = 1");
  EXPECT_EQ(one("SELECT s FROM ks.bag WHERE id = 1"), list({int_cell(5)}));
  client.execute(discard, {list({int_cell(5)})});
  EXPECT_EQ(one("SELECT s FROM ks.bag WHERE id = 1"), "(none)") << "an empty collection is null";
}

TEST_F(cql_collections, entries_of_maps_are_put_and_removed) {
  const prepared put_one = prepare("UPDATE ks.bag SET m[?] = ? WHERE id = ?");
  EXPECT_EQ(put_one.binds, (std::vector<column_spec>{{"key(m)", 0x0D}, {"value(m)", 0x09}, {"id", 0x09}}));
  client.execute(put_one, {"b", int_cell(2), int_cell(1)});
  run("UPDATE ks.bag SET m = m + {'a': 1, 'c': 3} WHERE id = 1");
  client.execute(put_one, {"b", int_cell(7), int_cell(1)});
  EXPECT_EQ(one("SELECT m FROM ks.bag WHERE id = 1"), int_cell(3) + long_text("a") + long_text(int_cell(1)) +
                                                          long_text("b") + long_text(int_cell(7)) +
                                                          long_text("c") + long_text(int_cell(3)));
  const prepared remove_one = prepare("DELETE m[?] FROM ks.bag WHERE id = ?");
  EXPECT_EQ(remove_one.binds[0], (column_spec{"key(m)", 0x0D}));
  client.execute(remove_one, {"a", int_cell(1)});
  client.execute(put_one, {"c", std::nullopt, int_cell(1)});
  EXPECT_EQ(one("SELECT m FROM ks.bag WHERE id = 1"), int_cell(1) + long_text("b") + long_text(int_cell(7)));
  const prepared subtract = prepare("UPDATE ks.bag SET m = m - ? WHERE id = 1");
  EXPECT_EQ(subtract.binds[0].type, 0x22) << "a set of keys";
  client.execute(subtract, {list({"b"})});
  EXPECT_EQ(one("SELECT m FROM ks.bag WHERE id = 1"), "(none)");
  EXPECT_EQ(client.execute(put_one, {std::nullopt, int_cell(1), int_cell(1)}).message,
            "Invalid null map key");
}

TEST_F(cql_collections, an_empty_one_is_null_unless_it_is_frozen) {
  run("INSERT INTO ks.bag (id, l, s, m, f) VALUES (1, [], {}, {}, {})");
  EXPECT_EQ(ask("SELECT l, s, m, f FROM ks.bag WHERE id = 1").rows.at(0),
            (std::vector<cell>{{}, {}, {}, int_cell(0)}));
}

TEST_F(cql_collections, what_is_written_out_of_order_is_read_in_order) {
  const prepared insert = prepare("INSERT INTO ks.bag (id, s, m) VALUES (1, ?, ?)");
  const std::string map = int_cell(3) + long_text("b") + long_text(int_cell(1)) + long_text("a") +
                          long_text(int_cell(2)) + long_text("b") + long_text(int_cell(3));
  ASSERT_TRUE(client.execute(insert, {list({int_cell(2), int_cell(-1), int_cell(2)}), map}).ok());
  EXPECT_EQ(one("SELECT s FROM ks.bag WHERE id = 1"), list({int_cell(-1), int_cell(2)}));
  EXPECT_EQ(one("SELECT m FROM ks.bag WHERE id = 1"),
            int_cell(2) + long_text("a") + long_text(int_cell(2)) + long_text("b") + long_text(int_cell(3)));
}

TEST_F(cql_collections, an_addition_from_before_the_deletion_is_gone) {
  run("UPDATE ks.bag USING TIMESTAMP 10 SET s = {1} WHERE id = 1");
  run("DELETE s FROM ks.bag USING TIMESTAMP 20 WHERE id = 1");
  run("UPDATE ks.bag USING TIMESTAMP 15 SET s = s + {2} WHERE id = 1");
  EXPECT_EQ(one("SELECT s FROM ks.bag WHERE id = 1"), "(none)");
  run("UPDATE ks.bag USING TIMESTAMP 25 SET s = s + {3} WHERE id = 1");
  run("UPDATE ks.bag USING TIMESTAMP 24 SET s = s + {4} WHERE id = 1");
  EXPECT_EQ(one("SELECT s FROM ks.bag WHERE id = 1"), list({int_cell(3), int_cell(4)}))
      << "additions do not depend on their order";
}

TEST_F(cql_collections, misfits_are_refused) {
  refuses("UPDATE ks.bag SET f = f + {1} WHERE id = 1", "for frozen collection column f");
  refuses("UPDATE ks.bag SET s[1] = 2 WHERE id = 1", "Invalid operation (s[1] = 2) for set column s");
  refuses("UPDATE ks.person SET age[1] = 2 WHERE id = 'a'", "for non collection column age");
  refuses("DELETE f[1] FROM ks.bag WHERE id = 1",
          "Invalid deletion operation for frozen collection column f");
  refuses("DELETE age[1] FROM ks.person WHERE id = 'a'",
          "Invalid deletion operation for non collection column age");
  refuses("SELECT m['a'] FROM ks.bag WHERE id = 1", "not supported by the emulator");
  refuses("UPDATE ks.bag SET l[0] = 'x' WHERE id = 1", "not supported by the emulator");
}

class cql_statics : public cql_columns {
  void SetUp() override {
    emulator_test::SetUp();
    run("CREATE TABLE ks.room (house text, room int, owner text static, size int, "
        "PRIMARY KEY (house, room))");
  }
};

TEST_F(cql_statics, belong_to_the_partition) {
  run("INSERT INTO ks.room (house, room, size) VALUES ('h', 1, 10)");
  run("INSERT INTO ks.room (house, room, size, owner) VALUES ('h', 2, 20, 'Ada')");
  const reply found = ask("SELECT * FROM ks.room WHERE house = 'h'");
  EXPECT_EQ(found.columns,
            (std::vector<column_spec>{{"house", 0x0D}, {"room", 0x09}, {"owner", 0x0D}, {"size", 0x09}}));
  ASSERT_EQ(found.rows.size(), 2U);
  EXPECT_EQ(found.rows[0], (std::vector<cell>{"h", int_cell(1), "Ada", int_cell(10)}));
  EXPECT_EQ(found.rows[1], (std::vector<cell>{"h", int_cell(2), "Ada", int_cell(20)}));
  const prepared move = prepare("UPDATE ks.room SET owner = ? WHERE house = ?");
  EXPECT_EQ(move.key, std::vector<std::uint16_t>{1});
  ASSERT_TRUE(client.execute(move, {"Bob", "h"}, {.timestamp = 1}).ok());
  EXPECT_EQ(one("SELECT owner FROM ks.room WHERE house = 'h' AND room = 1"), "Ada") << "an older write";
  ASSERT_TRUE(client.execute(move, {"Bob", "h"}).ok());
  EXPECT_EQ(one("SELECT owner FROM ks.room WHERE house = 'h' AND room = 1"), "Bob");
  EXPECT_EQ(one("SELECT kind FROM system_schema.columns WHERE keyspace_name = 'ks' AND table_name = 'room' "
                "AND column_name = 'owner'"),
            "static");
}

TEST_F(cql_statics, a_partition_may_have_nothing_else) {
  run("INSERT INTO ks.room (house, owner) VALUES ('h', 'Ada')");
  const reply alone = ask("SELECT * FROM ks.room");
  ASSERT_EQ(alone.rows.size(), 1U);
  EXPECT_EQ(alone.rows[0], (std::vector<cell>{"h", {}, "Ada", {}}));
  EXPECT_TRUE(ask("SELECT * FROM ks.room WHERE house = 'h' AND room = 1").rows.empty());
  EXPECT_TRUE(ask("SELECT * FROM ks.room WHERE house = 'h' AND room > 0").rows.empty());
  run("INSERT INTO ks.room (house, room) VALUES ('h', 1)");
  EXPECT_EQ(ask("SELECT * FROM ks.room WHERE house = 'h'").rows.size(), 1U);
  run("DELETE owner FROM ks.room WHERE house = 'h'");
  EXPECT_EQ(one("SELECT owner FROM ks.room WHERE house = 'h'"), "(null)");
  run("INSERT INTO ks.room (house, owner) VALUES ('h', 'Ada')");
  run("DELETE FROM ks.room WHERE house = 'h'");
  EXPECT_TRUE(ask("SELECT * FROM ks.room").rows.empty());
}

TEST_F(cql_statics, select_distinct_gives_each_partition_once) {
  for (int house = 0; house < 25; ++house) {
    const std::string key = "'" + std::to_string(house) + "'";
    if (house % 2 == 0) run("INSERT INTO ks.room (house, owner) VALUES (" + key + ", 'Ada')");
    for (int room = 0; house % 3 != 0 && room < 3; ++room)
      run("INSERT INTO ks.room (house, room) VALUES (" + key + ", " + std::to_string(room) + ")");
  }
  std::vector<cell> seen;
  std::string state;
  do {
    const reply page =
        ask("SELECT DISTINCT house, owner FROM ks.room", {}, {.page_size = 4, .paging_state = state});
    EXPECT_LE(page.rows.size(), 4U);
    for (const auto& row : page.rows) seen.push_back(row[0]);
    state = page.paging_state;
  } while (!state.empty() && seen.size() < 100);
  EXPECT_EQ(seen.size(), 21U) << "all but those with neither a static cell nor a row";
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
  EXPECT_EQ(one("SELECT DISTINCT owner FROM ks.room WHERE house = '4'"), "Ada");
  refuses("SELECT DISTINCT house, size FROM ks.room",
          "SELECT DISTINCT queries must only request partition key columns and/or static columns (not size)");
  refuses("SELECT DISTINCT owner FROM ks.room",
          "SELECT DISTINCT queries must request all the partition key columns (missing house)");
  refuses("SELECT DISTINCT house FROM ks.room WHERE house = 'h' AND room = 1",
          "SELECT DISTINCT with WHERE clause only supports restriction by partition key");
}

TEST_F(cql_statics, conditions_see_them) {
  EXPECT_EQ(ask("UPDATE ks.room SET owner = 'Ada' WHERE house = 'h' IF owner = null").rows.at(0)[0],
            std::string(1, '\1'));
  const reply refused = ask("UPDATE ks.room SET owner = 'Bob' WHERE house = 'h' IF owner = 'Cem'");
  EXPECT_EQ(refused.rows.at(0), (std::vector<cell>{std::string(1, '\0'), "Ada"}));
  EXPECT_EQ(ask("UPDATE ks.room SET size = 3 WHERE house = 'h' AND room = 1 IF owner = 'Ada'").rows.at(0)[0],
            std::string(1, '\1'));
  EXPECT_EQ(one("SELECT size FROM ks.room WHERE house = 'h' AND room = 1"), int_cell(3));
}

TEST_F(cql_statics, misfits_are_refused) {
  refuses("CREATE TABLE ks.t (id int PRIMARY KEY, v int static)", "Static columns are only useful");
  refuses("CREATE TABLE ks.t (id int, c int static, PRIMARY KEY (id, c))",
          "Static column 'c' cannot be part of the PRIMARY KEY");
  refuses(
      "UPDATE ks.room SET owner = 'x' WHERE house = 'h' AND room = 1",
      "Invalid restrictions on clustering columns since the UPDATE statement modifies only static columns");
  refuses("UPDATE ks.room SET owner = 'x', size = 1 WHERE house = 'h'",
          "Some clustering keys are missing: room");
  refuses("INSERT INTO ks.room (house, owner, size) VALUES ('h', 'x', 1)",
          "Some clustering keys are missing: room");
}

}  // namespace
}  // namespace millrace::emulators::test

// User-defined types: DDL, metadata, system_schema.types, values with fewer fields than the type has.
#include "cql_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr std::int32_t invalid = 0x2200;

// [option] of a type as the protocol notates it.
std::string udt_option(std::string_view keyspace, std::string_view name,
                       const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out = std::string("\0\x30", 2) + short_text(keyspace) + short_text(name);
  put(out, fields.size(), 2);
  for (const auto& [field, option] : fields) out += short_text(field) + option;
  return out;
}
std::string scalar(std::uint16_t id) { return big_endian(id, 2); }
const std::string null_field = big_endian(-1, 4);

class cql_user_types : public emulator_test {
 protected:
  void SetUp() override {
    emulator_test::SetUp();
    run("CREATE TYPE ks.address (street text, zip int)");
    run("CREATE TABLE ks.home (id int PRIMARY KEY, at frozen<address>, loose address)");
  }
  static std::string address(std::string_view street, std::int32_t zip) {
    return long_text(street) + long_text(int_cell(zip));
  }
};

TEST_F(cql_user_types, metadata_has_keyspace_name_and_fields) {
  const std::string expected = udt_option("ks", "address", {{"street", scalar(0x0D)}, {"zip", scalar(0x09)}});
  const prepared insert = prepare("INSERT INTO ks.home (id, at) VALUES (?, ?)");
  EXPECT_EQ(insert.binds[1].type, 0x30);
  EXPECT_EQ(insert.binds[1].option, expected);
  const prepared select = prepare("SELECT at, loose FROM ks.home WHERE id = ?");
  EXPECT_EQ(select.results[0].option, expected);
  EXPECT_EQ(select.results[1].option, expected) << "frozen or not is not part of the metadata";
  const std::string cell = address("Elm", 7);
  ASSERT_TRUE(client.execute(insert, {int_cell(1), cell}).ok());
  const reply found = client.execute(select, {int_cell(1)});
  EXPECT_EQ(found.columns, select.results);
  EXPECT_EQ(found.rows.at(0)[0], cell);
  EXPECT_EQ(found.rows.at(0)[1], std::nullopt);
}

TEST_F(cql_user_types, types_nest_in_every_container) {
  run("CREATE TYPE ks.person_name (parts frozen<list<text>>, home frozen<address>)");
  const std::string inner = udt_option("ks", "address", {{"street", scalar(0x0D)}, {"zip", scalar(0x09)}});
  const std::string name_option =
      udt_option("ks", "person_name", {{"parts", scalar(0x20) + scalar(0x0D)}, {"home", inner}});
  const std::string name_value = long_text(int_cell(1) + long_text("Ada")) + long_text(address("Elm", 7));
  const std::string literal = "{parts: ['Ada'], home: {street: 'Elm', zip: 7}}";
  const std::vector<std::tuple<std::string, std::string, std::string>> cases{
      {"frozen<person_name>", literal, name_value},
      {"person_name", literal, name_value},
      {"list<frozen<person_name>>", "[" + literal + "]", int_cell(1) + long_text(name_value)},
      {"set<frozen<person_name>>", "{" + literal + "}", int_cell(1) + long_text(name_value)},
      {"map<text, frozen<person_name>>", "{'k': " + literal + "}",
       int_cell(1) + long_text("k") + long_text(name_value)},
      {"map<frozen<person_name>, int>", "{" + literal + ": 3}",
       int_cell(1) + long_text(name_value) + long_text(int_cell(3))},
      {"tuple<int, frozen<person_name>>", "(1, " + literal + ")",
       long_text(int_cell(1)) + long_text(name_value)},
      {"frozen<list<map<text, person_name>>>", "[{'k': " + literal + "}]",
       int_cell(1) + long_text(int_cell(1) + long_text("k") + long_text(name_value))},
  };
  for (const auto& [type, written, stored] : cases) {
    run("CREATE TABLE ks.nested (id int PRIMARY KEY, v " + type + ")");
    run("INSERT INTO ks.nested (id, v) VALUES (1, " + written + ")");
    EXPECT_EQ(one("SELECT v FROM ks.nested WHERE id = 1"), stored) << type;
    const prepared rewrite = prepare("INSERT INTO ks.nested (id, v) VALUES (2, ?)");
    EXPECT_TRUE(client.execute(rewrite, {stored}).ok()) << type;
    EXPECT_EQ(client.execute(rewrite, {stored + "x"}).error, invalid) << type;
    run("DROP TABLE ks.nested");
  }
  run("CREATE TABLE ks.nested (id int PRIMARY KEY, v frozen<person_name>)");
  EXPECT_EQ(prepare("SELECT v FROM ks.nested").results[0].option, name_option);
}

TEST_F(cql_user_types, system_schema_describes_them) {
  run("CREATE TYPE ks.\"Odd name\" (\"A b\" list<int>, home frozen<address>)");
  run("ALTER TABLE ks.home ADD odd frozen<\"Odd name\">");
  const reply types =
      ask("SELECT type_name, field_names, field_types FROM system_schema.types WHERE keyspace_name = 'ks'");
  const auto list = [](const std::vector<std::string>& items) {
    std::string out = int_cell(static_cast<std::int32_t>(items.size()));
    for (const std::string& each : items) out += long_text(each);
    return out;
  };
  const std::vector<std::vector<cell>> expected{
      {"Odd name", list({"A b", "home"}), list({"list<int>", "frozen<address>"})},
      {"address", list({"street", "zip"}), list({"text", "int"})}};
  EXPECT_EQ(types.rows, expected);
  const auto type_of = [&](const std::string& column) {
    return one(
        "SELECT type FROM system_schema.columns WHERE keyspace_name = 'ks' AND table_name = 'home' AND "
        "column_name = '" +
        column + "'");
  };
  EXPECT_EQ(type_of("at"), "frozen<address>");
  EXPECT_EQ(type_of("loose"), "address");
  EXPECT_EQ(type_of("odd"), "frozen<\"Odd name\">");
  run("DROP TABLE ks.home");
  run("DROP TYPE ks.\"Odd name\"");
  EXPECT_EQ(ask("SELECT type_name FROM system_schema.types").rows.size(), 1);
  run("DROP KEYSPACE ks");
  EXPECT_TRUE(ask("SELECT type_name FROM system_schema.types").rows.empty());
}

TEST_F(cql_user_types, stored_values_have_the_fields_of_their_time) {
  const prepared insert = prepare("INSERT INTO ks.home (id, at, loose) VALUES (?, ?, ?)");
  const std::string before = address("Elm", 7);
  ASSERT_TRUE(client.execute(insert, {int_cell(1), before, before}).ok());
  run("ALTER TYPE ks.address ADD city text");
  const reply old = ask("SELECT at, loose FROM ks.home WHERE id = 1");
  EXPECT_EQ(
      old.columns[0].option,
      udt_option("ks", "address", {{"street", scalar(0x0D)}, {"zip", scalar(0x09)}, {"city", scalar(0x0D)}}));
  EXPECT_EQ(old.rows.at(0)[0], before) << "a frozen value is sent as it was written";
  EXPECT_EQ(old.rows.at(0)[1], before + null_field) << "one that is not is sent with all fields";

  const prepared again = prepare("INSERT INTO ks.home (id, at) VALUES (?, ?)");
  EXPECT_TRUE(client.execute(again, {int_cell(2), long_text("Elm")}).ok()) << "fewer fields may be written";
  EXPECT_EQ(one("SELECT at FROM ks.home WHERE id = 2"), long_text("Elm"));
  EXPECT_TRUE(client.execute(again, {int_cell(2), before + long_text("Oslo")}).ok());
  const reply more = client.execute(again, {int_cell(2), before + long_text("Oslo") + long_text("x")});
  EXPECT_EQ(more.error, invalid);
  EXPECT_EQ(more.message, "Invalid remaining data after end of UDT value");
  EXPECT_EQ(client.execute(again, {int_cell(2), long_text("\xc3\x28")}).message, "String didn't validate.");
}

TEST_F(cql_user_types, a_loose_value_without_fields_is_null) {
  run("INSERT INTO ks.home (id, loose) VALUES (1, {street: null})");
  EXPECT_EQ(one("SELECT loose FROM ks.home WHERE id = 1"), "(null)");
  run("INSERT INTO ks.home (id, at) VALUES (1, {street: null})");
  EXPECT_EQ(one("SELECT at FROM ks.home WHERE id = 1"), null_field + null_field) << "a frozen one is there";
}

TEST_F(cql_user_types, fields_are_written_one_by_one) {
  const prepared street = prepare("UPDATE ks.home SET loose.street = ? WHERE id = ?");
  EXPECT_EQ(street.binds[0], (column_spec{"loose.street", 0x0D}));
  ASSERT_TRUE(client.execute(street, {"Elm", int_cell(1)}).ok());
  run("UPDATE ks.home SET loose.zip = 7 WHERE id = 1");
  EXPECT_EQ(one("SELECT loose FROM ks.home WHERE id = 1"), address("Elm", 7));
  run("DELETE loose.street FROM ks.home WHERE id = 1");
  EXPECT_EQ(one("SELECT loose FROM ks.home WHERE id = 1"), null_field + long_text(int_cell(7)));
  run("UPDATE ks.home SET loose.zip = null WHERE id = 1");
  EXPECT_EQ(one("SELECT loose FROM ks.home WHERE id = 1"), "(none)") << "an UPDATE leaves no row behind";
}

TEST_F(cql_user_types, renamed_fields_keep_their_values) {
  run("INSERT INTO ks.home (id, at) VALUES (1, {street: 'Elm', zip: 7})");
  run("ALTER TYPE ks.address RENAME street TO road AND zip TO code");
  const reply found = ask("SELECT at FROM ks.home WHERE id = 1");
  EXPECT_EQ(found.columns[0].option,
            udt_option("ks", "address", {{"road", scalar(0x0D)}, {"code", scalar(0x09)}}));
  EXPECT_EQ(found.rows.at(0)[0], address("Elm", 7));
}

TEST_F(cql_user_types, a_change_reaches_the_types_and_tables_that_contain_it) {
  run("CREATE TYPE ks.outer (inner frozen<list<address>>)");
  run("CREATE TABLE ks.deep (id int PRIMARY KEY, v map<int, frozen<outer>>)");
  run("ALTER TYPE ks.address ADD city text");
  EXPECT_NE(client.query("INSERT INTO ks.deep (id, v) VALUES (1, {1: {inner: [{city: 'Oslo'}]}})").op, 0);
  EXPECT_EQ(one("SELECT v FROM ks.deep WHERE id = 1"),
            int_cell(1) + long_text(int_cell(1)) +
                long_text(long_text(int_cell(1) + long_text(null_field + null_field + long_text("Oslo")))));
}

TEST_F(cql_user_types, errors_are_those_of_cassandra) {
  run("CREATE TYPE ks.user_of (home frozen<address>)");
  run("CREATE TABLE ks.keyed (id frozen<user_of> PRIMARY KEY)");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"CREATE TYPE ks.address (a int)", "A user type with name 'address' already exists"},
      {"CREATE TYPE ks.twice (a int, a text)",
       "Cannot add field a to type ks.twice: a field with name a already exists"},
      {"CREATE TYPE ks.self (a frozen<self>)", "Unknown type ks.self"},
      {"CREATE TYPE ks.loose (a address)", "A user type cannot contain non-frozen UDTs"},
      {"CREATE TYPE ks.counted (a counter)", "A user type cannot contain counters"},
      {"CREATE TYPE nope.t (a int)", "Keyspace 'nope' doesn't exist"},
      {"CREATE TABLE ks.t (id int PRIMARY KEY, v frozen<nope>)", "Unknown type ks.nope"},
      {"CREATE TABLE ks.t (id int PRIMARY KEY, v frozen<other.address>)",
       "Statement on keyspace ks cannot refer to a user type in keyspace other"},
      {"CREATE TABLE ks.t (id int PRIMARY KEY, v list<address>)",
       "Non-frozen UDTs are not allowed inside collections: address"},
      {"CREATE TABLE ks.t (id address PRIMARY KEY)",
       "Invalid non-frozen user-defined type address for PRIMARY KEY column 'id'"},
      {"ALTER TYPE ks.nope ADD a int", "Type ks.nope doesn't exist"},
      {"ALTER TYPE ks.user_of ADD home int", "a field with name home already exists"},
      {"ALTER TYPE ks.address ADD u int", "used in partition key by the following tables: ks.keyed"},
      {"ALTER TYPE ks.address RENAME nope TO x", "Unkown field nope in user type ks.address"},
      {"ALTER TYPE ks.address RENAME zip TO street", "Duplicate field name street"},
      {"ALTER TYPE ks.address ALTER zip TYPE text", "Altering field types is no longer supported"},
      {"DROP TYPE ks.nope", "Type 'ks.nope' doesn't exist"},
      {"DROP TYPE ks.address",
       "Cannot drop user type 'ks.address' as it is still used by user types user_of"},
      {"DROP TYPE ks.user_of", "Cannot drop user type 'ks.user_of' as it is still used by tables ks.keyed"},
      {"INSERT INTO ks.home (id, at) VALUES (1, {nope: 1})",
       "Unknown field 'nope' in value of user defined type address"},
      {"INSERT INTO ks.home (id, at) VALUES (1, {zip: 'x'})", "for \"at.zip\" of type int"},
      {"UPDATE ks.home SET at.zip = 1 WHERE id = 1", "for frozen UDT column at"},
      {"UPDATE ks.home SET loose.nope = 1 WHERE id = 1", "UDT column loose does not have a field named nope"},
      {"DELETE at.zip FROM ks.home WHERE id = 1", "Frozen UDT column at does not support field deletions"},
  };
  for (const auto& [statement, text] : cases) {
    const reply answer = client.query(statement);
    EXPECT_EQ(answer.error, invalid) << statement << ": " << answer.message;
    EXPECT_NE(answer.message.find(text), std::string::npos) << statement << ": " << answer.message;
  }
  run("DROP TABLE ks.keyed");
  run("ALTER TYPE ks.address ADD city text");
  EXPECT_NE(client.query("ALTER TYPE ks.address ADD u frozen<user_of>").message.find("circular reference"),
            std::string::npos);
}

TEST_F(cql_user_types, ddl_answers_and_events_name_the_type) {
  cql_client watcher(emulator->port());
  watcher.start();
  std::string wanted;
  put(wanted, 1, 2);
  watcher.send(0x0B, wanted + short_text("SCHEMA_CHANGE"));
  ASSERT_EQ(watcher.receive().op, 0x02);
  const auto change = [&](const std::string& statement, const std::string& kind) {
    const std::string before = one("SELECT schema_version FROM system.local");
    EXPECT_EQ(ask(statement).words, (std::vector<std::string>{kind, "TYPE", "ks", "fresh"}));
    EXPECT_NE(one("SELECT schema_version FROM system.local"), before) << statement;
    EXPECT_EQ(watcher.receive().body, short_text("SCHEMA_CHANGE") + short_text(kind) + short_text("TYPE") +
                                          short_text("ks") + short_text("fresh"));
  };
  change("CREATE TYPE ks.fresh (a int)", "CREATED");
  EXPECT_EQ(ask("CREATE TYPE IF NOT EXISTS ks.fresh (a int)").kind, 1);
  change("ALTER TYPE ks.fresh ADD b int", "UPDATED");
  change("DROP TYPE ks.fresh", "DROPPED");
  EXPECT_EQ(ask("DROP TYPE IF EXISTS ks.fresh").kind, 1);
}

}  // namespace
}  // namespace millrace::emulators::test

#include <gtest/gtest.h>

#include <millrace/cql/declared_schema.h>
#include <millrace/cql/statement.h>
#include <millrace/statement/declarations.h>

namespace millrace::cql {
namespace {

constexpr std::string_view shop = R"(
-- The tables of a shop.
CREATE KEYSPACE IF NOT EXISTS shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};
USE shop;
CREATE TYPE address (street text, number int);
CREATE TABLE IF NOT EXISTS orders (
  customer text, at timestamp, id uuid, amount decimal, tags set<text>, parts map<text, int>, lines list<int>,
  home frozen<address>, level int STATIC, PRIMARY KEY ((customer), at)) WITH CLUSTERING ORDER BY (at DESC);
CREATE TABLE hits (page varchar PRIMARY KEY, views counter);
CREATE INDEX by_id ON orders (id);
)";

std::string only_problem(std::string_view text) {
  const declared_schema schema = declared_schema::parse(text, "shop");
  if (schema.problems().size() != 1) return std::to_string(schema.problems().size()) + " problems";
  const schema_problem& one = schema.problems().front();
  return std::to_string(one.line) + ":" + std::to_string(one.column) + ": " + one.message;
}

std::string text_of(const std::vector<statements::column>& all) {
  std::string text;
  for (const statements::column& each : all) text += (text.empty() ? "" : ", ") + each.name + " " + each.type;
  return text;
}

class declared_schema_test : public testing::Test {
 protected:
  std::string parameters(std::string_view cql) {
    const auto described = schema.describe(cql, "shop");
    return described ? text_of(described->parameters) : "error: " + described.error().message();
  }
  std::string columns(std::string_view cql) {
    const auto described = schema.describe(cql, "shop");
    return described ? text_of(described->columns) : "error: " + described.error().message();
  }

  declared_schema schema = declared_schema::parse(shop, "");
};

TEST_F(declared_schema_test, statements_are_listed_with_what_they_make) {
  ASSERT_TRUE(schema.problems().empty()) << schema.problems().front().message;
  using kind = declared_statement::kind;
  const std::vector<kind> kinds{kind::keyspace, kind::use, kind::type, kind::table, kind::table, kind::index};
  ASSERT_EQ(schema.statements().size(), kinds.size());
  for (std::size_t i = 0; i < kinds.size(); ++i) EXPECT_EQ(schema.statements()[i].is, kinds[i]) << i;
  EXPECT_EQ(schema.statements()[3].name, "orders");
  EXPECT_EQ(schema.statements()[3].keyspace, "shop");
  EXPECT_TRUE(schema.statements()[3].repeatable);
  EXPECT_EQ(schema.statements()[3].line, 6U);
  EXPECT_TRUE(schema.statements()[5].text.starts_with("CREATE INDEX") &&
              schema.statements()[5].text.ends_with("(id)"));
}

TEST_F(declared_schema_test, a_name_without_a_keyspace_can_be_completed) {
  const declared_statement& orders = schema.statements()[3];
  EXPECT_EQ(orders.text.substr(orders.qualify_at, 6), "orders");
  const declared_statement& index = schema.statements()[5];
  EXPECT_EQ(index.text.substr(index.qualify_at, 6), "orders");
  EXPECT_EQ(declared_schema::parse("CREATE TABLE k.a (id int PRIMARY KEY)", "").statements()[0].qualify_at,
            std::string::npos);
}

TEST_F(declared_schema_test, columns_have_their_types_and_their_place_in_the_key) {
  const declared_table& orders = schema.tables().at({"shop", "orders"});
  EXPECT_EQ(orders.find("customer")->is, declared_column::role::partition_key);
  EXPECT_EQ(orders.find("at")->is, declared_column::role::clustering);
  EXPECT_EQ(orders.find("level")->is, declared_column::role::fixed);
  EXPECT_EQ(orders.find("tags")->type, "set<text>");
  EXPECT_EQ(orders.find("home")->type, "frozen<udt<shop.address, street text, number int>>");
  EXPECT_TRUE(orders.find("id")->indexed);
  EXPECT_EQ(schema.tables().at({"shop", "hits"}).find("page")->type, "text") << "varchar is text";
}

TEST_F(declared_schema_test, each_parameter_has_the_type_of_its_column) {
  EXPECT_EQ(parameters("INSERT INTO orders (customer, at, amount) VALUES (?, ?, ?) USING TTL ?"),
            "customer text, at timestamp, amount decimal, [ttl] int");
  EXPECT_EQ(
      parameters("UPDATE orders SET tags = tags + ?, parts[?] = ?, level = ? WHERE customer = ? AND at = ?"),
      "tags set<text>, key(parts) text, value(parts) int, level int, customer text, at timestamp");
  EXPECT_EQ(parameters("UPDATE orders SET parts = parts - ? WHERE customer = ? AND at = ?"),
            "parts set<text>, customer text, at timestamp");
  EXPECT_EQ(parameters("UPDATE hits SET views = views + ? WHERE page = ?"), "views counter, page text");
  EXPECT_EQ(parameters("DELETE tags[?] FROM orders USING TIMESTAMP ? WHERE customer = ? AND at = ?"),
            "value(tags) text, [timestamp] bigint, customer text, at timestamp");
  EXPECT_EQ(parameters("SELECT id FROM shop.orders WHERE customer IN ? AND at >= ? LIMIT ?"),
            "in(customer) list<text>, at timestamp, [limit] int");
  EXPECT_EQ(parameters("SELECT id FROM orders WHERE token(customer) > ?"), "partition key token bigint");
  EXPECT_EQ(parameters("SELECT id FROM orders WHERE customer = ? AND (at) > (?)"),
            "customer text, at timestamp");
}

TEST_F(declared_schema_test, selected_columns_have_their_types_and_aliases) {
  EXPECT_EQ(
      columns("SELECT amount AS total, home, count(*), writetime(amount) AS written FROM orders WHERE "
              "customer = ?"),
      "total decimal, home frozen<udt<shop.address, street text, number int>>, count bigint, written bigint");
  EXPECT_EQ(columns("SELECT max(at) AS newest FROM orders WHERE customer = ?"), "newest timestamp");
}

TEST_F(declared_schema_test, what_a_function_yields_is_left_to_a_server) {
  const auto described =
      schema.describe("INSERT INTO orders (customer, at) VALUES (?, mintimeuuid(?))", "shop");
  ASSERT_TRUE(described);
  EXPECT_FALSE(described->complete);
  EXPECT_EQ(described->parameters[0].type, "text");
  EXPECT_EQ(described->parameters[1].type, "");
}

TEST_F(declared_schema_test, unknown_names_are_refused_with_the_name_that_was_meant) {
  EXPECT_EQ(columns("SELECT amuont FROM orders WHERE customer = ?"),
            "error: table 'orders' has no column 'amuont'; did you mean 'amount'?");
  EXPECT_EQ(columns("SELECT id FROM ordres WHERE customer = ?"),
            "error: the schema has no table 'shop.ordres'; did you mean 'orders'?");
  EXPECT_EQ(parameters("UPDATE orders SET home.stret = ? WHERE customer = ? AND at = ?"),
            "error: column 'home' has no field 'stret'; did you mean 'street'?");
}

TEST_F(declared_schema_test, what_a_server_refuses_is_refused) {
  EXPECT_EQ(parameters("INSERT INTO orders (customer, amount) VALUES (?, ?)"),
            "error: it does not write 'at', which is in the primary key of 'orders'");
  EXPECT_EQ(parameters("INSERT INTO orders (customer, level) VALUES (?, ?)"), "customer text, level int")
      << "a static column needs no clustering key";
  EXPECT_EQ(parameters("INSERT INTO orders (customer, at) VALUES (?)"),
            "error: it names 2 columns and gives 1 values");
  EXPECT_EQ(parameters("INSERT INTO hits (page, views) VALUES (?, ?)"),
            "error: a counter cannot be inserted: write UPDATE ... SET views = views + ?");
  EXPECT_EQ(parameters("UPDATE hits SET views = ? WHERE page = ?"),
            "error: counter 'views' can only be changed: write views = views + ?");
  EXPECT_EQ(parameters("UPDATE orders SET amount = ? WHERE customer = ?"),
            "error: its WHERE does not name 'at', which is in the primary key of 'orders'");
  EXPECT_EQ(parameters("DELETE FROM orders WHERE at = ?"),
            "error: its WHERE does not name 'customer', which is in the partition key of 'orders'");
  EXPECT_EQ(columns("SELECT id FROM orders WHERE amount = ?"),
            "error: its WHERE names 'amount', which is neither in the primary key of 'orders' nor indexed: "
            "it would "
            "need ALLOW FILTERING");
  EXPECT_EQ(columns("SELECT amount FROM orders WHERE id = ?"), "amount decimal") << "it is indexed";
}

TEST(declared_schema_text, an_error_has_its_line_and_column) {
  EXPECT_EQ(only_problem("CREATE TABLE a (\n  id txt PRIMARY KEY);"),
            "2:6: 'txt' is not a CQL type, and no type of that name is declared above in keyspace 'shop'; "
            "did you mean "
            "'text'?");
  EXPECT_EQ(only_problem("CREAT TABLE a (id text PRIMARY KEY);"),
            "1:1: expected CREATE, ALTER, DROP, USE or INSERT, found 'creat'; did you mean 'create'?");
  EXPECT_EQ(only_problem("CREATE TABLE a (id text);"), "1:14: table 'a' has no PRIMARY KEY");
  EXPECT_EQ(only_problem("CREATE TABLE a (id text, PRIMARY KEY (di));"),
            "1:39: PRIMARY KEY names 'di', which is not a column of 'a'; did you mean 'id'?");
  EXPECT_EQ(only_problem("CREATE TABLE a (id text PRIMARY KEY, c counter, v int);"),
            "1:14: table 'a' mixes counters with other columns: a table has one of both");
  EXPECT_EQ(only_problem("CREATE TABLE a (id text PRIMARY KEY, m map<text>);"),
            "1:40: 'map' contains 2 types, found 1");
  EXPECT_EQ(only_problem("CREATE TABLE a (id text PRIMARY KEY"),
            "1:36: expected ')', found the end of the file");
  EXPECT_EQ(only_problem("CREATE INDEX ON b (id);"), "1:17: table 'shop.b' is not declared above");
}

TEST(declared_schema_text, every_error_is_found) {
  const declared_schema schema = declared_schema::parse(
      "CREATE TABLE a (id txt PRIMARY KEY); CREATE TABLE b (id text); CREATE TABLE c (id int PRIMARY KEY);",
      "k");
  EXPECT_EQ(schema.problems().size(), 2U);
  EXPECT_TRUE(schema.tables().contains({"k", "c"}));
}

TEST(declared_schema_text, a_name_without_a_keyspace_is_refused) {
  const declared_schema schema = declared_schema::parse("CREATE TABLE a (id text PRIMARY KEY);", "");
  ASSERT_EQ(schema.problems().size(), 1U);
  EXPECT_EQ(schema.problems().front().message,
            "'a' has no keyspace; write KEYSPACE.a, or USE KEYSPACE before it");
}

TEST(declared_schema_text, changes_apply_in_their_order) {
  const declared_schema schema = declared_schema::parse(
      "CREATE TYPE k.t (a int); CREATE TABLE k.a (id text PRIMARY KEY, v int, x frozen<t>); USE k;"
      "ALTER TABLE a ADD n bigint, s set<text>; ALTER TABLE a DROP v; ALTER TABLE a RENAME id TO name;"
      "ALTER TYPE t ADD b text; CREATE TABLE gone (id int PRIMARY KEY); DROP TABLE gone;",
      "k");
  ASSERT_TRUE(schema.problems().empty()) << schema.problems().front().message;
  const declared_table& a = schema.tables().at({"k", "a"});
  EXPECT_EQ(a.column_names(), (std::vector<std::string>{"name", "x", "n", "s"}));
  EXPECT_EQ(a.find("x")->type, "frozen<udt<k.t, a int, b text>>");
  EXPECT_FALSE(schema.tables().contains({"k", "gone"}));
}

TEST(declared_schema_text, a_view_has_the_columns_that_it_selects) {
  const declared_schema schema = declared_schema::parse(
      "CREATE TABLE k.a (id text, g int, v int, PRIMARY KEY (id, g));"
      "CREATE MATERIALIZED VIEW k.by_g AS SELECT id, g FROM k.a WHERE id IS NOT NULL AND g IS NOT NULL "
      "PRIMARY KEY (g, id);",
      "");
  ASSERT_TRUE(schema.problems().empty()) << schema.problems().front().message;
  EXPECT_EQ(text_of(schema.describe("SELECT id FROM by_g WHERE g = ?", "k")->parameters), "g int");
}

TEST(declared_schema_check, the_types_of_a_statement_are_compared_with_the_schema) {
  const declared_schema schema = declared_schema::parse(shop, "");
  statements::declarations declared;
  const statements::declaration_scope scope(declared);
  statement<void(std::string_view, std::int64_t)> count{"UPDATE hits SET views = views + ? WHERE page = ?"};
  const auto refused = schema.check(count, "shop");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_type_mismatch);
  EXPECT_NE(refused.error().message().find("parameter 'views' is counter in the database"), std::string::npos)
      << refused.error().message();

  statement<void(std::int64_t, std::string_view)> right{"UPDATE hits SET views = views + ? WHERE page = ?",
                                                        {.idempotent = false}};
  const auto checked = schema.check(right, "shop");
  ASSERT_TRUE(checked) << checked.error().message();
  EXPECT_TRUE(*checked);
}

}  // namespace
}  // namespace millrace::cql

#include <gtest/gtest.h>

#include <millrace/emulators/cql_tables.h>

namespace millrace::emulators {
namespace {

class cql_tables_test : public testing::Test {
 protected:
  cql_tables_test() {
    run("CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    run("CREATE TYPE app.address (street text, number int)");
    run("CREATE TABLE app.visit (id text, at timestamp, score double, tags set<text>, home frozen<address>, "
        "PRIMARY KEY (id, at))");
    run("CREATE TABLE app.hits (page text PRIMARY KEY, views counter)");
  }
  void run(std::string_view cql, std::optional<std::int64_t> at = std::nullopt) {
    const auto done = tables.execute(cql, at);
    ASSERT_TRUE(done) << cql << ": " << done.error().message();
  }
  static std::string text(const std::vector<cql_named_type>& all) {
    std::string joined;
    for (const cql_named_type& each : all)
      joined += (joined.empty() ? "" : ", ") + each.name + " " + each.type;
    return joined;
  }
  std::vector<std::vector<std::optional<byte_buffer>>> rows(std::string_view cql) {
    auto found = tables.run(cql, {}, std::nullopt);
    EXPECT_TRUE(found) << (found ? "" : found.error().message());
    return found ? found->rows : std::vector<std::vector<std::optional<byte_buffer>>>();
  }

  cql_tables tables{"app"};
};

TEST_F(cql_tables_test, a_statement_is_described_as_a_client_sees_it) {
  const auto insert = tables.describe("INSERT INTO visit (id, at, tags, home) VALUES (?, ?, ?, ?)");
  ASSERT_TRUE(insert) << insert.error().message();
  EXPECT_EQ(text(insert->parameters),
            "id text, at timestamp, tags set<text>, home udt<app.address, street text, number int>");
  EXPECT_TRUE(insert->columns.empty());
  const auto select = tables.describe("SELECT score AS points, home FROM visit WHERE id = ?");
  ASSERT_TRUE(select) << select.error().message();
  EXPECT_EQ(text(select->columns), "points double, home udt<app.address, street text, number int>");
}

TEST_F(cql_tables_test, what_is_written_is_read) {
  run("INSERT INTO visit (id, at, score) VALUES ('v1', 1, 0.5)");
  byte_buffer key{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{2}, std::byte{'v'}, std::byte{'1'}};
  const auto found = tables.run("SELECT score, tags FROM visit WHERE id = ?", key, std::nullopt);
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->rows.size(), 1U);
  EXPECT_EQ(found->rows[0][0]->size(), 8U);
  EXPECT_FALSE(found->rows[0][1]) << "null";
  EXPECT_TRUE(rows("SELECT score FROM visit WHERE id = 'v2'").empty());
}

TEST_F(cql_tables_test, the_write_with_the_larger_timestamp_wins) {
  run("INSERT INTO visit (id, at, score) VALUES ('v1', 1, 1)", 20);
  run("INSERT INTO visit (id, at, score) VALUES ('v1', 1, 2)", 10);
  const auto written = rows("SELECT writetime(score) FROM visit WHERE id = 'v1'");
  ASSERT_EQ(written.size(), 1U);
  EXPECT_EQ(written[0][0]->back(), std::byte{20});
}

TEST_F(cql_tables_test, counters_add_up) {
  run("UPDATE hits SET views = views + 2 WHERE page = 'a'", 5);
  run("UPDATE hits SET views = views + 3 WHERE page = 'a'", 5);
  const auto views = rows("SELECT views FROM hits WHERE page = 'a'");
  ASSERT_EQ(views.size(), 1U);
  EXPECT_EQ(views[0][0]->back(), std::byte{5});
}

TEST_F(cql_tables_test, a_change_of_the_schema_is_seen_by_statements_that_ran_before) {
  EXPECT_FALSE(tables.describe("SELECT note FROM visit WHERE id = ?"));
  run("ALTER TABLE visit ADD note text");
  EXPECT_TRUE(tables.describe("SELECT note FROM visit WHERE id = ?"));
}

TEST_F(cql_tables_test, a_refusal_has_the_servers_text) {
  const auto refused = tables.describe("SELECT nothing FROM visit WHERE id = ?");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_invalid);
  EXPECT_EQ(refused.error().message(), "Undefined column name nothing in table app.visit");
  EXPECT_FALSE(tables.run("SELECT id FROM visit WHERE id = ?", {}, std::nullopt)) << "a parameter is missing";
}

}  // namespace
}  // namespace millrace::emulators

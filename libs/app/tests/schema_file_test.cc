#include <gtest/gtest.h>

#include <millrace/app/schema_file.h>
#include <millrace/cql/lookup.h>
#include <millrace/cql/statement.h>
#include <millrace/simulation/parcel.h>

namespace millrace::app {
namespace {

class pricing final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  cql::lookup<std::int64_t(std::string_view)> prices_{
      "prices", "SELECT amount FROM price WHERE item = ?", {}};
  cql::statement<void(std::string_view, std::int64_t)> insert_{
      "INSERT INTO price (item, amount) VALUES (?, ?)", {.invalidates = {"prices"}}};
};

app_config settings() {
  app_config of;
  of.cql.emplace().keyspace = "shop";
  return of;
}

std::string checked(const std::string& text,
                    const engine::processor_factory& processor = engine::make<pricing>()) {
  const schema_file file = schema_file::of(text, "schema.cql", "shop");
  EXPECT_TRUE(file.diagnostics().empty());
  const auto found = file.check({processor}, settings());
  return found.empty() ? "" : found.front().message;
}

TEST(schema_file, statements_that_fit_their_tables_are_accepted) {
  EXPECT_EQ(checked("CREATE TABLE price (item text PRIMARY KEY, amount bigint);"), "");
}

TEST(schema_file, a_column_of_another_type_is_refused_with_both_types) {
  const std::string why = checked("CREATE TABLE price (item text PRIMARY KEY, amount int);");
  EXPECT_NE(why.find("statement 'select price'"), std::string::npos) << why;
  EXPECT_NE(why.find("is int in the database"), std::string::npos) << why;
}

TEST(schema_file, a_missing_table_or_column_is_refused_with_the_name_that_was_meant) {
  EXPECT_NE(
      checked("CREATE TABLE prices (item text PRIMARY KEY, amount bigint);").find("did you mean 'prices'?"),
      std::string::npos);
  EXPECT_NE(
      checked("CREATE TABLE price (item text PRIMARY KEY, amounts bigint);").find("did you mean 'amounts'?"),
      std::string::npos);
}

class hiding_writes final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  cql::lookup<std::int64_t(std::string_view)> prices_{
      "prices", "SELECT amount FROM price WHERE item = ?", {}};
  cql::statement<void(std::string_view, std::int64_t)> insert_{
      "INSERT INTO price (item, amount) VALUES (?, ?)"};
};

TEST(schema_file, a_write_that_hides_from_a_lookup_is_refused_as_at_the_start) {
  const std::string why =
      checked("CREATE TABLE price (item text PRIMARY KEY, amount bigint);", engine::make<hiding_writes>());
  EXPECT_NE(why.find("which lookup 'prices' caches"), std::string::npos) << why;
}

class with_a_function final : public engine::processor<engine::parcel> {
 public:
  runtime::task<stream::outcome> process(engine::record<engine::parcel>, stream::context) override {
    co_return stream::outcome::done();
  }

 private:
  cql::statement<void(std::string_view, timestamp)> insert_{
      "INSERT INTO visit (item, at) VALUES (?, mintimeuuid(?))"};
};

TEST(schema_file, what_only_a_server_knows_is_a_warning) {
  const schema_file file = schema_file::of(
      "CREATE TABLE visit (item text, at timeuuid, PRIMARY KEY (item, at));", "schema.cql", "shop");
  const auto found = file.check({engine::make<with_a_function>()}, settings());
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().level, config::severity::warning);
}

TEST(schema_file, a_fault_of_the_text_shows_its_line) {
  const schema_file file = schema_file::of("\n\tCREATE TABEL price (item text);\n", "schema.cql", "shop");
  const auto found = file.diagnostics();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().line, 2U);
  EXPECT_EQ(found.front().column, 9U);
  EXPECT_EQ(found.front().width, 5U);
  EXPECT_EQ(found.front().excerpt, " CREATE TABEL price (item text);");
  EXPECT_NE(config::to_text(found.front(), false).find("schema.cql:2:9"), std::string::npos);
}

TEST(schema_file, a_file_that_cannot_be_read_is_named) {
  const auto file = schema_file::read("/nowhere/schema.cql", "shop");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message().find("/nowhere/schema.cql"), std::string::npos);
}

}  // namespace
}  // namespace millrace::app

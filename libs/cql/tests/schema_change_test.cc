// The schema changes while statements run: what still fits goes on, what does not is never misread or miswritten.
#include <millrace/cql/applied.h>
#include <millrace/cql/composite.h>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

struct address {
  std::string street;
};

struct dwelling {
  std::vector<udt<address>> homes;
};

struct owner {
  std::string_view holder;
};

// As Cassandra (no shards), and as ScyllaDB with and without ids of descriptions.
struct server_kind {
  unsigned shards;
  bool metadata_id;
};

class schema_change : public ::testing::TestWithParam<server_kind> {
 protected:
  struct running : session_test {
    explicit running(std::unique_ptr<cql_emulator> server) : session_test(std::move(server), {}) {}
    void TestBody() override {}
    using session_test::context;
    using session_test::finish;
    using session_test::loop_;
    using session_test::server_;
    using session_test::session_;
    using session_test::store_;
    using session_test::turn_until;
    using session_test::why;
  };

  schema_change() {
    emulators::cql_emulator_options options;
    options.shards = GetParam().shards;
    options.metadata_id = GetParam().metadata_id;
    auto server = started(options);
    for (const char* cql :
         {"CREATE TYPE app.address (street text)",
          "CREATE TABLE app.person (id int PRIMARY KEY, home frozen<address>, "
          "homes list<frozen<address>>, named map<text, frozen<tuple<int, frozen<address>>>>)",
          "CREATE TABLE app.claim (id text PRIMARY KEY, holder text)",
          "CREATE TABLE app.measure (id int PRIMARY KEY, amount bigint)"}) {
      const auto done = server->execute(cql);
      EXPECT_TRUE(done) << done.error().to_string();
    }
    run_ = std::make_unique<running>(std::move(server));
  }
  void execute(const char* cql) {
    const auto done = run_->server_->execute(cql);
    ASSERT_TRUE(done) << done.error().to_string();
  }
  template <typename T, typename Meanwhile>
  T finish_while_described(runtime::task<T> call, Meanwhile meanwhile);
  template <typename S>
  void prepare(S& what) {
    const auto done = run_->store_->prepare(what);
    ASSERT_TRUE(done) << done.error().to_string();
  }

  std::unique_ptr<running> run_;
};

using nested = std::map<std::string, std::tuple<std::int32_t, udt<address>>>;

TEST_P(schema_change, types_that_grow_at_any_depth_change_nothing_before_and_after_a_restart) {
  statement<void(std::int32_t, udt<address>, std::vector<udt<address>>, nested)> insert(
      "INSERT INTO app.person (id, home, homes, named) VALUES (?, ?, ?, ?)");
  statement<dwelling(std::int32_t)> select("SELECT homes FROM app.person WHERE id = ?");
  prepare(insert);
  prepare(select);
  const udt<address> home{{"Main Street"}};
  const auto write_and_read = [&](std::int32_t id) {
    const auto written =
        run_->finish(insert(run_->context(), id, home, {home, home}, nested{{"work", {1, home}}}));
    EXPECT_EQ(running::why(written), "ok");
    const auto found = run_->finish(select(run_->context(), id));
    ASSERT_EQ(running::why(found), "ok");
    ASSERT_TRUE(*found);
    ASSERT_EQ((**found)->homes.size(), 2U);
    EXPECT_EQ((**found)->homes[1]->street, "Main Street");
  };
  write_and_read(1);
  execute("ALTER TYPE app.address ADD zip text");
  write_and_read(1);
  write_and_read(2);
  // A restart sees the type as it is now.
  const auto again = session::open(options_for(*run_->server_));
  ASSERT_TRUE(again);
  runtime::loop loop(system_clock());
  auto store = (*again)->attach(loop, {}, nullptr);
  ASSERT_TRUE(store);
  const auto insert_fits = (*store)->prepare(insert);
  EXPECT_EQ(running::why(insert_fits), "ok");
  const auto select_fits = (*store)->prepare(select);
  EXPECT_EQ(running::why(select_fits), "ok");
}

TEST_P(schema_change, a_column_that_is_added_changes_nothing_for_statements_with_if) {
  statement<applied<owner>(std::string_view, std::string_view)> claim(
      "INSERT INTO app.claim (id, holder) VALUES (?, ?) IF NOT EXISTS");
  prepare(claim);
  const auto first = run_->finish(claim(run_->context(), "a", "ada"));
  ASSERT_EQ(running::why(first), "ok");
  EXPECT_TRUE(static_cast<bool>(*first));
  execute("ALTER TABLE app.claim ADD since timestamp");
  const auto second = run_->finish(claim(run_->context(), "a", "bob"));
  ASSERT_EQ(running::why(second), "ok");
  EXPECT_FALSE(static_cast<bool>(*second));
  ASSERT_TRUE(second->current());
  EXPECT_EQ((*second->current())->holder, "ada");
  execute("ALTER TABLE app.claim DROP since");
  EXPECT_EQ(running::why(run_->finish(claim(run_->context(), "a", "bob"))), "ok");
}

TEST_P(schema_change, a_table_that_is_made_anew_with_other_types_is_never_miswritten_nor_misread) {
  statement<void(std::int32_t, std::int64_t)> insert("INSERT INTO app.measure (id, amount) VALUES (?, ?)");
  statement<std::int64_t(std::int32_t)> select("SELECT amount FROM app.measure WHERE id = ?");
  prepare(insert);
  prepare(select);
  ASSERT_EQ(running::why(run_->finish(insert(run_->context(), 1, 1))), "ok");
  ASSERT_EQ(running::why(run_->finish(select(run_->context(), 1))), "ok");
  execute("DROP TABLE app.measure");
  execute("CREATE TABLE app.measure (id int PRIMARY KEY, amount double)");
  execute("INSERT INTO app.measure (id, amount) VALUES (1, 2.5)");
  const auto written = run_->finish(insert(run_->context(), 2, 1));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), errc::db_type_mismatch);
  EXPECT_NE(written.error().message().find("app.measure"), std::string::npos) << written.error().message();
  EXPECT_NE(written.error().message().find("double"), std::string::npos) << written.error().message();
  const auto found = run_->finish(select(run_->context(), 1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), errc::db_type_mismatch);
  EXPECT_EQ(run_->server_->table("app", "measure")->counts().writes, 1U) << "only the test's own";
}

// Another client, or another worker, prepares the statement anew first: this one is not told UNPREPARED.
TEST_P(schema_change, rows_are_not_misread_when_somebody_else_has_prepared_the_statement_anew) {
  statement<std::int64_t(std::int32_t)> select("SELECT amount FROM app.measure WHERE id = ?");
  prepare(select);
  execute("INSERT INTO app.measure (id, amount) VALUES (1, 7)");
  ASSERT_EQ(running::why(run_->finish(select(run_->context(), 1))), "ok");
  execute("DROP TABLE app.measure");
  execute("CREATE TABLE app.measure (id int PRIMARY KEY, amount text)");
  execute("INSERT INTO app.measure (id, amount) VALUES (1, 'eight by')");
  runtime::loop loop(system_clock());
  auto other = session::open(options_for(*run_->server_));
  ASSERT_TRUE(other);
  auto store = (*other)->attach(loop, {}, nullptr);
  ASSERT_TRUE(store);
  statement<std::string(std::int32_t)> theirs("SELECT amount FROM app.measure WHERE id = ?");
  ASSERT_TRUE((*store)->prepare(theirs));
  const auto found = run_->finish(select(run_->context(), 1));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), errc::db_type_mismatch);
  store->reset();
}

// Its answer, after `meanwhile` has happened between a PREPARE on the server and the PREPARE's answer.
template <typename T, typename Meanwhile>
T schema_change::finish_while_described(runtime::task<T> call, Meanwhile meanwhile) {
  // Longer than `meanwhile` takes on a busy machine.
  run_->server_->set_latency(operation::prepare, {.p50 = seconds(2)});
  finished_flag done;
  call.start(run_->loop_, done);
  // The answer is made: it describes what was before `meanwhile`.
  run_->turn_until([&] { return run_->server_->counters().answers_delayed > 0; });
  run_->server_->set_latency(operation::prepare, {});
  meanwhile();
  run_->turn_until([&] { return done.finished; });
  return call.take();
}

TEST_P(schema_change, what_changes_while_a_statement_is_described_is_noticed) {
  statement<std::int64_t(std::int32_t)> select("SELECT amount FROM app.measure WHERE id = ?");
  prepare(select);
  execute("INSERT INTO app.measure (id, amount) VALUES (1, 7)");
  ASSERT_EQ(running::why(run_->finish(select(run_->context(), 1))), "ok");
  execute("ALTER TABLE app.measure ADD unit text");
  auto other = session::open(options_for(*run_->server_));
  ASSERT_TRUE(other);
  runtime::loop loop(system_clock());
  auto store = (*other)->attach(loop, {}, nullptr);
  ASSERT_TRUE(store);
  statement<std::string(std::int32_t)> theirs("SELECT amount FROM app.measure WHERE id = ?");
  const auto found = finish_while_described(select(run_->context(), 1), [&] {
    execute("DROP TABLE app.measure");
    execute("CREATE TABLE app.measure (id int PRIMARY KEY, amount text)");
    execute("INSERT INTO app.measure (id, amount) VALUES (1, 'eight by')");
    ASSERT_TRUE((*store)->prepare(theirs)) << "so that the server knows the statement";
  });
  ASSERT_FALSE(found) << "a text was read as bigint";
  EXPECT_EQ(found.error().code(), errc::db_type_mismatch);
  store->reset();
}

TEST_P(schema_change, a_record_is_not_to_blame_for_a_table_that_was_gone_for_a_moment) {
  statement<void(std::int32_t, std::int64_t)> insert("INSERT INTO app.measure (id, amount) VALUES (?, ?)");
  prepare(insert);
  ASSERT_EQ(running::why(run_->finish(insert(run_->context(), 1, 1))), "ok");
  // As a server answers an EXECUTE that meets the DROP.
  run_->server_->inject({.kind = fault_kind::invalid, .on = operation::insert, .times = 1});
  const auto written = finish_while_described(insert(run_->context(), 2, 2), [&] {
    execute("DROP TABLE app.measure");
    execute("CREATE TABLE app.measure (id int PRIMARY KEY, amount bigint)");
  });
  EXPECT_EQ(running::why(written), "ok");
  EXPECT_EQ(run_->server_->table("app", "measure")->counts().writes, 1U);
}

TEST_P(schema_change, changes_of_other_tables_cost_nothing) {
  statement<void(std::int32_t, std::int64_t)> insert("INSERT INTO app.measure (id, amount) VALUES (?, ?)");
  prepare(insert);
  ASSERT_EQ(running::why(run_->finish(insert(run_->context(), 1, 1))), "ok");
  const std::uint64_t before = run_->server_->counters().of(operation::prepare);
  execute("CREATE TABLE app.elsewhere (id int PRIMARY KEY, a int)");
  execute("ALTER TABLE app.elsewhere ADD b int");
  for (int k = 0; k < 100; ++k) {
    ASSERT_EQ(running::why(run_->finish(insert(run_->context(), k, 1))), "ok");
  }
  EXPECT_EQ(run_->server_->counters().of(operation::prepare), before);
}

INSTANTIATE_TEST_SUITE_P(servers, schema_change,
                         ::testing::Values(server_kind{0, false}, server_kind{2, true},
                                           server_kind{2, false}),
                         [](const auto& of) {
                           if (of.param.shards == 0) return std::string("cassandra");
                           return std::string(of.param.metadata_id ? "scylla" : "older_scylla");
                         });

}  // namespace
}  // namespace millrace::cql

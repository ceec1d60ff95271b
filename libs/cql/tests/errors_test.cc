// What becomes of the errors that a server answers: each code of the table, and the rules around it.
#include <set>

#include <millrace/cql/server_errors.h>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

session_options after(milliseconds unauthorized) {
  session_options options;
  options.unauthorized_after = unauthorized;
  return options;
}

using insert_statement = statement<void(std::string_view, std::string_view)>;

class errors : public session_test {
 protected:
  explicit errors(session_options options = {})
      : session_test(started_with_copies(three_nodes()), std::move(options)) {
    EXPECT_TRUE(store_->prepare(anywhere_));
    EXPECT_TRUE(store_->prepare(once_));
  }
  session::statistics stats() {
    loop_.run_turn(nanoseconds(0));
    return session_->stats();
  }
  std::string outcome(insert_statement& of, const std::string& key) {
    const auto written = finish(of(context(), key, "gold"));
    return written ? "ok" : std::string(to_string(written.error().code()));
  }

  insert_statement anywhere_{"INSERT INTO copies.profile (id, segment) VALUES (?, ?)"};
  insert_statement once_{"INSERT INTO copies.profile (segment, id) VALUES (?, ?)",
                         statements::statement_options{.idempotent = false}};
};

struct standing final : errors {
  explicit standing(session_options options = {}) : errors(std::move(options)) {}
  void TestBody() override {}
  void every_code();
  void expect_row(const server_error& row);
};

// The fault that answers this code; codes with further fields have faults of their own.
fault fault_of(const server_error& row) {
  fault made{.kind = fault_kind::custom, .times = 1, .code = row.code, .message = "as the test has it"};
  const std::map<std::int32_t, fault_kind> with_fields{{0x1000, fault_kind::unavailable},
                                                       {0x1100, fault_kind::write_timeout},
                                                       {0x1200, fault_kind::read_timeout},
                                                       {0x1300, fault_kind::read_failure},
                                                       {0x1500, fault_kind::write_failure},
                                                       {0x1600, fault_kind::cdc_write_failure},
                                                       {server_error::unprepared, fault_kind::unprepared}};
  if (const auto found = with_fields.find(row.code); found != with_fields.end()) made.kind = found->second;
  if (row.code == server_error::other) made.code = 0x7777;
  return made;
}

void standing::expect_row(const server_error& row) {
  const std::string what = std::string(row.name) + " " + std::to_string(row.code);
  const bool is_forgotten = row.code == server_error::unprepared;
  EXPECT_EQ(outcome(anywhere_, "key"), "ok");
  EXPECT_EQ(outcome(once_, "key"), "ok");
  // An idempotent statement with other replicas.
  const std::uint64_t before = stats().next_node;
  const auto id = server_->inject(fault_of(row));
  const bool tries_next = row.kind != errc::db_protocol && (row.not_executed || row.of_node);
  // It has succeeded before: what the server calls invalid is the record's fault.
  const errc reported = row.kind == errc::db_invalid ? errc::db_rejected : row.kind;
  const std::string expected = tries_next || is_forgotten ? "ok" : std::string(to_string(reported));
  EXPECT_EQ(outcome(anywhere_, "key"), expected) << what;
  EXPECT_EQ(server_->hits(id), 1U) << what;
  EXPECT_EQ(stats().next_node - before, tries_next && !is_forgotten ? 1U : 0U) << what;
  // One that must not be executed twice goes elsewhere only when it was not executed.
  const auto again = server_->inject(fault_of(row));
  const errc kind = row.kind == errc::db_unauthorized ? errc::db_unavailable : reported;
  const bool harmless = row.not_executed || is_forgotten;
  EXPECT_EQ(outcome(once_, "key"), harmless ? "ok" : std::string(to_string(kind))) << what;
  EXPECT_EQ(server_->hits(again), 1U) << what;
  server_->clear_faults();
}

void standing::every_code() {
  for (const server_error& row : server_errors) {
    if (row.code == server_error::negotiated) continue;  // of ScyllaDB: rate_limits_are_about_one_partition
    expect_row(row);
  }
}

TEST(server_errors, every_code_is_handled_as_the_table_says) { standing().every_code(); }

TEST_F(errors, a_rate_limit_is_about_one_partition_and_lowers_no_limit) {
  emulators::cql_emulator_options options;
  options.shards = 1;
  server_ = started(options);
  store_.reset();
  session_ = opened(*server_, {});
  store_ = std::move(*session_->attach(loop_, {}, &shard_));
  run_ = std::make_unique<execution_of_test>(loop_, *store_);
  ASSERT_TRUE(store_->prepare(insert_));
  server_->inject({.kind = fault_kind::rate_limit, .on = operation::insert});
  for (int k = 0; k < 50; ++k) {
    EXPECT_EQ(finish(insert_(context(), "hot", "x", 1.0)).error().code(), errc::db_overloaded);
  }
  EXPECT_EQ(stats().shrunk, 0U);
}

TEST_F(errors, what_the_server_refuses_of_a_statement_that_has_succeeded_is_the_records_fault) {
  server_->inject({.kind = fault_kind::invalid, .on = operation::insert, .times = 1});
  EXPECT_EQ(outcome(anywhere_, "a"), "db_invalid") << "it has never succeeded: the statement may be wrong";
  EXPECT_EQ(outcome(anywhere_, "a"), "ok");
  const std::uint64_t prepared = server_->counters().of(operation::prepare);
  server_->inject({.kind = fault_kind::invalid, .on = operation::insert, .times = 1});
  EXPECT_EQ(outcome(anywhere_, "b"), "db_rejected");
  EXPECT_EQ(server_->counters().of(operation::prepare) - prepared, 1U) << "the statement is still valid";
  EXPECT_EQ(outcome(anywhere_, "c"), "ok");
}

TEST_F(errors, what_the_server_refuses_of_a_table_that_is_gone_is_not_the_records_fault) {
  EXPECT_EQ(outcome(anywhere_, "a"), "ok");
  ASSERT_TRUE(server_->execute("DROP TABLE copies.profile"));
  EXPECT_EQ(outcome(anywhere_, "b"), "db_unavailable") << "it may be made anew";
  ASSERT_TRUE(
      server_->execute("CREATE TABLE copies.profile (id text PRIMARY KEY, segment text, score double)"));
  EXPECT_EQ(outcome(anywhere_, "b"), "ok");
}

TEST_F(errors, values_that_no_server_takes_are_the_records_fault) {
  EXPECT_EQ(outcome(anywhere_, "a"), "ok");
  EXPECT_EQ(outcome(anywhere_, ""), "db_rejected") << "a partition key must not be empty";
  EXPECT_EQ(outcome(anywhere_, std::string(70'000, 'k')), "db_rejected") << "nor longer than 65,535 bytes";
  EXPECT_EQ(outcome(anywhere_, "b"), "ok");
}

TEST_F(errors, a_request_over_the_limit_of_frames_is_refused_before_it_is_sent) {
  const std::uint64_t before = stats().requests;
  const auto refused = finish(anywhere_(context(), "a", std::string(std::size_t{17} << 20U, 'x')));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::limit_exceeded);
  EXPECT_NE(refused.error().message().find("`cql.request_bytes_max` (16777216)"), std::string::npos)
      << refused.error().message();
  EXPECT_EQ(stats().requests, before);
}

TEST_F(errors, a_server_that_forgets_again_and_again_is_an_outage_and_no_reason_to_stop) {
  server_->inject({.kind = fault_kind::unprepared, .on = operation::insert});
  EXPECT_EQ(outcome(anywhere_, "a"), "db_unavailable");
}

TEST_F(errors, nodes_that_call_a_statement_differently_are_all_served) {
  EXPECT_EQ(outcome(anywhere_, "a"), "ok");
  server_->renumber_prepared();
  for (int k = 0; k < 30; ++k) EXPECT_EQ(outcome(anywhere_, "key-" + std::to_string(k)), "ok");
  EXPECT_LE(stats().prepared_again, 3U) << "once for each node";
}

class soon_unauthorized : public errors {
 protected:
  soon_unauthorized() : errors(after(milliseconds(0))) {}
};

TEST_F(soon_unauthorized, a_permission_that_stays_missing_stops_with_the_servers_words) {
  server_->inject({.kind = fault_kind::unauthorized, .on = operation::insert});
  const auto refused = finish(anywhere_(context(), "a", "b"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_unauthorized);
  EXPECT_NE(refused.error().message().find("no MODIFY permission"), std::string::npos);
}

TEST_F(soon_unauthorized, a_table_that_stays_gone_stops_with_the_servers_words) {
  EXPECT_EQ(outcome(anywhere_, "a"), "ok");
  ASSERT_TRUE(server_->execute("DROP TABLE copies.profile"));
  const auto refused = finish(anywhere_(context(), "a", "b"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_invalid);
  EXPECT_NE(refused.error().message().find("profile does not exist"), std::string::npos)
      << refused.error().message();
}

TEST_F(errors, a_permission_that_the_server_cannot_read_for_a_while_is_retried) {
  const auto id = server_->inject({.kind = fault_kind::unauthorized, .on = operation::insert});
  EXPECT_EQ(outcome(anywhere_, "a"), "db_unavailable");
  server_->clear(id);
  EXPECT_EQ(outcome(anywhere_, "a"), "ok");
}

}  // namespace
}  // namespace millrace::cql

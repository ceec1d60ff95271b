// The whole path of a statement: typed call, store, bridge, driver, and the emulators's CQL emulator.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "certificates.h"
#include "session_fixture.h"

namespace millrace::cql {
namespace {

runtime::task<void> read_profile(const statement<profile(std::string_view)>* select, stream::context ctx,
                                 std::vector<std::string>* ends) {
  const auto found = co_await (*select)(ctx, "ada");
  ends->emplace_back(to_string(found ? errc::internal : found.error().code()));
}

TEST_F(session_test, written_rows_are_read_back) {
  write("ada", "gold", 0.5);
  const auto found = finish(select_(context(), "ada"));
  ASSERT_EQ(why(found), "ok");
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((**found)->segment, "gold");
  EXPECT_EQ((**found)->score, 0.5);
}

TEST_F(session_test, a_key_never_written_has_no_row) {
  const auto found = finish(select_(context(), "nobody"));
  ASSERT_EQ(why(found), "ok");
  EXPECT_FALSE(found->has_value());
}

TEST_F(session_test, unset_keeps_a_value_and_null_deletes_it) {
  write("ada", "gold", 0.5);
  ASSERT_TRUE(finish(insert_(context(), "ada", unset, std::optional<double>())));
  const auto found = finish(select_(context(), "ada"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((**found)->segment, "gold");
  EXPECT_FALSE((**found)->score.has_value());
}

TEST_F(session_test, an_older_write_timestamp_does_not_win) {
  const auto at = [](std::int64_t us) { return timestamp_micros(microseconds(us)); };
  ASSERT_TRUE(finish(insert_.written_at(at(2'000), context(), "ada", "newer", 2.0)));
  ASSERT_TRUE(finish(insert_.written_at(at(1'000), context(), "ada", "older", 1.0)));
  const auto found = finish(select_(context(), "ada"));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((**found)->segment, "newer");
}

TEST_F(session_test, errors_of_the_server_keep_their_kind) {
  const struct {
    fault_kind kind;
    errc expected;
  } cases[] = {
      {fault_kind::overloaded, errc::db_overloaded},      {fault_kind::unavailable, errc::db_unavailable},
      {fault_kind::write_timeout, errc::db_timeout},      {fault_kind::write_failure, errc::db_unavailable},
      {fault_kind::server_error, errc::db_unavailable},   {fault_kind::bootstrapping, errc::db_unavailable},
      {fault_kind::truncate_error, errc::db_unavailable}, {fault_kind::invalid, errc::db_invalid},
      {fault_kind::unauthorized, errc::db_unavailable},  // until it has lasted (unauthorized_after)
  };
  for (const auto& c : cases) {
    const auto id = server_->inject({.kind = c.kind, .times = 1});
    const auto written = finish(insert_(context(), "x", "y", 1.0));
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), c.expected) << written.error().to_string();
    EXPECT_NE(written.error().message().find("statement 'insert profile'"), std::string::npos);
    EXPECT_EQ(server_->hits(id), 1U) << "a failed write was repeated behind the caller's back";
    server_->clear(id);
  }
}

TEST_F(session_test, unprepared_statements_are_prepared_again) {
  write("ada", "gold", 0.5);
  server_->forget_prepared();
  const auto found = finish(select_(context(), "ada"));
  ASSERT_EQ(why(found), "ok");
  EXPECT_TRUE(found->has_value());
}

TEST_F(session_test, a_missing_answer_is_a_timeout_of_that_request_only) {
  write("ada", "gold", 0.5);
  server_->inject({.kind = fault_kind::no_reply, .on = operation::select, .times = 1});
  const auto late = finish(impatient_(context(), "ada"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), errc::db_client_timeout);
  EXPECT_EQ(why(finish(impatient_(context(), "ada"))), "ok");
}

TEST_F(session_test, a_timeout_of_the_statement_takes_precedence_over_that_of_the_session) {
  write("ada", "gold", 0.5);
  session_options hurried;
  hurried.request_timeout = short_timeout;
  session_ = opened(*server_, hurried);
  statement<profile(std::string_view)> unhurried{"SELECT segment, score FROM profile WHERE  id = ?",
                                                 with_timeout(milliseconds(5'000))};
  attach({});
  server_->set_latency(operation::select, {.p50 = milliseconds(500)});
  EXPECT_EQ(why(finish(unhurried(context(), "ada"))), "ok");
  const auto late = finish(select_(context(), "ada"));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), errc::db_client_timeout);
}

TEST_F(session_test, an_endlessly_unprepared_statement_ends_at_its_deadline_or_before) {
  server_->inject({.kind = fault_kind::unprepared, .on = operation::select});
  EXPECT_FALSE(finish(impatient_(context(), "ada")));
}

TEST_F(session_test, a_dropped_connection_fails_its_requests_and_is_replaced) {
  write("ada", "gold", 0.5);
  server_->inject({.kind = fault_kind::drop_connection, .times = 1});
  const auto lost = finish(select_(context(), "ada"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), errc::db_unavailable) << lost.error().to_string();
  const instant give_up = loop_.time().now() + timeout;
  while (!finish(select_(context(), "ada")) && loop_.time().now() < give_up) {
  }
  EXPECT_EQ(why(finish(select_(context(), "ada"))), "ok");
}

TEST_F(session_test, an_invalid_frame_closes_its_connection_only) {
  write("ada", "gold", 0.5);
  server_->inject({.kind = fault_kind::garbage, .on = operation::select, .times = 1});
  const auto lost = finish(select_(context(), "ada"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), errc::db_unavailable) << lost.error().to_string();
  turn_until([&] { return static_cast<bool>(finish(select_(context(), "ada"))); });
}

TEST_F(session_test, an_endless_answer_closes_its_connection_only) {
  session_options quick;
  quick.keepalive = seconds(1);
  session_ = opened(*server_, quick);
  attach({});
  ASSERT_TRUE(store_->prepare(impatient_));
  write("ada", "gold", 0.5);
  server_->inject({.kind = fault_kind::oversized, .on = operation::select, .times = 1});
  EXPECT_FALSE(finish(impatient_(context(), "ada")));
  turn_until([&] { return static_cast<bool>(finish(impatient_(context(), "ada"))); });
}

TEST_F(session_test, statements_with_other_ids_on_the_server_are_prepared_again) {
  write("ada", "gold", 0.5);
  server_->renumber_prepared();
  write("bea", "silver", 0.25);
  for (int k = 0; k < 3; ++k) {
    const auto found = finish(select_(context(), "bea"));
    ASSERT_EQ(why(found), "ok");
    EXPECT_EQ((**found)->segment, "silver");
  }
  const std::uint64_t unprepared = server_->counters().unprepared;
  EXPECT_EQ(why(finish(select_(context(), "ada"))), "ok");
  EXPECT_EQ(server_->counters().unprepared, unprepared) << "the new id is used from then on";
}

TEST_F(session_test, a_batch_of_statements_with_other_ids_is_prepared_again) {
  server_->renumber_prepared();
  batch both(context());
  ASSERT_TRUE(both.add(insert_event_, 1, 1, "one"));
  ASSERT_TRUE(both.add(insert_event_, 1, 2, "two"));
  ASSERT_EQ(why(finish(both.run())), "ok");
  const auto found = finish(select_day_(context(), 1));
  ASSERT_EQ(why(found), "ok");
  EXPECT_EQ(found->size(), 2U);
}

TEST_F(session_test, the_connection_to_a_silent_server_is_closed_before_the_deadline) {
  session_options quick;
  quick.keepalive = seconds(1);
  session_ = opened(*server_, quick);
  attach({});
  statement<profile(std::string_view)> patient("SELECT segment, score FROM profile WHERE id = ?",
                                               with_timeout(timeout));
  ASSERT_TRUE(store_->prepare(patient));
  server_->inject({.kind = fault_kind::no_reply});
  server_->inject({.kind = fault_kind::no_reply, .on = operation::control});
  const auto lost = finish(patient(context(), "ada"));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), errc::db_unavailable) << lost.error().to_string();
}

TEST_F(session_test, a_server_that_sheds_load_silently_delays_a_request_by_its_deadline_only) {
  write("ada", "gold", 0.5);
  const auto fault = server_->inject({.kind = fault_kind::no_reply, .on = operation::select});
  constexpr int count = 3'000;
  std::vector<std::string> ends;
  runtime::scope all(loop_, count);
  for (int k = 0; k < count; ++k) all.spawn(read_profile(&impatient_, context(), &ends));
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(ends.size(), std::size_t{count});
  server_->clear(fault);
  turn_until([&] { return static_cast<bool>(finish(select_(context(), "ada"))); });
  EXPECT_EQ(session_->stats().in_flight, 0U);
}

TEST_F(session_test, a_second_row_for_a_single_row_statement_is_an_error) {
  statement<std::int32_t(std::int32_t)> one("SELECT n FROM event WHERE day = ?");
  ASSERT_TRUE(store_->prepare(one));
  for (const std::int32_t n : {1, 2}) ASSERT_TRUE(finish(insert_event_(context(), 7, n, "")));
  EXPECT_EQ(finish(one(context(), 7)).error().code(), errc::db_unexpected_rows);
}

TEST_F(session_test, answers_of_several_pages_are_joined_up_to_the_limit) {
  const auto add = [&](int from, int to) {
    for (int n = from; n < to; ++n) {
      ASSERT_TRUE(server_->execute("INSERT INTO app.event (day, n) VALUES (1, " + std::to_string(n) + ")"));
    }
  };
  add(0, 2'500);
  const auto all = finish(select_day_(context(), 1));
  ASSERT_EQ(why(all), "ok");
  ASSERT_EQ(all->size(), 2'500U);
  for (int n = 0; n < 2'500; ++n) EXPECT_EQ((*all)[static_cast<std::size_t>(n)], n);
  add(2'500, 5'001);
  EXPECT_EQ(finish(select_day_(context(), 1)).error().code(), errc::limit_exceeded);
}

runtime::task<void> write_event(const statement<void(std::int32_t, std::int32_t, std::string_view)>* insert,
                                stream::context ctx, std::int32_t n, std::vector<int>* answers) {
  const auto written = co_await (*insert)(ctx, 1, n, "note");
  if (written) ++(*answers)[static_cast<std::size_t>(n)];
}

TEST_F(session_test, every_request_of_a_flood_is_answered_once) {
  constexpr int count = 5'000;
  attach({.in_flight_max = 64});
  std::vector<int> answers(count);
  runtime::scope all(loop_, count);
  const auto before = session_->stats();
  for (std::int32_t n = 0; n < count; ++n) all.spawn(write_event(&insert_event_, context(), n, &answers));
  EXPECT_EQ(store_->in_flight(), std::size_t{count});
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(answers, std::vector<int>(count, 1));
  EXPECT_EQ(server_->table("app", "event")->counts().keys_written, std::uint64_t{count});
  const auto after = session_->stats();
  EXPECT_EQ(after.requests - before.requests, std::uint64_t{count});
}

TEST_F(session_test, a_closing_store_cancels_requests_in_flight_and_waiting) {
  attach({.in_flight_max = 4});
  server_->inject({.kind = fault_kind::no_reply, .on = operation::select});
  std::vector<std::string> ends;
  runtime::scope all(loop_, 16);
  for (int k = 0; k < 10; ++k) all.spawn(read_profile(&select_, context(), &ends));
  turn_until([&] { return server_->counters().of(operation::select) >= 4; });
  store_.reset();
  EXPECT_EQ(ends, std::vector<std::string>(10, "cancelled"));
  turn_until([&] { return all.live() == 0; });
}

TEST_F(session_test, counts_successes_by_time_and_failures_by_error) {
  write("ada", "gold", 0.5);
  server_->inject({.kind = fault_kind::overloaded, .times = 2});
  EXPECT_FALSE(finish(insert_(context(), "x", "y", 1.0)));
  EXPECT_FALSE(finish(insert_(context(), "x", "y", 1.0)));
  const metrics::snapshot now = registry_.take_snapshot();
  const metrics::label_filter insert = {{"statement", "insert profile"}};
  EXPECT_EQ(now.histogram("millrace_statement_seconds", insert).count(), 1U);
  EXPECT_EQ(now.histogram("millrace_statement_failed_seconds", insert).count(), 2U);
  EXPECT_EQ(now.value("millrace_statement_failures_total",
                      {{"statement", "insert profile"}, {"error", "db_overloaded"}}),
            2.0);
  EXPECT_EQ(now.value("millrace_statements_in_flight"), 0.0);
}

TEST_F(session_test, statements_that_do_not_fit_the_tables_are_refused_before_the_first_record) {
  statement<profile(std::string_view)> no_table("SELECT segment, score FROM visitors WHERE id = ?");
  statement<profile(std::string_view)> no_column("SELECT segment, points FROM profile WHERE id = ?");
  statement<profile(std::int32_t)> wrong_key("SELECT segment, score FROM profile WHERE id = ?");
  statement<void()> no_cql("SELEC segment");
  const auto refused = [&](statements::statement_declaration& declared, errc code, std::string_view part) {
    const auto prepared = store_->prepare(declared);
    ASSERT_FALSE(prepared);
    EXPECT_EQ(prepared.error().code(), code) << prepared.error().to_string();
    EXPECT_NE(prepared.error().message().find(part), std::string::npos) << prepared.error().message();
  };
  refused(no_table, errc::db_invalid, "visitors");
  refused(no_column, errc::db_invalid, "points");
  refused(wrong_key, errc::db_type_mismatch, "parameter 'id' is text");
  refused(no_cql, errc::db_invalid, "selec");
}

std::string refusal(const session_options& options) {
  const auto opened = session::open(options);
  return opened ? "opened" : opened.error().to_string();
}

void expect_refusal(const session_options& options, std::string_view code, std::string_view part) {
  const std::string text = refusal(options);
  EXPECT_TRUE(text.starts_with(std::string(code) + ":")) << text;
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(session_open, names_what_is_missing_on_the_server) {
  const auto server = started();
  session_options options = options_for(*server);
  options.keyspace = "no_such_keyspace";
  expect_refusal(options, "db_invalid", "no_such_keyspace");
  options = options_for(*server);
  options.datacenter = "dc9";
  expect_refusal(options, "config_invalid", "unknown datacentre 'dc9', expected one of: dc1");
  options.datacenter = "dc1";
  EXPECT_EQ(refusal(options), "opened");
  options.consistency = "MOST";
  expect_refusal(options, "config_invalid", "'MOST' is unknown; expected one of");
}

TEST(session_open, a_server_that_refuses_connections_is_unavailable_and_named) {
  const auto server = started();
  server->refuse_connections(true);
  expect_refusal(options_for(*server), "db_unavailable", server->contact_point());
}

TEST(session_open, refused_credentials_carry_the_servers_message) {
  emulators::cql_emulator_options guarded;
  guarded.user = "app";
  guarded.password = "secret";
  const auto server = started(guarded);
  session_options options = options_for(*server);
  expect_refusal(options, "db_unauthorized", "requires a user and a password");
  options.user = "app";
  options.password = secret("guess");
  expect_refusal(options, "db_unauthorized", "incorrect");
  EXPECT_EQ(refusal(options).find("guess"), std::string::npos);
  options.password = secret("secret");
  EXPECT_EQ(refusal(options), "opened");
}

class guarded : public session_test {
 protected:
  static emulators::cql_emulator_options server() {
    emulators::cql_emulator_options out;
    out.user = "app";
    out.password = "secret";
    return out;
  }
  static session_options signed_in() {
    session_options options;
    options.user = "app";
    options.password = secret("secret");
    return options;
  }
  guarded() : session_test(started(server()), signed_in()) {}
};

TEST_F(guarded, a_password_changed_at_run_time_is_reported_and_recovered_from) {
  write("ada", "gold", 0.5);
  server_->set_password("rotated");
  EXPECT_EQ(why(finish(select_(context(), "ada"))), "ok") << "connections that there are stay";
  server_->drop_connections();
  std::string told;
  turn_until([&] {
    const auto found = finish(impatient_(context(), "ada"));
    if (!found) told = found.error().to_string();
    return told.find("username app") != std::string::npos;
  });
  EXPECT_TRUE(told.starts_with("db_unavailable: ")) << told << ": a login may be accepted again";
  server_->set_password("secret");
  turn_until([&] { return static_cast<bool>(finish(select_(context(), "ada"))); });
}

TEST(session_open, tries_the_next_contact_point) {
  const auto server = started();
  session_options options = options_for(*server);
  // Nobody listens on the first one.
  options.contact_points = {"127.0.0.1:1", server->contact_point()};
  EXPECT_EQ(refusal(options), "opened");
}

class tls_test : public ::testing::Test {
 protected:
  ~tls_test() override { std::filesystem::remove_all(folder_); }

  emulators::cql_emulator_options encrypted() const {
    emulators::cql_emulator_options out;
    out.tls_certificate_file = server_.certificate;
    out.tls_key_file = server_.key;
    return out;
  }
  session_options options(const cql_emulator& server) const {
    session_options out = options_for(server);
    out.tls = true;
    out.ca_file = server_.authority;
    return out;
  }

  std::string folder_ = ::testing::TempDir() + "millrace-cql-tls-" + std::to_string(::getpid());
  certificate_files server_ =
      (std::filesystem::create_directories(folder_), make_certificates(folder_, "server"));
  certificate_files stranger_ = make_certificates(folder_, "stranger");
};

TEST_F(tls_test, a_trusted_authority_is_accepted) {
  const auto server = started(encrypted());
  EXPECT_EQ(refusal(options(*server)), "opened");
}

TEST_F(tls_test, another_authority_is_refused_with_the_reason) {
  const auto server = started(encrypted());
  session_options wrong = options(*server);
  wrong.ca_file = stranger_.authority;
  expect_refusal(wrong, "tls_error", "unable to get local issuer certificate");
}

TEST_F(tls_test, an_expired_certificate_is_refused_with_the_reason) {
  server_ = make_certificates(folder_, "expired", "127.0.0.1", true);
  const auto server = started(encrypted());
  expect_refusal(options(*server), "tls_error", "certificate has expired");
}

TEST_F(tls_test, a_certificate_of_another_address_is_refused_with_the_reason) {
  server_ = make_certificates(folder_, "elsewhere", "127.0.0.99");
  const auto server = started(encrypted());
  expect_refusal(options(*server), "tls_error", "IP address mismatch");
}

TEST_F(tls_test, statements_are_executed_over_tls) {
  const auto server = started(encrypted());
  auto opened = session::open(options(*server));
  ASSERT_TRUE(opened) << opened.error().to_string();
  EXPECT_TRUE((*opened)->execute("INSERT INTO profile (id, segment) VALUES ('ada', 'gold')"));
}

TEST_F(tls_test, there_is_no_fallback_to_plaintext) {
  const auto plain = started();
  expect_refusal(options(*plain), "tls_error", plain->contact_point());
}

TEST_F(tls_test, a_server_that_asks_for_a_client_certificate_gets_it) {
  emulators::cql_emulator_options mutual = encrypted();
  mutual.tls_client_ca_file = stranger_.authority;
  const auto server = started(mutual);
  session_options with = options(*server);
  // The server's alert comes after the handshake of TLS 1.3 and is lost when its connection closes first.
  const std::string without = refusal(with);
  EXPECT_TRUE(without.find("alert certificate required") != std::string::npos ||
              without.find("the server may require a client certificate") != std::string::npos)
      << without;
  with.certificate_file = stranger_.certificate;
  with.key_file = stranger_.key;
  EXPECT_EQ(refusal(with), "opened");
}

}  // namespace
}  // namespace millrace::cql

// A worker's connections: what goes over them, and what happens when they break.
#include <chrono>
#include <filesystem>
#include <thread>

#include <unistd.h>

#include <millrace/metrics/exposition.h>

#include "certificates.h"
#include "session_fixture.h"

namespace millrace::cql {
namespace {

class worker : public session_test {
 protected:
  explicit worker(emulators::cql_emulator_options server = {}, session_options options = {})
      : session_test(started(server), std::move(options)) {}

  // The statistics are those of the last turn.
  session::statistics stats() {
    loop_.run_turn(nanoseconds(0));
    return session_->stats();
  }
};

struct kept {
  int good = 0;
  std::vector<errc> failures;
};

runtime::task<void> read_into(const statement<profile(std::string_view)>* select, stream::context ctx,
                              std::string key, std::string expected, kept* into) {
  const auto found = co_await (*select)(ctx, key);
  if (!found)
    into->failures.push_back(found.error().code());
  else if (*found && (**found)->segment == expected)
    ++into->good;
}

TEST_F(worker, carries_every_execution_from_the_first_on) {
  write("ada", "gold", 1.5);
  const auto found = finish(select_(context(), "ada"));
  ASSERT_EQ(why(found), "ok");
  EXPECT_EQ((**found)->segment, "gold");
  EXPECT_EQ((**found)->score, 1.5);
  EXPECT_EQ(stats().requests, 2U);
  turn_until([&] { return stats().connections == 1; });
  EXPECT_EQ(server_->counters().of(operation::select), 1U);
}

TEST_F(worker, counts_by_node) {
  const metrics::scrape_hook hook = add_metrics(registry_, *session_);
  write("ada", "gold", 1.5);
  server_->inject({.kind = fault_kind::overloaded, .on = operation::select, .times = 2});
  for (int k = 0; k < 3; ++k) (void)finish(select_(context(), "ada"));
  const std::string node = "{node=\"" + server_->contact_point() + "\"";
  std::string page;
  const auto has = [&page](const std::string& line) { return page.find(line) != std::string::npos; };
  // The gauges are those of the last upkeep.
  turn_until([&] {
    page = metrics::to_text(registry_.take_snapshot());
    return has("millrace_node_connections" + node + "} 1\n");
  });
  EXPECT_TRUE(has("millrace_node_seconds_count" + node + "} 2\n")) << page;
  EXPECT_TRUE(has("millrace_node_failures_total" + node + ",error=\"db_overloaded\"} 2\n")) << page;
  EXPECT_TRUE(has("millrace_node_requests_in_flight" + node + "} 0\n")) << page;
  EXPECT_TRUE(has("millrace_node_limit" + node + "} ")) << page;
  EXPECT_TRUE(has("millrace_cql_requests_total 4\n")) << page;
  EXPECT_TRUE(has("millrace_node_limit_reductions_total ")) << page;
  EXPECT_TRUE(has("millrace_driver_nodes{state=\"connected\"} ")) << page;
}

TEST_F(worker, failed_executions_declare_no_metric) {
  write("ada", "gold", 1.5);
  ASSERT_EQ(why(finish(select_(context(), "ada"))), "ok");
  catalogue_.seal();
  const std::uint64_t declarations = catalogue_.declarations();
  server_->inject({.kind = fault_kind::overloaded, .on = operation::select, .times = 20});
  for (int k = 0; k < 20; ++k) EXPECT_FALSE(finish(select_(context(), "ada")));
  EXPECT_EQ(catalogue_.declarations(), declarations);
  const metrics::snapshot now = registry_.take_snapshot();
  EXPECT_EQ(now.value("millrace_node_failures_total", {{"error", "db_overloaded"}}), 20);
  EXPECT_EQ(now.value("millrace_statement_failures_total", {{"error", "db_overloaded"}}), 20);
}

TEST_F(worker, carries_batches_too) {
  batch both(context());
  ASSERT_TRUE(both.add(insert_event_, 1, 1, "one"));
  ASSERT_TRUE(both.add(insert_event_, 1, 2, "two"));
  EXPECT_EQ(why(finish(both.run())), "ok");
  EXPECT_EQ(stats().requests, 1U);
  EXPECT_EQ(server_->counters().batched_rows, 2U);
}

TEST_F(worker, a_statement_that_the_server_forgot_is_prepared_once_however_many_requests_wait) {
  write("ada", "gold", 1);
  server_->forget_prepared();
  const std::uint64_t before = server_->counters().of(operation::prepare);
  runtime::scope all(loop_, 200);
  kept got;
  for (int k = 0; k < 100; ++k) all.spawn(read_into(&select_, context(), "ada", "gold", &got));
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(got.good, 100);
  EXPECT_EQ(server_->counters().of(operation::prepare) - before, 1U);
  EXPECT_EQ(stats().prepared_again, 1U);
}

TEST_F(worker, every_answer_finds_its_request_whatever_the_order) {
  server_->set_latency(operation::select, {.p50 = milliseconds(2), .sigma = 1});
  for (int k = 0; k < 50; ++k) write("key-" + std::to_string(k), "segment-" + std::to_string(k), k);
  runtime::scope all(loop_, 5'000);
  kept got;
  for (int k = 0; k < 2'000; ++k) {
    const std::string number = std::to_string(k % 50);
    all.spawn(read_into(&select_, context(), "key-" + number, "segment-" + number, &got));
  }
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(got.good, 2'000);
  EXPECT_EQ(stats().requests, 2'050U);
  EXPECT_EQ(stats().in_flight, 0U);
}

TEST_F(worker, late_answers_are_ignored) {
  write("ada", "gold", 1);
  server_->set_latency(operation::select, {.p50 = milliseconds(300)});
  runtime::scope all(loop_, 100);
  kept got;
  for (int k = 0; k < 20; ++k) all.spawn(read_into(&impatient_, context(), "nobody", "", &got));
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(got.failures, std::vector<errc>(20, errc::db_client_timeout));
  // The places of those requests serve others while their answers are on their way.
  server_->set_latency(operation::select, {});
  for (int k = 0; k < 20 || server_->counters().answers_delayed > 0; ++k) {
    all.spawn(read_into(&select_, context(), "ada", "gold", &got));
    turn_until([&] { return all.live() == 0; });
  }
  EXPECT_EQ(got.failures.size(), 20U);
  EXPECT_GE(got.good, 20);
  EXPECT_EQ(stats().connections, 1U) << "late answers break nothing";
}

TEST_F(worker, a_broken_connection_fails_its_requests_once_and_is_made_again) {
  write("ada", "gold", 1);
  const auto fault = server_->inject({.kind = fault_kind::no_reply, .on = operation::select});
  runtime::scope all(loop_, 200);
  kept got;
  for (int k = 0; k < 100; ++k) all.spawn(read_into(&select_, context(), "ada", "gold", &got));
  turn_until([&] { return server_->hits(fault) == 100; });
  server_->drop_connections();
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(got.failures, std::vector<errc>(100, errc::db_unavailable));
  server_->clear(fault);
  turn_until([&] { return stats().connections == 1; });
  const std::uint64_t before = stats().requests;
  EXPECT_EQ(why(finish(select_(context(), "ada"))), "ok");
  EXPECT_EQ(stats().requests, before + 2)
      << "it is described anew, because nobody reported changes meanwhile";
}

TEST_F(worker, without_a_connection_requests_fail_at_once_and_say_why) {
  write("ada", "gold", 1);
  server_->refuse_connections(true);
  server_->drop_connections();
  turn_until([&] { return stats().connections == 0; });
  const auto refused = finish(select_(context(), "ada"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_unavailable);
  EXPECT_NE(refused.error().message().find("no node can be reached; " + server_->contact_point() + ": "),
            std::string::npos)
      << refused.error().message();
  server_->refuse_connections(false);
  turn_until([&] { return stats().connections == 1; });
  EXPECT_EQ(why(finish(select_(context(), "ada"))), "ok");
}

TEST_F(worker, values_larger_than_its_buffers_arrive) {
  for (const std::size_t size : {std::size_t{1} << 10U, std::size_t{256} << 10U, std::size_t{3} << 20U}) {
    const std::string large(size, 'x');
    write("large", large, 1);
    const auto found = finish(select_(context(), "large"));
    ASSERT_EQ(why(found), "ok");
    EXPECT_EQ((**found)->segment, large);
  }
  EXPECT_EQ(stats().requests, 6U);
}

TEST_F(worker, many_large_requests_wait_for_the_socket) {
  const std::string large(std::size_t{1} << 20U, 'x');
  write("large", large, 1);
  runtime::scope all(loop_, 100);
  kept got;
  for (int k = 0; k < 40; ++k) all.spawn(read_into(&select_, context(), "large", large, &got));
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(got.good, 40);
}

runtime::task<void> write_event(const statement<void(std::int32_t, std::int32_t, std::string_view)>* insert,
                                stream::context ctx, std::int32_t n) {
  const auto written = co_await (*insert)(ctx, 1, n, "x");
  EXPECT_TRUE(written);
}

TEST_F(worker, pages_are_requested_one_by_one) {
  runtime::scope all(loop_, 3'000);
  for (int n = 0; n < 2'500; ++n) all.spawn(write_event(&insert_event_, context(), n));
  turn_until([&] { return all.live() == 0; });
  const std::uint64_t before = stats().requests;
  const auto found = finish(select_day_(context(), 1));
  ASSERT_EQ(why(found), "ok");
  ASSERT_EQ(found->size(), 2'500U);
  EXPECT_EQ((*found)[2'499], 2'499);
  EXPECT_EQ(stats().requests - before, 3U) << "of a thousand rows";
}

TEST_F(worker, requests_in_flight_when_the_store_closes_are_cancelled_once) {
  for (int round = 0; round < 50; ++round) {
    const auto fault = server_->inject({.kind = fault_kind::no_reply, .on = operation::select});
    runtime::scope all(loop_, 200);
    kept got;
    for (int k = 0; k < 100; ++k) all.spawn(read_into(&select_, context(), "ada", "gold", &got));
    if (round % 2 == 0) turn_until([&] { return server_->hits(fault) == 100; });
    store_.reset();
    turn_until([&] { return all.live() == 0; });
    EXPECT_EQ(got.failures, std::vector<errc>(100, errc::cancelled));
    server_->clear(fault);
    attach({});
  }
}

class worker_keepalive : public worker {
 protected:
  static session_options with_keepalive() {
    session_options options;
    options.keepalive = milliseconds(1'000);
    return options;
  }
  worker_keepalive() : worker({}, with_keepalive()) {}
};

TEST_F(worker_keepalive, a_blocked_event_loop_fails_neither_the_connection_nor_its_requests) {
  write("ada", "gold", 1);
  runtime::scope all(loop_, 10);
  kept got;
  all.spawn(read_into(&impatient_, context(), "ada", "gold", &got));
  loop_.run_turn(nanoseconds(0));  // sent; its deadline and the connection's silence pass meanwhile
  std::this_thread::sleep_for(milliseconds(2'500));
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(got.good, 1);
  for (int k = 0; k < 200; ++k) loop_.run_turn(nanoseconds(0));
  EXPECT_EQ(stats().connections, 1U);
  EXPECT_EQ(server_->counters().of(operation::select), 1U);
}

class worker_shards : public worker {
 protected:
  static emulators::cql_emulator_options options() {
    emulators::cql_emulator_options out;
    out.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}};
    out.shards = 2;
    return out;
  }
  worker_shards() : worker(options()) {}
};

TEST_F(worker_shards, every_shard_has_a_connection_and_every_key_its_node) {
  turn_until([&] { return stats().connections == 6; });
  // Refusals tell where requests went.
  std::vector<std::uint64_t> refusing;
  refusing.reserve(3);
  for (unsigned node = 0; node < 3; ++node) {
    refusing.push_back(
        server_->inject({.kind = fault_kind::server_error, .on = operation::insert, .node = node}));
  }
  std::vector<std::uint64_t> once(3);
  const auto write_all = [&](std::uint64_t times) {
    for (int k = 0; k < 60; ++k) {
      EXPECT_FALSE(finish(insert_(context(), "key-" + std::to_string(k), "x", 1.0)));
    }
    for (std::size_t node = 0; node < 3; ++node) {
      const std::uint64_t hits = server_->hits(refusing[node]);
      if (times == 1) once[node] = hits;
      EXPECT_EQ(hits, times * once[node]) << "keys keep their node";
      EXPECT_GT(hits, 0U);
    }
  };
  write_all(1);
  write_all(2);
  EXPECT_EQ(once[0] + once[1] + once[2], 60U);
  EXPECT_EQ(stats().requests, 120U);
}

TEST(worker_access, authenticates_and_encrypts) {
  const std::string folder = ::testing::TempDir() + "millrace-direct-tls-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const certificate_files server = make_certificates(folder, "server");
  const certificate_files client = make_certificates(folder, "client");
  emulators::cql_emulator_options guarded;
  guarded.user = "app";
  guarded.password = "secret";
  guarded.tls_certificate_file = server.certificate;
  guarded.tls_key_file = server.key;
  guarded.tls_client_ca_file = client.authority;
  const auto emulator = started(guarded);
  session_options options = options_for(*emulator);
  options.user = "app";
  options.password = secret("secret");
  options.tls = true;
  options.ca_file = server.authority;
  options.certificate_file = client.certificate;
  options.key_file = client.key;
  auto opened = session::open(options);
  ASSERT_TRUE(opened) << opened.error().to_string();
  runtime::loop loop(system_clock());
  auto store = (*opened)->attach(loop, {}, nullptr);
  ASSERT_TRUE(store);
  statements::declarations declared;
  const statements::declaration_scope collecting(declared);
  statement<void(std::string_view, std::string_view)> insert(
      "INSERT INTO profile (id, segment) VALUES (?, ?)");
  statement<std::string(std::string_view)> select("SELECT segment FROM profile WHERE id = ?");
  for (statements::statement_declaration* each : declared.statements) {
    const auto prepared = (*store)->prepare(*each);
    ASSERT_TRUE(prepared) << prepared.error().to_string();
  }
  execution_of_test run(loop, **store);
  const auto finish = [&loop](auto call) {
    finished_flag done;
    call.start(loop, done);
    const instant give_up = loop.time().now() + timeout;
    while (!done.finished && loop.time().now() < give_up) loop.run_turn(milliseconds(10));
    EXPECT_TRUE(done.finished);
    return call.take();
  };
  // Larger than a record of TLS, and than its buffers.
  const std::string large(std::size_t{1} << 20U, 'y');
  ASSERT_TRUE(finish(insert(stream::context(run), "ada", large)));
  const auto found = finish(select(stream::context(run), "ada"));
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_EQ(***found, large);
  EXPECT_EQ((*opened)->stats().requests, 2U);
  store->reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::cql

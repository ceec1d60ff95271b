// Nodes that fail, stop reading, or never finish an answer; and what a worker does about it.
#include <sys/resource.h>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

struct tally {
  int good = 0;
  std::vector<errc> failures;
};

class failing_node : public session_test {
 protected:
  explicit failing_node(session_options options = {})
      : session_test(started_with_copies(three_nodes()), std::move(options)) {
    attach_again({});
  }
  void attach_again(store_options options) {
    attach(std::move(options));
    EXPECT_TRUE(store_->prepare(copy_));
    EXPECT_TRUE(store_->prepare(quick_));
  }
  session::statistics stats() {
    loop_.run_turn(nanoseconds(0));
    return session_->stats();
  }
  std::uint64_t served_by(unsigned node) { return server_->counters().requests_of_node[node]; }

  using insert_statement = statement<void(std::string_view, std::string_view)>;
  static runtime::task<void> write_into(const insert_statement* insert, stream::context ctx, std::string key,
                                        std::string text, tally* into) {
    const auto written = co_await (*insert)(ctx, key, text);
    if (written)
      ++into->good;
    else
      into->failures.push_back(written.error().code());
  }
  tally write_many(const insert_statement& by, int count, const std::string& text = "x") {
    tally out;
    runtime::scope all(loop_, static_cast<std::size_t>(count));
    for (int k = 0; k < count; ++k) {
      all.spawn(write_into(&by, context(), "key-" + std::to_string(k), text, &out));
    }
    turn_until([&] { return all.live() == 0; });
    return out;
  }

  insert_statement copy_{"INSERT INTO copies.profile (id, segment) VALUES (?, ?)"};
  insert_statement quick_{"INSERT INTO copies.profile (id , segment) VALUES (?, ?)",
                          with_timeout(milliseconds(300))};
};

TEST_F(failing_node, is_asked_last_and_costs_no_record_anything) {
  for (const fault_kind kind : {fault_kind::server_error, fault_kind::overloaded, fault_kind::bootstrapping,
                                fault_kind::unavailable, fault_kind::write_failure}) {
    const auto id = server_->inject({.kind = kind, .node = 1});
    const tally first = write_many(copy_, 200);
    EXPECT_EQ(first.good, 200) << static_cast<int>(kind) << ": the next replica answers";
    const std::uint64_t before = server_->hits(id);
    const tally later = write_many(copy_, 1'000);
    EXPECT_EQ(later.good, 1'000);
    EXPECT_LE(server_->hits(id) - before, 100U) << "only probes are sent to it";
    server_->clear(id);
    // Probes find that it answers again.
    turn_until([&] {
      const std::uint64_t then = served_by(1);
      (void)write_many(copy_, 90);
      return served_by(1) - then >= 20;
    });
  }
}

TEST_F(failing_node, nodes_that_fail_alike_are_asked_as_before) {
  const auto id = server_->inject({.kind = fault_kind::write_timeout, .times = 300});
  const tally all = write_many(copy_, 300);
  EXPECT_EQ(all.failures.size(), 300U);
  server_->clear(id);
  EXPECT_EQ(write_many(copy_, 300).good, 300);
}

class preferred_rack : public failing_node {
 protected:
  static session_options with_rack() {
    session_options options;
    options.datacenter = "dc1";
    options.rack = "rack2";
    return options;
  }
  preferred_rack() : failing_node(with_rack()) {}
};

TEST_F(preferred_rack, does_not_fail_its_keys_when_its_node_does) {
  server_->inject({.kind = fault_kind::server_error, .node = 1});
  EXPECT_EQ(write_many(copy_, 500).good, 500);
}

TEST_F(failing_node, requests_on_a_connection_that_breaks_go_to_another_replica) {
  server_->inject({.kind = fault_kind::drop_connection, .on = operation::insert, .node = 2, .times = 3});
  const tally all = write_many(copy_, 300);
  EXPECT_EQ(all.good, 300);
  EXPECT_GT(stats().next_node, 0U);
}

TEST_F(failing_node, requests_wait_for_the_replica_that_has_the_least_to_do) {
  attach_again({.in_flight_max = 60});
  server_->inject({.kind = fault_kind::no_reply, .node = 0});
  tally got;
  runtime::scope all(loop_, 1'000);
  for (int k = 0; k < 600; ++k) {
    all.spawn(write_into(&quick_, context(), "key-" + std::to_string(k), "x", &got));
  }
  turn_until([&] { return all.live() == 0; });
  for (const errc each : got.failures) EXPECT_EQ(each, errc::db_client_timeout);
  EXPECT_LE(got.failures.size(), 80U) << "of one node's share";
  EXPECT_EQ(stats().refused, 0U) << "the others had room to wait";
}

// A statement that is submitted after the turn's requests were sent, e.g. because a delivery report started the
// next record of a key, must not wait for an unrelated wake-up.
class late_step final : public runtime::step {
 public:
  explicit late_step(std::function<void()> what) : what_(std::move(what)) {}
  bool on_turn() override {
    if (what_) std::exchange(what_, nullptr)();
    return false;
  }

 private:
  std::function<void()> what_;
};

TEST_F(failing_node, statements_submitted_late_in_a_turn_leave_before_the_loop_sleeps) {
  ASSERT_EQ(write_many(copy_, 1).good, 1);
  tally got;
  runtime::scope all(loop_, 4);
  late_step late([&] { all.spawn(write_into(&copy_, context(), "late", "x", &got)); });
  loop_.add_step(runtime::phase::settle, late);
  const std::uint64_t before = session_->stats().requests;
  loop_.run_turn(seconds(3600));
  loop_.run_turn(nanoseconds(0));
  EXPECT_EQ(session_->stats().requests - before, 1U) << "the first turn would have slept";
  turn_until([&] { return all.live() == 0; });
  loop_.remove_step(late);
  EXPECT_EQ(got.good, 1);
}

TEST_F(failing_node, buffers_stay_bounded_while_servers_do_not_read) {
  for (unsigned node = 0; node < 3; ++node) server_->pause_reading(node, true);
  const std::string large(std::size_t{16} << 10U, 'x');
  std::uint64_t most = 0;
  for (int round = 0; round < 12; ++round) {
    (void)write_many(quick_, 1'500, large);  // 24 MB a round, most of which never leaves
    most = std::max(most, stats().buffer_bytes);
  }
  EXPECT_LE(most, std::uint64_t{16} << 20U);
  for (unsigned node = 0; node < 3; ++node) server_->pause_reading(node, false);
  turn_until([&] { return why(finish(copy_(context(), "a", "b"))) == "ok"; });
  turn_until([&] { return stats().buffer_bytes < std::uint64_t{4} << 20U; });
}

class impatient_keepalive : public failing_node {
 protected:
  static session_options with_keepalive() {
    session_options options;
    options.keepalive = milliseconds(1'000);
    return options;
  }
  impatient_keepalive() : failing_node(with_keepalive()) {}
};

TEST_F(impatient_keepalive, a_frame_that_never_ends_is_no_sign_of_life) {
  server_->inject(
      {.kind = fault_kind::unending_frame, .on = operation::insert, .node = 1, .times = 1, .code = 64 << 20});
  const std::uint64_t before = server_->counters().connections_accepted;
  (void)write_many(quick_, 30);
  turn_until([&] { return server_->counters().connections_accepted > before; });
  EXPECT_EQ(write_many(copy_, 300).good, 300);
}

TEST_F(impatient_keepalive, an_answer_that_trickles_in_is_one) {
  const std::string large(std::size_t{600} << 10U, 'y');
  ASSERT_EQ(why(finish(copy_(context(), "large", large))), "ok");
  statement<std::string(std::string_view)> read("SELECT segment FROM copies.profile WHERE id = ?",
                                                with_timeout(milliseconds(15'000)));
  ASSERT_TRUE(store_->prepare(read));
  for (unsigned node = 0; node < 3; ++node) {
    server_->trickle(node, std::size_t{4} << 10U, milliseconds(20));  // 200 KB a second
  }
  const std::uint64_t before = server_->counters().connections_accepted;
  const auto found = finish(read(context(), "large"));
  ASSERT_EQ(why(found), "ok");
  EXPECT_EQ((**found)->size(), large.size());
  EXPECT_EQ(server_->counters().connections_accepted, before);
}

TEST_F(failing_node, what_happens_to_connections_is_told_once_per_change) {
  std::vector<std::string> told;
  store_options options;
  options.on_node = [&told](const std::string& node, const error* why) {
    told.push_back(node + (why == nullptr ? " up" : " down"));
  };
  attach_again(std::move(options));
  const std::string node = server_->contact_point(1);
  server_->stop_node(1);
  turn_until([&] { return !told.empty(); });
  for (int k = 0; k < 30; ++k) loop_.run_turn(milliseconds(20));
  server_->start_node(1);
  turn_until([&] { return !told.empty() && told.back() == node + " up"; });
  EXPECT_EQ(std::count(told.begin(), told.end(), node + " up"), 1);
  EXPECT_LE(std::count(told.begin(), told.end(), node + " down"), 3) << "once for each reason";
  const metrics::snapshot now = registry_.take_snapshot();
  EXPECT_GT(now.value("millrace_node_connect_failures_total", {{"error", "db_unavailable"}}), 0);
}

// Descriptors run out: a connect that fails at once.
TEST_F(failing_node, tries_to_connect_become_rarer_whatever_their_failure) {
  ASSERT_EQ(write_many(copy_, 1).good, 1);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  server_->stop_node(1);
  turn_until([&] { return session_->stats().connections == 2; });
  const auto failures = [&] {
    return registry_.take_snapshot()
        .value("millrace_node_connect_failures_total", {{"node", server_->contact_point(1)}})
        .value_or(0);
  };
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto first = failures();
  const instant end = loop_.time().now() + milliseconds(1'500);
  while (loop_.time().now() < end) loop_.run_turn(milliseconds(10));
  const auto tries = failures() - first;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GE(tries, 1);
  EXPECT_LE(tries, 8) << "50, 100, 200, 400, 800 ms lie between them";
}

TEST_F(failing_node, a_batch_of_two_tables_is_refused_unless_it_is_logged) {
  insert_statement other{"INSERT INTO app.profile (id, segment) VALUES (?, ?)"};
  ASSERT_TRUE(store_->prepare(other));
  batch both(context());
  ASSERT_TRUE(both.add(copy_, "a", "x"));
  ASSERT_TRUE(both.add(other, "a", "x"));
  const auto refused = finish(both.run());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::db_invalid);
  EXPECT_NE(refused.error().message().find("its table is not that of the first"), std::string::npos);
  batch logged(context(), batch_kind::logged);
  ASSERT_TRUE(logged.add(copy_, "a", "x"));
  ASSERT_TRUE(logged.add(other, "b", "x"));
  EXPECT_EQ(why(finish(logged.run())), "ok");
  EXPECT_EQ(server_->table("app", "profile")->counts().keys_written, 1U);
}

TEST_F(failing_node, an_unset_value_before_the_key_keeps_the_batch_and_its_partition) {
  statement<void(or_unset<std::string_view>, double, std::string_view)> update(
      "UPDATE copies.profile SET segment = ?, score = ? WHERE id = ?");
  ASSERT_TRUE(store_->prepare(update));
  batch two(context());
  ASSERT_TRUE(two.add(update, unset, 1.0, "ada"));
  ASSERT_TRUE(two.add(update, "gold", 2.0, "ada"));
  EXPECT_EQ(why(finish(two.run())), "ok");
}

class speculating : public failing_node {
 protected:
  static session_options with_speculation() {
    session_options options;
    options.speculative_after = milliseconds(20);
    options.speculative_max = 1;
    return options;
  }
  speculating() : failing_node(with_speculation()) {}
};

TEST_F(speculating, the_first_answer_of_two_nodes_counts) {
  server_->inject({.kind = fault_kind::no_reply, .on = operation::insert, .node = 0});
  const tally all = write_many(copy_, 60);
  EXPECT_EQ(all.good, 60);
  EXPECT_GT(stats().speculative, 0U);
  EXPECT_EQ(stats().in_flight, 0U);
}

TEST_F(speculating, a_request_fails_only_when_both_executions_have_failed) {
  server_->inject({.kind = fault_kind::write_timeout, .on = operation::insert, .takes_effect = true});
  server_->set_latency(operation::insert, {.p50 = milliseconds(60)});
  const tally all = write_many(copy_, 30);
  EXPECT_EQ(all.failures, std::vector<errc>(30, errc::db_timeout));
  EXPECT_EQ(stats().in_flight, 0U);
}

class compressing : public failing_node, public ::testing::WithParamInterface<frame_compression> {
 protected:
  static session_options with_compression() {
    session_options options;
    options.compression = GetParam();
    return options;
  }
  compressing() : failing_node(with_compression()) {}
};

TEST_P(compressing, requests_and_answers_of_some_size_are_compressed) {
  const std::string large(std::size_t{100} << 10U, 'z');
  ASSERT_EQ(why(finish(copy_(context(), "a", large))), "ok");
  statement<std::string(std::string_view)> read("SELECT segment FROM copies.profile WHERE id = ?");
  ASSERT_TRUE(store_->prepare(read));
  const auto found = finish(read(context(), "a"));
  ASSERT_EQ(why(found), "ok");
  EXPECT_EQ(***found, large);
  const auto counters = server_->counters();
  EXPECT_GE(counters.compressed_in, 1U);
  EXPECT_GE(counters.compressed_out, 1U);
}

INSTANTIATE_TEST_SUITE_P(algorithms, compressing,
                         ::testing::Values(frame_compression::lz4, frame_compression::snappy),
                         [](const auto& of) {
                           return std::string(of.param == frame_compression::lz4 ? "lz4" : "snappy");
                         });

TEST_F(failing_node, connections_say_the_keyspace_of_unqualified_statements) {
  write("ada", "gold", 1);
  EXPECT_EQ(server_->counters().unqualified_without_keyspace, 0U);
}

class clocked : public failing_node {
 protected:
  static session_options with_timestamps() {
    session_options options;
    options.client_timestamps = true;
    return options;
  }
  clocked() : failing_node(with_timestamps()) {}
};

TEST_F(clocked, later_writes_of_a_worker_have_larger_timestamps) {
  std::int64_t last = 0;
  for (int k = 0; k < 200; ++k) {
    ASSERT_EQ(why(finish(copy_(context(), "ada", std::to_string(k)))), "ok");
    std::int64_t now = 0;
    const std::string key = "ada";
    const bytes_view parts[] = {as_bytes(key)};
    ASSERT_TRUE(server_->table("copies", "profile")->visit(parts, [&now](const emulators::emulated_row& row) {
      now = row.cell("segment")->written_at_us;
    }));
    EXPECT_GT(now, last);
    last = now;
  }
}

class few_connections : public session_test {
 protected:
  static std::unique_ptr<cql_emulator> sharded() {
    emulators::cql_emulator_options options;
    options.shards = 8;
    return started(options);
  }
  static session_options limited() {
    session_options options;
    options.connections_max = 3;
    return options;
  }
  few_connections() : session_test(sharded(), limited()) {}
};

TEST_F(few_connections, are_enough_for_every_shard) {
  turn_until([&] { return session_->stats().connections == 3; });
  for (int k = 0; k < 100; ++k) write("key-" + std::to_string(k), "x", 1);
  for (int k = 0; k < 20; ++k) loop_.run_turn(milliseconds(20));
  EXPECT_EQ(session_->stats().connections, 3U);
}

}  // namespace
}  // namespace millrace::cql

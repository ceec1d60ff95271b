// Several nodes: where requests go, and what a node that is slow, overloaded or down does to the others.
#include <set>

#include "session_fixture.h"

namespace millrace::cql {
namespace {

constexpr milliseconds soon{200};

class cluster : public session_test {
 protected:
  explicit cluster(const emulators::cql_emulator_options& options = three_nodes(),
                   session_options session = {})
      : session_test(started_with_copies(options), std::move(session)) {}

  std::uint64_t served_by(unsigned node) const { return server_->counters().requests_of_node[node]; }
  // A key whose only replica is the node, found by asking.
  std::string key_of(unsigned node) {
    for (int k = 0; k < 10'000; ++k) {
      const std::string key = "key-" + std::to_string(k);
      const std::uint64_t before = served_by(node);
      EXPECT_TRUE(finish(select_(context(), key)));
      if (served_by(node) > before) return key;
    }
    ADD_FAILURE() << "no key belongs to node " << node;
    return {};
  }
};

TEST_F(cluster, requests_are_sent_to_the_node_that_owns_the_key) {
  std::set<std::string> keys;
  for (unsigned node = 0; node < 3; ++node) keys.insert(key_of(node));
  EXPECT_EQ(keys.size(), 3U);
  const std::string key = key_of(1);
  const std::uint64_t before = served_by(1);
  for (int k = 0; k < 20; ++k) EXPECT_TRUE(finish(select_(context(), key)));
  EXPECT_EQ(served_by(1) - before, 20U);
}

runtime::task<void> read_one(const statement<profile(std::string_view)>* select, stream::context ctx,
                             std::string key, std::vector<errc>* failures, int* answered) {
  const auto found = co_await (*select)(ctx, key);
  if (found)
    ++*answered;
  else
    failures->push_back(found.error().code());
}

TEST_F(cluster, a_node_that_never_answers_holds_no_more_than_its_share_of_the_window) {
  const std::string slow = key_of(0);
  const std::string fast = key_of(1);
  attach({.in_flight_max = 60});
  server_->inject({.kind = fault_kind::no_reply, .on = operation::select, .node = 0});
  runtime::scope all(loop_, 1'000);
  std::vector<errc> failures;
  int answered = 0;
  for (int k = 0; k < 60; ++k) all.spawn(read_one(&select_, context(), slow, &failures, &answered));
  // Those beyond the share of 40 are refused at once.
  turn_until([&] { return failures.size() >= 20; });
  EXPECT_EQ(failures, std::vector<errc>(20, errc::db_overloaded));
  for (int k = 0; k < 200; ++k) all.spawn(read_one(&select_, context(), fast, &failures, &answered));
  turn_until([&] { return answered == 200; });
  EXPECT_EQ(store_->in_flight(), 40U);
  EXPECT_EQ(session_->stats().refused, 20U);
  store_.reset();
  turn_until([&] { return all.live() == 0; });
}

TEST_F(cluster, requests_with_other_replicas_avoid_a_slow_node) {
  statement<profile(std::string_view)> select("SELECT segment, score FROM copies.profile WHERE id = ?");
  ASSERT_TRUE(store_->prepare(select));
  attach({.in_flight_max = 60});
  ASSERT_TRUE(store_->prepare(select));
  server_->inject({.kind = fault_kind::no_reply, .on = operation::select, .node = 0});
  runtime::scope all(loop_, 2'000);
  std::vector<errc> failures;
  int answered = 0;
  // Each goes to a replica by chance: the slow one collects its share, and the rest is answered by the
  // others.
  for (int k = 0; k < 1'000; ++k) {
    all.spawn(read_one(&select, context(), "key-" + std::to_string(k), &failures, &answered));
  }
  turn_until([&] { return answered >= 960; });
  EXPECT_TRUE(failures.empty());
  EXPECT_LE(store_->in_flight(), 40U);
  store_.reset();
  turn_until([&] { return all.live() == 0; });
}

TEST_F(cluster, a_slow_database_lowers_no_limit) {
  attach({.in_flight_max = 300});
  server_->set_latency(operation::select, {.p50 = milliseconds(2)});
  server_->set_latency_factor(16);
  runtime::scope all(loop_, 1'000);
  std::vector<errc> failures;
  int answered = 0;
  for (int k = 0; k < 200; ++k) {
    all.spawn(read_one(&select_, context(), "key-" + std::to_string(k), &failures, &answered));
  }
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(answered, 200);
  EXPECT_EQ(session_->stats().shrunk, 0U);
}

TEST_F(cluster, overload_lowers_the_limit_of_that_node_and_its_end_raises_it) {
  const std::string hot = key_of(2);
  const auto fault = server_->inject({.kind = fault_kind::overloaded, .node = 2});
  for (int k = 0; k < 20; ++k) EXPECT_EQ(finish(select_(context(), hot)).error().code(), errc::db_overloaded);
  EXPECT_EQ(server_->hits(fault), 20U) << "one request is one attempt";
  const auto lowered = session_->stats();
  EXPECT_GT(lowered.shrunk, 0U);
  EXPECT_LT(lowered.limit_min, 10U);
  server_->clear(fault);
  runtime::scope all(loop_, 1'000);
  std::vector<errc> failures;
  int answered = 0;
  for (int k = 0; k < 500; ++k) all.spawn(read_one(&select_, context(), hot, &failures, &answered));
  turn_until([&] { return all.live() == 0; });
  EXPECT_EQ(answered, 500) << "what does not fit the limit waits for it";
  turn_until([&] { return session_->stats().limit_min > lowered.limit_min; });
}

TEST_F(cluster, a_stopped_node_is_avoided_until_it_returns) {
  statement<profile(std::string_view)> select("SELECT segment, score FROM copies.profile WHERE id = ?");
  ASSERT_TRUE(store_->prepare(select));
  server_->stop_node(1);
  const auto reads = [&](int count) {
    int good = 0;
    for (int k = 0; k < count; ++k) good += finish(select(context(), "key-" + std::to_string(k))) ? 1 : 0;
    return good;
  };
  // The first ones may meet the broken connection.
  turn_until([&] { return reads(20) == 20; });
  server_->start_node(1);
  const std::uint64_t before = served_by(1);
  turn_until([&] {
    reads(10);
    return served_by(1) > before;
  });
}

class shards : public cluster {
 protected:
  static emulators::cql_emulator_options sharded() {
    emulators::cql_emulator_options options = three_nodes();
    options.shards = 2;
    return options;
  }
  shards() : cluster(sharded()) {}
};

TEST_F(shards, every_shard_gets_a_connection) {
  // And one of control.
  turn_until([&] { return server_->counters().connections_open >= 7; });
  for (unsigned node = 0; node < 3; ++node) EXPECT_FALSE(key_of(node).empty());
}

class datacentres : public cluster {
 protected:
  static emulators::cql_emulator_options two_of_them() {
    emulators::cql_emulator_options options;
    options.other_nodes = {{"dc2", "rack1"}};
    return options;
  }
  static session_options preferring(bool failover) {
    session_options options;
    options.datacenter = "dc1";
    options.datacenter_failover = failover;
    return options;
  }
  explicit datacentres(bool failover) : cluster(two_of_them(), preferring(failover)) {}

  int reads_that_work(int count) {
    int good = 0;
    for (int k = 0; k < count; ++k) {
      good += finish(select_(context(), "key-" + std::to_string(k))) ? 1 : 0;
    }
    return good;
  }
};
class datacentre_without_failover : public datacentres {
 protected:
  datacentre_without_failover() : datacentres(false) {}
};
class datacentre_with_failover : public datacentres {
 protected:
  datacentre_with_failover() : datacentres(true) {}
};

TEST_F(datacentre_with_failover, requests_go_to_another_when_it_is_down) {
  const std::uint64_t before = served_by(1);
  server_->stop_node(0);
  turn_until([&] { return reads_that_work(20) == 20; });
  EXPECT_GT(served_by(1), before);
}

TEST_F(datacentre_without_failover, requests_fail_when_it_is_down) {
  server_->stop_node(0);
  const std::uint64_t before = server_->counters().of(operation::select);
  turn_until([&] { return reads_that_work(20) == 0; });
  EXPECT_LE(server_->counters().of(operation::select) - before, 1U);
}

class impatient : public cluster {
 protected:
  static session_options speculating() {
    session_options options;
    options.speculative_after = milliseconds(10);
    return options;
  }
  impatient() : cluster(three_nodes(), speculating()) {}
};

TEST_F(impatient, idempotent_statements_are_also_sent_to_another_node) {
  statement<profile(std::string_view)> select("SELECT segment, score FROM copies.profile WHERE id = ?",
                                              with_timeout(seconds(30)));
  ASSERT_TRUE(store_->prepare(select));
  server_->inject({.kind = fault_kind::no_reply, .on = operation::select, .node = 0});
  for (int k = 0; k < 20; ++k) EXPECT_TRUE(finish(select(context(), "key-" + std::to_string(k))));
  turn_until([&] { return session_->stats().speculative > 0; });
  EXPECT_LE(session_->stats().speculative, 20U);
  turn_until([&] { return session_->stats().nodes_connected == 3; });
  EXPECT_EQ(session_->stats().nodes, 3U);
}

TEST_F(impatient, others_are_sent_once) {
  statements::statement_options once = with_timeout(soon);
  once.idempotent = false;
  statement<void(std::string_view)> insert("INSERT INTO copies.profile (id) VALUES (?)", once);
  ASSERT_TRUE(store_->prepare(insert));
  for (unsigned node = 0; node < 3; ++node) {
    server_->inject({.kind = fault_kind::no_reply, .on = operation::insert, .node = node});
  }
  EXPECT_EQ(finish(insert(context(), "x")).error().code(), errc::db_client_timeout);
  EXPECT_EQ(server_->counters().of(operation::insert), 1U);
}

struct owner {
  std::string_view holder;
  std::optional<std::int32_t> since;
};

class conditions : public session_test {
 protected:
  conditions() {
    EXPECT_TRUE(server_->execute("CREATE TABLE app.claim (id text PRIMARY KEY, holder text, since int)"));
    for (statements::statement_declaration* each :
         {static_cast<statements::statement_declaration*>(&claim_),
          static_cast<statements::statement_declaration*>(&pass_on_),
          static_cast<statements::statement_declaration*>(&release_)}) {
      const auto prepared = store_->prepare(*each);
      EXPECT_TRUE(prepared) << prepared.error().to_string();
    }
  }

  statement<applied<owner>(std::string_view, std::string_view, std::int32_t)> claim_{
      "INSERT INTO claim (id, holder, since) VALUES (?, ?, ?) IF NOT EXISTS"};
  statement<applied<>(std::string_view, std::string_view, std::string_view)> pass_on_{
      "UPDATE claim SET holder = ? WHERE id = ? IF holder = ?"};
  statement<applied<>(std::string_view)> release_{"DELETE FROM claim WHERE id = ? IF EXISTS"};
};

TEST_F(conditions, the_first_claim_is_applied_and_the_second_sees_it) {
  const auto first = finish(claim_(context(), "lamp", "ada", 1));
  ASSERT_EQ(why(first), "ok");
  EXPECT_TRUE(static_cast<bool>(*first));
  const auto second = finish(claim_(context(), "lamp", "bob", 2));
  ASSERT_EQ(why(second), "ok");
  EXPECT_FALSE(static_cast<bool>(*second));
  ASSERT_TRUE(second->current());
  EXPECT_EQ((*second->current())->holder, "ada");
  EXPECT_EQ((*second->current())->since, 1);
}

TEST_F(conditions, a_comparison_decides_whether_it_is_applied) {
  ASSERT_TRUE(finish(claim_(context(), "lamp", "ada", 1)));
  EXPECT_FALSE(static_cast<bool>(*finish(pass_on_(context(), "cem", "lamp", "bob"))));
  EXPECT_TRUE(static_cast<bool>(*finish(pass_on_(context(), "cem", "lamp", "ada"))));
  EXPECT_FALSE(static_cast<bool>(*finish(pass_on_(context(), "cem", "no such lamp", "ada"))));
  EXPECT_TRUE(static_cast<bool>(*finish(release_(context(), "lamp"))));
  EXPECT_FALSE(static_cast<bool>(*finish(release_(context(), "lamp"))));
}

TEST_F(conditions, signature_and_text_must_agree) {
  statement<void(std::string_view)> forgets("DELETE FROM claim WHERE id = ? IF EXISTS");
  statement<applied<>(std::string_view)> invents("DELETE FROM claim WHERE id = ?");
  for (statements::statement_declaration* wrong :
       {static_cast<statements::statement_declaration*>(&forgets),
        static_cast<statements::statement_declaration*>(&invents)}) {
    const auto refused = store_->prepare(*wrong);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::db_invalid) << refused.error().to_string();
  }
}

TEST_F(conditions, the_id_of_a_trace_is_passed_to_its_statement) {
  std::vector<uuid> traces;
  attach({.in_flight_max = 8, .on_trace = [&](const statements::statement_declaration&, const uuid& trace) {
            traces.push_back(trace);
          }});
  statements::statement_options traced;
  traced.trace = true;
  statement<void(std::string_view)> insert("INSERT INTO claim (id) VALUES (?)", traced);
  statement<std::string_view(std::string_view)> select("SELECT id FROM claim WHERE id = ?", traced);
  ASSERT_TRUE(store_->prepare(insert));
  ASSERT_TRUE(store_->prepare(select));
  EXPECT_TRUE(finish(insert(context(), "a")));
  EXPECT_EQ(*finish(select(context(), "a")).value()->operator->(), "a");
  EXPECT_EQ(traces.size(), 2U);
}

}  // namespace
}  // namespace millrace::cql

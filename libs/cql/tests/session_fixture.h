// A session on the emulators's CQL emulator, with the tables and the words of the tests.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/cql/batch.h>
#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>
#include <millrace/emulators/cql_emulator.h>
#include <millrace/metrics/registry.h>
#include <millrace/runtime/loop.h>
#include <millrace/runtime/scope.h>

#include "calls.h"

namespace millrace::cql {

using emulators::cql_emulator;
using emulators::fault;
using emulators::fault_kind;
using emulators::operation;

constexpr seconds timeout{75};  // beyond it a test hangs, which is its failure

struct profile {
  std::string_view segment;
  std::optional<double> score;
};

inline session_options options_for(const cql_emulator& server) {
  session_options options;
  options.contact_points = {server.contact_point()};
  options.keyspace = "app";
  options.consistency = "ONE";
  return options;
}

inline std::unique_ptr<cql_emulator> started(const emulators::cql_emulator_options& options = {}) {
  auto server = cql_emulator::start(options);
  EXPECT_TRUE(server) << server.error().to_string();
  for (const char* cql :
       {"CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE app.profile (id text PRIMARY KEY, segment text, score double)",
        "CREATE TABLE app.event (day int, n int, note text, PRIMARY KEY (day, n))"}) {
    const auto done = (*server)->execute(cql);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  return std::move(*server);
}

inline emulators::cql_emulator_options three_nodes() {
  emulators::cql_emulator_options options;
  options.other_nodes = {{"dc1", "rack2"}, {"dc1", "rack3"}};
  return options;
}

// With a second table, of which every one of three nodes has all rows.
inline std::unique_ptr<cql_emulator> started_with_copies(const emulators::cql_emulator_options& options) {
  auto server = started(options);
  for (const char* cql :
       {"CREATE KEYSPACE copies WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
        "CREATE TABLE copies.profile (id text PRIMARY KEY, segment text, score double)"}) {
    const auto done = server->execute(cql);
    EXPECT_TRUE(done) << done.error().to_string();
  }
  return server;
}

inline statements::statement_options with_timeout(milliseconds timeout) {
  statements::statement_options options;
  options.timeout = timeout;
  return options;
}

class session_test : public ::testing::Test {
 protected:
  static constexpr milliseconds short_timeout{50};

  session_test() { attach({}); }
  // `options`: what differs from options_for().
  session_test(std::unique_ptr<cql_emulator> server, session_options options)
      : server_(std::move(server)), session_(opened(*server_, std::move(options))) {
    attach({});
  }
  static std::unique_ptr<session> opened(const cql_emulator& server, session_options options) {
    const session_options usual = options_for(server);
    if (options.contact_points.empty()) options.contact_points = usual.contact_points;
    options.keyspace = usual.keyspace;
    options.consistency = usual.consistency;
    auto made = session::open(options);
    EXPECT_TRUE(made) << made.error().to_string();
    return std::move(*made);
  }
  ~session_test() override { store_.reset(); }

  void attach(store_options options) {
    store_.reset();
    auto attached = session_->attach(loop_, std::move(options), &shard_);
    if (!attached) std::abort();
    store_ = std::move(*attached);
    run_ = std::make_unique<execution_of_test>(loop_, *store_);
    for (statements::statement_declaration* declared : declared_.statements) {
      const auto prepared = store_->prepare(*declared);
      EXPECT_TRUE(prepared) << prepared.error().to_string();
    }
  }
  stream::context context() { return stream::context(*run_); }
  // Turns the loop until `done`.
  template <typename Done>
  void turn_until(Done done) {
    const instant give_up = loop_.time().now() + timeout;
    bool is_done = done();
    while (!is_done && loop_.time().now() < give_up) {
      loop_.run_turn(microseconds(200));
      is_done = done();
    }
    ASSERT_TRUE(is_done) << "nothing happened for too long";
  }
  template <typename T>
  T finish(runtime::task<T> call) {
    finished_flag done;
    call.start(loop_, done);
    turn_until([&] { return done.finished; });
    return call.take();
  }
  // A result or an answer.
  template <typename Answer>
  static std::string why(const Answer& answer) {
    return answer ? "ok" : answer.error().to_string();
  }
  void write(std::string_view id, std::string_view segment, double score) {
    const auto written = finish(insert_(context(), id, segment, score));
    ASSERT_EQ(why(written), "ok");
  }

  std::unique_ptr<cql_emulator> server_ = started();
  metrics::catalogue catalogue_;
  metrics::registry registry_{catalogue_};
  metrics::shard& shard_ = registry_.add_shard();
  std::unique_ptr<session> session_ = opened(*server_, {});
  runtime::loop loop_{system_clock()};
  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  statement<profile(std::string_view)> select_{"SELECT segment, score FROM profile WHERE id = ?"};
  statement<void(std::string_view, or_unset<std::string_view>, or_unset<std::optional<double>>)> insert_{
      "INSERT INTO profile (id, segment, score) VALUES (?, ?, ?)"};
  statement<void(std::int32_t, std::int32_t, std::string_view)> insert_event_{
      "INSERT INTO event (day, n, note) VALUES (?, ?, ?)"};
  statement<std::vector<std::int32_t>(std::int32_t)> select_day_{"SELECT n FROM event WHERE day = ?"};
  statement<profile(std::string_view)> impatient_{"SELECT segment, score FROM profile WHERE id  = ?",
                                                  with_timeout(short_timeout)};
  std::unique_ptr<stream::store> store_;
  std::unique_ptr<execution_of_test> run_;
};

}  // namespace millrace::cql

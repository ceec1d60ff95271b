// A session with a real server, whose address and credentials come by the environment.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <millrace/cql/session.h>
#include <millrace/cql/statement.h>
#include <millrace/runtime/loop.h>

#include "calls.h"

namespace millrace::cql {

inline constexpr seconds timeout{60};

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

inline session_options options_of_environment() {
  session_options options;
  options.contact_points = {environment("MILLRACE_CQL_ADDRESS")};
  options.user = environment("MILLRACE_CQL_USER");
  options.password = secret(environment("MILLRACE_CQL_PASSWORD"));
  options.ca_file = environment("MILLRACE_CQL_CA");
  options.tls = !options.ca_file.empty();
  options.consistency = "ONE";
  options.request_timeout = seconds(20);
  return options;
}

class server : public ::testing::Test {
 protected:
  server() {
    auto opened = session::open(options_of_environment());
    if (!opened) {
      ADD_FAILURE() << opened.error().to_string();
      std::abort();
    }
    session_ = std::move(*opened);
    execute(
        "CREATE KEYSPACE IF NOT EXISTS types WITH replication = {'class': 'SimpleStrategy', "
        "'replication_factor': 1}");
    attach({});
  }
  ~server() override { store_.reset(); }

  void reopen(const session_options& options) {
    store_.reset();
    auto opened = session::open(options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    session_ = std::move(*opened);
    attach({});
  }
  void attach(store_options options) {
    store_.reset();
    store_ = std::move(*session_->attach(loop_, std::move(options), nullptr));
    run_ = std::make_unique<execution_of_test>(loop_, *store_);
  }
  void execute(const std::string& cql) {
    const auto done = session_->execute(cql);
    ASSERT_TRUE(done) << cql << ": " << done.error().to_string();
  }
  void prepare(statements::statement_declaration& declared) {
    const auto prepared = store_->prepare(declared);
    ASSERT_TRUE(prepared) << prepared.error().to_string();
  }
  std::string refusal(statements::statement_declaration& declared) {
    const auto prepared = store_->prepare(declared);
    return prepared ? "prepared" : prepared.error().to_string();
  }
  stream::context context() { return stream::context(*run_); }
  template <typename T>
  T finish(runtime::task<T> call) {
    finished_flag done;
    call.start(loop_, done);
    const instant give_up = loop_.time().now() + timeout;
    while (!done.finished && loop_.time().now() < give_up) loop_.run_turn(milliseconds(10));
    EXPECT_TRUE(done.finished);
    return call.take();
  }
  // A result or an answer.
  template <typename Answer>
  static std::string why(const Answer& answer) {
    return answer ? "ok" : answer.error().to_string();
  }

  statements::declarations declared_;
  statements::declaration_scope collecting_{declared_};
  runtime::loop loop_{system_clock()};
  std::unique_ptr<session> session_;
  std::unique_ptr<stream::store> store_;
  std::unique_ptr<execution_of_test> run_;
};

}  // namespace millrace::cql

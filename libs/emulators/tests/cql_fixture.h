// What the emulator's tests share: a running emulator and a client that has started up.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <millrace/base/bytes.h>

#include "cql_client.h"
#include "millrace/emulators/cql_emulator.h"

namespace millrace::emulators::test {

inline std::unique_ptr<cql_emulator> start(const cql_emulator_options& options = {}) {
  auto started = cql_emulator::start(options);
  EXPECT_TRUE(started) << started.error().to_string();
  return std::move(*started);
}

class emulator_test : public testing::Test {
 protected:
  void SetUp() override {
    run("CREATE KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': "
        "1}");
    run("CREATE TABLE ks.person (id text PRIMARY KEY, name text, age int)");
    run("CREATE TABLE ks.visit (visitor text, at bigint, page text, PRIMARY KEY (visitor, at))");
    ASSERT_EQ(client.start().op, 0x02);
  }
  void run(std::string_view statement) {
    const result<void> done = emulator->execute(statement);
    ASSERT_TRUE(done) << statement << ": " << done.error().message();
  }
  prepared prepare(std::string_view text) {
    const reply answer = client.prepare(text);
    EXPECT_TRUE(answer.ok()) << text << ": " << answer.message;
    return answer.statement;
  }
  reply ask(std::string_view text, const std::vector<cell>& values = {}, const query_options& with = {}) {
    reply answer = client.query(text, values, with);
    EXPECT_TRUE(answer.ok()) << text << ": " << answer.message;
    return answer;
  }
  // The one cell of the one row, "(null)" for null, "(none)" for no row.
  std::string one(std::string_view text) {
    const reply answer = ask(text);
    if (answer.rows.empty()) return "(none)";
    return answer.rows[0][0].value_or("(null)");
  }
  emulated_table table(std::string_view name) {
    auto found = emulator->table("ks", name);
    EXPECT_TRUE(found);
    return *found;
  }

  std::unique_ptr<cql_emulator> emulator = start();
  cql_client client{emulator->port()};
};

}  // namespace millrace::emulators::test

// The bridge's first promise, at its C interface: every request that was accepted completes exactly once,
// whatever happens to the server, the connection, the channel, the session or the driver.
#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include <millrace/emulators/cql_emulator.h>
#include <millrace/native/bridge.h>

namespace millrace::cql {
namespace {

using emulators::cql_emulator;
using emulators::fault_kind;
using emulators::operation;

constexpr int timeout_ms = 30'000;
constexpr std::uint32_t in_flight_max = 256;
constexpr std::uint32_t long_timeout_ms = 20'000;

class exactly_once : public ::testing::Test {
 protected:
  exactly_once() {
    for (const char* cql :
         {"CREATE KEYSPACE app WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
          "CREATE TABLE app.t (id text PRIMARY KEY)"}) {
      EXPECT_TRUE(server_->execute(cql));
    }
    const std::string address = server_->contact_point();
    millrace_cql_config config{};
    config.size = sizeof config;
    config.consistency = 1;
    config.contact_points = address.c_str();
    millrace_cql_error failed{};
    failed.size = sizeof failed;
    EXPECT_EQ(millrace_cql_session_open(&config, &session_, &failed), MILLRACE_CQL_OK)
        << static_cast<const char*>(failed.message);
    millrace_cql_statement statement{};
    statement.size = sizeof statement;
    statement.consistency = -1;
    statement.serial_consistency = -1;
    statement.text = "SELECT id FROM app.t WHERE id = ?";
    millrace_cql_prepared prepared{};
    prepared.size = sizeof prepared;
    EXPECT_EQ(millrace_cql_prepare(session_, &statement, &prepared, &failed), MILLRACE_CQL_OK);
    statement_ = prepared.statement;
    millrace_cql_release(&prepared.owner, 1);
    channel_ = open_channel();
  }
  ~exactly_once() override {
    millrace_cql_channel_free(channel_);
    millrace_cql_session_close(session_);
  }

  millrace_cql_channel* open_channel() {
    millrace_cql_channel* channel = nullptr;
    millrace_cql_error failed{};
    failed.size = sizeof failed;
    EXPECT_EQ(millrace_cql_channel_open(session_, in_flight_max, &channel, &failed), MILLRACE_CQL_OK);
    return channel;
  }
  // Tags go on from the last ones.
  void submit(int count, std::uint32_t timeout_ms = long_timeout_ms) {
    static constexpr std::array<std::uint8_t, 5> key{0, 0, 0, 1, 'x'};
    std::vector<millrace_cql_request> all;
    for (int k = 0; k < count; ++k) {
      millrace_cql_request request{};
      request.tag = next_tag_++;
      request.cells = key.data();
      request.cells_size = key.size();
      request.timestamp_us = MILLRACE_CQL_NO_TIMESTAMP;
      request.statement = statement_;
      request.timeout_ms = timeout_ms;
      all.push_back(request);
    }
    ASSERT_EQ(millrace_cql_submit(channel_, all.data(), all.size()), all.size());
  }
  // Takes what has completed; waits for the first.
  bool take_some() {
    if (millrace_cql_arm(channel_) == 0) {
      pollfd event{.fd = millrace_cql_channel_event_fd(channel_), .events = POLLIN, .revents = 0};
      if (::poll(&event, 1, timeout_ms) != 1) return false;
    }
    take_ready();
    return true;
  }
  void take_ready() {
    std::array<millrace_cql_completion, 64> some{};
    while (const std::size_t taken = millrace_cql_poll(channel_, some.data(), some.size())) {
      for (std::size_t k = 0; k < taken; ++k) {
        ++completions_[some[k].tag];
        ++statuses_[some[k].status];
        millrace_cql_release(&some[k].owner, 1);
      }
    }
  }
  void expect_all_once() {
    while (completions_.size() < next_tag_) ASSERT_TRUE(take_some()) << "some requests never completed";
    take_ready();
    EXPECT_EQ(completions_.size(), next_tag_);
    for (const auto& [tag, times] : completions_) EXPECT_EQ(times, 1) << tag;
  }
  int with(millrace_cql_status status) { return statuses_[status]; }

  std::unique_ptr<cql_emulator> server_ = std::move(*cql_emulator::start());
  millrace_cql_session* session_ = nullptr;
  millrace_cql_channel* channel_ = nullptr;
  std::uint32_t statement_ = 0;
  std::uint64_t next_tag_ = 0;
  std::map<std::uint64_t, int> completions_;
  std::map<int, int> statuses_;
};

TEST_F(exactly_once, when_answers_come) {
  for (int round = 0; round < 20; ++round) {
    submit(200);
    expect_all_once();
  }
  EXPECT_EQ(with(MILLRACE_CQL_OK), 4'000);
}

TEST_F(exactly_once, when_answers_never_come) {
  server_->inject({.kind = fault_kind::no_reply});
  submit(100, 50);
  expect_all_once();
  EXPECT_EQ(with(MILLRACE_CQL_CLIENT_TIMEOUT), 100);
}

TEST_F(exactly_once, when_answers_come_too_late_for_their_tags) {
  server_->set_latency(operation::select, {.p50 = milliseconds(200)});
  submit(8, 20);
  expect_all_once();
  EXPECT_EQ(with(MILLRACE_CQL_CLIENT_TIMEOUT), 8);
  // Their slots serve others now, and those get their own answers only.
  server_->set_latency(operation::select, {});
  while (server_->counters().answers_delayed > 0 || with(MILLRACE_CQL_OK) < 200) {
    submit(8);
    expect_all_once();
  }
  EXPECT_EQ(with(MILLRACE_CQL_CLIENT_TIMEOUT), 8);
}

TEST_F(exactly_once, when_the_connection_breaks) {
  server_->inject({.kind = fault_kind::no_reply});
  submit(100);
  while (server_->counters().of(operation::select) < 100) {
  }
  server_->drop_connections();
  expect_all_once();
  EXPECT_EQ(with(MILLRACE_CQL_UNAVAILABLE), 100);
}

TEST_F(exactly_once, when_the_driver_panics) {
  submit(10);
  expect_all_once();
  millrace_cql_inject_panic(session_);
  submit(100);
  expect_all_once();
  EXPECT_EQ(with(MILLRACE_CQL_INTERNAL), 1);
  EXPECT_EQ(with(MILLRACE_CQL_OK), 109);
  submit(200);
  expect_all_once();
  millrace_cql_counters counters{};
  counters.size = sizeof counters;
  millrace_cql_session_counters(session_, &counters);
  EXPECT_EQ(counters.panics, 1U);
  EXPECT_EQ(with(MILLRACE_CQL_OK), 309) << "the process and the session live on";
}

TEST_F(exactly_once, when_the_channel_closes) {
  server_->inject({.kind = fault_kind::no_reply});
  submit(100);
  millrace_cql_channel_close(channel_);
  expect_all_once();
  submit(5);
  expect_all_once();
  EXPECT_EQ(with(MILLRACE_CQL_CANCELLED), 105);
}

TEST_F(exactly_once, when_the_session_closes) {
  server_->inject({.kind = fault_kind::no_reply});
  submit(100);
  millrace_cql_session_close(std::exchange(session_, nullptr));
  submit(5);
  expect_all_once();
  EXPECT_EQ(with(MILLRACE_CQL_CANCELLED), 105);
}

TEST_F(exactly_once, when_channels_come_and_go) {
  for (int round = 0; round < 300; ++round) {
    submit(20);
    if (round % 3 == 0) take_ready();
    millrace_cql_channel_close(channel_);
    expect_all_once();
    millrace_cql_channel_free(channel_);
    channel_ = open_channel();
  }
}

}  // namespace
}  // namespace millrace::cql

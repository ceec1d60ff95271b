// Nodes that do not crash but do not serve either: no reading, slow writing, frames without end; and errors
// that only some servers have.
#include <poll.h>

#include "cql_cluster_fixture.h"

namespace millrace::emulators::test {
namespace {

constexpr microseconds an_hour{3'600'000'000};

class cql_bad_nodes : public cluster_test {
 protected:
  void SetUp() override {
    begin({.other_nodes = {{}}, .shards = 1}, "{'class': 'SimpleStrategy', 'replication_factor': 1}");
  }
  // Requests before this one have been handled: the emulator has one thread.
  void round_trip() { EXPECT_TRUE(connect(0)->query("SELECT key FROM system.local").ok()); }
  static std::string receive_some(cql_client& by, std::size_t most) {
    std::string out(most, '\0');
    const ssize_t got = ::recv(by.socket(), out.data(), most, 0);
    out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return out;
  }
  static bool has_more(cql_client& by) {
    char one = 0;
    return ::recv(by.socket(), &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
};

TEST_F(cql_bad_nodes, a_node_that_pauses_reads_nothing_and_then_everything) {
  const auto by = connect(1);
  emulator->pause_reading(1, true);
  round_trip();
  const std::uint64_t before = emulator->counters().options_frames;
  by->send(0x05, "");
  round_trip();
  EXPECT_EQ(emulator->counters().options_frames, before);
  cql_client late(emulator->port(), address_of(1));
  EXPECT_TRUE(late.connected());
  late.send(0x05, "");
  round_trip();
  EXPECT_EQ(emulator->counters().options_frames, before) << "new connections neither";
  emulator->pause_reading(1, false);
  EXPECT_EQ(by->receive().op, 0x06);
  EXPECT_EQ(late.receive().op, 0x06);
}

TEST_F(cql_bad_nodes, what_a_paused_node_does_not_read_presses_back_on_the_client) {
  const auto by = connect(1);
  emulator->pause_reading(1, true);
  round_trip();
  const std::string request = by->request(0x05, std::string(1'000'000, 'x'));
  constexpr std::size_t more_than_kernels_buffer = std::size_t{256} << 20U;
  std::size_t sent = 0;
  while (sent < more_than_kernels_buffer) {
    const ssize_t now = ::send(by->socket(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now > 0) {
      sent += static_cast<std::size_t>(now);
      continue;
    }
    pollfd writable{by->socket(), POLLOUT, 0};
    if (::poll(&writable, 1, 200) == 0) break;
  }
  EXPECT_LT(sent, more_than_kernels_buffer);
  EXPECT_TRUE(connect(0)->query("SELECT key FROM system.local").ok()) << "other nodes serve";
}

TEST_F(cql_bad_nodes, answers_trickle_in_drops) {
  const auto by = connect(1);
  emulator->trickle(1, 4, an_hour);
  round_trip();
  by->send(0x05, "");
  EXPECT_EQ(receive_some(*by, 100).size(), 4) << "the beginning of the header";
  round_trip();
  EXPECT_FALSE(has_more(*by)) << "the next drop is due in an hour";
  emulator->trickle(1, 7, microseconds(1));
  const std::string rest = receive_some(*by, 5);
  EXPECT_FALSE(rest.empty()) << "the pace changes at once";
  emulator->trickle(1, 0, an_hour);
  std::string all = rest;
  while (all.size() < 5) all += receive_some(*by, 5 - all.size());
  reader length(std::string_view(all).substr(1));
  for (auto left = static_cast<std::size_t>(length.number(4)); left > 0;)
    left -= receive_some(*by, left).size();
  by->send(0x05, "");
  EXPECT_EQ(by->receive().op, 0x06) << "as fast as before";
}

TEST_F(cql_bad_nodes, a_frame_without_end_swallows_the_answers_after_it) {
  const auto by = connect(0);
  const prepared select = by->prepare("SELECT v FROM ks.t WHERE id = ?").statement;
  emulator->inject({.kind = fault_kind::unending_frame, .times = 1, .code = 300});
  by->send(0x0A, by->execute_body(select, {"a"}), 5);
  for (int i = 0; i < 5; ++i) by->send(0x05, "");
  std::string all;
  while (all.size() < 9 + 299) {
    const std::string more = receive_some(*by, 9 + 299 - all.size());
    ASSERT_FALSE(more.empty());
    all += more;
  }
  EXPECT_EQ(all.substr(2, 7), std::string("\0\5\x08\0\0\x01\x2c", 7)) << "stream 5, RESULT, 300 bytes";
  EXPECT_EQ(all.substr(9, 5), std::string("\x84\0\0\0\x06", 5)) << "the next answer is its body";
  by->send(0x05, "");
  round_trip();
  EXPECT_FALSE(has_more(*by)) << "the last byte never comes";
}

TEST_F(cql_bad_nodes, cdc_write_failures_and_rate_limits_have_their_codes) {
  const auto plain = connect(0);
  const auto asked = connect(0, startup_options{{"SCYLLA_RATE_LIMIT_ERROR", ""}});
  const prepared insert = plain->prepare("INSERT INTO ks.t (id, v) VALUES (?, ?)").statement;
  const prepared select = plain->prepare("SELECT v FROM ks.t WHERE id = ?").statement;
  emulator->inject({.kind = fault_kind::cdc_write_failure, .on = operation::insert, .times = 1});
  EXPECT_EQ(plain->execute(insert, {"a", int_cell(1)}).error, 0x1600);
  emulator->inject({.kind = fault_kind::rate_limit});
  const std::vector<std::string> announced = supported(*plain).at("SCYLLA_RATE_LIMIT_ERROR");
  ASSERT_EQ(announced.size(), 1);
  EXPECT_EQ(announced[0], "ERROR_CODE=17185");
  EXPECT_EQ(plain->execute(insert, {"a", int_cell(1)}).error, 0x2300) << "who did not ask for it";
  reply limited = asked->execute(insert, {"a", int_cell(1)});
  EXPECT_EQ(limited.error, 17'185);
  EXPECT_EQ(limited.extra, std::string("\1\1", 2)) << "a write, rejected by the coordinator";
  limited = asked->execute(select, {"a"});
  EXPECT_EQ(limited.extra, std::string("\0\1", 2)) << "a read";
}

}  // namespace
}  // namespace millrace::emulators::test

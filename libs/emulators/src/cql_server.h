// Sockets and time: the threads that read request frames, have them handled, and write the answers when due.
//
// Each thread runs one epoll loop. A turn takes every ready socket, handles all complete frames, then writes
// each connection's answers with one call. Delayed answers wait in a heap; those due within half the slack go
// out with the first one due.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include <pthread.h>

#include <millrace/base/file_descriptor.h>

#include "cql_dispatch.h"
#include "cql_transport.h"

namespace millrace::emulators::cql {

// A connection that has this much unread by its client, or this many answers waiting, is not read from until
// it has less: what a client can make the emulator hold is bounded.
inline constexpr std::size_t unsent_bytes_max = std::size_t{8} << 20U;
inline constexpr std::size_t waiting_answers_max = 65'536;
// After a protocol error, what the client had already sent is read and thrown away up to this, so that the
// error reaches it before the reset.
inline constexpr std::size_t discarded_bytes_max = std::size_t{16} << 20U;

inline constexpr unsigned shards_max = 16;
// Nodes that close new connections at once.
using refusals = std::array<std::atomic<bool>, nodes_max>;

// A listening TCP socket on an IPv4 address; port 0 takes a free one and updates it. errc::address_in_use.
[[nodiscard]] result<file_descriptor> listen_on(const std::string& address, std::uint16_t& port);

class server_thread {
 public:
  server_thread(emulated_node& node, const transport_factory& transports, std::uint64_t seed);
  ~server_thread();
  server_thread(const server_thread&) = delete;
  server_thread& operator=(const server_thread&) = delete;

  // Thread 0 accepts on the listeners, one per node, and deals connections out to all.
  void start(std::vector<int> listeners, std::vector<server_thread*> peers, const refusals* refusing);
  void stop();

  // From any thread.
  void adopt(int socket, unsigned node, unsigned shard);
  void publish(const std::string& event);
  void drop_connections(std::optional<unsigned> of_node = {});

  [[nodiscard]] const thread_counters& counters() const noexcept { return counters_; }
  [[nodiscard]] nanoseconds cpu() const noexcept;

 private:
  struct connection {
    std::uint64_t id = 0;
    std::unique_ptr<transport> stream;
    session talk;
    std::string in;  // an incomplete frame
    std::string out;
    std::size_t written = 0;  // of out
    std::size_t waiting = 0;  // delayed answers
    std::size_t discarded = 0;
    std::uint32_t interest = 0;
    bool dirty = false;
    bool paused = false;   // not read from: see unsent_bytes_max
    bool closing = false;  // no more requests; closes when `out` is written
    bool finished = false;
    bool dead = false;
  };
  struct delayed {
    std::int64_t due_ns = 0;
    std::uint32_t slot = 0;
  };
  struct waiting_answer {
    std::uint64_t connection = 0;
    std::string frame;
  };
  struct close_all {
    std::optional<unsigned> of_node = {};
  };
  struct new_socket {
    int fd;
    unsigned node;
    unsigned shard;
  };
  struct event_frame {
    std::string bytes;
  };
  using message = std::variant<close_all, new_socket, event_frame>;

  void run();
  void post(message what);
  void drain_mailbox();
  void accept_ready(unsigned node);
  void take(const new_socket& from);
  void on_readable(connection& of);
  void take_bytes(connection& of, std::string_view bytes);
  std::size_t handle_frames(connection& of, std::string_view bytes);
  void deliver(connection& of, fate what);
  void flush_due(std::int64_t now);
  void flush(connection& of);
  void mark(connection& of);
  void update_interest(connection& of);
  void dead_letter();
  [[nodiscard]] bool over_budget(const connection& of) const;
  [[nodiscard]] std::int64_t wait_ns() const;

  emulated_node& node_;
  const transport_factory& transports_;
  thread_counters counters_;
  dispatcher dispatcher_;
  std::int64_t half_slack_ns_;
  file_descriptor epoll_;
  file_descriptor wake_;
  std::vector<int> listeners_;
  std::vector<server_thread*> peers_;
  const refusals* refusing_ = nullptr;
  std::size_t next_peer_ = 0;
  std::array<unsigned, nodes_max> next_shard_{};

  std::unordered_map<std::uint64_t, std::unique_ptr<connection>> connections_;
  std::uint64_t last_id_ = nodes_max;  // the tags below are the listeners'
  std::vector<connection*> dirty_;
  std::vector<std::uint64_t> dead_;
  std::vector<delayed> heap_;
  std::vector<waiting_answer> answers_;
  std::vector<std::uint32_t> free_answers_;
  std::string reply_;
  std::vector<char> buffer_;

  std::mutex mailbox_mutex_;
  std::vector<message> mailbox_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace millrace::emulators::cql

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

// How a node treats its connections; set and read by any thread.
struct node_conduct {
  std::atomic<bool> refuses{false};  // closes new connections at once
  std::atomic<bool> pauses{false};   // reads nothing
  std::atomic<std::size_t> trickle_bytes{0};
  std::atomic<std::int64_t> trickle_every_ns{0};
  std::array<std::atomic<std::uint64_t>, shards_max> connections{};
};
using conducts = std::array<node_conduct, nodes_max>;

// Where a node listens: its ordinary port, and ScyllaDB's shard-aware one.
struct listening_slot {
  unsigned node = 0;
  bool shard_aware = false;

  [[nodiscard]] std::size_t index() const noexcept { return std::size_t{node} * 2 + (shard_aware ? 1 : 0); }
};
inline constexpr std::size_t listening_slots = nodes_max * 2;
struct listener {
  listening_slot at;
  file_descriptor socket;
};

// A TCP socket on an IPv4 address; port 0 takes a free one and updates it. Without `listens` it only keeps the
// port, which then refuses connections. errc::address_in_use.
[[nodiscard]] result<file_descriptor> listen_on(const std::string& address, std::uint16_t& port,
                                                bool listens = true);

class server_thread {
 public:
  server_thread(emulated_node& node, const transport_factory& transports, std::uint64_t seed);
  ~server_thread();
  server_thread(const server_thread&) = delete;
  server_thread& operator=(const server_thread&) = delete;

  // Thread 0 has the listeners and deals connections out to all.
  void start(std::vector<listener> listeners, std::vector<server_thread*> peers, conducts* nodes);
  void stop();

  // From any thread.
  void adopt(int socket, unsigned node, unsigned shard);
  void publish(event_kind kind, const std::string& event);
  // Of thread 0: listens on another socket from now on; without one, no more.
  void replace_listener(listening_slot at, file_descriptor socket);
  // A node_conduct has changed.
  void reconsider();
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
    std::int64_t next_write_ns = 0;            // of a node that trickles
    std::optional<std::size_t> unending = {};  // bytes that still fit into the frame without end
    bool dirty = false;
    bool held = false;     // not read from: its node pauses
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
    std::size_t unending = 0;
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
    event_kind kind;
    std::string bytes;
  };
  struct new_listener {
    listening_slot at;
    int fd;  // -1: none
  };
  struct conduct_changed {};
  using message = std::variant<close_all, new_socket, event_frame, new_listener, conduct_changed>;

  void run();
  void take_event(std::uint64_t tag, std::uint32_t events);
  void post(message what);
  void drain_mailbox();
  void close_connections(const close_all& which);
  void send_event(const event_frame& event);
  void listen(const new_listener& on);
  void apply_conduct();
  void accept_ready(std::size_t slot);
  [[nodiscard]] unsigned shard_for(listening_slot at, std::uint16_t source_port);
  void append(connection& to, std::string_view frame, std::size_t unending);
  // How much of the answers may be written now; the rest waits for the next drop.
  [[nodiscard]] std::size_t allowance(connection& of);
  void retire(const connection& of);
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
  void kill(connection& of);
  [[nodiscard]] bool over_budget(const connection& of) const;
  [[nodiscard]] std::int64_t wait_ns() const;

  emulated_node& node_;
  const transport_factory& transports_;
  thread_counters counters_;
  dispatcher dispatcher_;
  std::int64_t half_slack_ns_;
  file_descriptor epoll_;
  file_descriptor wake_;
  std::array<file_descriptor, listening_slots> listeners_;
  std::vector<server_thread*> peers_;
  conducts* nodes_ = nullptr;
  std::size_t next_peer_ = 0;
  std::array<unsigned, nodes_max> next_shard_{};

  std::unordered_map<std::uint64_t, std::unique_ptr<connection>> connections_;
  std::uint64_t last_id_ = listening_slots;  // the tags below are the listeners'
  std::vector<connection*> dirty_;
  std::vector<std::uint64_t> trickling_;  // connections that wait for their next drop
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

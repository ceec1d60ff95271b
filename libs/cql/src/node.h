// A node as one worker sees it: its connections, one to each shard, and its health.
//
// Connections: the first one goes to the ordinary port and learns how many shards the node has. The others go to
// the shard-aware port, where the client's port chooses the shard. What the server then says decides: behind an
// address translation the port chooses nothing, and connections to the ordinary port are made until every shard
// has one, as ScyllaDB's own drivers do (docs/dev/protocol-extensions.md of ScyllaDB).
//
// A connection that breaks is made again after a delay that grows from 50 ms to 10 s, whatever the reason.
//
// Threads: the worker's loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connection.h"
#include "cql_metrics.h"
#include "node_health.h"

namespace millrace::cql {

using host_identity = std::array<std::uint8_t, 16>;

// Of ScyllaDB: from the ring's beginning; the ignored bits are those in which the shards repeat.
[[nodiscard]] std::uint32_t shard_of(std::int64_t token, std::uint32_t shards,
                                     std::uint32_t ignored_msb) noexcept;

// Where a node is, and how it is called.
struct node_place {
  host_identity host_id{};
  std::string address;  // as the cluster announces it
  std::uint16_t port = 0;
  std::string datacenter;
  std::string rack;
  std::string connect_address;
  std::uint16_t connect_port = 0;
  [[nodiscard]] bool operator==(const node_place&) const = default;
  [[nodiscard]] std::string name() const { return address + ":" + std::to_string(port); }
};

// What the connections of all workers have in common.
class connection_settings {
 public:
  virtual ~connection_settings() = default;
  // Any thread. What a new connection says: credentials and certificates are those of now.
  [[nodiscard]] virtual std::shared_ptr<const introduction> introduce() = 0;
  // Any thread. How many connections a worker may have to a node of a cluster of this size.
  [[nodiscard]] virtual std::size_t allowance(std::size_t nodes) const = 0;
  // Any thread. Where the port of a node is really found, and the name of a node ("": none is known).
  [[nodiscard]] virtual std::pair<std::string, std::uint16_t> translated(const std::string& address,
                                                                         std::uint16_t port) const = 0;
  [[nodiscard]] virtual std::string name_of(const std::string& address) const = 0;
  // The names that a certificate may carry in place of the node's address.
  [[nodiscard]] virtual const std::vector<std::string>& names() const = 0;
  [[nodiscard]] virtual nanoseconds keepalive() const = 0;
};

class node;

// A place for a connection: connected, or to be connected again later.
class link final : private connection::owner {
 public:
  link(node& of, std::optional<std::uint32_t> wanted) noexcept : of_(of), wanted_(wanted) {}

  [[nodiscard]] node& of() const noexcept { return of_; }
  [[nodiscard]] bool is_open() const noexcept { return over_ != nullptr && over_->is_open(); }
  [[nodiscard]] bool usable() const noexcept { return is_open() && over_->has_room(); }
  // The connection of an open link.
  [[nodiscard]] connection& over() const noexcept { return *over_; }
  bool unflushed = false;

 private:
  friend class node;
  void opened() override;
  void answered(std::uint32_t place, const frames::header& of, bytes_view body) override;
  void schema_changed(const frames::schema_event& what) override;
  void broken(const error& why) override;

  node& of_;
  std::unique_ptr<connection> over_;
  std::optional<std::uint32_t> wanted_;  // the shard; none: whichever
  std::optional<std::uint32_t> placed_;  // the shard whose connection it is
  bool by_shard_port_ = false;
  bool was_open_ = false;
  nanoseconds backoff_{0};  // before the last try
  instant connect_at_;
};

class node {
 public:
  // The worker's session.
  class user {
   public:
    virtual void answered(link& over, std::uint32_t place, const frames::header& of, bytes_view body) = 0;
    virtual void schema_changed(const frames::schema_event& what) = 0;
    // The node began to report changes of the schema, or stopped.
    virtual void listening_changed(int by) = 0;
    // Connections were opened, or ended.
    virtual void connections_changed(int by) = 0;
    // Requests that were sent and have no answer any more.
    virtual void lost(link& over, const std::vector<std::uint32_t>& places, const error& why) = 0;
    // The node became reachable (why is null), or stopped being so, for another reason than before.
    virtual void reachable(const node& which, const error* why) = 0;

   protected:
    ~user() = default;
  };

  // The loop, the settings, the user, the buffer and the cells (null: none) must outlive the node.
  node(runtime::loop& worker, connection_settings& settings, user& by, byte_buffer& receiving,
       metrics::shard* cells, std::uint32_t number, node_place place);
  node(const node&) = delete;
  node& operator=(const node&) = delete;
  ~node();

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  [[nodiscard]] const node_place& place() const noexcept { return place_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // Set by the router: its place in the order of preference, whether it belongs to the cluster, whether it is to
  // have connections, and how many nodes there are.
  std::uint32_t rank = 0;
  bool member = true;
  bool local = true;
  node_health health;

  // Begins to connect, and goes on whenever it is called. `cluster_size` decides how many connections.
  void connect(std::size_t cluster_size);
  // Closes what is idle: the node has left, or is not wanted any more.
  void disconnect();
  // From time to time: silence, connections that are due.
  void upkeep(instant now, std::size_t cluster_size);
  [[nodiscard]] bool is_connected() const noexcept { return open_ > 0; }
  [[nodiscard]] bool is_connecting() const noexcept;
  [[nodiscard]] std::size_t connections() const noexcept { return open_; }
  [[nodiscard]] std::uint32_t shards() const noexcept { return shards_; }
  // Why it is not connected.
  [[nodiscard]] const std::optional<error>& trouble() const noexcept { return trouble_; }
  [[nodiscard]] std::size_t memory() const noexcept;

  // A connection with room for a request: that of the shard, or of the token's; another one otherwise. Null:
  // none.
  [[nodiscard]] link* link_for(std::optional<std::int64_t> token,
                               std::optional<std::uint32_t> shard) noexcept;
  // Of the connections that are not open yet; for a start-up that waits.
  void each_connecting(const std::function<void(connection&)>& visit) const;
  // Takes what has arrived on all connections.
  void receive();
  // Frees connections that broke. Not from within a callback.
  void clean_up() { retired_.clear(); }

  node_metrics meters;
  bool shown = true;  // by its gauges

 private:
  friend class link;
  void connect(link& which);
  [[nodiscard]] result<std::unique_ptr<connection>> open(link& which);
  [[nodiscard]] bool uses_shard_port(const link& which) const noexcept;
  void opened(link& which);
  void place_link(link& which, const frames::supported& server);
  void learn_shards(const frames::supported& server);
  void complete();
  void broken(link& which, const error& why);
  void failed_to_connect(link& which, const error& why);
  void retry_later(link& which);
  void drop_surplus();
  void listen();
  void stop_listening(const link* over);

  runtime::loop& loop_;
  connection_settings& settings_;
  user& user_;
  byte_buffer& receiving_;
  std::uint32_t number_;
  node_place place_;
  std::string name_;
  std::size_t allowance_ = 1;

  std::uint32_t shards_ = 1;
  std::uint32_t ignored_msb_ = 0;
  std::uint16_t shard_port_ = 0;  // 0: none
  // The shard-aware port did not lead to the shards that were wanted: not used before this time.
  instant shard_port_again_;
  int shard_port_failures_ = 0;
  instant fill_again_;  // the ordinary port does not lead to the missing shards either

  std::vector<std::unique_ptr<link>> links_;
  const link* listens_ = nullptr;                     // over which changes of the schema are reported
  std::vector<link*> by_shard_;                       // null: none is open
  std::vector<std::unique_ptr<connection>> retired_;  // broken, until no caller is inside
  std::size_t open_ = 0;
  std::size_t turn_ = 0;
  std::optional<error> trouble_;
};

}  // namespace millrace::cql

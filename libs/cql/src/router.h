// Which node, and which of its connections, a request goes to.
//
// Replicas of the token come first: by the ring of the keyspace, or by the tablets that nodes have reported.
// Among them the order is: preferred rack, then the others of the datacentre, then those that fail
// (node_health.h); those of one rank take turns, except that conditional statements and serial reads go to the
// first replica of the ring that can be reached, so that their Paxos rounds do not contend. When no replica can
// be reached, any node of the datacentre coordinates. Other datacentres hold no connections and get no request
// until datacenter_failover is set and no node of the preferred one can be reached; and never get a request
// whose consistency level names the local datacentre, because it would mean another one there.
//
// Threads: the worker's loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bridge.h"
#include "frames.h"
#include "node.h"
#include "node_budgets.h"
#include "tablet_map.h"

namespace millrace::cql {

struct routing_preferences {
  std::string datacenter;  // "": none
  std::string rack;
  bool datacenter_failover = false;
};

class router {
 public:
  static constexpr std::uint32_t none = UINT32_MAX;

  // Everything must outlive the router.
  router(runtime::loop& worker, connection_settings& settings, const routing_preferences& preferences,
         node::user& by, node_budgets& budgets, metrics::shard* cells);
  router(const router&) = delete;
  router& operator=(const router&) = delete;

  // What the control plane knows of the cluster now.
  void take(const millrace_cql_topology& topology, owner_handle memory);

  // The number of a table, for queries.
  [[nodiscard]] std::uint32_t table_of(const std::string& keyspace, const std::string& table);

  struct query {
    std::uint32_t table = 0;
    std::optional<std::int64_t> token = {};  // none: any node
    bool primary_first = false;
    bool stays_local = false;                   // the consistency level names the local datacentre
    bool replicas_only = false;                 // no coordinator that would only pass it on
    std::span<const std::uint32_t> tried = {};  // nodes that are not asked again
  };
  struct choice {
    enum class kind : std::uint8_t { found, full, unreachable };
    kind is = kind::unreachable;
    std::uint32_t node = none;  // of full: the one with the least to do
    link* over = nullptr;
  };
  [[nodiscard]] choice find(const query& of);
  // A connection to this node, for a request that waited for it. Null: none has room.
  [[nodiscard]] link* link_to(std::uint32_t node_number, const query& of);

  // A node has reported a tablet.
  void learn(std::uint32_t table, const frames::tablet& reported);
  [[nodiscard]] std::size_t tablets() const noexcept;

  [[nodiscard]] node& at(std::uint32_t number) noexcept { return *nodes_[number]; }
  template <typename Visit>
  void each_node(Visit visit) {
    for (const auto& each : nodes_) {
      if (each) visit(*each);
    }
  }
  // At start-up: blocks until the nodes known so far are connected, or have taken too long, so that the first
  // requests find them.
  void wait_for_connections();
  // Sets the gauges of the nodes.
  void show();
  // From time to time: connections that are due, nodes that have left.
  void upkeep(instant now);
  // Frees connections that broke. Not from within a callback of a connection.
  void clean_up();
  void close();
  // Why no node can be reached.
  [[nodiscard]] error unreachable(bool stays_local) const;
  [[nodiscard]] std::size_t memory() const noexcept;

 private:
  struct table {
    std::string keyspace;
    std::string name;
    const millrace_cql_ring* ring = nullptr;
    bool has_tablets = false;
    tablet_map tablets;
  };
  struct candidate {
    std::uint32_t node;
    std::optional<std::uint32_t> shard;
  };

  [[nodiscard]] std::uint32_t take_node(const millrace_cql_node& from);
  [[nodiscard]] std::uint32_t new_number();
  void bind(table& to);
  void set_members();
  void remove_departed();
  void find_replicas(const query& of);
  void add_all();
  [[nodiscard]] choice best(const query& of, bool local);
  [[nodiscard]] std::uint32_t rank_of(node& of, instant now) const noexcept;
  [[nodiscard]] bool is_local_reachable() const noexcept;
  void look_after_remote();

  runtime::loop& loop_;
  connection_settings& settings_;
  const routing_preferences& preferences_;
  node::user& user_;
  node_budgets& budgets_;
  metrics::shard* cells_;
  byte_buffer receiving_{byte_buffer(connection::receiving_bytes)};

  millrace_cql_topology topology_{};
  owner_handle topology_memory_;
  std::vector<std::uint32_t> number_of_;  // by node of the topology
  std::map<host_identity, std::uint32_t> by_host_;
  std::vector<std::unique_ptr<node>> nodes_;  // by number; null: free
  std::vector<table> tables_;
  std::vector<candidate> candidates_;
  std::size_t members_ = 0;
  std::size_t turn_ = 0;
};

}  // namespace millrace::cql

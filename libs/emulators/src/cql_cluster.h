// The nodes of one emulated cluster, and which of them hold a token: the ring of vnodes under Cassandra's
// replication strategies, and ScyllaDB's tablets.
//
// The server's threads read immutable views; a change publishes a new one. A node keeps its number for good:
// a removed one leaves a gap.
//
// Threads: every member function may be called from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millrace/base/values.h>

#include "cql_failure.h"

namespace millrace::emulators::cql {

inline constexpr unsigned shards_max = 16;
inline constexpr unsigned tokens_per_node_max = 256;
inline constexpr unsigned tablets_max = 4096;  // of one table
// Of the sharding algorithm "biased-token-round-robin" in ScyllaDB's protocol-extensions.md; its default.
inline constexpr unsigned sharding_ignored_bits = 12;

struct cluster_node {
  std::string datacenter;
  std::string rack;
  std::string address;  // IPv4
  uuid host_id = {};
  std::vector<std::int64_t> tokens = {};  // ascending
  unsigned shards = 0;                    // 0: none, as Cassandra
  bool present = true;                    // false: removed
  bool live = true;                       // false: stopped, still a member
};

struct cluster_view {
  std::string name;
  std::uint16_t port = 0;
  std::vector<cluster_node> nodes;
  std::vector<std::pair<std::int64_t, unsigned>> ring = {};  // of present nodes, ascending

  [[nodiscard]] std::vector<std::string> datacenters() const;
};

// How a keyspace places its rows.
struct placement {
  enum class strategy : std::uint8_t { local, simple, network };

  strategy is = strategy::local;
  unsigned factor = 0;                                       // of simple
  std::vector<std::pair<std::string, unsigned>> of_dc = {};  // of network
  std::optional<unsigned> tablets = {};                      // initial number; 0: chosen by the cluster

  // From the options as system_schema.keyspaces has them.
  [[nodiscard]] static placement read(const std::vector<std::pair<std::string, std::string>>& replication,
                                      std::optional<unsigned> tablets);
  [[nodiscard]] unsigned copies_in(std::string_view datacenter) const noexcept;
};

struct token_replica {
  unsigned node = 0;
  unsigned shard = 0;

  friend bool operator==(const token_replica&, const token_replica&) = default;
};

// The tokens in (first, last], and who has them.
struct token_range {
  std::int64_t first = 0;
  std::int64_t last = 0;
  std::vector<token_replica> replicas =
      {};  // vnodes: their shard depends on the token, see routing::shard_of
};

// Where the rows of one table are, as of one view.
struct table_routing {
  bool tablets = false;
  placement by = {};
  std::shared_ptr<const cluster_view> nodes = {};
  std::vector<token_range> ranges = {};  // ascending; vnodes: the first one continues the last one

  [[nodiscard]] const token_range& range_of(std::int64_t token) const noexcept;
  // The shard of `token` on a node that is a replica; nullopt on one that is none.
  [[nodiscard]] std::optional<unsigned> shard_on(unsigned node, std::int64_t token) const noexcept;
};

// ScyllaDB's vnode sharding: "biased-token-round-robin".
[[nodiscard]] unsigned shard_of_token(std::int64_t token, unsigned shards) noexcept;
// Random-looking tokens, ascending, and a UUID: the same for the same seed.
[[nodiscard]] std::vector<std::int64_t> make_tokens(std::string_view seed, unsigned count);
[[nodiscard]] uuid random_looking(std::string_view seed);

class cluster {
 public:
  explicit cluster(cluster_view first);

  [[nodiscard]] std::shared_ptr<const cluster_view> view() const;
  // Moves with every change of nodes or tablets.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

  // Changes the nodes; the ring and tablets on removed nodes or shards follow.
  template <typename F>
  void change(F&& how) {
    const std::lock_guard guard(mutex_);
    cluster_view next = *view_;
    how(next);
    publish(std::move(next));
  }

  // The table is named by its id, so that one that was dropped and created again has new tablets.
  [[nodiscard]] std::shared_ptr<const table_routing> routing(const uuid& table, const placement& by);
  verdict split(const uuid& table, const placement& by);
  // Without `shard` the least loaded one of the new node.
  verdict move(const uuid& table, const placement& by, std::int64_t token, token_replica to, unsigned from,
               bool choose_shard);

 private:
  using tablet_map = std::vector<token_range>;

  void publish(cluster_view next);
  void repair(tablet_map& of) const;
  tablet_map& tablets_of(const uuid& table, const placement& by);
  [[nodiscard]] tablet_map deal(const placement& by) const;

  mutable std::mutex mutex_;
  std::shared_ptr<const cluster_view> view_;
  std::map<uuid, tablet_map> tablets_;
  std::atomic<std::uint64_t> version_{1};
};

}  // namespace millrace::emulators::cql

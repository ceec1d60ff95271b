// The replicas of a token by the tokens that the nodes have, found apart from the library's own routing.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::app::certify {

struct ring_node {
  std::string datacenter;
  std::string rack;
  std::vector<std::int64_t> tokens;
};

// The replication of a keyspace as system_schema.keyspaces has it: "class", and factors.
using replication = std::map<std::string, std::string>;

class ring {
 public:
  explicit ring(std::vector<ring_node> nodes);

  // Indexes of the nodes, ascending; nullopt for a strategy that is neither SimpleStrategy nor
  // NetworkTopologyStrategy, and for factors that are no numbers.
  [[nodiscard]] std::optional<std::vector<std::size_t>> replicas(std::int64_t token,
                                                                 const replication& by) const;

 private:
  [[nodiscard]] std::vector<std::size_t> walk(std::int64_t token) const;

  std::vector<ring_node> nodes_;
  std::vector<std::pair<std::int64_t, std::size_t>> tokens_;  // ascending
};

// The replicas that a keyspace has in a datacentre, or in all of them (""); nullopt as above.
[[nodiscard]] std::optional<std::size_t> factor_in(const replication& by, const std::string& datacenter);

}  // namespace millrace::app::certify

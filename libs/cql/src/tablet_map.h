// The tablets of one table, as the nodes reported them: which replicas have a token.
//
// A node reports a tablet with the answer to a request that it had to pass on. Reports are kept until a newer
// one overlaps them, or a node of theirs leaves; there are never more than the table has tablets.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace::cql {

class tablet_map {
 public:
  struct replica {
    std::uint32_t node = 0;  // the router's number
    std::uint32_t shard = 0;
  };

  // The tablet with the tokens behind `after` up to `last`. Replaces all that it overlaps.
  void learn(std::int64_t after, std::int64_t last, std::vector<replica> replicas);
  // Empty: not known.
  [[nodiscard]] std::span<const replica> find(std::int64_t token) const noexcept;
  // Drops every tablet with a replica on this node.
  void forget_node(std::uint32_t node);
  void clear() noexcept { tablets_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return tablets_.size(); }

 private:
  struct tablet {
    std::int64_t after;
    std::int64_t last;
    std::vector<replica> replicas;
  };
  std::vector<tablet> tablets_;  // by token; they do not overlap
};

}  // namespace millrace::cql

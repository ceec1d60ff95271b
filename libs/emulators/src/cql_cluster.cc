#include "cql_cluster.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "cql_murmur3.h"

namespace millrace::emulators::cql {
namespace {

constexpr std::uint64_t bias = std::uint64_t{1} << 63U;

using members = std::vector<unsigned>;

unsigned number(std::string_view text) {
  unsigned out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

bool holds_node(const std::vector<token_replica>& replicas, unsigned node) {
  return std::any_of(replicas.begin(), replicas.end(),
                     [node](const token_replica& each) { return each.node == node; });
}

// The nodes after a token in ring order, each once.
members walk(const cluster_view& in, std::size_t from) {
  members out;
  for (std::size_t i = 0; i < in.ring.size(); ++i) {
    const unsigned node = in.ring[(from + i) % in.ring.size()].second;
    if (std::find(out.begin(), out.end(), node) == out.end()) out.push_back(node);
  }
  return out;
}

// NetworkTopologyStrategy within one datacentre (org.apache.cassandra.locator.NetworkTopologyStrategy,
// DatacenterEndpoints): a rack is taken again only as often as there are fewer racks than copies.
class copies_of_datacenter {
 public:
  copies_of_datacenter(const cluster_view& in, std::string name, unsigned copies)
      : in_(in), name_(std::move(name)) {
    std::set<std::string_view> racks;
    unsigned members_here = 0;
    for (const cluster_node& each : in.nodes) {
      if (!each.present || each.datacenter != name_) continue;
      ++members_here;
      racks.insert(each.rack);
    }
    left_ = std::min(copies, members_here);
    const auto distinct = static_cast<unsigned>(racks.size());
    repeats_ = copies > distinct ? copies - distinct : 0;
  }

  bool takes(unsigned node) {
    const cluster_node& of = in_.nodes[node];
    if (left_ == 0 || of.datacenter != name_) return false;
    if (!racks_.insert(of.rack).second) {
      if (repeats_ == 0) return false;
      --repeats_;
    }
    --left_;
    return true;
  }

 private:
  const cluster_view& in_;
  std::string name_;
  std::set<std::string> racks_ = {};
  unsigned left_ = 0;
  unsigned repeats_ = 0;
};

// Replicas of nodes that are asked in that order.
members choose(const cluster_view& in, const placement& by, const members& order) {
  members out;
  if (by.is == placement::strategy::simple) {
    out.assign(order.begin(), order.begin() + std::min<std::ptrdiff_t>(by.factor, std::ssize(order)));
  }
  if (by.is != placement::strategy::network) return out;
  std::vector<copies_of_datacenter> wanted;
  wanted.reserve(by.of_dc.size());
  for (const auto& [name, copies] : by.of_dc) wanted.emplace_back(in, name, copies);
  for (const unsigned node : order) {
    const bool taken =
        std::any_of(wanted.begin(), wanted.end(), [node](auto& each) { return each.takes(node); });
    if (taken) out.push_back(node);
  }
  return out;
}

// The ends of `count` equal parts of the ring; the last one is the largest token.
std::int64_t last_of_part(std::uint64_t part, std::uint64_t count) {
  const unsigned bits = static_cast<unsigned>(std::countr_zero(count));
  if (part + 1 == count) return std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>((((part + 1) << (64U - bits)) - 1) ^ bias);
}

unsigned least_loaded_shard(const std::vector<token_range>& tablets, unsigned node, unsigned shards) {
  std::vector<unsigned> load(std::max(1U, shards));
  for (const token_range& each : tablets) {
    for (const token_replica& at : each.replicas) {
      if (at.node == node) ++load[at.shard % load.size()];
    }
  }
  return static_cast<unsigned>(std::min_element(load.begin(), load.end()) - load.begin());
}

failure not_tablets() { return invalid("The keyspace of this table does not use tablets"); }

}  // namespace

std::vector<std::string> cluster_view::datacenters() const {
  std::vector<std::string> out;
  for (const cluster_node& each : nodes) {
    if (each.present && std::find(out.begin(), out.end(), each.datacenter) == out.end())
      out.push_back(each.datacenter);
  }
  return out;
}

placement placement::read(const std::vector<std::pair<std::string, std::string>>& replication,
                          std::optional<unsigned> tablets) {
  placement out;
  out.tablets = tablets;
  for (const auto& [key, option] : replication) {
    if (key != "class") continue;
    if (option.ends_with("SimpleStrategy")) out.is = strategy::simple;
    if (option.ends_with("NetworkTopologyStrategy")) out.is = strategy::network;
  }
  for (const auto& [key, option] : replication) {
    if (key == "class") continue;
    if (out.is == strategy::simple && key == "replication_factor") out.factor = number(option);
    if (out.is == strategy::network) out.of_dc.emplace_back(key, number(option));
  }
  return out;
}

unsigned placement::copies_in(std::string_view datacenter) const noexcept {
  for (const auto& [name, copies] : of_dc) {
    if (name == datacenter) return copies;
  }
  return 0;
}

const token_range& table_routing::range_of(std::int64_t token) const noexcept {
  const auto found =
      std::lower_bound(ranges.begin(), ranges.end(), token,
                       [](const token_range& each, std::int64_t of) { return each.last < of; });
  return found == ranges.end() ? ranges.front() : *found;
}

std::optional<unsigned> table_routing::shard_on(unsigned node, std::int64_t token) const noexcept {
  if (ranges.empty()) return std::nullopt;
  for (const token_replica& each : range_of(token).replicas) {
    if (each.node != node) continue;
    return tablets ? each.shard : shard_of_token(token, nodes->nodes[node].shards);
  }
  return std::nullopt;
}

unsigned shard_of_token(std::int64_t token, unsigned shards) noexcept {
  const std::uint64_t biased = (static_cast<std::uint64_t>(token) + bias) << sharding_ignored_bits;
  // The upper half of a product of 64 by 32 bits, in two steps.
  const std::uint64_t low = (biased & 0xFFFFFFFFU) * shards;
  const std::uint64_t high = (biased >> 32U) * shards;
  return static_cast<unsigned>((high + (low >> 32U)) >> 32U);
}

std::vector<std::int64_t> make_tokens(std::string_view seed, unsigned count) {
  std::vector<std::int64_t> out;
  out.reserve(count);
  for (unsigned i = 0; i < count; ++i) out.push_back(token_of(fmt::format("token {} of {}", i, seed)));
  std::sort(out.begin(), out.end());
  return out;
}

uuid random_looking(std::string_view seed) {
  const auto hash = murmur3(seed);
  uuid out;
  std::memcpy(out.bytes.data(), hash.data(), out.bytes.size());
  out.bytes[6] = (out.bytes[6] & std::byte{0x0F}) | std::byte{0x40};
  out.bytes[8] = (out.bytes[8] & std::byte{0x3F}) | std::byte{0x80};
  return out;
}

cluster::cluster(cluster_view first) { publish(std::move(first)); }

std::shared_ptr<const cluster_view> cluster::view() const {
  const std::lock_guard guard(mutex_);
  return view_;
}

// Caller holds the lock, or constructs.
void cluster::publish(cluster_view next) {
  next.ring.clear();
  for (unsigned node = 0; node < next.nodes.size(); ++node) {
    if (!next.nodes[node].present) continue;
    for (const std::int64_t token : next.nodes[node].tokens) next.ring.emplace_back(token, node);
  }
  std::sort(next.ring.begin(), next.ring.end());
  view_ = std::make_shared<const cluster_view>(std::move(next));
  for (auto& [table, of] : tablets_) repair(of);
  version_.fetch_add(1, std::memory_order_acq_rel);
}

// A replica of a removed node goes to a node of its datacentre that has none, or is given up; one of a shard
// that is no more goes to another shard.
void cluster::repair(tablet_map& of) const {
  const std::vector<cluster_node>& nodes = view_->nodes;
  for (token_range& each : of) {
    std::vector<token_replica> kept;
    for (const token_replica& at : each.replicas) {
      unsigned node = at.node;
      for (unsigned other = 0; !nodes[node].present && other < nodes.size(); ++other) {
        const bool fits = nodes[other].present && nodes[other].datacenter == nodes[node].datacenter;
        if (fits && !holds_node(each.replicas, other) && !holds_node(kept, other)) node = other;
      }
      if (nodes[node].present) kept.push_back({node, at.shard % std::max(1U, nodes[node].shards)});
    }
    each.replicas = std::move(kept);
  }
}

cluster::tablet_map cluster::deal(const placement& by) const {
  const cluster_view& in = *view_;
  unsigned wanted = by.tablets.value_or(0);
  if (wanted == 0) {
    for (const cluster_node& each : in.nodes) wanted += each.present ? std::max(1U, each.shards) : 0;
  }
  const std::uint64_t count = std::bit_ceil(std::min(std::max(1U, wanted), tablets_max));
  members present;
  for (unsigned node = 0; node < in.nodes.size(); ++node) {
    if (in.nodes[node].present) present.push_back(node);
  }
  tablet_map out;
  for (std::uint64_t part = 0; part < count; ++part) {
    token_range next;
    next.first = part == 0 ? std::numeric_limits<std::int64_t>::min() : out.back().last;
    next.last = last_of_part(part, count);
    members order = present;
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(part % order.size()), order.end());
    for (const unsigned node : choose(in, by, order)) {
      next.replicas.push_back({node, least_loaded_shard(out, node, in.nodes[node].shards)});
    }
    out.push_back(std::move(next));
  }
  return out;
}

cluster::tablet_map& cluster::tablets_of(const uuid& table, const placement& by) {
  const auto found = tablets_.find(table);
  return found != tablets_.end() ? found->second : tablets_.emplace(table, deal(by)).first->second;
}

std::shared_ptr<const table_routing> cluster::routing(const uuid& table, const placement& by) {
  const std::lock_guard guard(mutex_);
  auto out = std::make_shared<table_routing>();
  out->by = by;
  out->nodes = view_;
  out->tablets = by.tablets.has_value();
  if (out->tablets) {
    out->ranges = tablets_of(table, by);
    return out;
  }
  const cluster_view& in = *view_;
  for (std::size_t at = 0; at < in.ring.size(); ++at) {
    const std::int64_t before = in.ring[(at + in.ring.size() - 1) % in.ring.size()].first;
    token_range next{before, in.ring[at].first};
    for (const unsigned node : choose(in, by, walk(in, at))) next.replicas.push_back({node, 0});
    out->ranges.push_back(std::move(next));
  }
  return out;
}

verdict cluster::split(const uuid& table, const placement& by) {
  if (!by.tablets) return not_tablets();
  const std::lock_guard guard(mutex_);
  tablet_map& of = tablets_of(table, by);
  if (of.size() >= tablets_max) return invalid("The table has as many tablets as the emulator allows");
  tablet_map halves;
  for (std::uint64_t part = 0; part < of.size() * 2; ++part) {
    token_range half = of[part / 2];
    half.last = last_of_part(part, of.size() * 2);
    if (part > 0) half.first = halves.back().last;
    halves.push_back(std::move(half));
  }
  of = std::move(halves);
  version_.fetch_add(1, std::memory_order_acq_rel);
  return {};
}

verdict cluster::move(const uuid& table, const placement& by, std::int64_t token, token_replica to,
                      unsigned from, bool choose_shard) {
  if (!by.tablets) return not_tablets();
  const std::lock_guard guard(mutex_);
  tablet_map& of = tablets_of(table, by);
  if (to.node >= view_->nodes.size() || !view_->nodes[to.node].present)
    return invalid("The cluster has no such node");
  const unsigned shards = std::max(1U, view_->nodes[to.node].shards);
  if (choose_shard) to.shard = least_loaded_shard(of, to.node, shards);
  if (to.shard >= shards) return invalid("The node has no such shard");
  const auto tablet = std::lower_bound(
      of.begin(), of.end(), token, [](const token_range& each, std::int64_t at) { return each.last < at; });
  std::vector<token_replica>& replicas = tablet->replicas;
  const auto leaving = std::find_if(replicas.begin(), replicas.end(),
                                    [from](const token_replica& each) { return each.node == from; });
  if (leaving == replicas.end()) return invalid("The tablet has no replica on that node");
  if (to.node != from && holds_node(replicas, to.node))
    return invalid("The tablet has a replica on that node already");
  *leaving = to;
  version_.fetch_add(1, std::memory_order_acq_rel);
  return {};
}

}  // namespace millrace::emulators::cql

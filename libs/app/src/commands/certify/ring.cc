#include "ring.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace millrace::app::certify {
namespace {

std::optional<std::size_t> number(const std::string& text) {
  std::size_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

enum class strategy : std::uint8_t { simple, network, other };

strategy strategy_of(const replication& by) {
  const auto found = by.find("class");
  if (found == by.end()) return strategy::other;
  if (found->second.ends_with("SimpleStrategy")) return strategy::simple;
  return found->second.ends_with("NetworkTopologyStrategy") ? strategy::network : strategy::other;
}

// The factors of the datacentres; nullopt when one is no number.
std::optional<std::map<std::string, std::size_t>> factors_of(const replication& by) {
  std::map<std::string, std::size_t> out;
  for (const auto& [name, value] : by) {
    if (name == "class") continue;
    const auto factor = number(value);
    if (!factor) return std::nullopt;
    out.emplace(name, *factor);
  }
  return out;
}

}  // namespace

ring::ring(std::vector<ring_node> nodes) : nodes_(std::move(nodes)) {
  for (std::size_t at = 0; at < nodes_.size(); ++at) {
    for (const std::int64_t each : nodes_[at].tokens) tokens_.emplace_back(each, at);
  }
  std::sort(tokens_.begin(), tokens_.end());
}

// The nodes in the order of the ring from the token on, each once.
std::vector<std::size_t> ring::walk(std::int64_t token) const {
  std::vector<std::size_t> out;
  std::vector<bool> seen(nodes_.size(), false);
  const auto first = std::lower_bound(tokens_.begin(), tokens_.end(), std::pair(token, std::size_t{0}));
  const auto begin = static_cast<std::size_t>(first - tokens_.begin());
  for (std::size_t step = 0; step < tokens_.size() && out.size() < nodes_.size(); ++step) {
    const std::size_t at = tokens_[(begin + step) % tokens_.size()].second;
    if (!seen[at]) out.push_back(at);
    seen[at] = true;
  }
  return out;
}

// NetworkTopologyStrategy takes a rack again only for the replicas that are more than there are racks.
std::optional<std::vector<std::size_t>> ring::replicas(std::int64_t token, const replication& by) const {
  const strategy is = strategy_of(by);
  const auto factors = factors_of(by);
  if (is == strategy::other || !factors) return std::nullopt;
  std::vector<std::size_t> out;
  if (is == strategy::simple) {
    const auto found = factors->find("replication_factor");
    if (found == factors->end()) return std::nullopt;
    out = walk(token);
    out.resize(std::min(out.size(), found->second));
    std::sort(out.begin(), out.end());
    return out;
  }
  for (const auto& [datacenter, factor] : *factors) {
    std::set<std::string> racks;
    for (const ring_node& each : nodes_) {
      if (each.datacenter == datacenter) racks.insert(each.rack);
    }
    std::size_t repeats = factor > racks.size() ? factor - racks.size() : 0;
    std::size_t left = factor;
    std::set<std::string> taken;
    for (const std::size_t each : walk(token)) {
      if (left == 0) break;
      if (nodes_[each].datacenter != datacenter) continue;
      if (!taken.insert(nodes_[each].rack).second) {
        if (repeats == 0) continue;
        --repeats;
      }
      out.push_back(each);
      --left;
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<std::size_t> factor_in(const replication& by, const std::string& datacenter) {
  const auto factors = factors_of(by);
  if (!factors || strategy_of(by) == strategy::other) return std::nullopt;
  if (strategy_of(by) == strategy::network && !datacenter.empty()) {
    const auto found = factors->find(datacenter);
    return found == factors->end() ? 0 : found->second;
  }
  std::size_t all = 0;
  for (const auto& [name, factor] : *factors) all += factor;
  return all;
}

}  // namespace millrace::app::certify

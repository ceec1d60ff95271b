#include "router.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <poll.h>

namespace millrace::cql {
namespace {

// Racks have ranks 1 and 2. A node that fails comes behind both, or first when it is its turn to be probed.
constexpr std::uint32_t probe_rank = 0;
constexpr std::uint32_t failing_rank = 2;
constexpr std::uint32_t no_rank = UINT32_MAX;
// At start-up: how long the first connections are waited for.
constexpr nanoseconds first_timeout = seconds(2);
constexpr int first_timeout_step_ms = 50;

node_place place_of(const millrace_cql_node& from) {
  node_place out{.address = from.address,
                 .port = static_cast<std::uint16_t>(from.port),
                 .datacenter = from.datacenter,
                 .rack = from.rack,
                 .connect_address = from.connect_address,
                 .connect_port = static_cast<std::uint16_t>(from.connect_port)};
  std::memcpy(out.host_id.data(), from.host_id, out.host_id.size());
  return out;
}

bool is_in(std::span<const std::uint32_t> tried, std::uint32_t node_number) {
  return std::find(tried.begin(), tried.end(), node_number) != tried.end();
}

}  // namespace

router::router(runtime::loop& worker, connection_settings& settings, const routing_preferences& preferences,
               node::user& by, node_budgets& budgets, metrics::shard* cells)
    : loop_(worker),
      settings_(settings),
      preferences_(preferences),
      user_(by),
      budgets_(budgets),
      cells_(cells) {}

void router::take(const millrace_cql_topology& topology, owner_handle memory) {
  topology_ = topology;
  topology_memory_ = std::move(memory);
  for (const auto& each : nodes_) {
    if (each) each->member = false;
  }
  number_of_.clear();
  by_host_.clear();
  for (std::size_t k = 0; k < topology_.node_count; ++k) {
    const std::uint32_t number = take_node(topology_.nodes[k]);
    number_of_.push_back(number);
    by_host_[nodes_[number]->place().host_id] = number;
  }
  set_members();
  for (table& each : tables_) bind(each);
  look_after_remote();
}

// A node is known by its identity and where it is: one with another address is another one for us, because its
// connections are.
std::uint32_t router::take_node(const millrace_cql_node& from) {
  node_place place = place_of(from);
  const auto known = std::find_if(nodes_.begin(), nodes_.end(), [&place](const std::unique_ptr<node>& each) {
    return each && each->place() == place;
  });
  std::uint32_t number = static_cast<std::uint32_t>(known - nodes_.begin());
  if (known == nodes_.end()) {
    number = new_number();
    nodes_[number] =
        std::make_unique<node>(loop_, settings_, user_, receiving_, cells_, number, std::move(place));
  }
  node& taken = *nodes_[number];
  taken.member = true;
  taken.local = preferences_.datacenter.empty() || preferences_.datacenter == from.datacenter;
  taken.rank = preferences_.rack.empty() || preferences_.rack == from.rack ? 1 : 2;
  return number;
}

std::uint32_t router::new_number() {
  const auto free = std::find(nodes_.begin(), nodes_.end(), nullptr);
  if (free != nodes_.end()) {
    const auto number = static_cast<std::uint32_t>(free - nodes_.begin());
    budgets_.renew(number);
    return number;
  }
  nodes_.emplace_back();
  return static_cast<std::uint32_t>(budgets_.add());
}

void router::set_members() {
  members_ = 0;
  for (const auto& each : nodes_) {
    if (each && each->member && each->local) ++members_;
  }
  for (std::uint32_t number = 0; number < nodes_.size(); ++number) {
    node* each = nodes_[number].get();
    if (each == nullptr) continue;
    budgets_.set_member(number, each->member && each->local);
    if (each->member) {
      if (each->local) each->connect(members_);
      continue;
    }
    for (table& of : tables_) of.tablets.forget_node(number);
  }
}

void router::bind(table& to) {
  const millrace_cql_keyspace* end = topology_.keyspaces + topology_.keyspace_count;
  const auto found = std::find_if(topology_.keyspaces, end, [&to](const millrace_cql_keyspace& each) {
    return to.keyspace == each.name;
  });
  to.ring = nullptr;
  to.has_tablets = found != end && found->tablets != 0;
  if (found != end && found->ring >= 0) to.ring = &topology_.rings[found->ring];
  if (!to.has_tablets) to.tablets.clear();
}

std::uint32_t router::table_of(const std::string& keyspace, const std::string& name) {
  for (std::uint32_t k = 0; k < tables_.size(); ++k) {
    if (tables_[k].keyspace == keyspace && tables_[k].name == name) return k;
  }
  table& made = tables_.emplace_back();
  made.keyspace = keyspace;
  made.name = name;
  bind(made);
  return static_cast<std::uint32_t>(tables_.size() - 1);
}

void router::find_replicas(const query& of) {
  candidates_.clear();
  const table& in = tables_[of.table];
  if (!of.token) return;
  if (in.has_tablets) {
    for (const tablet_map::replica& each : in.tablets.find(*of.token)) {
      candidates_.push_back({each.node, each.shard});
    }
    return;
  }
  if (in.ring == nullptr || in.ring->token_count == 0) return;
  const std::int64_t* end = in.ring->tokens + in.ring->token_count;
  const std::int64_t* at = std::lower_bound(in.ring->tokens, end, *of.token);
  const auto row = static_cast<std::size_t>((at == end ? in.ring->tokens : at) - in.ring->tokens);
  const std::uint32_t* replicas = in.ring->replicas + row * in.ring->replicas_max;
  for (std::size_t k = 0; k < in.ring->replicas_max && replicas[k] < number_of_.size(); ++k) {
    candidates_.push_back({number_of_[replicas[k]], {}});
  }
}

void router::add_all() {
  candidates_.clear();
  for (const auto& each : nodes_) {
    if (each && each->member) candidates_.push_back({each->number(), {}});
  }
}

std::uint32_t router::rank_of(node& of, instant now) const noexcept {
  if (!of.health.failing()) return of.rank;
  return of.health.takes_probe(now) ? probe_rank : of.rank + failing_rank;
}

// The candidate of the lowest rank that has room; or the one with the least to do, when all are full.
router::choice router::best(const query& of, bool local) {
  choice found;
  std::uint32_t rank = no_rank;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  const instant now = loop_.now();
  const std::size_t count = candidates_.size();
  const std::size_t first = of.primary_first || count == 0 ? 0 : turn_ % count;
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t place = first + k < count ? first + k : first + k - count;
    const candidate& each = candidates_[place];
    node& to = *nodes_[each.node];
    if (!to.is_connected() || to.local != local || is_in(of.tried, each.node)) continue;
    const std::uint32_t its_rank = rank_of(to, now);
    if (its_rank >= rank) continue;
    link* over = budgets_.has_room(each.node) ? to.link_for(of.token, each.shard) : nullptr;
    if (over != nullptr) {
      found = {choice::kind::found, each.node, over};
      rank = its_rank;
    } else if (found.is != choice::kind::found && budgets_.load(each.node) < least) {
      found = {choice::kind::full, each.node, nullptr};
      least = budgets_.load(each.node);
    }
  }
  return found;
}

router::choice router::find(const query& of) {
  ++turn_;
  find_replicas(of);
  choice found = best(of, true);
  if (found.is != choice::kind::unreachable || (of.replicas_only && !candidates_.empty())) return found;
  add_all();
  found = best(of, true);
  if (found.is != choice::kind::unreachable || !preferences_.datacenter_failover || of.stays_local) {
    return found;
  }
  find_replicas(of);
  found = best(of, false);
  if (found.is != choice::kind::unreachable) return found;
  add_all();
  return best(of, false);
}

link* router::link_to(std::uint32_t node_number, const query& of) {
  find_replicas(of);
  std::optional<std::uint32_t> shard;
  for (const candidate& each : candidates_) {
    if (each.node == node_number) shard = each.shard;
  }
  return nodes_[node_number]->link_for(of.token, shard);
}

void router::learn(std::uint32_t number, const frames::tablet& reported) {
  table& in = tables_[number];
  if (!in.has_tablets) return;
  std::vector<tablet_map::replica> replicas;
  for (const frames::tablet::replica& each : reported.replicas) {
    const auto found = by_host_.find(each.host_id);
    if (found != by_host_.end()) replicas.push_back({found->second, each.shard});
  }
  in.tablets.learn(reported.after, reported.last, std::move(replicas));
}

std::size_t router::tablets() const noexcept {
  std::size_t all = 0;
  for (const table& each : tables_) all += each.tablets.size();
  return all;
}

bool router::is_local_reachable() const noexcept {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const std::unique_ptr<node>& each) {
    return each && each->member && each->local && each->is_connected();
  });
}

void router::look_after_remote() {
  const bool wanted = preferences_.datacenter_failover && !is_local_reachable();
  for (const auto& each : nodes_) {
    if (!each || !each->member || each->local) continue;
    if (wanted)
      each->connect(nodes_.size());
    else
      each->disconnect();
  }
}

void router::remove_departed() {
  for (std::uint32_t number = 0; number < nodes_.size(); ++number) {
    node* each = nodes_[number].get();
    if (each == nullptr || each->member) continue;
    each->disconnect();
    if (each->is_connected() || each->is_connecting() || budgets_.load(number) > 0) continue;
    // One of the same name may have taken its place, and shows its own numbers.
    const bool replaced =
        std::any_of(nodes_.begin(), nodes_.end(), [each](const std::unique_ptr<node>& other) {
          return other && other.get() != each && other->name() == each->name();
        });
    if (!replaced) each->meters.retire();
    nodes_[number].reset();
  }
}

void router::wait_for_connections() {
  std::vector<pollfd> waiting;
  std::vector<connection*> which;
  for (;;) {
    clean_up();
    waiting.clear();
    which.clear();
    const instant now = loop_.time().now();
    each_node([&](node& each) {
      each.each_connecting([&](connection& one) {
        if (now - one.began_at() > first_timeout) return;
        which.push_back(&one);
        const short events = one.wants_to_write() ? POLLIN | POLLOUT : POLLIN;
        waiting.push_back({.fd = one.descriptor(), .events = events, .revents = 0});
      });
    });
    if (which.empty() || ::poll(waiting.data(), waiting.size(), first_timeout_step_ms) < 0) break;
    for (std::size_t k = 0; k < which.size(); ++k) {
      if (waiting[k].revents != 0) which[k]->go_on();
    }
  }
}

void router::show() {
  each_node([this](node& each) {
    if (!each.local && each.connections() == 0) {
      if (std::exchange(each.shown, false)) each.meters.retire();
      return;
    }
    if (!std::exchange(each.shown, true)) each.meters = node_metrics(cells_, each.name());
    each.meters.now(each.connections(), budgets_.in_flight(each.number()), budgets_.limit(each.number()),
                    each.health.failing());
  });
}

void router::upkeep(instant now) {
  look_after_remote();
  remove_departed();
  for (const auto& each : nodes_) {
    if (each && each->member) each->upkeep(now, members_);
  }
}

void router::clean_up() {
  for (const auto& each : nodes_) {
    if (each) each->clean_up();
  }
}

void router::close() {
  nodes_.clear();
  number_of_.clear();
  by_host_.clear();
}

error router::unreachable(bool stays_local) const {
  const std::string where =
      preferences_.datacenter.empty() ? "" : " of datacentre '" + preferences_.datacenter + "'";
  std::string text = "no node" + where + " can be reached";
  bool others = false;
  for (const auto& each : nodes_) {
    if (!each || !each->member) continue;
    if (each->trouble() && each->local) text += "; " + each->name() + ": " + each->trouble()->message();
    others = others || (!each->local && each->is_connected());
  }
  if (others && stays_local) {
    text += "; other datacentres can, and the statement's consistency level stays in the local one";
  }
  return {errc::db_unavailable, std::move(text)};
}

std::size_t router::memory() const noexcept {
  std::size_t bytes = receiving_.capacity();
  for (const auto& each : nodes_) bytes += each ? each->memory() : 0;
  return bytes;
}

}  // namespace millrace::cql

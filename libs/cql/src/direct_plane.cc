#include "direct_plane.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include <poll.h>

#include <millrace/base/assert.h>

#include "token.h"

namespace millrace::cql {
namespace {

constexpr std::uint32_t none = UINT32_MAX;
constexpr nanoseconds deadline_step = milliseconds(10);
constexpr nanoseconds upkeep_step = milliseconds(50);
constexpr nanoseconds backoff_min = milliseconds(50);
constexpr nanoseconds backoff_max = seconds(10);
// ScyllaDB's shard-aware port looks at the source port; these are free for anybody (RFC 6335).
constexpr std::uint32_t source_port_min = 49'152;
constexpr std::uint32_t source_port_max = 65'535;
constexpr int source_port_tries = 16;
// At start-up: how long the first connections are waited for, before the driver has to do without them.
constexpr nanoseconds first_timeout = seconds(1);
constexpr int first_timeout_step_ms = 50;

std::uint32_t random_number() {
  thread_local std::minstd_rand numbers{std::random_device{}()};
  return static_cast<std::uint32_t>(numbers());
}

std::uint32_t shard_of(std::int64_t token, std::uint32_t shards, std::uint32_t ignored_msb) {
  // From the ring's beginning; the ignored bits are those in which the shards repeat.
  const std::uint64_t biased = (static_cast<std::uint64_t>(token) + (std::uint64_t{1} << 63U)) << ignored_msb;
  return static_cast<std::uint32_t>((static_cast<unsigned __int128>(biased) * shards) >> 64U);
}

}  // namespace

// A place for a connection: connected, or to be connected again later.
class direct_plane::link final : public connection::owner {
 public:
  link(direct_plane& plane, std::size_t node_number, std::uint32_t shard) noexcept
      : node_number(node_number), shard(shard), plane_(plane) {}

  void opened() override { plane_.opened(*this); }
  void answered(std::uint32_t place, const wire::header& of, bytes_view body) override {
    plane_.answered(*this, place, of, body);
  }
  void broken(const error& why) override { plane_.broken(*this, why); }

  [[nodiscard]] bool is_open() const noexcept { return over != nullptr && over->is_open(); }

  std::size_t node_number;
  std::uint32_t shard;
  std::unique_ptr<connection> over;
  bool unflushed = false;
  bool was_open = false;
  nanoseconds backoff = backoff_min;
  instant connect_at;  // without a connection

 private:
  direct_plane& plane_;
};

direct_plane::direct_plane(runtime::loop& worker, requester& by, millrace_cql_channel* channel,
                           const direct_options& options, std::size_t in_flight_max, direct_counters& counts,
                           metrics::shard* cells)
    : loop_(worker),
      requester_(by),
      channel_(channel),
      options_(options),
      counts_(counts),
      cells_(cells),
      budgets_(in_flight_max),
      receiving_(connection::receiving_bytes) {}

direct_plane::~direct_plane() = default;

void direct_plane::begin_turn() {
  if (closed_) return;
  retired_.clear();
  tell_refused();
  const std::uint64_t version = millrace_cql_channel_routes_version(channel_);
  if (version == version_) return;
  if (version == MILLRACE_CQL_ROUTES_CLOSED) return close();
  take_routes();
}

void direct_plane::wait_for_connections() {
  begin_turn();
  std::vector<pollfd> waiting;
  std::vector<connection*> which;
  for (;;) {
    waiting.clear();
    which.clear();
    const instant now = loop_.time().now();
    for (const node& each : nodes_) {
      for (const auto& link : each.links) {
        if (link->over == nullptr || link->is_open() || now - link->over->began_at() > first_timeout)
          continue;
        which.push_back(link->over.get());
        const short events = link->over->wants_to_write() ? POLLIN | POLLOUT : POLLIN;
        waiting.push_back({.fd = link->over->descriptor(), .events = events, .revents = 0});
      }
    }
    if (which.empty() || ::poll(waiting.data(), waiting.size(), first_timeout_step_ms) < 0) break;
    for (std::size_t k = 0; k < which.size(); ++k) {
      if (waiting[k].revents != 0) which[k]->go_on();
    }
  }
}

std::optional<std::uint32_t> direct_plane::rank_of(const millrace_cql_node& of) const {
  if (options_.datacenter.empty()) return 0;
  if (options_.datacenter != of.datacenter) return std::nullopt;
  return options_.rack.empty() || options_.rack == of.rack ? 0 : 1;
}

void direct_plane::take_routes() {
  routes_ = sized<millrace_cql_routes>();
  millrace_cql_channel_routes(channel_, &routes_);
  version_ = routes_.version;
  routes_memory_.reset(routes_.owner);
  executables_.clear();
  for (std::size_t k = 0; k < routes_.executable_count; ++k) {
    const millrace_cql_executable& each = routes_.executables[k];
    if (executables_.size() <= each.statement) executables_.resize(each.statement + 1, nullptr);
    executables_[each.statement] = &each;
  }
  for (node& each : nodes_) each.member = false;
  node_of_route_.clear();
  for (std::size_t k = 0; k < routes_.node_count; ++k) take_node(routes_.nodes[k]);
  for (std::size_t k = 0; k < nodes_.size(); ++k) budgets_.set_member(k, nodes_[k].member);
  if (!upkeep_tick_.armed()) loop_.start(upkeep_tick_, upkeep_step);
}

void direct_plane::take_node(const millrace_cql_node& from) {
  const auto rank = rank_of(from);
  node_of_route_.push_back(none);
  if (!rank) return;
  const auto is_known = [&from](const node& each) {
    return std::memcmp(each.host_id, from.host_id, sizeof each.host_id) == 0 &&
           each.address == from.address && each.port == from.port;
  };
  auto found = std::find_if(nodes_.begin(), nodes_.end(), is_known);
  if (found == nodes_.end()) {
    const std::size_t number = budgets_.add();
    node& made = nodes_.emplace_back();
    std::memcpy(made.host_id, from.host_id, sizeof made.host_id);
    made.address = from.address;
    made.port = static_cast<std::uint16_t>(from.port);
    made.meters = node_metrics(cells_, made.name());
    made.shown = true;
    made.links.push_back(std::make_unique<link>(*this, number, 0));
    connect(*made.links.front());
    found = nodes_.end() - 1;
  }
  found->rank = *rank;
  found->member = true;
  node_of_route_.back() = static_cast<std::uint32_t>(found - nodes_.begin());
}

std::uint16_t direct_plane::shard_port_of(const wire::supported& server) const noexcept {
  return options_.as.tls ? server.shard_port_tls : server.shard_port;
}

void direct_plane::connect(link& which) {
  const node& to = nodes_[which.node_number];
  connection::target target{to.address, to.port, 0};
  if (which.shard > 0) target.port = shard_port_of(to.links.front()->over->server());
  const std::uint32_t ports = (source_port_max - source_port_min) / to.shards;
  for (int tries = 0; tries < source_port_tries; ++tries) {
    if (which.shard > 0) {
      const std::uint32_t first = source_port_min + (to.shards - source_port_min % to.shards);
      target.source_port =
          static_cast<std::uint16_t>(first + random_number() % (ports - 1) * to.shards + which.shard);
    }
    auto opened = connection::open(loop_, which, options_.as, target, receiving_);
    if (opened) {
      which.over = std::move(*opened);
      return;
    }
    if (which.shard == 0) break;
  }
  which.connect_at = loop_.time().now() + which.backoff;
}

void direct_plane::opened(link& which) {
  which.backoff = backoff_min;
  which.was_open = true;
  ++connections_;
  if (which.shard == 0) connect_shards(which.node_number, *which.over);
}

// The first connection reports the number of shards. It counts as that of shard 0, wherever it ended up: a
// request for another shard's data is passed on inside the node.
void direct_plane::connect_shards(std::size_t node_number, const connection& first) {
  const wire::supported& server = first.server();
  node& of = nodes_[node_number];
  const std::uint32_t shards = shard_port_of(server) == 0 ? 1 : std::max(server.shards, 1U);
  if (shards == of.shards) return;
  of.shards = shards;
  of.ignored_msb = std::min(server.ignored_msb, 63U);
  while (of.links.size() < shards) {
    of.links.push_back(
        std::make_unique<link>(*this, node_number, static_cast<std::uint32_t>(of.links.size())));
    connect(*of.links.back());
  }
}

void direct_plane::add_candidate(std::uint32_t route) {
  if (route >= node_of_route_.size() || node_of_route_[route] == none) return;
  candidates_.push_back(node_of_route_[route]);
}

void direct_plane::find_candidates(const request& what, std::optional<std::int64_t>& token) {
  candidates_.clear();
  const millrace_cql_executable& known = *executables_[what.statement];
  if (known.ring >= 0) token = token_of(*what.partition_key, what.what.values, key_);
  if (!token) {
    for (std::uint32_t k = 0; k < node_of_route_.size(); ++k) add_candidate(k);
    return;
  }
  const millrace_cql_ring& ring = routes_.rings[static_cast<std::size_t>(known.ring)];
  if (ring.token_count == 0) return;
  const std::int64_t* end = ring.tokens + ring.token_count;
  const std::int64_t* at = std::lower_bound(ring.tokens, end, *token);
  const auto row = static_cast<std::size_t>((at == end ? ring.tokens : at) - ring.tokens);
  for (std::size_t k = 0; k < ring.replicas_max; ++k)
    add_candidate(ring.replicas[row * ring.replicas_max + k]);
}

direct_plane::link* direct_plane::open_link(std::size_t node_number,
                                            std::optional<std::int64_t> token) const {
  const node& of = nodes_[node_number];
  const auto usable = [](const link& each) { return each.is_open() && each.over->has_room(); };
  if (token && of.shards > 1) {
    link& wanted = *of.links[shard_of(*token, of.shards, of.ignored_msb)];
    if (usable(wanted)) return &wanted;
  }
  for (const auto& each : of.links) {
    if (usable(*each)) return each.get();
  }
  return nullptr;
}

bool direct_plane::send(std::uint32_t place) {
  if (closed_) return false;
  request what = requester_.direct_request(place);
  if (executable(what.statement) == nullptr) return false;
  std::optional<std::int64_t> token;
  find_candidates(what, token);
  // Replicas take turns; among them those of the preferred rack come first.
  ++turn_;
  std::uint32_t full = none;
  for (std::uint32_t rank = 0; rank <= 1; ++rank) {
    for (std::size_t k = 0; k < candidates_.size(); ++k) {
      const std::uint32_t number = candidates_[(turn_ + k) % candidates_.size()];
      if (nodes_[number].rank != rank) continue;
      link* over = open_link(number, token);
      if (over == nullptr) continue;
      if (budgets_.has_room(number)) {
        enter(place, what.timeout_ms);
        send_over(*over, place, what);
        return true;
      }
      if (full == none) full = number;
    }
  }
  if (full == none) return false;
  if (!budgets_.wait(full, place)) {
    refused_.emplace_back(place, full);
    return true;
  }
  flight& of = enter(place, what.timeout_ms);
  of.state = where::waiting;
  of.node = full;
  return true;
}

void direct_plane::tell_refused() {
  if (refused_.empty()) return;
  const instant now = loop_.time().now();
  for (const auto& [place, number] : std::exchange(refused_, {})) {
    const node& full = nodes_[number];
    requester_.direct_failure(
        place,
        error(errc::db_overloaded, "node " + full.name() +
                                       " has reached its share of the requests in flight (" +
                                       std::to_string(static_cast<std::uint64_t>(budgets_.share())) +
                                       "); other nodes are not affected"),
        now);
  }
}

direct_plane::flight& direct_plane::enter(std::uint32_t place, std::uint32_t timeout_ms) {
  if (flights_.size() <= place) flights_.resize(place + std::size_t{1});
  begin_deadline(place, timeout_ms);
  ++in_flight_;
  return flights_[place];
}

void direct_plane::forget(flight& of) {
  end_deadline(of);
  --in_flight_;
  of.state = where::nowhere;
}

void direct_plane::send_over(link& over, std::uint32_t place, request& what) {
  const millrace_cql_executable& known = *executables_[what.statement];
  flight& of = flights_[place];
  what.what.id = {reinterpret_cast<const std::byte*>(known.id), known.id_size};
  of.state = where::sent;
  of.over = &over;
  of.node = static_cast<std::uint32_t>(over.node_number);
  of.which = budgets_.take(over.node_number);
  of.stream = over.over->execute(place, what.what);
  ++requests_;
  if (!std::exchange(over.unflushed, true)) unflushed_.push_back(&over);
}

void direct_plane::flush() {
  // A write may fail, and what waits for that node goes elsewhere or to the driver.
  for (std::size_t k = 0; k < unflushed_.size(); ++k) {
    link& each = *unflushed_[k];
    each.unflushed = false;
    if (each.is_open()) each.over->flush();
  }
  unflushed_.clear();
  counts_.requests.store(requests_, std::memory_order_relaxed);
  counts_.in_flight.store(in_flight_, std::memory_order_relaxed);
  counts_.connections.store(connections_, std::memory_order_relaxed);
  counts_.refused.store(budgets_.refused(), std::memory_order_relaxed);
  counts_.shrunk.store(budgets_.shrunk(), std::memory_order_relaxed);
  counts_.waiting.store(budgets_.waiting(), std::memory_order_relaxed);
  counts_.limit_min.store(static_cast<std::uint64_t>(budgets_.limit_min()), std::memory_order_relaxed);
}

void direct_plane::leave(std::uint32_t place, node_budgets::effect what) {
  flight& of = flights_[place];
  const where was = of.state;
  forget(of);
  if (was == where::waiting) {
    budgets_.stop_waiting(of.node, place);
  } else {
    budgets_.give_back(of.node, of.which, what);
    call_waiting(of.node);
  }
}

void direct_plane::call_waiting(std::size_t node_number) {
  while (const auto place = budgets_.next_called(node_number)) {
    request what = requester_.direct_request(*place);
    link* over = open_link(node_number, std::nullopt);
    if (over != nullptr && executable(what.statement) != nullptr) {
      send_over(*over, *place, what);
      continue;
    }
    forget(flights_[*place]);
    requester_.give_to_driver(*place);
  }
}

void direct_plane::answered(link& which, std::uint32_t place, const wire::header& of, bytes_view body) {
  const instant now = which.over->heard_at();
  if (static_cast<wire::opcode>(of.opcode) == wire::opcode::result) {
    wire::answer with;
    if (wire::read_result(of, body, with)) {
      const flight& done = flights_[place];
      nodes_[done.node].meters.succeeded(age_of(done, now));
      leave(place, node_budgets::effect::success);
      return requester_.direct_answer(place, with, now);
    }
  } else if (static_cast<wire::opcode>(of.opcode) == wire::opcode::error) {
    const wire::failure failed = wire::read_error(of, body, which.over->server().rate_limit_code);
    if (failed.unprepared) {
      leave(place, node_budgets::effect::neutral);
      return requester_.give_to_driver(place);
    }
    return fail(place, node_budgets::effect_of(failed.kind), error(failed.kind, failed.message), now);
  }
  fail(place, node_budgets::effect::neutral, error(errc::db_protocol, "the answer cannot be read"), now);
}

nanoseconds direct_plane::age_of(const flight& of, instant now) const noexcept {
  return now - of.deadline + milliseconds(deadlines_[of.deadline_list].timeout_ms);
}

void direct_plane::fail(std::uint32_t place, node_budgets::effect what, const error& why, instant now) {
  nodes_[flights_[place].node].meters.failed(why.code());
  leave(place, what);
  requester_.direct_failure(place, why, now);
}

void direct_plane::broken(link& which, const error& why) {
  const instant now = loop_.time().now();
  const std::unique_ptr<connection>& over = retired_.emplace_back(std::move(which.over));
  if (std::exchange(which.was_open, false)) --connections_;
  which.connect_at = now + which.backoff;
  // Neither all at once nor ever more slowly than is useful.
  which.backoff = std::min<nanoseconds>(which.backoff * 2, backoff_max);
  which.connect_at = which.connect_at + nanoseconds(random_number() % (which.backoff.count() / 4));
  // Whatever broke the connection is not the requests' fault.
  const error lost(errc::db_unavailable, why.message());
  for (const std::uint32_t place : over->in_flight()) fail(place, node_budgets::effect::neutral, lost, now);
  if (open_link(which.node_number, std::nullopt) == nullptr) redirect_waiting(which.node_number);
}

void direct_plane::redirect_waiting(std::size_t node_number) {
  for (std::uint32_t place = 0; place < flights_.size(); ++place) {
    if (flights_[place].state != where::waiting || flights_[place].node != node_number) continue;
    leave(place, node_budgets::effect::neutral);
    requester_.give_to_driver(place);
  }
}

void direct_plane::begin_deadline(std::uint32_t place, std::uint32_t timeout_ms) {
  auto list = std::find_if(deadlines_.begin(), deadlines_.end(),
                           [timeout_ms](const deadline_list& each) { return each.timeout_ms == timeout_ms; });
  if (list == deadlines_.end()) {
    deadlines_.push_back({timeout_ms, none, none});
    list = deadlines_.end() - 1;
  }
  flight& of = flights_[place];
  of.deadline_list = static_cast<std::uint16_t>(list - deadlines_.begin());
  of.deadline = loop_.now() + milliseconds(timeout_ms);
  of.before = list->last;
  of.after = none;
  (list->last == none ? list->first : flights_[list->last].after) = place;
  list->last = place;
  if (!deadline_tick_.armed()) loop_.start(deadline_tick_, deadline_step);
}

void direct_plane::end_deadline(const flight& of) {
  deadline_list& list = deadlines_[of.deadline_list];
  (of.before == none ? list.first : flights_[of.before].after) = of.after;
  (of.after == none ? list.last : flights_[of.after].before) = of.before;
}

void direct_plane::on_deadlines() {
  const instant now = loop_.time().now();
  const auto is_due = [now, this](const deadline_list& list) {
    return list.first != none && flights_[list.first].deadline <= now;
  };
  if (std::any_of(deadlines_.begin(), deadlines_.end(), is_due)) {
    // A worker whose loop was blocked reads answers that arrived meanwhile before it counts them as late.
    for (const node& each : nodes_) {
      for (const auto& which : each.links) {
        if (which->is_open()) which->over->receive();
      }
    }
  }
  for (const deadline_list& list : deadlines_) {
    while (list.first != none && flights_[list.first].deadline <= now) {
      const std::uint32_t place = list.first;
      const flight& of = flights_[place];
      if (of.state == where::sent) of.over->over->forget(of.stream);
      counts_.client_timeouts.fetch_add(1, std::memory_order_relaxed);
      fail(place, node_budgets::effect::overload,
           error(errc::db_client_timeout, "no answer within " + std::to_string(list.timeout_ms) + " ms"),
           now);
    }
  }
  if (in_flight_ > 0) loop_.start(deadline_tick_, deadline_step);
}

void direct_plane::on_upkeep() {
  const instant now = loop_.time().now();
  for (node& each : nodes_) {
    for (const auto& which : each.links) {
      if (which->over) {
        // One that has left the cluster closes the connection itself, or has no more requests.
        if (!each.member && which->over->in_flight().empty()) {
          retired_.push_back(std::move(which->over));
          if (std::exchange(which->was_open, false)) --connections_;
        } else {
          which->over->check(now, options_.keepalive);
        }
      } else if (each.member && now >= which->connect_at &&
                 (which->shard == 0 || each.links.front()->is_open())) {
        connect(*which);
      }
    }
  }
  for (std::size_t k = 0; k < nodes_.size(); ++k) show(k);
  loop_.start(upkeep_tick_, upkeep_step);
}

void direct_plane::show(std::size_t node_number) {
  node& of = nodes_[node_number];
  const auto open = std::count_if(of.links.begin(), of.links.end(),
                                  [](const std::unique_ptr<link>& each) { return each->is_open(); });
  if (!of.member && open == 0) {
    if (std::exchange(of.shown, false)) of.meters.retire();
    return;
  }
  if (!std::exchange(of.shown, true)) of.meters = node_metrics(cells_, of.name());
  of.meters.now(static_cast<std::size_t>(open), budgets_.in_flight(node_number), budgets_.limit(node_number));
}

void direct_plane::close() {
  if (closed_) return;
  closed_ = true;
  deadline_tick_.cancel();
  upkeep_tick_.cancel();
  tell_refused();
  const instant now = loop_.time().now();
  for (std::uint32_t place = 0; place < flights_.size(); ++place) {
    if (flights_[place].state == where::nowhere) continue;
    forget(flights_[place]);  // not leave(), which would send what waits
    requester_.direct_failure(place, error(errc::cancelled, "the connection to the database is closing"),
                              now);
  }
  counts_.requests.store(requests_, std::memory_order_relaxed);
  counts_.connections.store(0, std::memory_order_relaxed);
  counts_.in_flight.store(0, std::memory_order_relaxed);
  unflushed_.clear();
  retired_.clear();
  for (node& each : nodes_) each.links.clear();
}

}  // namespace millrace::cql

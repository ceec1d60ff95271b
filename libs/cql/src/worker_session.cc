#include "worker_session.h"

#include <algorithm>
#include <chrono>

#include <millrace/base/assert.h>

namespace millrace::cql {
namespace {

constexpr nanoseconds upkeep_step = milliseconds(50);

}  // namespace

std::int64_t write_clock::next_us() noexcept {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  last_us_ =
      std::max<std::int64_t>(std::chrono::duration_cast<microseconds>(since_epoch).count(), last_us_ + 1);
  return last_us_;
}

worker_session::worker_session(runtime::loop& worker, control_plane& plane, store_options options,
                               std::shared_ptr<worker_counters> counts, metrics::shard* cells)
    : loop_(worker),
      plane_(plane),
      options_(std::move(options)),
      counts_(std::move(counts)),
      metrics_(cells),
      budgets_(options_.in_flight_max),
      router_(worker, plane, plane.preferences(), *this, budgets_, cells),
      statements_(plane.options(), cells) {
  loop_.add_step(runtime::phase::submit, *this);
  follow_topology();
  loop_.start(upkeep_tick_, upkeep_step);
}

result<void> worker_session::prepare(statements::statement_declaration& declaration) {
  const std::string where = "statement '" + declaration.name() + "'";
  // Before it is described, so that no later change of the schema goes unnoticed.
  router_.wait_for_connections();
  auto prepared = plane_.statements().prepare(declaration.cql());
  if (!prepared) return prepared.error().in(where);
  if (auto fits = declaration.check((*prepared)->parameters, (*prepared)->columns); !fits) return fits;
  const std::uint32_t table = router_.table_of((*prepared)->keyspace, (*prepared)->table);
  if (auto added = statements_.add(declaration, std::move(*prepared), table); !added) {
    return added.error().in(where);
  }
  metrics_.prepared(statements_.size());
  follow_topology();  // the statement's keyspace may be new
  return {};
}

void worker_session::follow_topology() {
  if (topology_version_ == plane_.topology_version()) return;
  auto now = sized<millrace_cql_topology>();
  plane_.topology(now);
  topology_version_ = now.version;
  router_.take(now, owner_handle(now.owner));
}

void worker_session::submit(stream::store_request& request) {
  invariant(request.statement->id() < statements_.size(), "a statement is prepared before it is used");
  ++in_flight_;
  const std::uint32_t number = request.statement->id();
  const std::uint32_t place =
      flights_.take(flight::role::request, loop_.time().now(), statements_[number].timeout_ms);
  flight& of = flights_[place];
  of.request = &request;
  of.statement = number;
  queue_.push_back(flights_.now_at(place));
  if (!deadline_tick_.armed()) loop_.start(deadline_tick_, deadline_step);
  loop_.turn_again_for(runtime::phase::submit);
}

bool worker_session::on_turn() {
  router_.clean_up();
  follow_topology();
  for (const verdict& each : std::exchange(verdicts_, {})) {
    if (flights_.is_current(each.of)) fail(each.of.place, each.why);
  }
  hand_over();
  if (budgets_.waiting() > 0) router_.each_node([this](node& each) { call_waiting(each.number()); });
  flush();
  metrics_.in_flight(in_flight_);
  return !verdicts_.empty() || !next_pages_.empty();
}

void worker_session::hand_over() {
  for (const past_place& next : std::exchange(next_pages_, {})) {
    if (flights_.is_current(next)) route(next.place);
  }
  if (queue_.empty()) return;
  const instant now = loop_.time().now();
  while (!queue_.empty() && window_ < options_.in_flight_max) {
    const past_place next = queue_.front();
    queue_.pop_front();
    if (!flights_.is_current(next)) continue;  // its deadline has passed
    flight& of = flights_[next.place];
    metrics_.handed_over(now - of.started);
    of.in_window = true;
    ++window_;
    dispatch(next.place);
  }
}

void worker_session::dispatch(std::uint32_t place) {
  flight& of = flights_[place];
  const described_statement& what = statements_.of(of);
  if (!of.request->batch.empty()) {
    if (auto belongs = statements_.check_batch(*of.request); !belongs)
      return fail_soon(place, belongs.error());
  }
  if (statements_.is_too_large(of)) {
    return fail_soon(place, error(errc::limit_exceeded,
                                  "the request has " + std::to_string(statements_.frame_bytes(of)) +
                                      " bytes, more than `cql.request_bytes_max` (" +
                                      std::to_string(plane_.options().request_bytes_max.bytes) + ")"));
  }
  const auto token = statements_.token_of_partition(of);
  of.has_token = token.has_value();
  of.token = token.value_or(0);
  if (what.timestamped && !of.request->write_timestamp_us) {
    of.has_timestamp = true;
    of.timestamp_us = clock_.next_us();
  }
  route(place);
}

router::query worker_session::query_of(std::uint32_t place) const {
  const flight& of = flights_[place];
  const described_statement& what = statements_.of(of);
  return {.table = what.table,
          .token = of.has_token ? std::optional(of.token) : std::nullopt,
          .primary_first = what.primary_first,
          .stays_local = what.stays_local,
          .tried = of.tried_nodes()};
}

void worker_session::route(std::uint32_t place) {
  flight& of = flights_[place];
  const router::query wanted = query_of(place);
  const router::choice to = router_.find(wanted);
  switch (to.is) {
    case router::choice::kind::found:
      of.node = to.node;
      return send_what_is_known(*to.over, place);
    case router::choice::kind::full:
      of.node = to.node;
      if (budgets_.wait(to.node, place)) {
        of.is = flight::state::waiting;
        return;
      }
      return fail_soon(
          place, error(errc::db_overloaded, "node " + router_.at(to.node).name() +
                                                " has reached its share of the requests in flight (" +
                                                std::to_string(static_cast<std::uint64_t>(budgets_.share())) +
                                                "); other nodes are not affected"));
    case router::choice::kind::unreachable:
      return fail_soon(place, router_.unreachable(wanted.stays_local));
  }
}

void worker_session::send(link& over, std::uint32_t place) {
  flight& of = flights_[place];
  const flight& subject = flights_[flights_.served_by(place)];
  const described_statement& what = statements_.of(subject);
  enter(over, of);
  connection& to = over.over();
  if (subject.request->batch.empty()) {
    frames::execution execution = statements_.execution_of(subject, what.id_of(of.node));
    if (to.negotiated().metadata_id) execution.metadata_id = what.metadata_id;
    of.stream = to.execute(place, execution);
  } else {
    of.stream = to.batch(place, statements_.batch_of(subject, of.node));
  }
  if (!what.speculative || of.as != flight::role::request || !subject.request->batch.empty()) return;
  due_.push_back({flights_.now_at(place), of.sent_at + plane_.options().speculative_after});
  if (!speculation_tick_.armed()) loop_.start(speculation_tick_, plane_.options().speculative_after);
}

void worker_session::send_what_is_known(link& over, std::uint32_t place) {
  const std::uint32_t number = statements_.in_doubt(flights_[place]);
  if (number == flight_table::none) return send(over, place);
  describe_anew(over, place, number);
}

// From now on it counts among those of its node.
void worker_session::enter(link& over, flight& of) {
  of.is = flight::state::sent;
  of.over = &over;
  of.node = over.of().number();
  of.which = budgets_.take(of.node);
  of.sent_at = loop_.now();
  ++requests_;
  if (!std::exchange(over.unflushed, true)) unflushed_.push_back(&over);
}

// What waits for a node goes as soon as its limit and its connections allow.
void worker_session::call_waiting(std::uint32_t node_number) {
  while (const auto place = budgets_.next_called(node_number)) {
    link* over = router_.link_to(node_number, query_of(*place));
    if (over == nullptr) return budgets_.call_again(node_number, *place);
    send_what_is_known(*over, *place);
  }
}

void worker_session::redirect_waiting(std::uint32_t node_number) {
  for (const std::uint32_t place : budgets_.take_waiting(node_number)) {
    flights_[place].is = flight::state::queued;
    route(place);
  }
}

void worker_session::flush() {
  // A write may fail, and what waits for that node goes elsewhere.
  for (std::size_t k = 0; k < unflushed_.size(); ++k) {
    link& each = *unflushed_[k];
    each.unflushed = false;
    if (each.is_open()) each.over().flush();
  }
  unflushed_.clear();
  counts_->requests.store(requests_, std::memory_order_relaxed);
  counts_->in_flight.store(in_flight_, std::memory_order_relaxed);
  counts_->refused.store(budgets_.refused(), std::memory_order_relaxed);
  if (counts_->shrunk.exchange(budgets_.shrunk(), std::memory_order_relaxed) != budgets_.shrunk()) {
    counts_->limit_min.store(static_cast<std::uint64_t>(budgets_.limit_min()), std::memory_order_relaxed);
  }
  counts_->waiting.store(budgets_.waiting(), std::memory_order_relaxed);
}

void worker_session::speculate() {
  const instant now = loop_.time().now();
  while (!due_.empty() && due_.front().at <= now) {
    const due_speculation next = due_.front();
    due_.pop_front();
    if (flights_.is_current(next.of)) begin_speculation(next.of.place);
  }
  if (!due_.empty()) loop_.start_at(speculation_tick_, due_.front().at);
}

void worker_session::begin_speculation(std::uint32_t place) {
  flight& of = flights_[place];
  if (of.is != flight::state::sent || of.twin != flight_table::none ||
      of.speculations >= plane_.options().speculative_max) {
    return;
  }
  of.remember_try(of.node);
  router::query wanted = query_of(place);
  wanted.replicas_only = true;
  const router::choice to = router_.find(wanted);
  if (to.is != router::choice::kind::found) return;
  const std::uint32_t twin = flights_.take(flight::role::speculation, of.started, flights_.timeout_ms(of));
  flights_[twin].twin = place;
  flights_[twin].statement = of.statement;
  of.twin = twin;
  ++of.speculations;
  counts_->speculative.fetch_add(1, std::memory_order_relaxed);
  send(*to.over, twin);
  due_.push_back({flights_.now_at(place), loop_.time().now() + plane_.options().speculative_after});
}

void worker_session::on_upkeep() {
  router_.clean_up();
  router_.upkeep(loop_.time().now());
  router_.show();
  counts_->tablets.store(router_.tablets(), std::memory_order_relaxed);
  counts_->limit_min.store(static_cast<std::uint64_t>(budgets_.limit_min()), std::memory_order_relaxed);
  const std::size_t bytes = router_.memory();
  counts_->memory.store(bytes, std::memory_order_relaxed);
  if (options_.memory != nullptr) {
    // Buffers exist already: what the budget has no room for is counted as soon as it has.
    if (bytes < held_bytes_) {
      options_.memory->let_go(held_bytes_ - bytes);
      held_bytes_ = bytes;
    } else if (bytes > held_bytes_ && options_.memory->try_hold(bytes - held_bytes_)) {
      held_bytes_ = bytes;
    }
  }
  loop_.start(upkeep_tick_, upkeep_step);
}

}  // namespace millrace::cql

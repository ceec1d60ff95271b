// What becomes of an answer, of an error, and of no answer (worker_session.h).
#include <algorithm>
#include <cstring>

#include <millrace/base/assert.h>

#include "worker_session.h"

namespace millrace::cql {
namespace {

// An answer of several pages is collected in memory; more than this ends it as incomplete.
constexpr std::size_t answer_bytes_max = 16U << 20U;
// How often the statement of a request is prepared again before it fails.
constexpr std::size_t preparations_max = 2;

node_budgets::effect effect_of(const frames::failure& failed) {
  if (!failed.overloaded) return node_budgets::effect::neutral;
  return failed.kind == errc::db_timeout ? node_budgets::effect::late : node_budgets::effect::overload;
}

// What the server says besides.
void tell(const store_options& whom, const described_statement& of, const frames::answer& with) {
  if (with.with.trace && whom.on_trace) whom.on_trace(*of.declared, *with.with.trace);
  if (with.with.warnings.empty() || !whom.on_warning) return;
  for (const std::string_view text : frames::read_warnings(with.with.warnings)) {
    whom.on_warning(*of.declared, text);
  }
}

}  // namespace

void worker_session::answered(link& over, std::uint32_t place, const frames::header& of, bytes_view body) {
  if (flights_[place].as == flight::role::preparation) return take_prepared(over, place, of, body);
  if (static_cast<frames::opcode>(of.opcode) == frames::opcode::error) {
    return take_error(over, place, frames::read_error(of, body, over.over().negotiated()));
  }
  take_result(over, place, of, body);
}

void worker_session::take_result(link& over, std::uint32_t place, const frames::header& of, bytes_view body) {
  frames::answer with;
  const bool is_result = static_cast<frames::opcode>(of.opcode) == frames::opcode::result;
  if (!is_result || !frames::read_result(of, body, with)) {
    return take_error(over, place,
                      {.kind = errc::db_protocol, .message = "the answer cannot be read", .of_node = true});
  }
  const instant now = over.over().heard_at();
  node& by = over.of();
  by.meters.succeeded(now - flights_[place].sent_at);
  by.health.succeeded();
  release(place, node_budgets::effect::success);
  const std::uint32_t served = flights_.served_by(place);
  if (served == place) {
    abandon_speculation(flights_[place]);
    return complete(served, with, now);
  }
  flight& primary = flights_[served];
  if (primary.is == flight::state::sent) {
    primary.over->over().forget(primary.stream);
    release(served, node_budgets::effect::neutral);
  }
  drop(place);
  complete(served, with, now);
}

void worker_session::complete(std::uint32_t place, const frames::answer& with, instant now) {
  flight& of = flights_[place];
  described_statement& what = statements_.of(of);
  if (!with.with.tablet.empty()) {
    counts_->tablet_reports.fetch_add(1, std::memory_order_relaxed);
    if (const auto reported = frames::read_tablet(with.with.tablet)) router_.learn(what.table, *reported);
  }
  tell(options_, what, with);
  statements_.succeed(of);
  const bool has_pages = of.more != nullptr && of.more->rows > 0;
  if (with.is != frames::answer::kind::rows && !has_pages) return finish(place, stream::rows_ref(), now);
  answer_parts parts{.cells = with.cells,
                     .row_count = with.row_count,
                     .column_count = with.column_count,
                     .paging_state = with.paging_state};
  if (what.conditional) {
    auto columns = what.columns_of(with);
    if (!columns) return fail(place, columns.error());
    parts.columns = std::move(*columns);
  } else if (const auto differs = what.check_columns(with)) {
    return fail(place, *differs);
  } else if (what.in_doubt() && with.columns.empty()) {
    // The change was reported between the request and its answer, which nothing describes.
    link* over = router_.at(of.node).link_for({}, {});
    if (over == nullptr) return fail(place, error(errc::db_unavailable, "the schema has changed meanwhile"));
    return describe_anew(*over, place, of.statement);
  }
  if (ask_for_next_page(place, with)) return;
  if (!has_pages) return finish(place, copied_rows(parts, options_.memory), now);
  byte_buffer pages = std::move(of.more->pages);
  pages.insert(pages.end(), with.cells.begin(), with.cells.end());
  parts.row_count += of.more->rows;
  finish(place, joined_rows(std::move(pages), parts, options_.memory), now);
}

bool worker_session::ask_for_next_page(std::uint32_t place, const frames::answer& last) {
  flight& of = flights_[place];
  if (last.paging_state.empty() || closed_) return false;
  const std::size_t rows = of.more ? of.more->rows : 0;
  const std::size_t bytes = of.more ? of.more->pages.size() : 0;
  if (rows + last.row_count >= of.request->rows_max || bytes + last.cells.size() >= answer_bytes_max) {
    return false;
  }
  flight::extra& more = of.rare();
  more.pages.insert(more.pages.end(), last.cells.begin(), last.cells.end());
  more.rows += last.row_count;
  more.paging_state.assign(last.paging_state.begin(), last.paging_state.end());
  of.tries = 0;
  of.prepared = 0;
  next_pages_.push_back(flights_.now_at(place));
  loop_.turn_again_for(runtime::phase::submit);
  return true;
}

void worker_session::take_error(link& over, std::uint32_t place, const frames::failure& failed) {
  node& by = over.of();
  if (!failed.unprepared.empty()) {
    const std::uint32_t forgotten =
        statements_.called(flights_[flights_.served_by(place)], by.number(), failed.unprepared);
    release(place, node_budgets::effect::neutral);
    // Servers forget the statements of a table that changes, and may tell so before they report the change.
    if (described_statement& what = statements_[forgotten]; !what.in_doubt()) ++what.changes;
    if (flights_[place].as == flight::role::speculation) return drop_speculation(place);
    abandon_speculation(flights_[place]);
    return prepare_again(over, place, forgotten);
  }
  by.meters.failed(failed.kind);
  if (failed.of_node) by.health.failed();
  release(place, effect_of(failed));
  if (flights_[place].as == flight::role::speculation) return drop_speculation(place);
  // As long as the other one of two executions may succeed, nothing has failed.
  if (flights_[place].twin != flight_table::none) {
    flight& primary = flights_[place];
    primary.is = flight::state::speculating;
    primary.rare().verdict = statements_.explain(primary, failed, loop_.time().now());
    return;
  }
  fail_elsewhere(place, failed, by.number());
}

// One that failed; and with it the request, when that waited for nothing else.
void worker_session::drop_speculation(std::uint32_t place) {
  const std::uint32_t served = flights_[place].twin;
  drop(place);
  if (flights_[served].is == flight::state::speculating) fail(served, *flights_[served].more->verdict);
}

// Tries the next replica, once, when nothing was executed or may be executed twice.
void worker_session::fail_elsewhere(std::uint32_t place, const frames::failure& failed,
                                    std::uint32_t node_number) {
  flight& of = flights_[place];
  const bool harmless = failed.not_executed || (failed.of_node && statements_.is_idempotent(of));
  if (harmless && failed.kind != errc::db_protocol && try_next(place, node_number)) return;
  // The server's word on a statement that it has executed before is about the values. Unless the table is
  // gone, or was for a moment, which the statement's own description and the reported changes tell.
  if (failed.kind == errc::db_invalid && statements_.of(of).succeeded && of.prepared < preparations_max &&
      !goes_on(of)) {
    if (link* over = router_.at(node_number).link_for({}, {})) {
      if (!statements_.of(of).in_doubt()) of.rare().verdict = error(errc::db_rejected, failed.message);
      return prepare_again(*over, place, of.statement);
    }
  }
  fail(place, statements_.explain(of, failed, loop_.time().now()));
}

bool worker_session::try_next(std::uint32_t place, std::uint32_t node_number) {
  flight& of = flights_[place];
  if (of.tries > 0 || closed_) return false;
  of.remember_try(node_number);
  router::query wanted = query_of(place);
  wanted.replicas_only = true;
  const router::choice to = router_.find(wanted);
  if (to.is != router::choice::kind::found) return false;
  counts_->next_node.fetch_add(1, std::memory_order_relaxed);
  send(*to.over, place);
  return true;
}

// One PREPARE for each statement and node, however many requests wait for it.
void worker_session::prepare_again(link& over, std::uint32_t place, std::uint32_t statement_number) {
  flight& of = flights_[place];
  const std::size_t most = std::clamp<std::size_t>(of.request->batch.size() + 1, preparations_max, UINT8_MAX);
  if (of.prepared >= most) {
    return fail(place, error(errc::db_unavailable, "the server forgets the statement again and again"));
  }
  ++of.prepared;
  describe_anew(over, place, statement_number);
}

void worker_session::describe_anew(link& over, std::uint32_t place, std::uint32_t statement_number) {
  flight& of = flights_[place];
  of.is = flight::state::preparing;
  const std::uint32_t node_number = over.of().number();
  const auto known = preparations_.find({node_number, statement_number});
  if (known != preparations_.end()) {
    flights_[known->second].rare().waiting.push_back({place, of.generation});
    return;
  }
  link* to = over.usable() ? &over : over.of().link_for({}, {});
  if (to == nullptr) {
    return fail(place, error(errc::db_unavailable, "there is no connection to prepare the statement again"));
  }
  const described_statement& what = statements_[statement_number];
  const std::uint32_t made = flights_.take(flight::role::preparation, loop_.time().now(), what.timeout_ms);
  preparations_[{node_number, statement_number}] = made;
  flight& preparation = flights_[made];
  preparation.statement = statement_number;
  preparation.rare().waiting.push_back(flights_.now_at(place));
  preparation.rare().changes = what.changes;
  enter(*to, preparation);
  preparation.stream = to->over().prepare(made, what.prepared->text);
  counts_->prepared_again.fetch_add(1, std::memory_order_relaxed);
  loop_.turn_again_for(runtime::phase::submit);
}

void worker_session::take_prepared(link& over, std::uint32_t place, const frames::header& of,
                                   bytes_view body) {
  const std::uint32_t node_number = over.of().number();
  described_statement& what = statements_[flights_[place].statement];
  const std::optional<error> refused =
      what.take_description(node_number, flights_[place].rare().changes, of, body, over.over().negotiated());
  release(place, node_budgets::effect::neutral);
  const std::vector<past_place> waiting = std::move(flights_[place].rare().waiting);
  drop(place);
  for (const past_place& each : waiting) {
    if (!flights_.is_current(each) || flights_[each.place].is != flight::state::preparing) continue;
    if (!refused)
      go_on_after_preparation(each.place, node_number);
    else
      fail(each.place,
           statements_.explain_description(flights_[each.place], what, *refused, loop_.time().now()));
  }
}

void worker_session::go_on_after_preparation(std::uint32_t place, std::uint32_t node_number) {
  flight& of = flights_[place];
  if (of.more != nullptr && of.more->verdict) {
    // The table may have been gone, and be there again: only what stayed as it was judges the record.
    if (!statements_.of(of).in_doubt()) return fail(place, *of.more->verdict);
    of.more->verdict.reset();
  }
  link* over = router_.link_to(node_number, query_of(place));
  if (over != nullptr) return send_what_is_known(*over, place);
  of.is = flight::state::queued;
  route(place);
}

void worker_session::lost(link& over, const std::vector<std::uint32_t>& places, const error& why) {
  node& by = over.of();
  const std::uint32_t node_number = by.number();
  // Whatever broke the connection is not the requests' fault.
  const frames::failure broken{
      .kind = errc::db_unavailable, .message = "node " + by.name() + ": " + why.message(), .of_node = true};
  for (const std::uint32_t place : places) {
    // Code that an earlier one resumed may have ended it.
    if (flights_[place].is != flight::state::sent || flights_[place].over != &over) continue;
    if (flights_[place].as != flight::role::preparation) {
      take_error(over, place, broken);
      continue;
    }
    release(place, node_budgets::effect::neutral);
    const std::vector<past_place> waiting = std::move(flights_[place].rare().waiting);
    drop(place);
    for (const past_place& each : waiting) {
      if (flights_.is_current(each) && flights_[each.place].is == flight::state::preparing) {
        flights_[each.place].rare().verdict.reset();
        fail_elsewhere(each.place, broken, node_number);
      }
    }
  }
  if (!by.is_connected()) redirect_waiting(node_number);
}

void worker_session::schema_changed(const frames::schema_event& what) { statements_.note(what); }

// While no node reported changes, anything may have happened.
void worker_session::listening_changed(int by) {
  if (listening_ == 0 && by > 0) statements_.doubt_all();
  listening_ += by;
}

void worker_session::connections_changed(int by) {
  connections_ += by;
  counts_->connections.store(static_cast<std::uint64_t>(connections_), std::memory_order_relaxed);
}

void worker_session::reachable(const node& which, const error* why) {
  if (options_.on_node) options_.on_node(which.name(), why);
}

// Removes a sent request from its node's table.
void worker_session::release(std::uint32_t place, node_budgets::effect what) {
  flight& of = flights_[place];
  budgets_.give_back(of.node, of.which, what);
  of.over = nullptr;
  of.is = flight::state::queued;
  if (budgets_.anyone_waits(of.node)) call_waiting(of.node);
}

void worker_session::abandon_speculation(flight& of) {
  if (of.twin == flight_table::none) return;
  const std::uint32_t twin = of.twin;
  flights_[twin].over->over().forget(flights_[twin].stream);
  release(twin, node_budgets::effect::neutral);
  drop(twin);
}

// Gives back a place of the session's own.
void worker_session::drop(std::uint32_t place) {
  flight& of = flights_[place];
  if (of.as == flight::role::speculation) flights_[of.twin].twin = flight_table::none;
  if (of.as == flight::role::preparation) preparations_.erase({of.node, of.statement});
  flights_.give_back(place);
}

void worker_session::fail(std::uint32_t place, const error& why) {
  const std::string where = "statement '" + statements_.of(flights_[place]).declared->name() + "'";
  finish(place, why.in(where), loop_.time().now());
}

// In the next turn: who asks again at once must not go round in this one.
void worker_session::fail_soon(std::uint32_t place, error why) {
  flights_[place].is = flight::state::queued;
  verdicts_.push_back({flights_.now_at(place), std::move(why)});
  loop_.turn_again_for(runtime::phase::submit);
}

void worker_session::finish(std::uint32_t place, result<stream::rows_ref> with, instant now) {
  flight& done = flights_[place];
  stream::store_request& request = *done.request;
  const nanoseconds took = now - done.started;
  if (done.in_window) --window_;
  flights_.give_back(place);
  --in_flight_;
  statement_metrics& meters = statements_[request.statement->id()].meters;
  if (with)
    meters.succeeded(took);
  else
    meters.failed(with.error().code(), took);
  request.answer.emplace(std::move(with));
  request.on_complete(request);
}

void worker_session::on_deadlines() {
  const instant now = loop_.time().now();
  if (flights_.overdue(now) != flight_table::none) {
    // A worker whose loop was blocked reads answers that arrived meanwhile before it counts them as late.
    router_.each_node([](node& each) { each.receive(); });
  }
  for (auto place = flights_.overdue(now); place != flight_table::none; place = flights_.overdue(now)) {
    expire(place);
  }
  if (flights_.used() > 0) loop_.start(deadline_tick_, deadline_step);
}

void worker_session::expire(std::uint32_t place) {
  flight& of = flights_[place];
  std::string where = ": it was not sent";
  if (of.is == flight::state::sent) {
    node& by = router_.at(of.node);
    by.health.failed();
    by.meters.failed(errc::db_client_timeout);
    where = " from node " + by.name();
    of.over->over().forget(of.stream);
    const bool requested = of.as != flight::role::preparation;
    release(place, requested ? node_budgets::effect::late : node_budgets::effect::neutral);
  } else if (of.is == flight::state::waiting) {
    where = ": it waited for the limit of node " + router_.at(of.node).name();
    budgets_.stop_waiting(of.node, place);
  } else if (of.is == flight::state::preparing || of.is == flight::state::speculating) {
    where.clear();
  }
  // Those that wait for a preparation have deadlines of their own.
  if (of.as == flight::role::preparation) return drop(place);
  if (of.as == flight::role::speculation) return drop_speculation(place);
  abandon_speculation(of);
  counts_->client_timeouts.fetch_add(1, std::memory_order_relaxed);
  fail(place, error(errc::db_client_timeout,
                    "no answer" + where + " within " + std::to_string(flights_.timeout_ms(of)) + " ms"));
}

worker_session::~worker_session() {
  closed_ = true;
  // Resumed code may submit again, which is answered alike.
  while (in_flight_ > 0) {
    for (std::uint32_t place = 0; place < flights_.places(); ++place) {
      const flight& of = flights_[place];
      if (of.is == flight::state::free || of.as != flight::role::request) continue;
      fail(place, error(errc::cancelled, "the session with the database is closing"));
    }
  }
  deadline_tick_.cancel();
  upkeep_tick_.cancel();
  speculation_tick_.cancel();
  unflushed_.clear();
  router_.close();
  counts_->in_flight.store(0, std::memory_order_relaxed);
  counts_->connections.store(0, std::memory_order_relaxed);
  counts_->waiting.store(0, std::memory_order_relaxed);
  loop_.remove_step(*this);
  if (options_.memory != nullptr) options_.memory->let_go(held_bytes_);
}

}  // namespace millrace::cql

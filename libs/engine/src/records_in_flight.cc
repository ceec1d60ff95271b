#include "records_in_flight.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include <millrace/base/assert.h>
#include <millrace/stream/mutations.h>

#include "attempt.h"
#include "plan_table.h"

namespace millrace::engine {
namespace {

// Memory of a record besides its block: envelope, slot, coroutine frames. An estimate for the byte budget.
constexpr std::size_t envelope_bytes = 2'048;
// What a slot keeps for the next record.
constexpr std::size_t slot_kept_bytes_max = 64U << 10U;

std::optional<std::int64_t> created_micros(const stream::record_block& block) {
  if (block.header_count() > 0) {
    if (const std::optional<bytes_view> header = block.header(created_header)) {
      std::int64_t micros = 0;
      if (header->size() == 8) {
        std::uint64_t raw = 0;
        for (const std::byte b : *header) raw = (raw << 8U) | static_cast<std::uint64_t>(b);
        return static_cast<std::int64_t>(raw);
      }
      const std::string_view text = as_text(*header);
      const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), micros);
      if (failure == std::errc{} && end == text.data() + text.size()) return micros;
    }
  }
  const auto millis = block.created().time_since_epoch().count();
  if (millis <= 0) return std::nullopt;
  return millis * 1'000;
}

}  // namespace

records_in_flight::records_in_flight(engine_environment& env, record_accounts& accounts, dependencies& needs,
                                     run_state& state, flow_control& flow)
    : record_host(env, needs),
      env_(env),
      accounts_(accounts),
      state_(state),
      flow_(flow),
      pool_(*this, env.routes.slots(), env.work.all.size()),
      barrier_(env.options.in_flight_records_max),
      barrier_seed_(env.random.next()) {}

envelope& records_in_flight::take(const stream::record_view& view, assignment& of) {
  envelope& e = pool_.take();
  e.retain();
  e.write_time_us = of.write_time_of(view, accounts_.wall_us(env_.turn()));
  e.fill(blocks_.copy(view), of, env_.turn());
  e.created_us = created_micros(e.block());
  e.bytes = e.block().bytes_held() + envelope_bytes;
  flow_.take(mutated(stream::mutation::count_bytes_twice) ? 2 * e.bytes : e.bytes);
  flow_.keep(-static_cast<std::ptrdiff_t>(e.decoded_bytes));
  idle_ = false;
  of.took(view.offset, e.created_us);
  flow_.touched(of);
  e.ticket = of.tracker.delivered(view.offset);
  of.finishes.delivered();
  if (mutated(stream::mutation::acknowledge_on_delivery)) of.tracker.finished(e.ticket);
  of.unsettled.push_back(e);
  accounts_.received(e, (view.key ? view.key->size() : 0) + (view.value ? view.value->size() : 0));
  return e;
}

void records_in_flight::note_decoded(envelope& e) noexcept {
  if (!mutated(stream::mutation::forget_the_decoded_bytes)) hold(e.decoded_bytes, e.slot_bytes_held());
  flow_.note_size(e.bytes + e.decoded_bytes);
}

void records_in_flight::hold(std::size_t& held, std::size_t bytes) noexcept {
  const std::size_t before = std::exchange(held, bytes);
  if (bytes > before) flow_.take(bytes - before);
  if (bytes < before) flow_.give_back(before - bytes);
}

void records_in_flight::trim_if_idle() noexcept {
  if (!std::exchange(idle_, true)) return;
  const std::size_t given_back = pool_.trim();
  flow_.keep(-static_cast<std::ptrdiff_t>(given_back));
  flow_.give_back(given_back);
}

std::uint64_t records_in_flight::place_in_order(const envelope& e) const noexcept {
  const std::optional<bytes_view> key = e.block().key();
  const stream::partition_id from = e.block().from();
  const std::uint64_t place = (static_cast<std::uint64_t>(from.topic) << 32U) ^
                              static_cast<std::uint64_t>(static_cast<std::uint32_t>(from.partition));
  // Not of the assignment: what an earlier assignment left running here is finished first.
  return env_.options.order == order_mode::key ? hash_key(barrier_seed_ ^ place, key->data(), key->size())
                                               : hash_key(barrier_seed_, &place, sizeof place);
}

void records_in_flight::start_in_order(envelope& e, instant at) {
  const order_mode order = env_.options.order;
  if (order == order_mode::unordered || (order == order_mode::key && !e.block().key()))
    return start_processors(e, at);
  if (barrier_.enter(e, place_in_order(e))) {
    env_.metrics.waited(wait::key, nanoseconds(0));
    return start_processors(e, at);
  }
  e.queued = true;
  e.queued_at = at;
}

void records_in_flight::start_processors(envelope& e, instant at) {
  e.started = true;
  env_.metrics.consume_delay.observe(accounts_.age_of(e, at));
  // A run may be the last to end and settle the record before the loop is over; the handle keeps it.
  e.retain();
  const std::optional<bytes_view> only =
      e.block().header_count() == 0 ? std::nullopt : e.block().header(redrive_processor_header);
  const bool deleted = !e.block().value();
  for (std::size_t place = 0; place < e.runs.size(); ++place) {
    processor_run& run = e.runs[place];
    if (((e.readers >> place) & 1U) == 0) {
      run.abandon();
    } else if (only && as_text(*only) != run.name()) {
      run.pass_over("redriven for another processor");
    } else if (((e.unwanted >> place) & 1U) != 0) {
      run.pass_over(filtered_reason);
    } else if (deleted && !env_.processor(place).takes_deletions()) {
      run.pass_over(tombstone_reason);
    } else {
      // What the one before did at once is not this one's time.
      run.start(&run == &e.runs.front() ? at : env_.now());
    }
  }
  e.release();
}

void records_in_flight::condemn(envelope& e, const error& cause, work_stage where) {
  accounts_.failed(where, cause);
  e.unended = 1;
  e.runs.front().condemn(cause, to_string(where));
}

void records_in_flight::stop_at(envelope& e, const error& cause, work_stage where) {
  accounts_.failed(where, cause);
  e.unended = 1;
  e.runs.front().stop(cause);
}

void records_in_flight::skip(envelope& e, std::string_view reason) {
  accounts_.skipped(e, reason);
  e.unended = 0;
  finish(e);
}

bool records_in_flight::may_dead_letter(envelope& e, const error& cause) {
  const std::optional<error> over = accounts_.exceeds_dead_letter_limit(e, cause);
  if (!over) return true;
  state_.fail(*over);
  return false;
}

void records_in_flight::settle(envelope& e) {
  accounts_.settled(e);
  finish(e);
}

void records_in_flight::finish(envelope& e) {
  assignment& a = e.of();
  invariant(!e.abandoned && a.counts(), "a record is settled while it is ours");
  a.tracker.finished(e.ticket);
  a.finishes.finished(e.ticket, env_.turn());
  ++a.finished_here;
  static_cast<unsettled_hook&>(e).unlink();
  accounts_.left(e);
  flow_.ended(a);
  if (e.key_hash != 0) leave_barrier(e);
  let_go(e);
}

void records_in_flight::let_go(envelope& e) {
  invariant(!e.let_go, "a record ends once");
  e.let_go = true;
  e.release();
}

// A record that ends at once lets the next one start: in a loop, not from within the end of the one before.
void records_in_flight::leave_barrier(envelope& e) {
  if (envelope* const next = barrier_.leave(e)) next_.push_back(next);
  if (std::exchange(starting_, true)) return;
  while (!next_.empty()) {
    envelope& next = *next_.front();
    next_.pop_front();
    start_queued(next);
  }
  starting_ = false;
}

void records_in_flight::start_queued(envelope& e) {
  e.queued = false;
  if (!e.abandoned && is_given_up_unbegun(e)) {
    static_cast<unsettled_hook&>(e).unlink();
    abandon(e);
  }
  if (e.abandoned) return abandoned_attempt_ended(e);
  const instant now = env_.now();
  env_.metrics.waited(wait::key, now - e.queued_at);
  e.note("key_wait", {}, 0, e.queued_at, now);
  start_processors(e, now);
}

// Records of a partition that is being given up would only lengthen the drain, up to its end, where the one
// running is repeated. In log order none behind them has finished, so that releasing them repeats nothing.
bool records_in_flight::is_given_up_unbegun(const envelope& e) const noexcept {
  return env_.options.order == order_mode::partition && e.of().state == assignment::phase::revoking;
}

void records_in_flight::expire_attempts(const partition_table& partitions) {
  if (env_.options.attempt_timeout.count() == 0 || mutated(stream::mutation::ignore_the_attempt_timeout))
    return;
  const instant begun_before{env_.now().ns - nanoseconds(env_.options.attempt_timeout).count()};
  std::vector<envelope*> late;
  for (const auto& [id, a] : partitions) {
    for (unsettled_hook* hook = a->unsettled.front(); hook != nullptr; hook = a->unsettled.next(*hook)) {
      auto& e = static_cast<envelope&>(*hook);
      if (e.taken_at >= begun_before) break;
      if (e.started) late.push_back(&e);
    }
  }
  for (unsettled_hook* hook = abandoned_.front(); hook != nullptr; hook = abandoned_.next(*hook)) {
    auto& e = static_cast<envelope&>(*hook);
    if (e.taken_at < begun_before) late.push_back(&e);
  }
  for (envelope* e : late) e->retain();
  for (envelope* e : late) {
    for (processor_run& run : e->runs) run.expire(begun_before);
    e->release();
  }
}

bool records_in_flight::only_waits(const partition_table& partitions, instant until) const {
  for (const auto& [id, a] : partitions) {
    for (unsettled_hook* hook = a->unsettled.front(); hook != nullptr; hook = a->unsettled.next(*hook)) {
      const auto& e = static_cast<const envelope&>(*hook);
      if (e.queued) continue;
      if (!std::all_of(e.runs.begin(), e.runs.end(),
                       [until](const processor_run& run) { return run.only_waits(until); }))
        return false;
    }
  }
  return true;
}

void records_in_flight::abandon(envelope& e) {
  e.abandoned = true;
  for (processor_run& run : e.runs) run.abandon();
  accounts_.abandoned(e);
}

void records_in_flight::abandoned_attempt_ended(envelope& e) {
  if (e.queued) return;  // released when its turn comes
  if (e.key_hash != 0) leave_barrier(e);
  let_go(e);
}

// Nothing of this partition finished beyond the waiting records, so giving them up repeats nothing.
void records_in_flight::abandon_waiting(assignment& a) {
  while (waiting_hook* hook = a.waiting.pop_front()) {
    envelope& e = static_cast<envelope&>(*hook);
    --a.waiting_count;
    static_cast<unsettled_hook&>(e).unlink();
    abandon(e);
    let_go(e);
    e.release();
  }
}

// No processor has begun on it, and what waits for its key is younger: nothing of it is repeated.
bool records_in_flight::only_waits_for_limit(const envelope& e) noexcept {
  const auto unbegun = [](const processor_run& run) {
    return run.attempts() == 0 &&
           (run.state() == processor_run::stage::limited || run.state() == processor_run::stage::ended);
  };
  const auto limited = [](const processor_run& run) { return run.state() == processor_run::stage::limited; };
  return e.started && !e.condemned && std::all_of(e.runs.begin(), e.runs.end(), unbegun) &&
         std::any_of(e.runs.begin(), e.runs.end(), limited);
}

void records_in_flight::abandon_limited(assignment& a) {
  const auto waits = [](const processor_rules& rules) {
    return rules.limiter && rules.limiter->limit.waiting() > 0;
  };
  if (std::none_of(env_.rules.begin(), env_.rules.end(), waits)) return;
  std::vector<envelope*> given_up;
  for (unsettled_hook* hook = a.unsettled.front(); hook != nullptr; hook = a.unsettled.next(*hook)) {
    auto& e = static_cast<envelope&>(*hook);
    if (!only_waits_for_limit(e)) continue;
    e.retain();
    given_up.push_back(&e);
  }
  // Those behind them in their key first: the one in front must not start them.
  for (envelope* e : given_up) {
    for (envelope* behind = e->next_of_key; behind != nullptr; behind = behind->next_of_key) {
      if (behind->abandoned) continue;
      static_cast<unsettled_hook&>(*behind).unlink();
      abandon(*behind);
    }
  }
  for (envelope* e : given_up) {
    static_cast<unsettled_hook&>(*e).unlink();
    abandon(*e);
    abandoned_attempt_ended(*e);
    e->release();
  }
}

void records_in_flight::abandon_all(assignment& a) {
  abandon_waiting(a);
  // All are marked before the first is let go: the one that leaves the key table must not start the next.
  runtime::intrusive_list<unsettled_hook> given_up;
  while (unsettled_hook* hook = a.unsettled.pop_front()) {
    envelope& e = static_cast<envelope&>(*hook);
    e.retain();
    abandon(e);
    given_up.push_back(*hook);
  }
  while (unsettled_hook* hook = given_up.pop_front()) {
    envelope& e = static_cast<envelope&>(*hook);
    if (mutated(stream::mutation::forget_the_key_on_revoke) && e.key_hash != 0 && !e.queued) leave_barrier(e);
    if (e.outstanding == 0 && !e.let_go) {
      abandoned_attempt_ended(e);
    } else if (e.outstanding > 0) {
      abandoned_.push_back(*hook);
    }
    e.release();
  }
}

void records_in_flight::recycled(envelope& e) noexcept {
  e.trim_slots(slot_kept_bytes_max);
  hold(e.decoded_bytes, e.slot_bytes_held());
  if (plan_entry* const plan = std::exchange(e.plan, nullptr)) plan->stop_using();
  if (plan_entry* const plan = std::exchange(e.key_plan, nullptr)) plan->stop_using();
  flow_.keep(static_cast<std::ptrdiff_t>(e.decoded_bytes));
  if (!mutated(stream::mutation::keep_the_bytes_of_the_abandoned) || !e.abandoned) flow_.give_back(e.bytes);
  pool_.give_back(e);
}

std::optional<entered_processor> records_in_flight::entered() const noexcept {
  const processor_base* processor = entered_.load(std::memory_order_relaxed);
  if (processor == nullptr) return std::nullopt;
  return entered_processor{processor->name(), entered_partition_.load(std::memory_order_relaxed),
                           entered_offset_.load(std::memory_order_relaxed)};
}

}  // namespace millrace::engine

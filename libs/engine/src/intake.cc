// From the source to the start of the processors.
#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include <millrace/avro/framing.h>
#include <millrace/base/exceptions.h>
#include <millrace/stream/mutations.h>

#include "engine_core.h"

namespace millrace::engine {
namespace {

// Memory of a record besides its block: envelope, slot, coroutine frames. An estimate for the byte budget.
constexpr std::size_t envelope_bytes = 2'048;

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

// The format may be the user's.
result<std::size_t> decoded_into(value_slot& slot, const value_plan& plan, bytes_view body) {
  try {
    return slot.decode(plan, body);
  } catch (...) {
    return error_of(errc::internal, describe(std::current_exception())).in("decoding threw");
  }
}

}  // namespace

std::size_t engine_core::room() {
  if (state_ != engine_state::running) return 0;
  const std::size_t in_use = pool_.in_use();
  if (mutated(stream::mutation::ignore_the_limit)) return options_.take_records_max;
  if (in_use >= options_.in_flight_records_max) return 0;
  if (share_room_ == 0) return 0;
  const std::size_t affordable = lease_.room() / usual_bytes_;
  // With nothing in flight one record is always taken, or other workers could starve this one for ever.
  if (affordable == 0) return in_use == 0 ? std::min<std::size_t>(let_in(), 1) : 0;
  return std::min({options_.in_flight_records_max - in_use, let_in(), affordable, share_room_});
}

bool engine_core::take_in() {
  entered_.store(nullptr, std::memory_order_relaxed);
  const clock& time = ports_.loop.time();
  wall_minus_loop_us_ = time.wall().time_since_epoch().count() - ports_.loop.now().ns / 1'000;
  if (plans_changed_) admit_waiting();
  if (state_ == engine_state::stopped || state_ == engine_state::failed) return false;
  const std::size_t wanted = room();
  const std::size_t taken = ports_.source.poll(*this, wanted);
  invariant(taken <= wanted, "a source hands over no more records than requested");
  room_was_short_ = taken == wanted && !mutated(stream::mutation::lose_the_wake_up_for_room);
  if (taken > 0) pauses_outdated_ = true;
  // Once more before every sleep: records that arrived meanwhile wake nothing.
  return taken > 0 && room() > 0;
}

void engine_core::on_record(const stream::record_view& view) {
  assignment* a = find(view.from);
  if (a == nullptr || a->state != assignment::phase::open || state_ != engine_state::running) {
    metrics_.unassigned_records.add();
    return;
  }
  if (mutated(stream::mutation::start_from_latest) && !a->last_delivered) {
    const std::optional<std::int64_t> high = ports_.source.high_watermark(view.from);
    if (high && view.offset + 1 < *high) return;
  }
  if (a->last_delivered && view.offset <= *a->last_delivered) {
    return fail(error(errc::offset_out_of_range,
                      a->topic + "/" + a->number + " went back from offset " +
                          std::to_string(*a->last_delivered) + " to " + std::to_string(view.offset) +
                          ": the topic was truncated or recreated; no later offset was committed"));
  }
  const std::int64_t write_time_us =
      a->write_time_of(view, ports_.loop.now().ns / 1'000 + wall_minus_loop_us_);
  if (a->before.contains(view.offset)) return pass_over(*a, view.offset);
  envelope& e = pool_.take();
  e.retain();
  e.fill(blocks_.copy(view), *a, ports_.loop.now());
  e.created_us = created_micros(e.block());
  a->last_created_us = e.created_us;
  if (ports_.observer != nullptr) follow(e);
  e.bytes = e.block().bytes_held() + envelope_bytes;
  lease_.take(mutated(stream::mutation::count_bytes_twice) ? 2 * e.bytes : e.bytes);
  usual_bytes_ += e.bytes / 16;  // a moving average
  usual_bytes_ -= usual_bytes_ / 16;
  e.write_time_us = write_time_us;
  a->last_delivered = view.offset;
  if (!a->committed && !a->began_at) a->committed = view.offset;
  e.ticket = a->tracker.delivered(view.offset);
  a->finishes.delivered();
  if (mutated(stream::mutation::acknowledge_on_delivery)) a->tracker.finished(e.ticket);
  a->unsettled.push_back(e);
  ++a->in_flight;
  ++accounting_.received;
  note_in_flight(accounting_.in_flight + 1);
  metrics_.received.add();
  metrics_.waited(wait::fetch, age_of(e, e.taken_at));
  metrics_.received_bytes.add((view.key ? view.key->size() : 0) + (view.value ? view.value->size() : 0));
  commit_before_full(*a);
  if (a->waiting_count > 0 || !admit(e)) wait_for_schema(e);
}

void engine_core::follow(envelope& e) {
  const stream::record_block& block = e.block();
  if (!ports_.observer->follows(block, *candidate_)) return;
  const auto copied = [](std::optional<bytes_view> bytes) {
    return bytes ? std::optional(byte_buffer(bytes->begin(), bytes->end())) : std::nullopt;
  };
  candidate_->topic = e.topic();
  candidate_->partition = block.from().partition;
  candidate_->offset = block.offset();
  candidate_->key = copied(block.key());
  candidate_->value = copied(block.value());
  candidate_->created_us = e.created_us;
  candidate_->taken_at = e.taken_at;
  candidate_->taken_us = e.taken_at.ns / 1'000 + wall_minus_loop_us_;
  e.followed = std::exchange(candidate_, std::make_unique<followed_record>());
}

// A full window pauses the partition: a commit that empties much of it does not wait for its time. One that
// failed does.
void engine_core::commit_before_full(const assignment& a) {
  const std::size_t much = std::max<std::size_t>(options_.partition_window_max / 4, 1);
  if (!sent_failed_ && a.window() >= 2 * much && a.committable() >= much) commit_now_ = true;
}

// An earlier owner had finished it, beyond what it could commit.
void engine_core::pass_over(assignment& a, std::int64_t offset) {
  a.last_delivered = offset;
  if (!a.committed && !a.began_at) a.committed = offset;
  a.tracker.finished(a.tracker.delivered(offset));
  a.finishes.delivered();
  commit_before_full(a);
  metrics_.passed_over.add();
}

void engine_core::wait_for_schema(envelope& e) {
  assignment& a = e.of();
  e.retain();  // the list's own: an admitted record may end at once, while it is still in the list
  a.waiting.push_back(e);
  ++a.waiting_count;
  pauses_outdated_ = true;
  // Ask for its schema already: the one in front may wait for another.
  if (const std::optional<bytes_view> value = e.block().value()) {
    if (const result<avro::framed> framed = avro::split_frame(*value)) {
      static_cast<void>(plans_.find(framed->schema_id));
    }
  }
}

void engine_core::admit_waiting() {
  plans_changed_ = false;
  for (const auto& [id, a] : assignments_) {
    while (a->counts() && a->waiting_count > 0 && state_ == engine_state::running) {
      envelope& e = static_cast<envelope&>(*a->waiting.front());
      if (!admit(e)) break;
      static_cast<waiting_hook&>(e).unlink();
      --a->waiting_count;
      metrics_.waited(wait::schema, ports_.loop.now() - e.taken_at);
      e.release();
      pauses_outdated_ = true;
    }
  }
}

engine_core::redrive_target engine_core::target_of(const envelope& e) const noexcept {
  if (e.block().header_count() == 0) return redrive_target::ours;
  const std::optional<bytes_view> group = e.block().header(redrive_group_header);
  if (!group || as_text(*group) == options_.group) return redrive_target::ours;
  const auto has = [&](const std::vector<std::string>& groups) {
    return std::find(groups.begin(), groups.end(), as_text(*group)) != groups.end();
  };
  if (has(options_.former_groups)) return redrive_target::ours;
  return has(options_.other_groups) ? redrive_target::other : redrive_target::unknown;
}

std::optional<error> engine_core::names_no_processor(const envelope& e) const {
  if (e.block().header_count() == 0) return std::nullopt;
  const std::optional<bytes_view> wanted = e.block().header(redrive_processor_header);
  if (!wanted) return std::nullopt;
  std::string existing;
  for (const auto& each : work_.all) {
    if (each->name() == as_text(*wanted)) return std::nullopt;
    existing += (existing.empty() ? "'" : ", '") + std::string(each->name()) + "'";
  }
  return error(errc::redrive_target_unknown, "redriven for the processor '" + std::string(as_text(*wanted)) +
                                                 "'; the processors of this application are " + existing);
}

bool engine_core::admit(envelope& e) {
  switch (target_of(e)) {
    case redrive_target::ours:
      break;
    case redrive_target::other:
      return skip(e, "redriven for another group"), true;
    case redrive_target::unknown:
      e.dead_counted = true;  // as below
      condemn(
          e,
          error(errc::redrive_target_unknown,
                "redriven for the group '" + std::string(as_text(*e.block().header(redrive_group_header))) +
                    "', expected kafka.group or one of kafka.former_groups and kafka.other_groups"),
          work_stage::intake);
      return true;
  }
  if (const std::optional<error> cause = names_no_processor(e)) {
    e.dead_counted = true;  // not for the rate limit: it was a dead letter before, without a processor
    condemn(e, *cause, work_stage::intake);
    return true;
  }
  const std::optional<bytes_view> value = e.block().value();
  if (!value) {
    if (options_.tombstones == tombstone_policy::skip) {
      skip(e, "tombstone");
    } else {
      condemn(e, error(errc::rejected, "tombstone"), work_stage::intake);
    }
    return true;
  }
  if (value->size() > options_.record_bytes_max) {
    condemn(e,
            error(errc::limit_exceeded,
                  "the value has " + std::to_string(value->size()) + " bytes, more than record_bytes_max"),
            work_stage::intake);
    return true;
  }
  const result<avro::framed> framed = avro::split_frame(*value);
  if (!framed) {
    if (mutated(stream::mutation::skip_undecodable_silently)) return skip(e, "undecodable"), true;
    condemn(e, framed.error(), work_stage::intake);
    return true;
  }
  e.schema_id = framed->schema_id;
  plan_entry* plan = plans_.find(framed->schema_id);
  if (plan == nullptr) return false;
  switch (plan->state()) {
    case plan_entry::phase::ready:
      decode(e, *plan, framed->datum);
      return true;
    case plan_entry::phase::broken:
      condemn(e, plan->failure(), work_stage::schema);
      return true;
    case plan_entry::phase::fetching:
    case plan_entry::phase::backing_off:
      return false;
  }
  return false;
}

void engine_core::decode(envelope& e, plan_entry& plan, bytes_view body) {
  const clock& time = ports_.loop.time();
  const instant begun = time.now();
  const result<std::size_t> consumed = decoded_into(e.slot(), plan.plan(), body);
  const instant ended = time.now();
  if (!consumed) {
    metrics_.decode_failed.observe(ended - begun);
    return condemn(e, consumed.error(), work_stage::decode);
  }
  if (*consumed != body.size() && !options_.ignore_trailing_bytes) {
    metrics_.decode_failed.observe(ended - begun);
    return condemn(
        e,
        error(errc::trailing_bytes, std::to_string(body.size() - *consumed) + " bytes follow the value of " +
                                        std::to_string(*consumed) + " bytes"),
        work_stage::decode);
  }
  metrics_.decode.observe(ended - begun);
  if (e.followed) {
    e.followed->schema_id = e.schema_id;
    e.note("decode", {}, 0, begun, ended);
  }
  if (plan.decoded == nullptr) plan.decoded = &metrics_.decoded(e.schema_id);
  plan.decoded->add();
  enter(e, ended);
}

void engine_core::enter(envelope& e, instant at) {
  const std::optional<bytes_view> key = e.block().key();
  if (options_.order == order_mode::unordered || (options_.order == order_mode::key && !key)) {
    return start_processors(e, at);
  }
  const stream::partition_id from = e.block().from();
  const std::uint64_t place = (static_cast<std::uint64_t>(from.topic) << 32U) ^
                              static_cast<std::uint64_t>(static_cast<std::uint32_t>(from.partition));
  // Not of the assignment: what an earlier assignment left running here is finished first.
  const std::uint64_t hash = options_.order == order_mode::key
                                 ? hash_key(barrier_seed_ ^ place, key->data(), key->size())
                                 : hash_key(barrier_seed_, &place, sizeof place);
  if (barrier_.enter(e, hash)) {
    metrics_.waited(wait::key, nanoseconds(0));
    return start_processors(e, at);
  }
  e.queued = true;
  e.queued_at = at;
}

void engine_core::start_processors(envelope& e, instant at) {
  e.started = true;
  metrics_.consume_delay.observe(age_of(e, at));
  // A run may be the last to end and settle the record before the loop is over; the handle keeps it.
  e.retain();
  const std::optional<bytes_view> only =
      e.block().header_count() == 0 ? std::nullopt : e.block().header(redrive_processor_header);
  for (processor_run& run : e.runs) {
    if (only && as_text(*only) != run.name()) {
      run.pass_over();
    } else {
      // What the one before did at once is not this one's time.
      run.start(&run == &e.runs.front() ? at : ports_.loop.time().now());
    }
  }
  e.release();
}

void engine_core::condemn(envelope& e, const error& cause, work_stage where) {
  note_failure(where, cause);
  e.unended = 1;
  e.runs.front().condemn(cause, to_string(where));
}

nanoseconds engine_core::age_of(const envelope& e, instant at) const {
  if (!e.created_us) return nanoseconds(0);
  // In 64 bits of nanoseconds an age of 292 years fits; a hostile header does not get that far.
  constexpr std::int64_t age_max_us = std::int64_t{100} * 365 * 86'400 * 1'000'000;
  const std::int64_t now_us = at.ns / 1'000 + wall_minus_loop_us_;
  std::int64_t age_us = 0;
  if (__builtin_sub_overflow(now_us, *e.created_us, &age_us)) return nanoseconds(0);
  return microseconds(std::clamp(age_us, -age_max_us, age_max_us));
}

void engine_core::on_schema_failure(const error& failure) {
  note_failure(work_stage::schema, failure);
  // An id that does not exist, or a schema that cannot be read, concerns its records alone.
  if (stream::disposition_of(failure.code()) == stream::disposition::stop) fail(failure);
}

}  // namespace millrace::engine

#include "intake.h"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include <millrace/base/exceptions.h>
#include <millrace/engine/framing.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

namespace millrace::engine {
namespace {

// The format may be the user's.
result<std::size_t> decoded_into(value_slot& slot, const value_plan& plan, bytes_view body) {
  try {
    return slot.decode(plan, body);
  } catch (...) {
    return error_of(errc::internal, describe(std::current_exception())).in("decoding threw");
  }
}

}  // namespace

intake::intake(engine_environment& env, record_accounts& accounts, run_state& state, committer& commits,
               flow_control& flow, records_in_flight& records, partition_table& partitions)
    : env_(env),
      accounts_(accounts),
      state_(state),
      commits_(commits),
      flow_(flow),
      records_(records),
      partitions_(partitions),
      filters_(std::any_of(env.rules.begin(), env.rules.end(),
                           [](const processor_rules& rules) { return rules.filters_any(); })) {
  plan_watcher& watcher = *this;
  for (const route& each : env.routes.all()) lanes_.emplace_back(env, each, watcher);
}

void intake::stop() noexcept {
  for (lane& each : lanes_) {
    each.values.stop();
    each.keys.stop();
  }
}

std::size_t intake::schemas_missing() const noexcept {
  std::size_t all = 0;
  for (const lane& each : lanes_) all += each.values.missing() + each.keys.missing();
  return all;
}

std::size_t intake::schemas_outstanding() const noexcept {
  std::size_t all = 0;
  for (const lane& each : lanes_) all += each.values.outstanding() + each.keys.outstanding();
  return all;
}

void intake::on_record(const stream::record_view& view) {
  assignment* a = partitions_.find(view.from);
  if (a == nullptr || a->state != assignment::phase::open || !state_.running()) {
    env_.metrics.unassigned_records.add();
    return;
  }
  if (mutated(stream::mutation::start_from_latest) && !a->last_delivered) {
    const std::optional<std::int64_t> high = env_.ports.source.high_watermark(view.from);
    if (high && view.offset + 1 < *high) return;
  }
  if (goes_back(*a, view.offset)) return;
  if (a->before.contains(view.offset)) return pass_over(*a, view);
  envelope& e = records_.take(view, *a);
  commits_.commit_before_full(*a);
  if (a->waiting_count > 0 || !admit(e)) wait_for_schema(e);
}

bool intake::goes_back(const assignment& a, std::int64_t offset) {
  if (!a.last_delivered || offset > *a.last_delivered) return false;
  state_.fail(error(errc::offset_out_of_range,
                    a.topic + "/" + a.number + " went back from offset " + std::to_string(*a.last_delivered) +
                        " to " + std::to_string(offset) +
                        ": the topic was truncated or recreated; no later offset was committed"));
  return true;
}

// An earlier owner had finished it, beyond what it could commit.
void intake::pass_over(assignment& a, const stream::record_view& view) {
  static_cast<void>(a.write_time_of(view, accounts_.wall_us(env_.turn())));
  a.took(view.offset, a.last_created_us);
  flow_.touched(a);
  a.tracker.finished(a.tracker.delivered(view.offset));
  a.finishes.delivered();
  commits_.commit_before_full(a);
  env_.metrics.passed_over.add();
}

void intake::wait_for_schema(envelope& e) {
  assignment& a = e.of();
  e.retain();  // the list's own: an admitted record may end at once, while it is still in the list
  a.waiting.push_back(e);
  ++a.waiting_count;
  flow_.outdated();
  request_schemas(e);
}

// The one in front may wait for another.
void intake::request_schemas(const envelope& e) {
  lane& to = lanes_[e.of().way->index];
  if (const std::optional<bytes_view> value = e.block().value()) {
    const part_format& format = to.way.value.format;
    const auto framed = split_frame(format.frame, format.custom_frame, e.block(), record_part::value, *value);
    if (framed) static_cast<void>(to.values.find(framed->schema));
  }
  const std::optional<bytes_view> key = e.block().key();
  if (!key || to.way.key.types.empty()) return;
  const part_format& format = to.way.key.format;
  const auto framed = split_frame(format.frame, format.custom_frame, e.block(), record_part::key, *key);
  if (framed) static_cast<void>(to.keys.find(framed->schema));
}

void intake::stop_waiting(envelope& e) {
  static_cast<waiting_hook&>(e).unlink();
  --e.of().waiting_count;
  flow_.outdated();
}

void intake::admit_waiting_if_any() {
  if (!plans_changed_) return;
  plans_changed_ = false;
  for (const auto& [id, a] : partitions_) admit_waiting(*a);
}

void intake::admit_waiting(assignment& a) {
  while (a.counts() && a.waiting_count > 0 && state_.running()) {
    envelope& e = static_cast<envelope&>(*a.waiting.front());
    if (!admit(e)) return;
    stop_waiting(e);
    env_.metrics.waited(wait::schema, env_.turn() - e.taken_at);
    e.release();
  }
}

intake::redrive_target intake::target_of(const envelope& e) const noexcept {
  const std::optional<bytes_view> group = e.block().header(redrive_group_header);
  if (!group || as_text(*group) == env_.options.group) return redrive_target::ours;
  const auto has = [&](const std::vector<std::string>& groups) {
    return std::find(groups.begin(), groups.end(), as_text(*group)) != groups.end();
  };
  if (has(env_.options.former_groups)) return redrive_target::ours;
  const bool skips = mutated(stream::mutation::skip_what_is_for_an_unknown_group);
  return skips || has(env_.options.other_groups) ? redrive_target::other : redrive_target::unknown;
}

std::optional<error> intake::names_no_processor(const envelope& e) const {
  const std::optional<bytes_view> wanted = e.block().header(redrive_processor_header);
  if (!wanted || mutated(stream::mutation::skip_what_is_for_a_renamed_processor)) return std::nullopt;
  std::string existing;
  const processor_bits readers = e.of().way->readers;
  for (std::size_t i = 0; i < env_.work.all.size(); ++i) {
    if (((readers >> i) & 1U) == 0) continue;
    const std::string_view name = env_.processor(i).name();
    if (name == as_text(*wanted)) return std::nullopt;
    existing += (existing.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  return error(errc::redrive_target_unknown, "redriven for the processor '" + std::string(as_text(*wanted)) +
                                                 "'; the processors of this application are " + existing);
}

bool intake::turns_away_redriven(envelope& e) {
  if (e.block().header_count() == 0) return false;
  const redrive_target target = target_of(e);
  if (target == redrive_target::other) return records_.skip(e, "redriven for another group"), true;
  std::optional<error> cause;
  if (target == redrive_target::unknown) {
    cause = error(errc::redrive_target_unknown,
                  "redriven for the group '" + std::string(as_text(*e.block().header(redrive_group_header))) +
                      "', expected kafka.group or one of kafka.former_groups and kafka.other_groups");
  } else {
    cause = names_no_processor(e);
  }
  if (!cause) return false;
  e.dead_counted = true;  // not for the rate limit: it was a dead letter before, without a processor
  records_.condemn(e, *cause, work_stage::intake);
  return true;
}

std::string_view intake::refusal_of(const processor_rules& rules, const processor_base& of,
                                    const raw_record& record) {
  for (const record_filter& filter : rules.filters) {
    if (!accepts(filter, record)) return reason_of(filter);
  }
  return rules.asks_processor && !of.wants(record) ? filter_reasons.back() : std::string_view();
}

std::optional<std::int32_t> intake::schema_id_of(const envelope& e) const {
  const std::optional<bytes_view> value = e.block().value();
  if (!value) return std::nullopt;
  const part_format& format = e.of().way->value.format;
  const result<framed_datum> framed =
      split_frame(format.frame, format.custom_frame, e.block(), record_part::value, *value);
  if (!framed || framed->schema.id() < 0) return std::nullopt;
  return framed->schema.id();
}

bool intake::turns_away_unwanted(envelope& e) {
  const raw_record record(e.block(), e.topic(), schema_id_of(e));
  const processor_bits readers = e.of().way->readers;
  for (std::size_t i = 0; i < e.runs.size(); ++i) {
    const processor_bits bit = processor_bits{1} << i;
    if ((readers & bit) == 0) continue;
    processor_rules& rules = env_.rules[i];
    const std::string_view name = env_.processor(i).name();
    std::string_view reason;
    try {
      reason = refusal_of(rules, env_.processor(i), record);
    } catch (...) {
      return wants_threw(e, name, std::current_exception()), true;
    }
    if (reason.empty()) continue;
    const auto index = static_cast<std::size_t>(
        std::find(filter_reasons.begin(), filter_reasons.end(), reason) - filter_reasons.begin());
    if (rules.filtered[index] == nullptr) rules.filtered[index] = &env_.metrics.filtered(name, reason);
    rules.filtered[index]->add();
    e.unwanted |= bit;
  }
  if (e.unwanted != readers) return false;
  records_.skip(e, filtered_reason);
  return true;
}

void intake::wants_threw(envelope& e, std::string_view processor, const std::exception_ptr& thrown) {
  const exception_text text = describe(thrown);
  const error cause =
      error_of(errc::processor_threw, text)
          .in("wants() of processor '" + std::string(processor) + "' on " + std::string(e.topic()) + "/" +
              e.of().number + " offset " + std::to_string(e.block().offset()));
  accounts_.threw(processor, text.type, cause);
  records_.condemn(e, cause, work_stage::intake);
}

bool intake::turns_away_unread(envelope& e) {
  const std::size_t size = e.block().value()->size();
  if (size <= env_.options.record_bytes_max) return false;
  records_.condemn(e,
                   error(errc::limit_exceeded,
                         "the value has " + std::to_string(size) + " bytes, more than record_bytes_max"),
                   work_stage::intake);
  return true;
}

bool intake::take_tombstone(envelope& e, lane& to) {
  const tombstone_policy policy = to.way.tombstones;
  if (policy == tombstone_policy::process) {
    const key_step key = decode_key(e, to);
    if (key != key_step::decoded) return key == key_step::ended;
  }
  env_.metrics.tombstones(tombstone_names[static_cast<std::size_t>(policy)]);
  switch (policy) {
    case tombstone_policy::process:
      if (mutated(stream::mutation::skip_deletions)) return records_.skip(e, tombstone_reason), true;
      e.set_readers(to.way.readers);
      return records_.start_in_order(e, env_.now()), true;
    case tombstone_policy::dead_letter:
      return records_.condemn(e, error(errc::rejected, tombstone_reason), work_stage::intake), true;
    case tombstone_policy::automatic:
    case tombstone_policy::skip:
      note_skipped_tombstone(e);
      return records_.skip(e, tombstone_reason), true;
  }
  return true;
}

void intake::note_skipped_tombstone(const envelope& e) {
  const stream::partition_id from = e.block().from();
  if (!skipped_tombstones_of_.insert(from.topic).second || !env_.options.on_tombstone_skipped) return;
  env_.options.on_tombstone_skipped({e.topic(), from.partition, e.block().offset()});
}

bool intake::admit(envelope& e) {
  if (turns_away_redriven(e)) return true;
  if (filters_ && !std::exchange(e.filtered, true) && turns_away_unwanted(e)) return true;
  lane& to = lanes_[e.of().way->index];
  if (!e.block().value()) return take_tombstone(e, to);
  return turns_away_unread(e) || admit_value(e, to);
}

bool intake::admit_value(envelope& e, lane& to) {
  const part_format& format = to.way.value.format;
  const result<framed_datum> framed =
      split_frame(format.frame, format.custom_frame, e.block(), record_part::value, *e.block().value());
  if (!framed) {
    if (mutated(stream::mutation::skip_undecodable_silently)) return records_.skip(e, "undecodable"), true;
    records_.condemn(e, framed.error(), work_stage::intake);
    return true;
  }
  e.schema_id = framed->schema.id();
  plan_entry* plan = to.values.find(framed->schema);
  if (plan == nullptr) return false;
  switch (plan->state()) {
    case plan_entry::phase::ready: {
      const key_step key = decode_key(e, to);
      if (key == key_step::decoded) decode(e, *plan, framed->datum);
      return key != key_step::waits;
    }
    case plan_entry::phase::broken:
      records_.condemn(e, plan->failure(), work_stage::schema);
      return true;
    case plan_entry::phase::unmatched:
      take_unmatched(e, to, plan->failure());
      return true;
    case plan_entry::phase::fetching:
    case plan_entry::phase::backing_off:
      return false;
  }
  return false;
}

void intake::take_unmatched(envelope& e, const lane& to, const error& why) {
  switch (to.way.unmatched) {
    case unmatched_policy::skip:
      return records_.skip(e, unmatched_reason);
    case unmatched_policy::stop:
      return records_.stop_at(e, why, work_stage::schema);
    case unmatched_policy::automatic:
    case unmatched_policy::dead_letter:
      return records_.condemn(e, why, work_stage::schema);
  }
}

// Called when the plan of the value is ready, so that a key is decoded once.
intake::key_step intake::decode_key(envelope& e, lane& to) {
  if (to.way.key.types.empty()) return key_step::decoded;
  const std::optional<bytes_view> key = e.block().key();
  if (!key) return key_step::decoded;
  const part_format& format = to.way.key.format;
  const result<framed_datum> framed =
      split_frame(format.frame, format.custom_frame, e.block(), record_part::key, *key);
  if (!framed) return records_.condemn(e, framed.error().in("key"), work_stage::intake), key_step::ended;
  plan_entry* plan = to.keys.find(framed->schema);
  if (plan == nullptr) return key_step::waits;
  switch (plan->state()) {
    case plan_entry::phase::fetching:
    case plan_entry::phase::backing_off:
      return key_step::waits;
    case plan_entry::phase::broken:
    case plan_entry::phase::unmatched:
      return records_.condemn(e, plan->failure().in("key"), work_stage::schema), key_step::ended;
    case plan_entry::phase::ready:
      break;
  }
  value_slot& slot = e.slot_at(to.way.key.types.front().slot);
  const result<std::size_t> consumed = decoded_into(slot, plan->plan(), framed->datum);
  plan->use();
  e.key_plan = plan;
  std::optional<error> failure;
  if (!consumed) {
    failure = consumed.error();
  } else {
    failure = trailing(*consumed, framed->datum.size());
  }
  if (failure) return records_.condemn(e, failure->in("key"), work_stage::decode), key_step::ended;
  e.set_key(slot.value());
  return key_step::decoded;
}

void intake::decode(envelope& e, plan_entry& plan, bytes_view body) {
  e.use_slot(plan.type().slot);
  e.set_readers(plan.type().readers);
  const instant begun = env_.now();
  const result<std::size_t> consumed = decoded_into(e.slot(), plan.plan(), body);
  const instant ended = env_.now();
  records_.note_decoded(e);
  plan.use();
  e.plan = &plan;
  if (!consumed) return decode_failed(e, consumed.error(), ended - begun);
  if (const std::optional<error> rest = trailing(*consumed, body.size()))
    return decode_failed(e, *rest, ended - begun);
  env_.metrics.decode.observe(ended - begun);
  if (e.followed) {
    e.followed->schema_id = e.schema_id;
    e.note("decode", {}, 0, begun, ended);
  }
  if (plan.decoded == nullptr) plan.decoded = &env_.metrics.decoded(plan.name());
  plan.decoded->add();
  records_.start_in_order(e, ended);
}

std::optional<error> intake::trailing(std::size_t consumed, std::size_t size) const {
  if (consumed == size || env_.options.ignore_trailing_bytes) return std::nullopt;
  return error(errc::trailing_bytes, std::to_string(size - consumed) + " bytes follow the value of " +
                                         std::to_string(consumed) + " bytes");
}

void intake::decode_failed(envelope& e, const error& cause, nanoseconds took) {
  env_.metrics.decode_failed.observe(took);
  records_.condemn(e, cause, work_stage::decode);
}

void intake::on_plan_settled() { plans_changed_ = !mutated(stream::mutation::lose_the_wake_up_of_a_schema); }

void intake::on_schema_failure(const error& failure) {
  accounts_.failed(work_stage::schema, failure);
  // A registry may refuse one id. The partitions that need it wait; the others go on.
  if (failure.code() == errc::registry_unauthorized && !mutated(stream::mutation::stop_at_a_refused_schema))
    return env_.report_problem("schema_refused", failure);
  // An id that does not exist, or a schema that cannot be read, concerns its records alone.
  if (stream::disposition_of(failure.code()) == stream::disposition::stop) state_.fail(failure);
}

}  // namespace millrace::engine

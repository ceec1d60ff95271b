#include "record_accounts.h"

#include <algorithm>
#include <utility>

#include "attempt.h"

namespace millrace::engine {

void record_accounts::begin_turn() noexcept {
  wall_minus_loop_us_ = env_.wall().time_since_epoch().count() - env_.turn().ns / 1'000;
}

nanoseconds record_accounts::age_of(const envelope& e, instant at) const {
  if (!e.created_us) return nanoseconds(0);
  // In 64 bits of nanoseconds an age of 292 years fits; a hostile header does not get that far.
  constexpr std::int64_t age_max_us = std::int64_t{100} * 365 * 86'400 * 1'000'000;
  std::int64_t age_us = 0;
  if (__builtin_sub_overflow(wall_us(at), *e.created_us, &age_us)) return nanoseconds(0);
  return microseconds(std::clamp(age_us, -age_max_us, age_max_us));
}

void record_accounts::note_in_flight(std::uint64_t records) noexcept {
  counts_.in_flight = records;
  env_.metrics.in_flight_records.set(static_cast<double>(records));
}

void record_accounts::received(envelope& e, std::size_t bytes) {
  ++e.of().in_flight;
  ++counts_.received;
  note_in_flight(counts_.in_flight + 1);
  env_.metrics.received.add();
  env_.metrics.waited(wait::fetch, age_of(e, e.taken_at));
  env_.metrics.received_bytes.add(bytes);
  if (env_.ports.observer != nullptr) follow(e);
}

void record_accounts::left(envelope& e) {
  --e.of().in_flight;
  note_in_flight(counts_.in_flight - 1);
  if (!e.followed) return;
  e.followed->ended_at = env_.now();
  env_.ports.observer->ended(std::move(*e.followed));
  e.followed.reset();
}

void record_accounts::settled(envelope& e) {
  const auto ended_as = [&e](processor_run::ending how) {
    return std::find_if(e.runs.begin(), e.runs.end(),
                        [how](const processor_run& run) { return run.ended_as() == how; });
  };
  if (const auto dead = ended_as(processor_run::ending::dead); dead != e.runs.end()) {
    const error& cause = *dead->cause();
    ++counts_.dead_lettered;
    note_end(e, "dead_lettered", cause);
    env_.metrics.failed_end_to_end.observe(age_of(e, env_.now()));
    env_.metrics.dead_lettered(cause.code() == errc::rejected ? std::string_view(cause.message())
                                                              : to_string(cause.code()));
    return;
  }
  limiter_.ended_well(env_.turn());
  if (ended_as(processor_run::ending::done) != e.runs.end()) {
    ++counts_.done;
    note_end(e, "done", std::nullopt);
    env_.metrics.done.add();
    env_.metrics.end_to_end.observe(age_of(e, env_.now()));
    return;
  }
  ++counts_.skipped;
  // Of a processor that worked on it, rather than of one that passed it over.
  const auto worked =
      std::find_if(e.runs.begin(), e.runs.end(), [](const processor_run& run) { return run.attempts() > 0; });
  const auto which =
      worked != e.runs.end() && worked->cause() ? worked : ended_as(processor_run::ending::skipped);
  const std::optional<error>& cause = which->cause();
  note_end(e, "skipped", cause);
  env_.metrics.skipped(cause->message());
}

void record_accounts::skipped(envelope& e, std::string_view reason) {
  ++counts_.skipped;
  env_.metrics.skipped(reason);
  note_end(e, "skipped", error(errc::rejected, std::string(reason)));
  limiter_.ended_well(env_.turn());
}

void record_accounts::abandoned(envelope& e) {
  ++counts_.abandoned;
  env_.metrics.abandoned.add();
  note_end(e, "abandoned", std::nullopt);
  left(e);
}

void record_accounts::uncommitted(std::uint64_t records) {
  counts_.uncommitted += records;
  env_.metrics.uncommitted.add(records);
}

void record_accounts::failed(work_stage where, const error& cause) {
  env_.metrics.error(where, cause.code());
  last_error_ = cause.in(to_string(where));
}

void record_accounts::threw(std::string_view processor, std::string_view type, const error& cause) {
  env_.metrics.threw(processor);
  if (env_.options.on_exception) env_.options.on_exception({processor, type, cause});
}

std::optional<error> record_accounts::exceeds_dead_letter_limit(envelope& e, const error& cause) {
  if (std::exchange(e.dead_counted, true) || cause.code() == errc::rejected ||
      !limiter_.dead_letter(env_.turn()))
    return std::nullopt;
  return error(errc::limit_exceeded,
               "the dead-letter rate limit is exceeded: too large a share of the records of the last " +
                   std::to_string(env_.options.dead_letter_limit.window.count()) +
                   " s would go to the dead-letter topic; the last error was " +
                   (last_error_ ? last_error_->to_string() : "unknown"));
}

void record_accounts::follow(envelope& e) {
  const stream::record_block& block = e.block();
  if (!env_.ports.observer->follows(block, *candidate_)) return;
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
  candidate_->taken_us = wall_us(e.taken_at);
  e.followed = std::exchange(candidate_, std::make_unique<followed_record>());
}

void record_accounts::note_end(envelope& e, std::string_view outcome, const std::optional<error>& cause) {
  if (!e.followed) return;
  e.followed->outcome = outcome;
  if (cause) e.followed->reason = cause->code() == errc::rejected ? cause->message() : cause->to_string();
}

}  // namespace millrace::engine

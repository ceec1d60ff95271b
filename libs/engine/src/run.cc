// Attempts of one processor on one record.
#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

#include <millrace/avro/framing.h>
#include <millrace/base/exceptions.h>
#include <millrace/stream/mutations.h>
#include <millrace/stream/outcome.h>

#include "engine_core.h"
#include "envelope.h"

namespace millrace::engine {
namespace {

// A buffer that once held a huge value does not keep its memory.
constexpr std::size_t emit_buffer_kept_bytes_max = 64U << 10U;

void reuse(byte_buffer& buffer) noexcept {
  if (buffer.capacity() > emit_buffer_kept_bytes_max) byte_buffer().swap(buffer);
  buffer.clear();
}

}  // namespace

processor_run::processor_run(engine_core& owner, envelope& subject, std::size_t index)
    : engine_(owner),
      envelope_(subject),
      index_(index),
      processor_(owner.processor(index)),
      took_(owner.counters().process(processor_.name())),
      took_failed_(owner.counters().process_failed(processor_.name())),
      wake_(*this),
      letter_(*this) {}

std::string_view processor_run::name() const noexcept { return processor_.name(); }
runtime::loop& processor_run::loop() noexcept { return engine_.ports().loop; }
stream::store& processor_run::database() noexcept { return engine_.ports().store; }
void processor_run::resumed() noexcept { engine_.enter(processor_, partition_, offset_); }
const stream::record_block& processor_run::record() const noexcept { return envelope_.block(); }

byte_buffer* processor_run::begin_emit(const statements::output_declaration& to, std::string_view key) {
  if (envelope_.abandoned) return nullptr;
  invariant(stage_ == stage::running, "a processor emits while process() runs");
  if (const std::size_t most = engine_.options().emits_per_record_max; emits_used_ >= most) {
    emit_failed(error(errc::limit_exceeded,
                      "more than " + std::to_string(most) + " emits (engine.emits_per_record_max)"));
    return nullptr;
  }
  if (emits_used_ == emits_.size()) emits_.push_back(std::make_unique<emission>(*this));
  emission& e = *emits_[emits_used_];
  e.to = &to;
  e.outstanding = e.acknowledged = false;
  const bytes_view bytes = as_bytes(key);
  e.key.assign(bytes.begin(), bytes.end());
  e.value.clear();
  if (to.schema_id() >= 0) avro::append_frame(to.schema_id(), e.value);
  ++emits_used_;  // last: nothing before it left half an emit behind, if it threw
  return &e.value;
}

void processor_run::emit_failed(const error& cause) {
  if (!emit_error_) emit_error_ = cause;
}

void processor_run::waited(wait what) {
  const instant now = loop().time().now();
  engine_.counters().waited(what, now - stage_began_);
  if (envelope_.followed) envelope_.note(to_string(what), name(), attempt_, stage_began_, now);
}

void processor_run::asks(const stream::store_request& request) {
  if (!envelope_.followed) return;
  followed_statement& one = envelope_.followed->statements.emplace_back();
  one.name = request.statement->name();
  one.request = &request;
  const auto bind = [&one](const statements::statement_declaration& what, bytes_view cells) {
    one.bound.push_back({what.name(), what.parameter_columns(), {cells.begin(), cells.end()}});
  };
  if (request.batch.empty()) bind(*request.statement, request.cells);
  for (const stream::store_request::part& part : request.batch) bind(*part.statement, part.cells);
  one.began = loop().time().now();
}

void processor_run::answered(const stream::store_request& request) {
  resumed();
  if (!envelope_.followed) return;
  for (followed_statement& one : envelope_.followed->statements) {
    if (one.request != &request) continue;
    one.request = nullptr;
    one.ended = loop().time().now();
    if (request.answer && !*request.answer) one.error = request.answer->error().to_string();
  }
}

void processor_run::start(instant at) {
  invariant(stage_ == stage::idle || stage_ == stage::backing_off, "an attempt starts when none is running");
  if (stage_ == stage::idle) engine_.began_work();
  ++attempt_;
  if (engine_.uses_database(index_)) engine_.try_began(dependency::database);
  if (attempt_ == 1) {
    engine_.first_try();
  } else {
    engine_.counters().retried(name());
  }
  if (stage_ == stage::backing_off) waited(wait::retry);
  stage_ = stage::running;
  stage_began_ = at;
  emits_used_ = 0;
  emit_error_.reset();
  ++envelope_.outstanding;
  partition_ = envelope_.block().from().partition;
  offset_ = envelope_.block().offset();
  resumed();
  // A process() that is no coroutine may throw, too.
  try {
    task_ = engine_.processor(index_).run(envelope_, stream::context(*this));
    if (!task_.valid()) throw std::logic_error("process() returned no task");
  } catch (...) {
    thrown_ = std::current_exception();
    return loop().defer(*this);
  }
  task_.start(loop(), *this);
}

stream::outcome processor_run::take_outcome() {
  std::exception_ptr thrown = std::exchange(thrown_, nullptr);
  if (thrown == nullptr) {
    try {
      return task_.take();
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  const exception_text text = describe(thrown);
  error cause = error_of(errc::processor_threw, text);
  engine_.note_exception(name(), text.type, cause.in(place() + ", attempt " + std::to_string(attempt_)));
  if (mutated(stream::mutation::take_an_exception_for_done)) return stream::outcome::done();
  return cause;
}

std::string processor_run::place() const {
  return "processor '" + std::string(name()) + "' on " + std::string(envelope_.topic()) + "/" +
         std::to_string(record().from().partition) + " offset " + std::to_string(record().offset());
}

bool processor_run::still_counts() {
  invariant(envelope_.outstanding > 0, "a callback belongs to an outstanding operation");
  --envelope_.outstanding;
  if (!envelope_.abandoned || mutated(stream::mutation::drop_the_closed_check)) return true;
  if (envelope_.outstanding == 0) engine_.abandoned_attempt_ended(envelope_);
  return false;
}

void processor_run::run() {
  const stream::outcome out = take_outcome();
  task_ = {};
  const instant now = loop().time().now();
  const bool well = out.what() != stream::outcome::kind::failed;
  (well ? took_ : took_failed_).observe(now - stage_began_);
  if (envelope_.followed)
    envelope_.note("process", name(), attempt_, stage_began_, now,
                   well || !out.cause() ? std::string() : out.cause()->to_string());
  stage_began_ = now;
  if (!still_counts()) return;
  tell_breakers(out);
  switch (out.what()) {
    case stream::outcome::kind::done:
      if (emit_error_) return failed(*emit_error_);
      if (emits_used_ == 0) return end(ending::done);
      stage_ = stage::emitting;
      produce_failures_ = 0;
      return send_emits();
    case stream::outcome::kind::skipped:
      cause_ = out.cause();
      return end(ending::skipped);
    case stream::outcome::kind::dead_letter:
      engine_.note_failure(work_stage::process, *out.cause());
      return dead_letter(*out.cause(), to_string(work_stage::process));
    case stream::outcome::kind::again:
      return put_off(out);
    case stream::outcome::kind::failed:
      return failed(*out.cause());
  }
}

std::int64_t processor_run::write_time_us() const noexcept { return envelope_.write_time_us; }

nanoseconds processor_run::put_off_for() const noexcept {
  return first_put_off_ ? engine_.ports().loop.time().now() - *first_put_off_ : nanoseconds(0);
}

// No failure: the requester bounds it.
void processor_run::put_off(const stream::outcome& until_later) {
  cause_ = until_later.cause();
  if (ordered_) return end_as_ordered(*ordered_);
  if (!first_put_off_) first_put_off_ = loop().time().now();
  ++uncounted_attempts_;
  put_off_ = true;
  stage_ = stage::backing_off;
  engine_.began_waiting_for_retry(std::nullopt);
  wake_in(until_later.delay());
}

void processor_run::tell_breakers(const stream::outcome& out) {
  waits_for_.reset();
  const bool keeps =
      out.what() == stream::outcome::kind::failed && !mutated(stream::mutation::give_back_what_failed);
  if (std::exchange(took_retry_, false) && !keeps) {
    engine_.give_back_retry();
  }
  if (out.what() == stream::outcome::kind::failed) {
    waits_for_ = dependency_of(out.cause()->code());
    if (waits_for_) engine_.try_failed(*waits_for_);
  } else if (engine_.uses_database(index_)) {
    engine_.try_succeeded(dependency::database);
  }
}

void processor_run::failed(const error& cause) {
  engine_.note_failure(work_stage::process, cause);
  cause_ = cause;
  if (ordered_) return end_as_ordered(*ordered_);
  const instant now = loop().time().now();
  if (!first_failed_wall_) {
    first_failed_ = now;
    first_failed_wall_ = engine_.wall();
  }
  switch (stream::disposition_of(cause.code())) {
    case stream::disposition::retry: {
      const retry_policy& policy = engine_.options().retry;
      if (waits_for_ && !engine_.is_healthy(*waits_for_) &&
          !mutated(stream::mutation::breaker_burns_attempts)) {
        ++uncounted_attempts_;
        first_failed_ = now;
      }
      const std::uint32_t counted = attempt_ - uncounted_attempts_;
      if (counted >= policy.attempts_max || now - first_failed_ >= policy.age_max) {
        return dead_letter(cause, to_string(work_stage::process));
      }
      if (mutated(stream::mutation::emit_what_failed_too)) send_emits();
      if (mutated(stream::mutation::forget_the_key_on_retry) && envelope_.key_hash != 0) {
        engine_.leave_barrier(envelope_);
      }
      stage_ = stage::backing_off;
      engine_.began_waiting_for_retry(waits_for_);
      return wake_after(std::max<std::uint32_t>(counted, 1));
    }
    case stream::disposition::dead_letter:
      return dead_letter(cause, to_string(work_stage::process));
    case stream::disposition::stop:
      return get_stuck(cause);
  }
}

void processor_run::get_stuck(const error& cause) {
  cause_ = cause;
  stage_ = stage::stuck;
  engine_.ended_work();
  engine_.fail(cause.in(place()));
}

void processor_run::wake_after(std::uint32_t failures) {
  if (mutated(stream::mutation::lose_the_wake_up_of_a_retry) && failures == 3) return;
  const retry_policy& policy = engine_.options().retry;
  wake_in(backoff_wait(failures, policy.backoff_first, policy.backoff_max, policy.jitter, engine_.random()));
}

void processor_run::wake_in(nanoseconds delay) {
  ++envelope_.outstanding;
  loop().start(wake_, delay);
}

void processor_run::on_wake() {
  if (!still_counts()) return;
  if (stage_ == stage::backing_off) {
    if (const nanoseconds more = held_back_for(); more > nanoseconds(0)) return wake_in(more);
    stop_backing_off();
    return start(loop().time().now());
  }
  if (stage_ == stage::emitting) return emit_verdict_ ? on_emit_failure(*emit_verdict_) : send_emits();
  if (stage_ == stage::dead_lettering) send_dead_letter();
}

// What the breaker lets through to probe is outside the budget: it is little, and says when to go on.
nanoseconds processor_run::held_back_for() {
  const bool hurried = std::exchange(hurried_, false);
  if (std::exchange(put_off_, false)) return nanoseconds(0);
  if (waits_for_) {
    const bool probes = !engine_.is_healthy(*waits_for_);
    if (const nanoseconds more = engine_.retry_waits(*waits_for_); more > nanoseconds(0)) return more;
    if (probes) return nanoseconds(0);
  }
  if (hurried || mutated(stream::mutation::ignore_the_retry_budget)) return nanoseconds(0);
  took_retry_ = engine_.take_retry();
  if (took_retry_) return nanoseconds(0);
  if (!std::exchange(over_budget_, true)) engine_.began_waiting_for_budget();
  const nanoseconds more = engine_.asks_again();
  first_failed_ = first_failed_ + more;  // it does not get older
  return more;
}

void processor_run::stop_backing_off() noexcept {
  engine_.ended_waiting_for_retry(waits_for_);
  if (std::exchange(over_budget_, false)) engine_.ended_waiting_for_budget();
}

void processor_run::pass_over() {
  cause_ = error(errc::rejected, "redriven for another processor");
  end(ending::skipped);
}

void processor_run::end(ending how) {
  if (stage_ != stage::idle) engine_.ended_work();
  stage_ = stage::ended;
  ended_as_ = how;
  invariant(envelope_.unended > 0, "a run ends once");
  if (--envelope_.unended == 0) engine_.settle(envelope_);
}

void processor_run::abandon() noexcept {
  if (wake_.armed()) {
    wake_.cancel();
    --envelope_.outstanding;
  }
  if (stage_ == stage::backing_off) stop_backing_off();
  if (stage_ != stage::idle && stage_ != stage::ended && stage_ != stage::stuck) engine_.ended_work();
  stage_ = stage::ended;
}

void processor_run::reset() noexcept {
  for (std::size_t i = 0; i < emits_used_; ++i) {
    reuse(emits_[i]->key);
    reuse(emits_[i]->value);
  }
  emits_used_ = 0;
  stage_ = stage::idle;
  ended_as_ = ending::none;
  dead_letter_truncated_ = false;
  attempt_ = 0;
  uncounted_attempts_ = 0;
  waits_for_.reset();
  took_retry_ = hurried_ = put_off_ = false;
  produce_failures_ = 0;
  first_failed_wall_.reset();
  first_put_off_.reset();
  cause_.reset();
  emit_verdict_.reset();
  ordered_.reset();
}

}  // namespace millrace::engine

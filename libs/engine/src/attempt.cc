#include "attempt.h"

#include <stdexcept>
#include <utility>

#include <millrace/base/assert.h>
#include <millrace/base/exceptions.h>
#include <millrace/stream/answer.h>
#include <millrace/stream/must.h>
#include <millrace/stream/mutations.h>

namespace millrace::engine {
namespace {

// "processor 'x' on visits/3 offset 17"
std::string place_of(const envelope& e) {
  const stream::record_block& record = e.block();
  return std::string(e.topic()) + "/" + std::to_string(record.from().partition) + " offset " +
         std::to_string(record.offset());
}
std::string place_of(const envelope& e, const processor_base& processor) {
  return "processor '" + std::string(processor.name()) + "' on " + place_of(e);
}

// The processor's, where it may choose.
stream::reaction chosen_reaction(record_host& host, const envelope& e, const processor_base& processor,
                                 const error& cause) {
  if (!stream::may_be_classified(cause.code())) return stream::reaction_to(cause.code());
  try {
    return processor.classify(cause);
  } catch (...) {
    const exception_text text = describe(std::current_exception());
    host.note_exception(processor.name(), text.type,
                        error_of(errc::processor_threw, text).in("classify() of " + place_of(e, processor)));
  }
  return stream::reaction_to(cause.code());
}

}  // namespace

void process_call::start(std::uint32_t number, runtime::limiter* holds) {
  number_ = number;
  holds_ = holds;
  cancelled_ = false;
  emits_.clear();
  ignored_answer_ = nullptr;
  failed_service_.reset();
  failed_part_ = &processor_;
  partition_ = record().from().partition;
  offset_ = record().offset();
  resumed();
  // A process() that is no coroutine may throw, too.
  try {
    const bool deleted = !record().value();
    task_ = deleted ? processor_.deleted(deletion(envelope_), stream::context(*this))
                    : processor_.run(envelope_, stream::context(*this));
    if (!task_.valid()) throw std::logic_error("process() returned no task");
  } catch (...) {
    thrown_ = std::current_exception();
    return loop().defer(*this);
  }
  task_.start(loop(), *this);
}

void process_call::run() {
  runtime::limiter* const held = std::exchange(holds_, nullptr);
  if (owner_ != nullptr) {
    owner_->attempt_ended();  // this may work on another record now
  } else {
    const std::unique_ptr<process_call> self(this);
    static_cast<void>(take_outcome());
    host_.environment().metrics.cancelled_attempts.add(-1);
    envelope_.release();
  }
  if (held != nullptr && !mutated(stream::mutation::keep_the_place_of_a_limit)) held->leave();
}

void process_call::cancel() noexcept {
  cancelled_ = true;
  while (stream::cancellable* wait = waits_.pop_front()) wait->on_cancelled();
}

void process_call::leave_alone(std::unique_ptr<process_call> call) noexcept {
  process_call& self = *call.release();
  self.owner_ = nullptr;
  self.emits_.recycle();
  self.hold_emits();
  self.envelope_.retain();
  self.host_.environment().metrics.cancelled_attempts.add(1);
  self.cancel();
}

stream::outcome process_call::take_outcome() {
  stream::outcome out = outcome_of_task();
  task_ = {};
  if (ignored_answer_ == nullptr || !stream::finishes(out.what())) return out;
  error cause = stream::ignored_answer(*ignored_answer_);
  host_.environment().report_problem(
      to_string(cause.code()),
      cause.in(place_of(envelope_, processor_) + ", attempt " + std::to_string(number_)));
  return cause;
}

stream::outcome process_call::outcome_of_task() {
  std::exception_ptr thrown;
  try {
    if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
    return task_.take();
  } catch (const stream::early_end& end) {
    return end.how();
  } catch (...) {
    thrown = std::current_exception();
  }
  return threw(thrown);
}

stream::outcome process_call::threw(const std::exception_ptr& thrown) {
  const exception_text text = describe(thrown);
  error cause = error_of(errc::processor_threw, text);
  host_.note_exception(processor_.name(), text.type,
                       cause.in(place_of(envelope_, processor_) + ", attempt " + std::to_string(number_)));
  if (mutated(stream::mutation::take_an_exception_for_done)) return stream::outcome::done();
  return cause;
}

byte_buffer* process_call::begin_emit(const stream::emit_request& what) {
  if (cancelled_ || envelope_.abandoned) return nullptr;
  invariant(owner_->state() == processor_run::stage::running, "a processor emits while process() runs");
  if (const result<void> allowed = may_emit(what); !allowed) {
    emit_failed(allowed.error());
    return nullptr;
  }
  return &emits_.begin(what, timestamp_of(what));
}

result<void> process_call::may_emit(const stream::emit_request& what) {
  const engine_options& options = host_.environment().options;
  if (const std::size_t most = options.emits_per_record_max;
      emits_.size() >= most && !mutated(stream::mutation::emit_beyond_the_limit)) {
    return error(errc::limit_exceeded,
                 "more than " + std::to_string(most) + " emits (engine.emits_per_record_max)");
  }
  hold_emits();
  if (const std::size_t most = options.emit_bytes_per_record_max; held_bytes_ > most) {
    return error(errc::limit_exceeded,
                 "more than " + std::to_string(most) + " bytes of emits (engine.emit_bytes_per_record_max)");
  }
  if (what.options == nullptr && !what.tombstone) return {};
  return stream::check(what);
}

std::optional<timestamp> process_call::timestamp_of(const stream::emit_request& what) const {
  const timestamp of_record = record().created();
  if (what.options != nullptr && what.options->timestamp) return what.options->timestamp->resolved(of_record);
  const bool now = host_.environment().options.emit_timestamp == emit_timestamp_policy::now;
  return (now ? stream::emit_timestamp::now() : stream::emit_timestamp::of_record()).resolved(of_record);
}

void process_call::recycle() noexcept {
  emits_.recycle();
  hold_emits();
}

nanoseconds process_call::put_off_for() const noexcept {
  return owner_ == nullptr ? nanoseconds(0) : owner_->put_off_for();
}

stream::record_log process_call::log() const noexcept {
  return {host_.environment().ports.log, processor_.name(), envelope_.topic(), partition_, offset_};
}

void process_call::asks(const stream::store_request& request) {
  if (!envelope_.followed) return;
  followed_statement& one = envelope_.followed->statements.emplace_back();
  one.name = request.statement->name();
  one.request = &request;
  const auto bind = [&one](const statements::statement_declaration& what, bytes_view cells) {
    one.bound.push_back({what.name(), what.parameter_columns(), {cells.begin(), cells.end()}});
  };
  if (request.batch.empty()) bind(*request.statement, request.cells);
  for (const stream::store_request::part& part : request.batch) bind(*part.statement, part.cells);
  one.began = host_.environment().now();
}

void process_call::answered(const stream::store_request& request) {
  resumed();
  if (request.answer)
    database_answered(*request.statement, *request.answer ? nullptr : &request.answer->error());
  if (!envelope_.followed) return;
  for (followed_statement& one : envelope_.followed->statements) {
    if (one.request != &request) continue;
    one.request = nullptr;
    one.ended = host_.environment().now();
    if (request.answer && !*request.answer) one.error = request.answer->error().to_string();
  }
}

void process_call::database_answered(const statements::statement_declaration& which, const error* failure) {
  if (failure == nullptr) {
    host_.needs().try_succeeded(dependency::database);
    return host_.needs().note_success(&which);
  }
  if (dependency_of(failure->code()) != dependency::database) return;
  failed_part_ = &which;
  // A retry that fails alone says nothing about the database.
  if (owner_ == nullptr || number_ == 1 || !host_.needs().has_succeeded_since(&which, owner_->last_failed()))
    host_.needs().try_failed(dependency::database);
}

void process_call::service_answered(const statements::service_declaration& which, const error* failure) {
  const dependency on = service_dependency(which.number());
  dependencies& needs = host_.needs();
  if (failure == nullptr) {
    needs.try_succeeded(on);
    return needs.note_success(&which);
  }
  // It refuses this request, and is well.
  if (failure->code() == errc::service_rejected) return needs.try_succeeded(on);
  if (!is_service_failure(failure->code())) return;
  failed_part_ = &which;
  failed_service_ = on;
  if (owner_ == nullptr || number_ == 1 || !needs.has_succeeded_since(&which, owner_->last_failed()))
    needs.try_failed(on);
}

void process_call::service_not_called(const statements::service_declaration& which) {
  failed_part_ = &which;
  failed_service_ = service_dependency(which.number());
}

processor_run::processor_run(record_host& host, envelope& subject, std::size_t index)
    : host_(host),
      envelope_(subject),
      processor_(host.environment().processor(index)),
      uses_database_(host.environment().work.uses_database[index]),
      rules_(host.environment().rules[index]),
      uses_services_(host.environment().work.uses_services[index]),
      took_(host.environment().metrics.process(processor_.name())),
      took_failed_(host.environment().metrics.process_failed(processor_.name())),
      call_(std::make_unique<process_call>(host, subject, processor_, *this)),
      delivery_(host, subject, *this),
      limit_(rules_.limiter.get(), *this) {}

void processor_run::waited(wait what) {
  const instant now = env().now();
  env().metrics.waited(what, now - stage_began_);
  if (envelope_.followed) envelope_.note(to_string(what), name(), attempts_, stage_began_, now);
}

void processor_run::start(instant at) {
  invariant(stage_ == stage::idle || stage_ == stage::backing_off || stage_ == stage::limited,
            "an attempt starts when none is running");
  if (stage_ == stage::idle) host_.needs().began_work();
  // A retry is the older record, for which commits wait.
  const auto place = attempts_ == 0 ? runtime::limiter::place::behind : runtime::limiter::place::ahead;
  if (stage_ != stage::limited && !limit_.enter(place, at)) {
    if (stage_ == stage::backing_off) waited(wait::retry);
    stage_ = stage::limited;
    return;
  }
  ++attempts_;
  if (uses_database_) host_.needs().try_began(dependency::database);
  for (const std::uint8_t service : uses_services_) host_.needs().try_began(service_dependency(service));
  if (attempts_ == 1) {
    host_.needs().first_try();
  } else {
    env().metrics.retried(name());
  }
  if (stage_ == stage::backing_off) waited(wait::retry);
  stage_ = stage::running;
  stage_began_ = at;
  if (attempts_ == 1) last_failed_ = at;
  ++envelope_.outstanding;
  call_->start(attempts_, limit_.limiter());
}

// Time in the queue makes no record older.
void processor_run::on_admitted(instant since, instant now) {
  const nanoseconds took = now - since;
  envelope_.note("limit_wait", name(), attempts_, since, now);
  if (first_failed_) first_failed_ = *first_failed_ + took;
  last_failed_ = last_failed_ + took;
  start(now);
}

void processor_run::expire(instant begun_before) {
  const bool at_work = envelope_.abandoned ? call_->runs() : stage_ == stage::running && !envelope_.condemned;
  if (!at_work || stage_began_ >= begun_before) return;
  leave_call_alone();
  if (!envelope_.still_counts()) return;
  took_failed_.observe(env().now() - stage_began_);
  stage_began_ = env().now();
  took_retry_ = false;  // it failed: the unit is spent
  waits_for_.reset();
  failed(error(errc::timed_out, "process() did not return within " +
                                    std::to_string(env().options.attempt_timeout.count()) +
                                    " ms (engine.attempt_timeout)"));
}

void processor_run::leave_call_alone() {
  env().metrics.attempt_timed_out(name());
  process_call::leave_alone(
      std::exchange(call_, std::make_unique<process_call>(host_, envelope_, processor_, *this)));
}

bool processor_run::only_waits(instant until) const noexcept {
  if (stage_ == stage::idle || stage_ == stage::ended || stage_ == stage::stuck) return true;
  if (stage_ != stage::backing_off) return false;
  return wakes_at_ > until || (waits_for_ && !host_.needs().is_healthy(*waits_for_));
}

void processor_run::attempt_ended() {
  const stream::outcome out = call_->take_outcome();
  const instant now = env().now();
  const bool well = out.what() != stream::outcome::kind::failed;
  (well ? took_ : took_failed_).observe(now - stage_began_);
  if (envelope_.followed)
    envelope_.note("process", name(), attempts_, stage_began_, now,
                   well || !out.cause() ? std::string() : out.cause()->to_string());
  stage_began_ = now;
  if (!envelope_.still_counts()) return;
  tell_breakers(out);
  emit_batch& emits = call_->emits();
  switch (out.what()) {
    case stream::outcome::kind::done:
      if (emits.failure()) return failed(*emits.failure());
      if (emits.size() == 0) return end(ending::done);
      call_->hold_emits();
      stage_ = stage::emitting;
      return delivery_.send(emits);
    case stream::outcome::kind::skipped:
      cause_ = out.cause();
      return end(ending::skipped);
    case stream::outcome::kind::dead_letter:
      host_.note_failure(work_stage::process, *out.cause());
      return bury(*out.cause(), to_string(work_stage::process));
    case stream::outcome::kind::again:
      return put_off(out);
    case stream::outcome::kind::failed:
      return failed(*out.cause());
  }
}

nanoseconds processor_run::put_off_for() const noexcept {
  return first_put_off_ ? env().now() - *first_put_off_ : nanoseconds(0);
}

// No failure: the requester bounds it.
void processor_run::put_off(const stream::outcome& until_later) {
  cause_ = until_later.cause();
  if (ordered_) return end_as_ordered(*ordered_);
  if (!first_put_off_) first_put_off_ = env().now();
  ++uncounted_attempts_;
  put_off_ = true;
  stage_ = stage::backing_off;
  host_.needs().began_waiting_for_retry(std::nullopt);
  wake_in(until_later.delay());
}

void processor_run::tell_breakers(const stream::outcome& out) {
  waits_for_.reset();
  const bool keeps =
      out.what() == stream::outcome::kind::failed && !mutated(stream::mutation::give_back_what_failed);
  if (std::exchange(took_retry_, false) && !keeps) host_.needs().give_back_retry();
  if (out.what() == stream::outcome::kind::failed) {
    waits_for_ = call_->dependency_behind(out.cause()->code());
    // The answers of statements and services have told it already.
    if (waits_for_ && !call_->has_told_a_failure()) host_.needs().try_failed(*waits_for_);
  } else {
    host_.needs().note_success(&processor_);
  }
}

void processor_run::note_first_failure() {
  if (!first_failed_wall_) first_failed_wall_ = env().wall();
}

void processor_run::failed(const error& cause) {
  host_.note_failure(work_stage::process, cause);
  cause_ = cause;
  if (ordered_) return end_as_ordered(*ordered_);
  ++failures_;
  note_first_failure();
  switch (chosen_reaction(host_, envelope_, processor_, cause)) {
    case stream::reaction::retry:
      if (is_exhausted(cause)) return bury(cause, to_string(work_stage::process));
      if (mutated(stream::mutation::emit_what_failed_too)) delivery_.send(call_->emits());
      if (mutated(stream::mutation::forget_the_key_on_retry) && envelope_.key_hash != 0)
        host_.leave_barrier(envelope_);
      stage_ = stage::backing_off;
      host_.needs().began_waiting_for_retry(waits_for_);
      return wake_after(failures_);
    case stream::reaction::dead_letter:
      return bury(cause, to_string(work_stage::process));
    case stream::reaction::skip:
      cause_ = error(errc::rejected, std::string(to_string(cause.code())));
      return end(ending::skipped);
    case stream::reaction::stop:
      return get_stuck(cause);
  }
}

bool processor_run::is_exhausted(const error& cause) {
  const bool its_own = !waits_for_ || mutated(stream::mutation::breaker_burns_attempts);
  if (!its_own) return is_exhausted_alone(cause);
  if (mutated(stream::mutation::retry_an_exception_for_ever) && cause.code() == errc::processor_threw)
    return false;
  if (!first_failed_) first_failed_ = env().now();
  return attempts_ - uncounted_attempts_ >= rules_.attempts_max ||
         env().now() - *first_failed_ >= rules_.age_max;
}

// A dependency that fails costs no attempt, however long and at whatever rate of records: what counts is the
// time in which the same statement succeeded for others. An answer that blames no record never counts.
bool processor_run::is_exhausted_alone(const error& cause) {
  ++uncounted_attempts_;
  const instant since = std::exchange(last_failed_, env().now());
  const bool may_be_the_record = !blames_no_record(cause.code());
  const bool alone = may_be_the_record && host_.needs().has_succeeded_since(call_->failed_part(), since);
  if (alone || mutated(stream::mutation::blame_a_record_for_an_outage)) failed_alone_ += last_failed_ - since;
  return failed_alone_ >= rules_.age_max;
}

void processor_run::get_stuck(const error& cause) {
  cause_ = cause;
  stage_ = stage::stuck;
  host_.needs().ended_work();
  host_.fail(cause.in(place_of(envelope_, processor_)));
}

void processor_run::wake_after(std::uint32_t failures) {
  if (mutated(stream::mutation::lose_the_wake_up_of_a_retry) && failures == 3) return;
  wake_in(env().backoff_after(failures));
}

void processor_run::wake_in(nanoseconds delay) {
  ++envelope_.outstanding;
  wakes_at_ = env().now() + delay;
  env().ports.loop.start(*this, delay);
}

void processor_run::on_timer() {
  if (!envelope_.still_counts()) return;
  if (const nanoseconds more = held_back_for(); more > nanoseconds(0)) return wake_in(more);
  stop_backing_off();
  start(env().now());
}

// What the breaker lets through to probe is outside the budget: it is little, and says when to go on.
nanoseconds processor_run::held_back_for() {
  dependencies& needs = host_.needs();
  const bool hurried = std::exchange(hurried_, false);
  if (std::exchange(put_off_, false)) return nanoseconds(0);
  if (waits_for_) {
    const bool probes = !needs.is_healthy(*waits_for_);
    if (const nanoseconds more = needs.retry_waits(*waits_for_); more > nanoseconds(0)) return more;
    if (probes) return nanoseconds(0);
  }
  if (hurried || mutated(stream::mutation::ignore_the_retry_budget)) return nanoseconds(0);
  took_retry_ = needs.take_retry();
  if (took_retry_) return nanoseconds(0);
  if (!std::exchange(over_budget_, true)) needs.began_waiting_for_budget();
  const nanoseconds more = needs.asks_again();
  if (first_failed_) first_failed_ = *first_failed_ + more;  // it does not get older
  last_failed_ = last_failed_ + more;
  return more;
}

void processor_run::cancel_wake() noexcept {
  cancel();
  --envelope_.outstanding;
}

void processor_run::stop_backing_off() noexcept {
  host_.needs().ended_waiting_for_retry(waits_for_);
  if (std::exchange(over_budget_, false)) host_.needs().ended_waiting_for_budget();
}

void processor_run::pass_over(std::string_view reason) {
  cause_ = error(errc::rejected, std::string(reason));
  end(ending::skipped);
}

void processor_run::condemn(const error& cause, std::string_view stage_name) {
  envelope_.condemned = true;
  host_.needs().began_work();
  stage_ = stage::running;
  bury(cause, stage_name);
}

void processor_run::stop(const error& cause) {
  envelope_.condemned = true;
  cause_ = cause;
  stage_ = stage::stuck;
  host_.fail(cause.in(place_of(envelope_)));
}

void processor_run::bury(const error& cause, std::string_view stage_name) {
  cause_ = cause;
  dead_lettered_at_ = stage_name;
  note_first_failure();
  if (!host_.may_dead_letter(envelope_, cause)) {
    stage_ = stage::stuck;
    return host_.needs().ended_work();
  }
  stage_ = stage::dead_lettering;
  stage_began_ = env().now();
  delivery_.begin_dead_letter();
}

dead_letter_facts processor_run::dead_letter() const {
  const std::string_view topic =
      envelope_.condemned ? env().options.dead_letter_topic : rules_.dead_letter_topic;
  const std::string_view by = envelope_.condemned ? std::string_view() : name();
  return {envelope_, *cause_, topic, dead_lettered_at_, by, attempts_, *first_failed_wall_, {}};
}

void processor_run::on_delivered() {
  if (mutated(stream::mutation::emit_what_failed_too) && stage_ == stage::backing_off) return;
  const bool dead = stage_ == stage::dead_lettering;
  waited(dead ? wait::dead_letter_ack : wait::produce_ack);
  end(dead ? ending::dead : ending::done);
}

void processor_run::on_delivery_failure(const error& cause) {
  if (stage_ == stage::dead_lettering) return host_.note_failure(work_stage::dead_letter, cause);
  host_.note_failure(work_stage::emit, cause);
  cause_ = cause;
  note_first_failure();
}

void processor_run::on_undeliverable(const error& cause) {
  if (stage_ == stage::dead_lettering) return get_stuck(cause);
  if (ordered_) return end_as_ordered(*ordered_);
  if (stream::disposition_of(cause.code()) == stream::disposition::stop) return get_stuck(cause);
  bury(cause, to_string(work_stage::emit));
}

void processor_run::end(ending how) {
  if (stage_ != stage::idle) host_.needs().ended_work();
  stage_ = stage::ended;
  ended_as_ = how;
  invariant(envelope_.unended > 0, "a run ends once");
  if (--envelope_.unended == 0) host_.settle(envelope_);
}

void processor_run::abandon() noexcept {
  delivery_.abandon();
  if (stage_ == stage::running) call_->cancel();
  if (armed()) cancel_wake();
  if (stage_ == stage::backing_off) stop_backing_off();
  if (stage_ == stage::limited) {
    limit_.stop();
    if (std::exchange(took_retry_, false)) host_.needs().give_back_retry();
  }
  if (stage_ != stage::idle && stage_ != stage::ended && stage_ != stage::stuck) host_.needs().ended_work();
  stage_ = stage::ended;
}

void processor_run::reset() noexcept {
  call_->recycle();
  stage_ = stage::idle;
  ended_as_ = ending::none;
  attempts_ = uncounted_attempts_ = failures_ = 0;
  first_failed_.reset();
  failed_alone_ = nanoseconds(0);
  waits_for_.reset();
  took_retry_ = hurried_ = put_off_ = false;
  first_failed_wall_.reset();
  first_put_off_.reset();
  cause_.reset();
  ordered_.reset();
}

run_array::run_array(record_host& host, envelope& subject, std::size_t count)
    : first_(std::allocator<processor_run>().allocate(count)), count_(count) {
  for (std::size_t i = 0; i < count; ++i) std::construct_at(first_ + i, host, subject, i);
}

run_array::~run_array() {
  std::destroy(begin(), end());
  std::allocator<processor_run>().deallocate(first_, count_);
}

void run_array::reset() noexcept {
  for (processor_run& run : *this) run.reset();
}

}  // namespace millrace::engine
